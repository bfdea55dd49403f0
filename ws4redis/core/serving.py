"""What a driver does for others: it takes handshakes from the WSGI server, and lets subscribers
listen on more.

All of this is called from outside: in the thread of a request or of a job, not where the driver
lives. A test's driver lives in the same thread.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ws4redis.core.driver import Driver
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Recipient
from ws4redis.exceptions import HandshakeError

__all__ = ['ServerTransport', 'ServingDriver']


class ServerTransport(Protocol):
    """The way to the client, as long as the WSGI server still has it."""

    def detach(self) -> tuple[Any, bytes]:
        """Take the connection away from the server.

        Returns:
            What open() gets as transport, and the bytes that the server has read behind the
            request's head.
        """


class ServingDriver(Driver):
    """Drives websockets that come from a WSGI server: the loop of this process, or the driver of a
    test.
    """

    @property
    @abstractmethod
    def connection(self) -> Any:
        """The redis.Redis that subscribers get."""

    @property
    @abstractmethod
    def websockets(self) -> Iterable[Any]:
        """The open ones."""

    # A handshake

    @abstractmethod
    def find_transport(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> ServerTransport:
        """The way to the client; UnavailableError if this server gives it to nobody."""

    @abstractmethod
    def admit(self) -> None:
        """UnavailableError if this process takes no more websockets."""

    @abstractmethod
    def new_recipient(self, limits: Limits, name: str, echo: bool) -> Recipient:
        """A recipient for a handshake."""

    @abstractmethod
    def open(
        self,
        recipient: Recipient,
        transport: Any,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        """The handshake has succeeded.

        Args:
            transport, rest: what detach() gave.
            head: the 101 response.
            persisted: whether the subscriber is asked for persisted messages.
            descriptor: that of a subscriber that serves itself; None if the exchange serves it.
        """

    @abstractmethod
    def forget(self, recipient: Recipient) -> None:
        """The handshake has failed after all."""

    def refused(self, refusal: HandshakeError) -> None:
        """A handshake was refused, with its cause: a test's driver keeps what the site's code has
        raised.
        """
        self.exchange.agenda.counters.refused += 1

    # What a websocket listens on

    @abstractmethod
    def subscribe(self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]) -> None:
        """Let it listen, and wait for the acknowledgement; redis.ConnectionError if none comes."""

    @abstractmethod
    def unsubscribe(
        self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]
    ) -> None:
        """Let it listen no longer."""
