"""Faults: what can go wrong between Redis and the websockets, made at our own end of the pub/sub
connection.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ws4redis.core.driver import Driver
from ws4redis.core.replies import Published, Reply, published

__all__ = ['Faults']


class Faults(Driver):
    """A driver whose feed can lose messages and its connection; the server behind it is not
    touched.

    Attributes:
        lost: what lose() has taken, in order; a message once, however many ways it came by.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lost: list[Published] = []
        self._to_lose = 0
        self._copied: Published | None = None

    def lose(self, count: int = 1) -> None:
        """Swallow so many of the messages that Redis sends from now on.

        Raises:
            ValueError: the count is less than 1.
        """
        if count < 1:
            raise ValueError(f'lose_publishes() takes a count from 1 on, not {count}')
        self._to_lose += count

    def cut(self, reason: str) -> None:
        """Cut the pub/sub connection, and make the next one at once."""
        self.feed_lost(reason)
        self.reconnect()

    def reconnect(self) -> None:
        """Make the pub/sub connection now, whatever the back-off says."""
        self.exchange.feed.retry_now()
        self.work_off()

    def receive_replies(self, replies: Iterable[Reply]) -> None:
        super().receive_replies(
            list(self._left(replies)) if self._to_lose or self._copied else replies
        )

    def _left(self, replies: Iterable[Reply]) -> Iterator[Reply]:
        for reply in replies:
            message = published(reply)
            if message is None:
                self._copied = None
            if message is None or not self._is_lost(message):
                yield reply

    def _is_lost(self, message: Published) -> bool:
        """Whether it is one to lose, or the same PUBLISH again by another of the ways that are
        subscribed to.

        Redis sends one PUBLISH by name first, then by each pattern, and nothing between them.
        """
        first = self._copied
        if first is not None and _is_copy(message, first):
            return True
        self._copied = message if self._to_lose else None
        if self._copied is None:
            return False
        self._to_lose -= 1
        self.lost.append(message)
        return True


def _is_copy(message: Published, first: Published) -> bool:
    return message.pattern not in (None, first.pattern) and (message.channel, message.payload) == (
        first.channel,
        first.payload,
    )
