"""Audiences become Redis channel names: no identity, no name.

A channel and the key of its persisted message share one name, which other programs use directly:

    [PREFIX:]broadcast:FACILITY
    [PREFIX:]user:NAME:FACILITY
    [PREFIX:]group:NAME:FACILITY
    [PREFIX:]session:KEY:FACILITY

A facility may contain ':' since it comes last; a user, group or session name may not (it would be
ambiguous).
"""

import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ws4redis.exceptions import ChannelNameError

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    'SELF',
    'Audience',
    'Entry',
    'SelfType',
    'audience_names',
    'channel_names',
    'check_name',
    'entry_name',
    'glob_escape',
    'glob_pattern',
    'printable',
]

_UNFIT = re.compile(r'[:\x00-\x1f\x7f-\x9f]')


class SelfType:
    """The type of SELF: whoever makes the request."""

    def __repr__(self) -> str:
        return 'SELF'


SELF: Final = SelfType()


class _HasUsername(Protocol):
    """A user, also one of the site's own class, and request.user."""

    def get_username(self) -> str: ...


class _Group(Protocol):
    """A Group of django.contrib.auth: what tells it from other models."""

    @property
    def permissions(self) -> Any: ...
    def natural_key(self) -> tuple[str]: ...


class _LazyText(Protocol):
    """What gettext_lazy() gives."""

    def __radd__(self, other: str) -> str: ...


Entry: TypeAlias = 'str | int | UUID | SelfType | _HasUsername | _Group | _LazyText'
"""One user, group or session, by its name or as an object."""

Audience: TypeAlias = 'Iterable[Entry] | SelfType | bool | None'
"""What users=, groups= and sessions= take. True and a lone string are deprecated."""


def check_name(kind: str, name: str) -> str:
    """Give the name back if it can be a part of a channel name.

    Raises:
        ChannelNameError: the name is empty, or contains ':' or a control character.
    """
    if not name:
        raise ChannelNameError(kind, 'is empty')
    found = _UNFIT.search(name)
    if found:
        shown = repr(name) if kind != 'session' else f"'{name[:4]}...'"
        raise ChannelNameError(
            kind, f'{shown} contains {found.group()!r}, which no channel name may'
        )
    return name


def _is_django_group(entry: object) -> bool:
    return any(
        base.__name__ == 'Group' and base.__module__ == 'django.contrib.auth.models'
        for base in type(entry).__mro__
    )


def entry_name(kind: str, entry: object) -> str:
    """The name of one entry of an audience: a User's username, a Group's name, the text of
    anything else.
    """
    if entry is None:
        raise ChannelNameError(kind, 'is None')
    get_username = getattr(entry, 'get_username', None)
    if callable(get_username):
        name = str(get_username())
        if not name:
            raise ChannelNameError(
                kind,
                'is empty: nobody is logged in; login_required keeps such a request from the view',
            )
        return check_name(kind, name)
    if _is_django_group(entry):
        return check_name(kind, str(entry.name))  # type: ignore[attr-defined]
    return check_name(kind, str(entry))


def audience_names(kind: str, audience: object) -> list[object]:
    """The entries of `users=`, `groups=` or `sessions=` as a list, SELF among them as it is.

    Args:
        kind: 'user', 'group' or 'session', for messages.
        audience: an iterable of entries; True means [SELF], a lone string [string] (both with a
            DeprecationWarning); None and False mean nobody.

    Raises:
        TypeError: it is something else.
    """
    if audience is None or audience is False:
        return []
    if audience is True:
        warnings.warn(
            f'{kind}s=True is deprecated: write {kind}s=[SELF]', DeprecationWarning, stacklevel=4
        )
        return [SELF]
    if audience is SELF:
        return [SELF]
    if isinstance(audience, str):
        warnings.warn(
            f"{kind}s='name' is deprecated: write {kind}s=['name']",
            DeprecationWarning,
            stacklevel=4,
        )
        return [audience]
    if not isinstance(audience, Iterable) or isinstance(audience, (bytes, bytearray)):
        raise TypeError(
            f'{kind}s is {type(audience).__name__}: it takes a list of {kind}s or names, SELF '
            f'among them'
        )
    return list(audience)


def channel_names(
    prefix: str, facility: str, *, broadcast: bool, **names: Iterable[str]
) -> list[str]:
    """The channel names of one facility, each once.

    Args:
        prefix: 'PREFIX:' or ''.
        broadcast: whether the broadcast channel is among them.
        names: keyword 'group', 'user' or 'session', each with names that check_name() has passed.
    """
    channels = [f'{prefix}broadcast:{facility}'] if broadcast else []
    for kind, entries in names.items():
        channels.extend(f'{prefix}{kind}:{name}:{facility}' for name in entries)
    return list(dict.fromkeys(channels))


_SESSION = re.compile(r'((?:^|:)(?:session:)+[^:]{4})[^:]+')


def printable(channel: str | bytes) -> str:
    """The channel's name for logs: a session key is a login, so only its first four characters
    are shown.
    """
    text = channel.decode('utf-8', 'backslashreplace') if isinstance(channel, bytes) else channel
    return _SESSION.sub(r'\1...', text)


def glob_escape(text: str) -> str:
    """The text as a part of a Redis pattern that matches only itself (for psubscribe with text
    from a client).
    """
    return re.sub(r'([*?\[\]\\^])', r'\\\1', text)


def glob_pattern(pattern: bytes) -> Any:
    """A Redis glob pattern as a compiled regular expression over bytes, for fullmatch().

    As Redis has it: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and a backslash that takes the next
    character as it is.
    """
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        at += 1
        if char == b'*':
            out.append(b'.*')
        elif char == b'?':
            out.append(b'.')
        elif char == b'\\' and at < len(pattern):
            out.append(re.escape(pattern[at : at + 1]))
            at += 1
        elif char == b'[':
            body, at = _glob_class(pattern, at)
            out.append(body)
        else:
            out.append(re.escape(char))
    return re.compile(b''.join(out), re.DOTALL)


def _glob_class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """The regular expression of `[...]` whose first character is at `at`, and where the rest of
    the pattern begins.
    """
    negated = pattern[at : at + 1] == b'^'
    at += negated
    members: list[bytes] = []
    while at < len(pattern) and pattern[at : at + 1] != b']':
        if pattern[at : at + 1] == b'\\' and at + 1 < len(pattern):
            at += 1
            members.append(re.escape(pattern[at : at + 1]))
        elif pattern[at + 1 : at + 2] == b'-' and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.append(re.escape(bytes([low])) + b'-' + re.escape(bytes([high])))
            at += 2
        else:
            members.append(re.escape(pattern[at : at + 1]))
        at += 1
    at += 1
    if not members:
        return (b'.' if negated else b'(?!)'), at
    return b'[' + (b'^' if negated else b'') + b''.join(members) + b']', at
