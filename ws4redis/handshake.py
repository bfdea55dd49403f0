"""Handshake: one upgrade request on its way to a websocket, with what each step has found."""

from collections.abc import Mapping
from typing import Any, Final

from ws4redis.access import Access
from ws4redis.core.handshake import Accepted
from ws4redis.core.recipient import Recipient

__all__ = ['HANDSHAKE', 'Handshake', 'under_way']

HANDSHAKE: Final = 'ws4redis.handshake'
"""Where the environ has it as long as it is under way: the steps that a site may override are given
the environ or the request alone.
"""


class Handshake:
    """One upgrade request; an attribute is there once its step has been taken.

    Attributes:
        accepted: the 101 that it gets; None before.
        request: Django's, with session and user.
        channels: the names of the query string that are allowed.
        echo: whether the browser gets back what it sends itself.
        access: as whom the websocket is opened.
        named: the channels, for the log.
        subscriber: what serves the websocket.
        recipient: its place in the exchange.
        descriptor: the one to watch of a subscriber that serves itself; None if the exchange does.
        persisted: whether the subscriber is asked for persisted messages.
    """

    request: Any
    channels: list[str]
    echo: bool
    access: Access
    named: str
    subscriber: Any
    recipient: Recipient
    descriptor: int | None
    persisted: bool

    def __init__(self) -> None:
        self.accepted: Accepted | None = None


def under_way(environ: Mapping[str, Any]) -> Handshake:
    """The handshake of this request; a new one that nobody else sees if none is under way, since a
    site may call a step by itself.
    """
    handshake: Handshake | None = environ.get(HANDSHAKE)
    return handshake if handshake is not None else Handshake()
