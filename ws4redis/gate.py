"""The gate: where every client of this package passes on its way to one Redis server.

There the server can be put out of reach, and there the loop learns that something was published on
memory://, which has no descriptor to watch.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import redis
from redis.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)

__all__ = ['Gate', 'GatedMixin', 'gated_class']


class Gate:
    """Where every client of this package passes on its way to one server.

    Attributes:
        closed: whether the server is out of reach.
    """

    def __init__(self) -> None:
        self.closed = False
        self._listeners: list[Callable[[], None]] = []

    def check(self) -> None:
        """Raise redis.ConnectionError while the gate is closed."""
        if self.closed:
            raise redis.ConnectionError(
                'Redis is out of reach: outage() or take_away() closed the gate'
            )

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after each command that went through."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no longer."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def passed(self) -> None:
        """A command went through."""
        for listener in tuple(self._listeners):
            listener()


class GatedMixin:
    """A connection of redis-py that passes through a gate."""

    ws4redis_gate: Gate

    def __init__(self, *, ws4redis_gate: Gate, **kwargs: object) -> None:
        self.ws4redis_gate = ws4redis_gate
        super().__init__(**kwargs)

    def connect(self) -> None:
        """As redis-py's, through the gate."""
        self.ws4redis_gate.check()
        super().connect()  # type: ignore[misc]

    def send_packed_command(
        self, command: str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """As redis-py's, through the gate; a gate that is closed cuts the connection."""
        if self.ws4redis_gate.closed:
            self.disconnect()  # type: ignore[attr-defined]
        self.ws4redis_gate.check()
        super().send_packed_command(command, check_health)  # type: ignore[misc]
        self.ws4redis_gate.passed()


class _GatedConnection(GatedMixin, Connection):
    pass


class _GatedSSLConnection(GatedMixin, SSLConnection):
    pass


class _GatedUnixConnection(GatedMixin, UnixDomainSocketConnection):
    pass


_GATED: Final[dict[Any, Any]] = {
    Connection: _GatedConnection,
    SSLConnection: _GatedSSLConnection,
    UnixDomainSocketConnection: _GatedUnixConnection,
}


def gated_class(connection_class: type[AbstractConnection]) -> Any:
    """The connection class of redis-py, made to pass through a gate."""
    return _GATED.get(connection_class, connection_class)
