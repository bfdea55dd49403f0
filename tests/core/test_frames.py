"""One message, one frame: a real client's protocol object reads every one of them."""

import inspect
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ws4redis.core import frames
from ws4redis.core.frames import (
    CloseCode,
    close_echo,
    close_frame,
    is_text,
    message_frame,
    ping_frame,
    pong_frame,
)

URI = parse_uri('ws://example.com/')


def read(data: bytes) -> tuple[list[Frame], ClientProtocol]:
    """What a browser makes of these bytes."""
    client = ClientProtocol(URI, state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)], client


def read_one(data: bytes) -> Frame:
    """The one frame that these bytes are."""
    (frame,), _ = read(data)
    return frame


# Messages


@pytest.mark.parametrize(
    ('payload', 'text'),
    [
        (b'', True),
        (b'hello', True),
        (b'\x00\x7f', True),
        ('Grüße, 世界 🎉'.encode(), True),
        (b'\xff', False),
        (b'\x80', False),
        (b'gr\xc3', False),
        ('世'.encode()[:2], False),
        (b'\xc0\x80', False),
        (b'\xed\xa0\x80', False),
        (b'\xf4\x90\x80\x80', False),
        (b'x' * 70000 + b'\xff', False),
        (('ü' * 35000).encode(), True),
    ],
)
def test_text_is_what_is_valid_utf8(payload: bytes, text: bool) -> None:
    """Anything else goes out as binary, so that no browser breaks the connection over it."""
    assert is_text(payload) is text
    frame = read_one(message_frame(payload))
    assert frame.opcode is (Opcode.TEXT if text else Opcode.BINARY)
    assert frame.data == payload
    assert frame.fin


@settings(deadline=None)
@given(st.binary(max_size=300))
@example('é'.encode())
@example('é'.encode()[:1])
def test_every_message_reaches_the_client_unchanged(payload: bytes) -> None:
    """A text frame always decodes; the bytes are the same either way."""
    frame = read_one(message_frame(payload))
    assert frame.data == payload
    if frame.opcode is Opcode.TEXT:
        bytes(frame.data).decode('utf-8')
    else:
        with pytest.raises(UnicodeDecodeError):
            payload.decode('utf-8')


@pytest.mark.parametrize('payload', [b'', b'text', b'\xff'])
def test_the_sender_may_say_which(payload: bytes) -> None:
    """websocket.send(message, binary=...) of an override."""
    assert read_one(message_frame(payload, binary=True)).opcode is Opcode.BINARY
    assert read_one(message_frame(payload, binary=False)).opcode is Opcode.TEXT


@pytest.mark.parametrize(
    ('size', 'head'),
    [
        (0, b'\x81\x00'),
        (1, b'\x81\x01'),
        (125, b'\x81\x7d'),
        (126, b'\x81\x7e\x00\x7e'),
        (65535, b'\x81\x7e\xff\xff'),
        (65536, b'\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00'),
    ],
)
def test_a_length_takes_as_few_bytes_as_it_needs(size: int, head: bytes) -> None:
    """RFC 6455, 5.2: the minimal number of bytes; unmasked, final, no reserved bit."""
    data = message_frame(b'x' * size)
    assert data == head + b'x' * size
    assert read_one(data).data == b'x' * size


def test_joined_frames_are_read_one_by_one() -> None:
    """Consecutive messages leave in one piece."""
    payloads = [b'', b'one', b'\xff', b'x' * 126, b'y' * 65536]
    got, _ = read(b''.join(message_frame(payload) for payload in payloads))
    assert [frame.data for frame in got] == payloads


# Pings and pongs


@pytest.mark.parametrize('data', [b'', b'x', b'\xff' * 125])
def test_pings_and_pongs_carry_their_data(data: bytes) -> None:
    """Up to 125 bytes; the client answers a ping with the same."""
    (ping,), client = read(ping_frame(data))
    assert (ping.opcode, ping.data) == (Opcode.PING, data)
    (answer,) = client.data_to_send()
    assert answer[:2] == bytes([0x8A, 0x80 | len(data)])
    pong = read_one(pong_frame(data))
    assert (pong.opcode, pong.data) == (Opcode.PONG, data)


def test_a_ping_without_data() -> None:
    """The one of the keep-alive."""
    assert ping_frame() == b'\x89\x00'


@pytest.mark.parametrize('build', [ping_frame, pong_frame, close_echo])
def test_a_control_frame_has_125_bytes_at_most(build: Callable[[bytes], bytes]) -> None:
    """RFC 6455, 5.5."""
    with pytest.raises(ProtocolError):
        build(b'x' * 126)


# Closing

REASONS = {
    CloseCode.NORMAL: '',
    CloseCode.GOING_AWAY: 'server is going away',
    CloseCode.PROTOCOL_ERROR: 'protocol error',
    CloseCode.INVALID_DATA: 'invalid data',
    CloseCode.POLICY_VIOLATION: 'not allowed',
    CloseCode.TOO_LARGE: 'message too large',
    CloseCode.INTERNAL_ERROR: 'internal error',
    CloseCode.TRY_AGAIN_LATER: 'try again later',
}


def test_the_close_codes_of_this_package() -> None:
    """Those that the documentation lists, and no other."""
    assert {code.value for code in CloseCode} == {1000, 1001, 1002, 1007, 1008, 1009, 1011, 1013}


@pytest.mark.parametrize('code', CloseCode)
def test_a_close_code_has_one_fixed_reason(code: CloseCode) -> None:
    """Sizes, limits, names and exceptions stay in the log."""
    (frame,), client = read(close_frame(code))
    assert frame.opcode is Opcode.CLOSE
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (code, REASONS[code])
    assert not any(letter.isdigit() for letter in client.close_rcvd.reason)


@pytest.mark.parametrize('code', CloseCode)
def test_a_plain_number_has_the_reason_of_its_code(code: CloseCode) -> None:
    """An override closes with websocket.close(1008)."""
    assert close_frame(int(code)) == close_frame(code)


@pytest.mark.parametrize('code', [1003, 1010, 1012, 1014, 3000, 3999, 4000, 4999])
def test_a_code_of_the_site_has_no_reason_unless_given(code: int) -> None:
    """Codes that a site may send besides ours."""
    _, client = read(close_frame(code))
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (code, '')


@pytest.mark.parametrize('reason', ['', 'bye', 'tschüß', 'x' * 123])
def test_a_reason_may_be_given(reason: str) -> None:
    """An empty one too: then the fixed text is not sent."""
    _, client = read(close_frame(1001, reason))
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (1001, reason)


@pytest.mark.parametrize('code', [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536])
def test_a_code_that_may_not_be_sent_is_refused(code: int) -> None:
    """RFC 6455, 7.4."""
    with pytest.raises(ProtocolError):
        close_frame(code)


@pytest.mark.parametrize('reason', ['x' * 124, 'ü' * 62])
def test_a_reason_has_123_bytes_at_most(reason: str) -> None:
    """Bytes, not characters."""
    with pytest.raises(ProtocolError):
        close_frame(1000, reason)


@pytest.mark.parametrize('data', [b'', b'\x03\xe8', b'\x03\xe8bye', b'\x0f\xa0' + b'x' * 123])
def test_the_answer_to_a_close_is_its_own_payload(data: bytes) -> None:
    """RFC 6455, 5.5.1: an empty one is answered by an empty one."""
    frame = read_one(close_echo(data))
    assert (frame.opcode, frame.data) == (Opcode.CLOSE, data)


def test_every_frame_builder_is_tried_here() -> None:
    """A new one must be read by a client as well."""
    builders = {
        name
        for name, value in vars(frames).items()
        if inspect.isfunction(value) and not name.startswith('_')
    }
    assert builders == {
        'is_text',
        'message_frame',
        'close_frame',
        'close_echo',
        'ping_frame',
        'pong_frame',
    }
