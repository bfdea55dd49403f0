"""Who is meant: the entries of `users=`, `groups=` and `sessions=`, and the name of each."""

import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ws4redis.core.channel import check_name
from ws4redis.exceptions import ChannelNameError

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ['SELF', 'Audience', 'Entry', 'SelfType', 'audience_names', 'entry_name', 'username_of']


class SelfType:
    """The type of SELF: whoever makes the request."""

    def __repr__(self) -> str:
        return 'SELF'


SELF: Final = SelfType()
"""Whoever makes the request: in users= its user, in groups= all groups of its session, in sessions=
its session. It may stand beside other entries.
"""


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


def _derives(entry: object, module: str, name: str) -> bool:
    # The class of a lazy object is that of what it stands for; its type is not.
    return any(
        (base.__module__, base.__name__) == (module, name) for base in entry.__class__.__mro__
    )


def _is_django_group(entry: object) -> bool:
    return _derives(entry, 'django.contrib.auth.models', 'Group')


def _is_lazy_text(entry: object) -> bool:
    # A lazy object has the methods of what it will give: a lazy list, too, has a text.
    return _derives(entry, 'django.utils.functional', 'Promise') and hasattr(entry, 'casefold')


def _is_user(entry: object) -> bool:
    return not isinstance(entry, type) and callable(getattr(entry, 'get_username', None))


def _is_name(entry: object) -> bool:
    if isinstance(entry, bool):
        return False
    return isinstance(entry, (str, int)) or _derives(entry, 'uuid', 'UUID') or _is_lazy_text(entry)


def _text(name: object) -> str:
    # The text of an Enum's member would be that of the Enum, not its value.
    if issubclass(type(name), str):
        return str.__str__(name)
    return int.__repr__(name) if issubclass(type(name), int) else str(name)


def username_of(user: Any) -> str:
    """What get_username() gives, as text; '' for None. A site's own field may give an object of its
    own, such as a phone number.

    Raises:
        TypeError: it gives something that is no name.
    """
    name = user.get_username()
    if isinstance(name, type(None)):
        return ''
    if _is_name(name):
        return _text(name)
    has_no_text = getattr(type(name), '__str__', None) is object.__str__
    if has_no_text or isinstance(name, Iterable):
        raise TypeError(f'get_username() gives {type(name).__name__}: it gives a name')
    return str(name)


def entry_name(kind: str, entry: object) -> str:
    """The name of one entry of an audience: a User's username, a Group's name, or the entry itself:
    a str, an int, a UUID or a lazy text.

    Raises:
        ChannelNameError: the name makes no channel; None and a user without a name are nobody.
        TypeError: it is something else.
    """
    if isinstance(entry, type(None)):
        raise ChannelNameError(kind, 'is None: that is nobody')
    if _is_user(entry):
        name = username_of(entry)
        if not name:
            raise ChannelNameError(
                kind,
                'is empty: nobody is logged in; login_required keeps such a request from the view',
            )
        return check_name(kind, name)
    named = entry.name if _is_django_group(entry) else entry  # type: ignore[attr-defined]
    if not _is_name(named):
        raise TypeError(_no_entry(kind, entry))
    return check_name(kind, _text(named))


LONGEST_SHOWN: Final = 80
"""Characters of an entry that an error shows."""

_QUOTED: Final = re.compile(r"""(['"][^'"]{4})[^'"]+""")


def _shown(kind: str, entry: object) -> str:
    try:
        text = repr(entry)
    except Exception:
        text = f'an object of {type(entry).__name__}'
    if kind == 'session':
        # A session key is a login, and errors get into logs.
        text = _QUOTED.sub(r'\1...', text)
    return text if len(text) <= LONGEST_SHOWN else f'{text[:LONGEST_SHOWN]}...'


def _no_entry(kind: str, entry: object) -> str:
    error = (
        f'{kind}s contains {_shown(kind, entry)}, which is {entry.__class__.__name__}: an entry is '
        'a str, an int, a UUID, a lazy text, an object with get_username() or a Group'
    )
    if isinstance(entry, (tuple, dict)):
        error += '; values_list(..., flat=True) gives such entries'
    return error


def _is_iterable(audience: object) -> bool:
    # A lazy object has __iter__ whatever it stands for; a user of the site's own may have it too.
    if _is_user(audience) or _is_django_group(audience):
        return False
    return hasattr(audience.__class__, '__iter__') and not isinstance(
        audience, (bytes, bytearray, memoryview)
    )


def audience_names(kind: str, audience: object) -> list[object]:
    """The entries of `users=`, `groups=` or `sessions=` as a list, SELF among them as it is.

    Args:
        kind: 'user', 'group' or 'session', for messages.
        audience: an iterable of entries; True means [SELF], a lone text, lazy or not, [text] (both
            with a DeprecationWarning); None and False mean nobody.

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
    if isinstance(audience, str) or _is_lazy_text(audience):
        warnings.warn(
            f"{kind}s='name' is deprecated: write {kind}s=['name']",
            DeprecationWarning,
            stacklevel=4,
        )
        return [audience]
    if not _is_iterable(audience):
        raise TypeError(
            f'{kind}s is {audience.__class__.__name__}: it takes a list of {kind}s or names, SELF '
            f'among them: write {kind}s=[...]'
        )
    entries: Iterable[object] = audience  # type: ignore[assignment]
    return list(entries)
