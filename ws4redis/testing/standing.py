"""Standing: how a browser's websocket stands, read from its end; nothing here settles, or does
anything else.
"""

from abc import ABC
from typing import Any, Generic, TypeVar

from ws4redis.testing.browser_end import BrowserEnd

__all__ = ['EndT', 'Standing']

EndT = TypeVar('EndT', bound=BrowserEnd)


class Standing(ABC, Generic[EndT]):
    """What a client tells of itself, as it is at this moment.

    Args:
        end: the browser's end.
    """

    def __init__(self, end: EndT) -> None:
        self._end = end

    @property
    def name(self) -> str:
        """What failures call it."""
        return self._end.name

    @property
    def session(self) -> Any:
        """Django's session of its handshake."""
        return self._end.session

    @property
    def subscriber(self) -> Any:
        """The site's, which serves it."""
        return self._end.subscriber

    @property
    def channels(self) -> list[str]:
        """The channels and patterns that it listens on."""
        return self._end.channels

    @property
    def heartbeats(self) -> int:
        """How many heartbeat texts have arrived; they are in no list."""
        return self._end.heartbeats

    @property
    def pongs(self) -> list[bytes]:
        """The data of the pongs that have arrived."""
        return self._end.pongs

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""
        return self._end.open

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return not self._end.open

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """
        return self._end.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""
        return self._end.close_reason

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server took."""
        return self._end.protocol.subprotocol
