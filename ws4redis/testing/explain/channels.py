"""Names of channels, taken apart for failures; and which of them a client has asked for, has, and
listens on.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ws4redis import settings
from ws4redis.core.channel import prefix_of, split_channel
from ws4redis.core.glob import glob_pattern
from ws4redis.testing.publications import Pattern

if TYPE_CHECKING:
    from ws4redis.testing.browser_end import BrowserEnd

__all__ = ['asked_for', 'channels_now', 'differ_by_prefix', 'kinds', 'listens', 'parts']


def parts(channel: str) -> tuple[str, str, str]:
    """Kind, name and facility of a channel; kind is empty if it is none of ours."""
    return split_channel(channel, prefix_of(settings.WS4REDIS_PREFIX)) or ('', channel, '')


def kinds(verb: str, names: Iterable[str]) -> list[str]:
    """The kinds of channels among names such as 'subscribe-user'.

    Args:
        verb: 'subscribe' or 'publish'.
    """
    return [name.removeprefix(f'{verb}-') for name in names if name.startswith(f'{verb}-')]


def asked_for(client: 'BrowserEnd', verb: str) -> list[str]:
    """For which kinds of channels it has asked; over TCP its address alone says so."""
    names = [name.partition('=')[0].lower() for name in client.query.split('&')]
    return kinds(verb, client.joined.asked or names)


def channels_now(client: 'BrowserEnd') -> list[str]:
    """What it listens on; once it has ended, what it listened on at first."""
    recipient = client.recipient
    return (
        client.joined.channels
        if not client.open or recipient is None or recipient.transport is None
        else client.channels
    )


def listens(names: Iterable[str], channel: str) -> bool:
    """Whether one of these names and patterns is, or matches, the channel."""
    return any(
        glob_pattern(name.encode('utf-8')).fullmatch(channel.encode('utf-8')) is not None
        if isinstance(name, Pattern)
        else name == channel
        for name in names
    )


def differ_by_prefix(one: str, other: str) -> bool:
    """Whether one of two names is the other with a prefix."""
    return one != other and (one.endswith(f':{other}') or other.endswith(f':{one}'))
