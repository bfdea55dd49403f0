"""WebSocketClient: the browser's side in a test, a real protocol object joined in memory to our
server's end.

ProtocolClient is what it has in common with a client over TCP: messages out of frames, and what a
test reads and asserts.
"""

import json as json_module
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ws4redis import settings
from ws4redis.core.frames import CloseCode
from ws4redis.core.heartbeat import is_heartbeat
from ws4redis.testing.asynchronous import AsyncClient, names_twin
from ws4redis.testing.explain import reasons
from ws4redis.testing.explain.matching import ANY, Wanted, dumps
from ws4redis.testing.publications import Pattern, short

if TYPE_CHECKING:
    from ws4redis.core.recipient import Recipient
    from ws4redis.testing.broker import Broker

__all__ = ['HandshakeRejected', 'Joined', 'ProtocolClient', 'Received', 'WebSocketClient']

__unittest = True


class HandshakeRejected(Exception):
    """The server refused the websocket.

    Attributes:
        status_code: HTTP status of the answer.
        headers, body: of the answer.
        reason: what the log says and the client never sees.
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str], body: bytes, reason: str
    ) -> None:
        super().__init__(f'{status_code}: {reason}')
        self.status_code = status_code
        self.headers = headers
        self.body = body
        self.reason = reason


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


class Received(list[str | bytes]):
    """Messages in the order of their arrival, with whom they are of, for failures to explain
    themselves.
    """

    def __init__(self, messages: Iterable[str | bytes], owner: 'ProtocolClient') -> None:
        super().__init__(messages)
        self.owner = owner


class ProtocolClient(AsyncClient):
    """A browser's websocket in a test: what it has sent and received, whatever carries the bytes.
    Every read settles first.

    Attributes:
        heartbeats: how many heartbeat texts have arrived; they are in no list.
        pongs: the data of the pongs that have arrived.
        name: what failures call it.
        session: Django's session of its handshake.
        joined: what it asked for, and what it got.
        facility, query: of its address.
        said: the messages that it has sent.
        reads: whether it takes what the server writes.
        subscriber: the site's, which serves it.
    """

    session: Any = None
    subscriber: Any = None
    joined = Joined()
    reads = True

    def __init__(
        self,
        broker: 'Broker',
        uri: str,
        name: str,
        subprotocols: tuple[str, ...],
        heartbeat: bytes | None,
    ) -> None:
        self.name = name
        self.heartbeats = 0
        self.pongs: list[bytes] = []
        self.recipient: Recipient | None = None
        self.said: list[str | bytes] = []
        self._broker = broker
        self._dropped = False
        self._opened_at = broker.now
        self._heartbeat = heartbeat
        address = parse_uri(uri)
        self.facility = unquote(address.path).removeprefix(settings.WEBSOCKET_URL)
        self.query = address.query or ''
        asked = [Subprotocol(name) for name in subprotocols] or None
        self._protocol = ClientProtocol(address, subprotocols=asked, max_size=None)
        self._history: list[str | bytes] = []
        self._inbox: deque[str | bytes] = deque()
        self._fragments: list[Frame] = []

    # What a kind of client adds

    @abstractmethod
    def _settle(self) -> None:
        """Until everything that was published or sent has arrived."""

    @abstractmethod
    def _put(self, data: bytes) -> None:
        """Bytes for the server; b'' ends this side."""

    @property
    @abstractmethod
    def peers(self) -> Sequence['ProtocolClient']:
        """Those of its kind that are still open on the server's side, itself among them."""

    @abstractmethod
    def drop(self) -> None:
        """Vanish without a close frame."""
        self._dropped = self.open

    @abstractmethod
    def stop_reading(self) -> None:
        """Read nothing more, as a client does whose machine is busy."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read on, what has gathered first."""

    # Frames into messages

    def _take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._work_off()

    def _take_eof(self) -> None:
        if self._protocol.state is not State.CLOSED and not self._protocol.reader.eof:
            self._protocol.receive_eof()
            self._work_off()

    def _work_off(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
        self._flush()

    def _take_frame(self, frame: Frame) -> None:
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
        self._history.append(message)
        self._inbox.append(message)
        self._broker.trace.note(f'{self.name} got {short(message)}')

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._put(data)

    # What a test says

    @names_twin('asend')
    def send(self, message: str | bytes) -> None:
        """Send a text or binary message, and let the server work it off."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode('utf-8'))
        elif isinstance(message, (bytes, bytearray)):
            self._protocol.send_binary(message)
            message = bytes(message)
        else:
            raise TypeError(
                f'message is {type(message).__name__}: send() takes str or bytes, send_json() '
                f'anything else'
            )
        self.said.append(message)
        self._flush()
        self._settle()

    def send_json(self, obj: Any) -> None:
        """Send an object as JSON text."""
        self.send(dumps(obj))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, whatever they mean."""
        self._put(data)
        self._settle()

    def ping(self, data: bytes = b'') -> None:
        """Send a ping."""
        self._protocol.send_ping(data)
        self._flush()
        self._settle()

    @names_twin('aclose')
    def close(self, code: int = CloseCode.NORMAL, reason: str = '') -> None:
        """Close as a browser does: the close frame, the server's answer, the end."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
        self._settle()

    @names_twin('areceive')
    def receive(self) -> str | bytes:
        """The next message that was not read yet.

        Raises:
            AssertionError: there is none; it says why, and its `reasons` are the codes.
        """
        __tracebackhide__ = True
        self._settle()
        if not self._inbox:
            raise self._nothing(Wanted())
        return self._inbox.popleft()

    @property
    def broker(self) -> 'Broker':
        """Whose client it is."""
        return self._broker

    @property
    def session_expires(self) -> float | None:
        """When its session ends, seconds since the epoch on the broker's clock; None if it has
        none that is stored.
        """
        if self.session is None or not self.session.session_key:
            return None
        return self._opened_at + float(self.session.get_expiry_age())

    def _nothing(self, wanted: Wanted) -> AssertionError:
        return reasons.failure(reasons.why_not_received(self._broker, self, wanted))

    def receive_text(self) -> str:
        """The next message, which is a text message."""
        __tracebackhide__ = True
        message = self.receive()
        if not isinstance(message, str):
            raise AssertionError(f'{self.name} got a binary message: {short(message)}')
        return message

    def receive_bytes(self) -> bytes:
        """The next message, which is a binary message."""
        __tracebackhide__ = True
        message = self.receive()
        if not isinstance(message, bytes):
            raise AssertionError(f'{self.name} got a text message: {short(message)}')
        return message

    def receive_json(self) -> Any:
        """The next message, from JSON."""
        __tracebackhide__ = True
        message = self.receive()
        try:
            return json_module.loads(message)
        except ValueError as exc:
            raise AssertionError(
                f'{self.name} got what is no JSON: {short(message)}: {exc}'
            ) from exc

    def receive_all(self) -> Received:
        """All messages that were not read yet."""
        self._settle()
        messages = Received(self._inbox, self)
        self._inbox.clear()
        return messages

    @property
    def received(self) -> Received:
        """All messages so far, read or not: str for text, bytes for binary messages."""
        self._settle()
        return Received(self._history, self)

    @property
    def history(self) -> list[str | bytes]:
        """As received, without settling."""
        return self._history

    @property
    def unread(self) -> int:
        """How many messages were not read yet."""
        self._settle()
        return len(self._inbox)

    def assert_received(
        self, message: Any = ANY, *, json: Any = ANY, json_contains: Any = ANY
    ) -> None:
        """It is among the unread messages; the first such one counts as read from now on.

        Args:
            message: equal text or bytes, a compiled pattern, a callable, or any object that
                compares.
            json: what the message is from JSON; json_contains: a part of it.
        """
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        self._settle()
        for position, found in enumerate(self._inbox):
            if wanted.matches(found):
                del self._inbox[position]
                return
        raise self._nothing(wanted)

    def assert_not_received(
        self, message: Any = ANY, *, json: Any = ANY, json_contains: Any = ANY
    ) -> None:
        """It never came, read or not; the arguments are those of assert_received()."""
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        self._settle()
        self._check_threads()
        found = [arrived for arrived in self._history if wanted.matches(arrived)]
        if found:
            raise self._unexpected(f'{self.name} got {wanted!r}', found)

    def assert_nothing_received(self) -> None:
        """Nothing is unread: a fact, since everything that was published has been read."""
        __tracebackhide__ = True
        self._settle()
        self._check_threads()
        if self._inbox:
            count = f'{len(self._inbox)} unread message' + ('s' if len(self._inbox) > 1 else '')
            raise self._unexpected(f'{self.name} has {count}', list(self._inbox))

    def assert_closed(self, code: Any = ANY, reason: Any = ANY) -> None:
        """It has ended, with this close code and this reason."""
        __tracebackhide__ = True
        self._settle()
        if self.open:
            raise AssertionError(f'{self.name} is open')
        if code != self.close_code or reason != self.close_reason:
            wanted = ', '.join(repr(value) for value in (code, reason) if value is not ANY)
            raise AssertionError(
                f'{self.name} was closed with {self.close_code}, {self.close_reason!r}, not '
                f'{wanted}'
            )

    def _check_threads(self) -> None:
        __tracebackhide__ = True
        found = reasons.running_threads(self._broker)
        if found:
            raise reasons.failure(found)

    def _unexpected(self, first: str, messages: list[str | bytes]) -> AssertionError:
        return reasons.failure([reasons.unexpected_messages(self._broker, first, messages)])

    # How it stands

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""
        return self._protocol.state is State.OPEN

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._protocol.state is not State.OPEN

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """
        if self._protocol.close_rcvd is not None:
            return int(self._protocol.close_rcvd.code)
        return 1006 if self._protocol.state is State.CLOSED else None

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""
        return self._protocol.close_rcvd.reason if self._protocol.close_rcvd is not None else None

    @property
    def closed_by_server(self) -> bool:
        """Whether the server closed it first, or ended it without a close frame."""
        return self._protocol.close_rcvd_then_sent is not False and not self._dropped

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server took."""
        return self._protocol.subprotocol

    @property
    def channels(self) -> list[str]:
        """The channels and patterns that it listens on."""
        if self.recipient is None:
            return []
        shown = self._broker.shown
        return [
            *map(shown, self.recipient.channels),
            *(Pattern(shown(pattern)) for pattern in self.recipient.patterns),
        ]

    @property
    def own_copies(self) -> Any:
        """What its own publications have as own_copies."""
        return self.recipient.own_copies if self.recipient is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.name}>'


class WebSocketClient(ProtocolClient):
    """A browser's websocket in a test, in memory; made by Broker.connect()."""

    def __init__(
        self,
        broker: 'Broker',
        uri: str,
        name: str,
        subprotocols: tuple[str, ...],
        heartbeat: bytes | None,
    ) -> None:
        super().__init__(broker, uri, name, subprotocols, heartbeat)
        self.reads = True
        self._ended = False
        self._unread_bytes = bytearray()

    def _settle(self) -> None:
        self._broker.settle()

    def _put(self, data: bytes) -> None:
        self._broker.take_from_client(self, data)

    # For the broker

    def request(self) -> Request:
        """The handshake request; its bytes count as sent."""
        request = self._protocol.connect()
        self._protocol.send_request(request)
        self._protocol.data_to_send()
        return request

    def take_bytes(self, data: bytes) -> int:
        """What the server writes; gives how much of it there is room for."""
        if not self.reads:
            room = max(0, self._broker.kernel_buffer - len(self._unread_bytes))
            self._unread_bytes += data[:room]
            return min(room, len(data))
        self._take(data)
        return len(data)

    def take_eof(self) -> None:
        """The server has closed its half: what came before is read first."""
        self._ended = True
        if self.reads:
            self._take_eof()

    # What a test says

    @property
    def peers(self) -> Sequence[ProtocolClient]:
        return self._broker.clients

    def drop(self) -> None:
        super().drop()
        self._put(b'')
        self._settle()

    def stop_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True
        data, self._unread_bytes = bytes(self._unread_bytes), bytearray()
        if data:
            self._take(data)
        if self._ended:
            self._take_eof()
        if self.recipient is not None and self.recipient.transport is self:
            self._broker.writable(self.recipient)
        self._settle()


def check_response(client: ProtocolClient) -> None:
    """Raise what the client thinks is wrong with the 101."""
    for event in client._protocol.events_received():
        assert isinstance(event, Response)
    if client._protocol.handshake_exc is not None:
        raise client._protocol.handshake_exc
