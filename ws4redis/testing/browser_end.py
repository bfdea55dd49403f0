"""The browser's end of a websocket in a test: bytes in, messages out, and what failures have to
know of it.

A client is what a test sees of it: it reads, asserts, and keeps the rest here.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ws4redis import settings
from ws4redis.core.echo import OwnCopies
from ws4redis.core.heartbeat import is_heartbeat
from ws4redis.testing.publications import Pattern, short

if TYPE_CHECKING:
    from ws4redis.core.recipient import Recipient
    from ws4redis.testing.broker import Broker

__all__ = ['BrowserEnd', 'Joined', 'MemoryEnd']


@dataclass(frozen=True)
class Joined:
    """What a client asked for, and what it got.

    Attributes:
        asked, allowed: names such as 'subscribe-user'.
        policy: the dotted path of WS4REDIS_ALLOWED_CHANNELS.
        echo: whether it gets its own messages back.
        channels: names and patterns that it listened on at first.
        number: how many publications came before it.
        at: when, seconds since the epoch on the broker's clock.
    """

    asked: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    policy: str = ''
    echo: bool = False
    channels: list[str] = field(default_factory=list)
    number: int = 0
    at: float = 0.0


class BrowserEnd(ABC):
    """A real protocol object of the browser's side, whatever carries the bytes.

    Attributes:
        name: what failures call it.
        protocol: the protocol object.
        facility, query: of its address.
        history: the messages that it has received.
        inbox: those that the test has not read yet.
        heartbeats: how many heartbeat texts have arrived; they are no messages.
        pongs: the data of the pongs that have arrived.
        said: the messages that it has sent.
        reads: whether it takes what the server writes.
        dropped: whether it has vanished without a close frame.
        joined: what it asked for, and what it got.
        session: Django's session of its handshake.
        subscriber: the site's, which serves it.
        recipient: the server's side of it.
    """

    session: Any = None
    subscriber: Any = None
    joined = Joined()
    reads = True
    dropped = False

    def __init__(
        self,
        broker: 'Broker',
        uri: str,
        name: str,
        subprotocols: tuple[str, ...],
        heartbeat: bytes | None,
    ) -> None:
        self.name = name
        self.recipient: Recipient | None = None
        self.heartbeats = 0
        self.pongs: list[bytes] = []
        self.said: list[str | bytes] = []
        self.history: list[str | bytes] = []
        self.inbox: deque[str | bytes] = deque()
        address = parse_uri(uri)
        self.facility = unquote(address.path).removeprefix(settings.WEBSOCKET_URL)
        self.query = address.query or ''
        asked = [Subprotocol(name) for name in subprotocols] or None
        self.protocol = ClientProtocol(address, subprotocols=asked, max_size=None)
        self._broker = broker
        self._opened_at = broker.now
        self._heartbeat = heartbeat
        self._fragments: list[Frame] = []

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Bytes for the server; b'' ends this side."""

    @abstractmethod
    def vanish(self) -> None:
        """End without a close frame."""

    @property
    @abstractmethod
    def peers(self) -> Sequence['BrowserEnd']:
        """Those of its kind that are still open on the server's side, itself among them."""

    def flush(self) -> None:
        """Put what the protocol object has to send."""
        for data in self.protocol.data_to_send():
            self.put(data)

    # Bytes into messages

    def _receive(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        self._work_off()

    def _receive_eof(self) -> None:
        if self.protocol.state is not State.CLOSED and not self.protocol.reader.eof:
            self.protocol.receive_eof()
            self._work_off()

    def _work_off(self) -> None:
        for event in self.protocol.events_received():
            if isinstance(event, Frame):
                self._receive_frame(event)
        self.flush()

    def _receive_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._fragments.append(frame)
        if not frame.fin:
            return
        binary = self._fragments[0].opcode is Opcode.BINARY
        payload = b''.join(bytes(part.data) for part in self._fragments)
        self._fragments.clear()
        if is_heartbeat(payload, self._heartbeat, binary=binary):
            self.heartbeats += 1
            return
        message = payload if binary else payload.decode('utf-8')
        self.history.append(message)
        self.inbox.append(message)
        self._broker._engine.trace.note(f'{self.name} got {short(message)}')

    # How it stands

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""
        return self.protocol.state is State.OPEN

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """
        if self.protocol.close_rcvd is not None:
            return int(self.protocol.close_rcvd.code)
        return 1006 if self.protocol.state is State.CLOSED else None

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""
        return self.protocol.close_rcvd.reason if self.protocol.close_rcvd is not None else None

    @property
    def closed_by_server(self) -> bool:
        """Whether the server closed it first, or ended it without a close frame."""
        return self.protocol.close_rcvd_then_sent is not False and not self.dropped

    @property
    def channels(self) -> list[str]:
        """The channels and patterns that it listens on."""
        if self.recipient is None:
            return []
        shown = self._broker._engine.shown
        return [
            *map(shown, self.recipient.channels),
            *(Pattern(shown(pattern)) for pattern in self.recipient.patterns),
        ]

    @property
    def own_copies(self) -> OwnCopies | None:
        """What its own publications have as own_copies."""
        return self.recipient.own_copies if self.recipient is not None else None

    @property
    def session_expires(self) -> float | None:
        """When its session ends, seconds since the epoch on the broker's clock; None if it has
        none that is stored.
        """
        if self.session is None or not self.session.session_key:
            return None
        # A site's own session need have no more than get() and session_key.
        age = getattr(self.session, 'get_expiry_age', None)
        return self._opened_at + float(age()) if age is not None else None

    def __str__(self) -> str:
        return self.name


class MemoryEnd(BrowserEnd):
    """One in the test's thread, which is the server's transport itself."""

    def __init__(
        self,
        broker: 'Broker',
        uri: str,
        name: str,
        subprotocols: tuple[str, ...],
        heartbeat: bytes | None,
    ) -> None:
        super().__init__(broker, uri, name, subprotocols, heartbeat)
        self._ended = False
        self._unread = bytearray()

    def request(self) -> Request:
        """The handshake request; its bytes count as sent."""
        request = self.protocol.connect()
        self.protocol.send_request(request)
        self.protocol.data_to_send()
        return request

    def check_response(self) -> None:
        """Raise what a browser would find wrong with the 101."""
        for event in self.protocol.events_received():
            assert isinstance(event, Response)
        if self.protocol.handshake_exc is not None:
            raise self.protocol.handshake_exc

    def put(self, data: bytes) -> None:
        self._broker._engine.driver.receive_from_client(self, data)

    def vanish(self) -> None:
        self.put(b'')

    @property
    def peers(self) -> Sequence[BrowserEnd]:
        return self._broker._engine.driver.websockets

    def receive_bytes(self, data: bytes) -> int:
        """What the server writes; gives how much of it there is room for."""
        if not self.reads:
            room = max(0, self._broker.kernel_buffer - len(self._unread))
            self._unread += data[:room]
            return min(room, len(data))
        self._receive(data)
        return len(data)

    def receive_eof(self) -> None:
        """The server has closed its half: what came before is read first."""
        self._ended = True
        if self.reads:
            self._receive_eof()

    def read_on(self) -> None:
        """Take what has gathered since it stopped reading."""
        self.reads = True
        data, self._unread = bytes(self._unread), bytearray()
        if data:
            self._receive(data)
        if self._ended:
            self._receive_eof()
        if self.recipient is not None and self.recipient.transport is self:
            self._broker._engine.driver.writable(self.recipient)
