"""Stored: what is persisted on a Broker's server; it can be looked up in an outage too."""

from abc import ABC, abstractmethod
from typing import Any

from ws4redis.testing.audience import Audience, Entries
from ws4redis.testing.engine import Engine

__all__ = ['Stored']


class Stored(ABC):
    """Looks a channel's persisted message up, for a Broker."""

    _engine: Engine

    @property
    @abstractmethod
    def namespace(self) -> str:
        """What stands before each name."""

    @abstractmethod
    def settle(self) -> None:
        """Until everything that was published has arrived."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse use outside the block."""

    def persisted(
        self,
        *,
        facility: str = '',
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> bytes | None:
        """The persisted message of one channel; None if there is none.

        Args:
            facility, users, groups, sessions, broadcast: name one channel, as RedisPublisher takes
                them.
            channel: its name instead, as Publication has it.
        """
        name = self._key(channel, Audience(facility, users, groups, sessions, broadcast))
        with self._engine.behind_the_gate() as client:
            value: Any = client.get(name)
        return bytes(value) if value is not None else None

    def ttl(
        self,
        *,
        facility: str = '',
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> float | None:
        """Seconds that the persisted message of one channel still lives; None if there is none."""
        name = self._key(channel, Audience(facility, users, groups, sessions, broadcast))
        with self._engine.behind_the_gate() as client:
            left: int = client.pttl(name)
        return left / 1000 if left >= 0 else None

    def _key(self, channel: str | None, audience: Audience) -> str:
        """The key of a persisted message, once all that was published has arrived."""
        self._check()
        if channel is not None and audience:
            raise ValueError(
                'channel is given: it is the whole name, without facility and audience'
            )
        name = audience.channel() if channel is None else self.namespace + channel
        self.settle()
        return name
