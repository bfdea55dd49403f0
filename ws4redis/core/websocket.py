"""WebSocket: the browser's end. Bytes in become events, frames become bytes out; it counts what has
not left yet.

What must hold: events come in the order of the bytes, and none after Closed or Failed; a message is
whole and within the limit, and text is valid UTF-8; pending is the number of bytes in the outbox;
nothing is answered here, since each answer has its turn.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ws4redis.core.frames import CloseCode
from ws4redis.core.library import (
    Close,
    Frame,
    Opcode,
    PayloadTooBig,
    Protocol,
    ProtocolError,
    Side,
    State,
)
from ws4redis.exceptions import FrameTooLargeException

__all__ = ['Closed', 'Event', 'Failed', 'Message', 'Ping', 'Pong', 'WebSocket']

_CONTROL = 125
"""Bytes that a control frame may have (RFC 6455, 5.5)."""

_NO_STATUS = 1005
"""Stands for a close frame without a code (RFC 6455, 7.1.5)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message from the peer; text is valid UTF-8."""

    payload: bytes
    binary: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with the same data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to a ping, or an unsolicited one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer's close frame; data is its payload as it came."""

    code: int
    reason: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer broke the protocol or a limit: the websocket ends with this code.

    Attributes:
        close_code: 1002, 1007, 1009 or 1011.
        text: what was found, for the log.
    """

    close_code: CloseCode
    text: str


Event: TypeAlias = Message | Ping | Pong | Closed | Failed


class _Assembly:
    """A message whose fragments are still arriving."""

    __slots__ = ('binary', 'decoder', 'payload')

    def __init__(self, binary: bool) -> None:
        self.binary = binary
        self.payload = bytearray()
        self.decoder = None if binary else codecs.getincrementaldecoder('utf-8')()

    def add(self, data: bytes | bytearray | memoryview, fin: bool) -> None:
        """Take a fragment; UnicodeDecodeError as soon as the text cannot become valid any more
        (RFC 6455, 8.1).
        """
        if self.decoder is not None:
            self.decoder.decode(bytes(data), fin)
            kept = self.decoder.getstate()[0]
            # Two bytes of a surrogate, which Python's decoder keeps until the third (its issue
            # 24214).
            if kept[:1] == b'\xed' and kept[1:] >= b'\xa0':
                raise UnicodeDecodeError('utf-8', kept, 0, 2, 'surrogates not allowed')
        self.payload += data


class WebSocket:
    """One websocket's protocol state and outbox.

    The RFC 6455 object is made with the first byte of a frame and given up after its last: most
    websockets are idle.

    Args:
        max_message_size: bytes that a message from the peer may have.

    Attributes:
        outbox: frames that have not been written, in order; joined frames are one entry.
        pending: bytes in the outbox.
    """

    __slots__ = (
        '_assembly',
        '_ended',
        '_protocol',
        '_unparsed',
        'max_message_size',
        'outbox',
        'pending',
    )

    def __init__(self, max_message_size: int) -> None:
        self.max_message_size = max_message_size
        self.outbox: list[bytes] = []
        self.pending = 0
        self._protocol: Protocol | None = None
        self._assembly: _Assembly | None = None
        self._ended = False
        self._unparsed = 0

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and give what they mean; nothing more is read after Closed or
        Failed.
        """
        if self._ended:
            return []
        protocol = self._protocol
        if protocol is None:
            # Its limit is what a message has left, for control frames too: these may come when
            # nothing is left.
            self._unparsed = 0
            protocol = self._protocol = Protocol(
                Side.SERVER, state=State.OPEN, max_size=self.max_message_size + _CONTROL
            )
        protocol.receive_data(data)
        # Its own answers are not passed on: the recipient gives each when its turn has come.
        protocol.data_to_send()
        events: list[Event] = []
        self._unparsed += len(data)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            self._unparsed -= _frame_size(len(frame.data))
            events.extend(self._frame_events(frame, protocol))
            if self._ended:
                return events
        if protocol.parser_exc is not None:
            if protocol.close_rcvd is not None:
                # Between fragments, where control frames may stand (5.4); the protocol object takes
                # it for an error.
                events.append(self._closed(protocol.close_rcvd))
            else:
                events.append(self._failed(*_failure(protocol.parser_exc, self.max_message_size)))
        elif not self._unparsed and self._assembly is None:
            self._protocol = None
        return events

    def _frame_events(self, frame: Frame, protocol: Protocol) -> Iterator[Event]:
        if frame.opcode is Opcode.PING:
            yield Ping(bytes(frame.data))
        elif frame.opcode is Opcode.PONG:
            yield Pong(bytes(frame.data))
        elif frame.opcode is Opcode.CLOSE:
            assert protocol.close_rcvd is not None
            yield self._closed(protocol.close_rcvd)
        else:
            yield from self._data_events(frame)

    def _data_events(self, frame: Frame) -> Iterator[Event]:
        # The protocol object has checked that fragments follow each other and that the sum of them
        # is not far above the limit.
        assembly = self._assembly
        if assembly is None:
            assembly = _Assembly(frame.opcode is Opcode.BINARY)
        size = len(assembly.payload) + len(frame.data)
        if size > self.max_message_size:
            yield self._failed(
                CloseCode.TOO_LARGE, str(FrameTooLargeException(size, self.max_message_size))
            )
            return
        try:
            assembly.add(frame.data, frame.fin)
        except UnicodeDecodeError as exc:
            yield self._failed(CloseCode.INVALID_DATA, f'text message is not UTF-8: {exc.reason}')
            return
        if frame.fin:
            self._assembly = None
            yield Message(bytes(assembly.payload), assembly.binary)
        else:
            self._assembly = assembly

    def _closed(self, received: Close) -> Closed:
        self._ended = True
        self._assembly = None
        data = b'' if received.code == _NO_STATUS else received.serialize()
        return Closed(int(received.code), received.reason, data)

    def _failed(self, code: CloseCode, text: str) -> Failed:
        self._ended = True
        self._assembly = None
        return Failed(code, text)

    def send(self, frames: bytes) -> None:
        """Append whole frames to the outbox."""
        self.outbox.append(frames)
        self.pending += len(frames)

    def data_to_send(self) -> bytes:
        """All bytes of the outbox as one object; call sent() with how many of them have left."""
        outbox = self.outbox
        if len(outbox) > 1:
            outbox[:] = [b''.join(outbox)]
        return outbox[0] if outbox else b''

    def sent(self, count: int) -> None:
        """Take the first `count` bytes of data_to_send() out of the outbox."""
        if count == self.pending:
            self.outbox.clear()
            self.pending = 0
        elif count:
            data = self.data_to_send()
            self.outbox[0] = data[count:]
            self.pending -= count

    def discard_outbox(self) -> None:
        """Forget what has not left; only for a websocket that ends now, since a frame may be cut
        in two.
        """
        self.outbox.clear()
        self.pending = 0


def _failure(exc: Exception, limit: int) -> tuple[CloseCode, str]:
    if isinstance(exc, PayloadTooBig):
        size = (exc.current_size or 0) + (exc.size or 0)
        return CloseCode.TOO_LARGE, str(FrameTooLargeException(size, limit))
    if isinstance(exc, UnicodeDecodeError):
        return CloseCode.INVALID_DATA, 'close reason is not UTF-8'
    if isinstance(exc, ProtocolError):
        return CloseCode.PROTOCOL_ERROR, str(exc)
    return CloseCode.INTERNAL_ERROR, f'{type(exc).__name__} in the frame parser'


def _frame_size(length: int) -> int:
    """Bytes of a client's frame with so much payload, at least: a length may be written longer
    than it needs to be.
    """
    return 6 + length + (0 if length < 126 else 2 if length < 1 << 16 else 8)
