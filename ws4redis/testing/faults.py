"""Faults between Redis and the exchange, made at our own end: the server is not touched."""

from collections.abc import Iterable
from typing import Any

from ws4redis.core.driver import Driver
from ws4redis.core.feed import Reply

__all__ = ['Faults']


class Faults(Driver):
    """A driver that loses messages when it is told to; a mixin in front of the real one.

    Attributes:
        lost: channel and payload of each that was swallowed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lost: list[tuple[bytes, bytes]] = []
        self._left = 0
        self._losing: tuple[bytes, bytes] | None = None

    def lose(self, n: int) -> None:
        """Swallow the next n messages that come from Redis."""
        self._left = n

    def receive_replies(self, replies: Iterable[Reply]) -> None:
        super().receive_replies([reply for reply in replies if not self._lost(reply)])

    def _lost(self, reply: Any) -> bool:
        word = reply[0] if isinstance(reply, list) else None
        if word not in (b'message', b'pmessage'):
            return False
        message = (reply[-2], reply[-1])
        if word == b'pmessage' and message == self._losing:
            # The same PUBLISH, for those who listen by pattern.
            return True
        self._losing = message if self._left else None
        if self._left:
            self._left -= 1
        if self._losing is not None:
            self.lost.append(message)
        return self._losing is not None
