"""The names of Redis channels: how they are put together, and how they are taken apart.

A channel and the key of its persisted message share one name, which other programs use directly:

    [PREFIX:]broadcast:FACILITY
    [PREFIX:]user:NAME:FACILITY
    [PREFIX:]group:NAME:FACILITY
    [PREFIX:]session:KEY:FACILITY

A facility may contain ':' since it comes last; a user, group or session name may not (it would be
ambiguous). None has a control character. No identity, no name.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ws4redis.exceptions import ChannelNameError

__all__ = [
    'ChannelParts',
    'channel_names',
    'check_facility',
    'check_name',
    'prefix_of',
    'printable',
    'split_channel',
]

NAMED: Final = ('user', 'group', 'session')
"""Kinds of channels that are somebody's; the other kind is broadcast."""

_CONTROL: Final = re.compile(r'[\x00-\x1f\x7f-\x9f]')
_UNFIT: Final = re.compile(f':|{_CONTROL.pattern}')


class ChannelParts(NamedTuple):
    """What a channel's name says.

    Attributes:
        kind: 'broadcast', 'user', 'group' or 'session'.
        name: whose it is; '' for broadcast.
        facility: what comes last.
    """

    kind: str
    name: str
    facility: str


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


def check_facility(facility: object) -> None:
    """Refuse a facility that can be no part of a channel name.

    Raises:
        ChannelNameError: it contains a control character.
    """
    found = _CONTROL.search(str(facility))
    if found:
        raise ChannelNameError(
            'facility', f'{str(facility)!r} contains {found.group()!r}, which no channel name may'
        )


def prefix_of(name: str | None) -> str:
    """What WS4REDIS_PREFIX puts before each name: 'PREFIX:', or '' if there is none."""
    return f'{name}:' if name else ''


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


def split_channel(channel: str, prefix: str) -> ChannelParts | None:
    """The parts of a channel's name; None if it is none of ours.

    Args:
        prefix: 'PREFIX:' or ''.
    """
    if not channel.startswith(prefix):
        return None
    kind, _, rest = channel.removeprefix(prefix).partition(':')
    if kind == 'broadcast':
        return ChannelParts(kind, '', rest)
    name, _, facility = rest.partition(':')
    return ChannelParts(kind, name, facility) if kind in NAMED else None


_SESSION = re.compile(r'((?:^|:)(?:session:)+[^:]{4})[^:]+')


def printable(channel: str | bytes) -> str:
    """The channel's name for logs: a session key is a login, so only its first four characters
    are shown.
    """
    text = channel.decode('utf-8', 'backslashreplace') if isinstance(channel, bytes) else channel
    return _SESSION.sub(r'\1...', text)
