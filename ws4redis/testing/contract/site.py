"""What a case of the contract is given: a site, and the browsers that it opens."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import redis

from ws4redis.testing.audience import Entries
from ws4redis.testing.handshake import HasUsername

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase
    from django.test import AsyncClient
    from django.test import Client as DjangoClient

__all__ = ['Case', 'Client', 'Site']


class Client(Protocol):
    """A browser's websocket, as WebSocketClient has it; every read settles first."""

    def send(self, message: str | bytes) -> None:
        """Send a text or binary message."""

    def send_json(self, obj: object) -> None:
        """Send an object as JSON text."""

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""

    def ping(self, data: bytes = b'') -> None:
        """Send a ping."""

    def close(self, code: int = 1000, reason: str = '') -> None:
        """Close as a browser does."""

    def drop(self) -> None:
        """Vanish without a close frame."""

    def stop_reading(self) -> None:
        """Read nothing more."""

    def resume_reading(self) -> None:
        """Read on, what has gathered first."""

    def receive(self) -> str | bytes:
        """The next message that was not read yet; AssertionError if there is none."""

    def receive_text(self) -> str:
        """The next message, which is a text message."""

    def receive_bytes(self) -> bytes:
        """The next message, which is a binary message."""

    def receive_json(self) -> Any:
        """The next message, from JSON."""

    def receive_all(self) -> list[str | bytes]:
        """All messages that were not read yet."""

    def assert_nothing_received(self) -> None:
        """Nothing is unread."""

    @property
    def received(self) -> list[str | bytes]:
        """All messages so far."""

    @property
    def unread(self) -> int:
        """How many messages were not read yet."""

    @property
    def heartbeats(self) -> int:
        """How many heartbeat texts have arrived."""

    @property
    def pongs(self) -> list[bytes]:
        """The data of the pongs that have arrived."""

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server took."""


class Site(Protocol):
    """Redis, the websocket loop and the browsers, as a Broker has them."""

    def publish(
        self,
        message: str | bytes | bytearray = ...,
        *,
        json: object = ...,
        facility: str,
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
        broadcast: bool = False,
        expire: float | None = None,
    ) -> None:
        """Publish through a RedisPublisher, and settle."""

    def connect(
        self,
        url_or_facility: str = '',
        *,
        subscribe: str | Sequence[str] = (),
        publish: str | Sequence[str] = (),
        echo: bool = False,
        user: HasUsername | None = None,
        groups: str | Sequence[str] | None = None,
        session: 'str | SessionBase | None' = None,
        client: 'DjangoClient | AsyncClient | None' = None,
        headers: Mapping[str, str] | None = None,
        origin: str | None = ...,
        subprotocols: Sequence[str] = (),
        subscriber: str | Callable[..., object] | None = None,
        allowed_channels: str | Callable[..., object] | None = ...,
        name: str = '',
    ) -> Client:
        """Open a websocket; HandshakeRejected if the server refuses it."""

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
        """The persisted message of one channel; None if there is none."""

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
        """Seconds that the persisted message of one channel still lives."""

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass: timers run, messages expire."""

    def settle(self) -> None:
        """Until everything that was published has arrived, and every answer too."""

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Redis is out of reach of this process inside the block."""

    def drop_subscribers(self) -> None:
        """Cut the pub/sub connection, which is made anew."""

    def lose_publishes(self, n: int = 1) -> None:
        """The next n messages from Redis get lost on their way here."""

    @property
    def redis(self) -> 'redis.Redis':
        """A client of the server."""

    @property
    def now(self) -> float:
        """Seconds since the epoch."""


Case = Callable[[Site], None]
"""Fails with an AssertionError."""
