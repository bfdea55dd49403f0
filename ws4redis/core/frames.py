"""Frames: a message becomes one frame, built once for all websockets; close codes with their fixed
texts.

What must hold: valid UTF-8 goes out as text and anything else as binary, and a close frame tells
the peer its code's fixed text and no more, both unless the site says otherwise; a server's frames
are unmasked (RFC 6455, 5.1).
"""

import enum

from ws4redis.core.library import Close, Frame, Opcode

__all__ = [
    'CloseCode',
    'Run',
    'close_echo',
    'close_frame',
    'is_text',
    'message_frame',
    'ping_frame',
    'pong_frame',
]


class CloseCode(enum.IntEnum):
    """The close codes that this package sends (RFC 6455, 7.4.1; 1012 and later: IANA's
    registry).
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_LARGE = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013


# The peer is told nothing about sizes, limits or names: details go to the log.
_REASONS = {
    CloseCode.GOING_AWAY: 'server is going away',
    CloseCode.PROTOCOL_ERROR: 'protocol error',
    CloseCode.INVALID_DATA: 'invalid data',
    CloseCode.POLICY_VIOLATION: 'not allowed',
    CloseCode.TOO_LARGE: 'message too large',
    CloseCode.INTERNAL_ERROR: 'internal error',
    CloseCode.TRY_AGAIN_LATER: 'try again later',
}


def is_text(payload: bytes) -> bool:
    """Whether the payload is valid UTF-8, so that it goes out as a text frame."""
    if payload.isascii():
        return True
    try:
        payload.decode('utf-8')
    except UnicodeDecodeError:
        return False
    return True


def message_frame(payload: bytes, binary: bool | None = None) -> bytes:
    """The frame of a message from the server, unmasked and unfragmented.

    Args:
        payload: the message.
        binary: whether the frame is a binary one; None decides by is_text().
    """
    if binary is None:
        binary = not is_text(payload)
    return Frame(Opcode.BINARY if binary else Opcode.TEXT, payload).serialize(mask=False)


class Run:
    """Consecutive messages of one channel, made into frames once for all who listen.

    Args:
        channel: whose messages they are.
        payloads: the messages, at least one.
        pattern: the pattern by which they came; None if by name.

    Attributes:
        joined: all of their frames.
        size: bytes of the payloads.
    """

    __slots__ = ('channel', 'joined', 'pattern', 'payloads', 'size')

    def __init__(self, channel: bytes, payloads: list[bytes], pattern: bytes | None = None) -> None:
        self.channel = channel
        self.payloads = payloads
        self.pattern = pattern
        frames = [message_frame(payload) for payload in payloads]
        self.joined = frames[0] if len(frames) == 1 else b''.join(frames)
        self.size = sum(map(len, payloads))

    def without(self, payloads: list[bytes]) -> 'Run | None':
        """These messages taken out, each once; None if none is left."""
        left = list(self.payloads)
        for payload in payloads:
            left.remove(payload)
        return Run(self.channel, left, self.pattern) if left else None


def close_frame(code: int, reason: str | None = None) -> bytes:
    """The close frame of this code.

    Args:
        code: 1000 to 1014 but 1004 to 1006, or 3000 to 4999.
        reason: text of at most 123 bytes; None takes the fixed text of the code.

    Raises:
        websockets.exceptions.ProtocolError: the code may not be sent, or the reason is too long.
    """
    if reason is None:
        reason = _REASONS.get(CloseCode(code), '') if code in CloseCode._value2member_map_ else ''
    return Frame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=False)


def close_echo(data: bytes) -> bytes:
    """The answer to a peer's close frame: its own payload (RFC 6455, 5.5.1)."""
    return Frame(Opcode.CLOSE, data).serialize(mask=False)


def ping_frame(data: bytes = b'') -> bytes:
    """A ping with at most 125 bytes of application data."""
    return Frame(Opcode.PING, data).serialize(mask=False)


def pong_frame(data: bytes) -> bytes:
    """The answer to a ping with this application data."""
    return Frame(Opcode.PONG, data).serialize(mask=False)
