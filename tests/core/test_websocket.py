"""RFC 6455 from the server's end: frames made by hand and by a real client become events; the
outbox counts its bytes.
"""

import logging
import struct
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ws4redis.core.frames import CloseCode, close_echo, close_frame, message_frame, pong_frame
from ws4redis.core.websocket import Closed, Event, Failed, Message, Ping, Pong, WebSocket

LIMIT = 1000
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b'\x0f\xf0\x5a\xa5'


def head(
    opcode: int, length: int, *, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """The head of a client's frame, up to and without the masking key."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if length < 126:
        return bytes([first, bit | length])
    if length < 65536:
        return bytes([first, bit | 126]) + struct.pack('!H', length)
    return bytes([first, bit | 127]) + struct.pack('!Q', length)


def frame(
    opcode: int, payload: bytes = b'', *, fin: bool = True, reserved: int = 0, mask: bytes = MASK
) -> bytes:
    """A client's frame, masked."""
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = bytes(one ^ other for one, other in zip(payload, key, strict=True))
    return head(opcode, len(payload), fin=fin, reserved=reserved) + mask + masked


def close(code: int, reason: bytes = b'') -> bytes:
    """A client's close frame."""
    return frame(CLOSE, struct.pack('!H', code) + reason)


def read(*parts: bytes, limit: int = LIMIT) -> list[Event]:
    """The events of a new websocket that reads these parts one after the other."""
    websocket = WebSocket(limit)
    return [event for part in parts for event in websocket.receive_data(part)]


def text(payload: str) -> Message:
    """The event of a text message."""
    return Message(payload.encode(), binary=False)


def failed(events: list[Event]) -> CloseCode:
    """The code with which the websocket fails, which nothing follows or precedes."""
    (event,) = events
    assert isinstance(event, Failed)
    assert event.text
    return event.close_code


# Whole messages


@pytest.mark.parametrize('size', [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_messages_of_every_length_are_read(size: int) -> None:
    """All three forms of the length, empty text and empty binary."""
    payload = b'\x7f' * size
    assert read(frame(TEXT, payload), limit=70000) == [Message(payload, binary=False)]
    payload = b'\xff' * size
    assert read(frame(BINARY, payload), limit=70000) == [Message(payload, binary=True)]


@pytest.mark.parametrize(
    'payload', ['', 'Grüße', '世界', '🎉', '\x00', '\ufeff', '\U0010ffff', '\ud7ff\ue000']
)
def test_text_of_any_language_is_read(payload: str) -> None:
    """Non-ASCII text."""
    assert read(frame(TEXT, payload.encode())) == [text(payload)]


@pytest.mark.parametrize('mask', [b'\x00\x00\x00\x00', b'\xff\xff\xff\xff', b'\x01\x02\x03\x04'])
def test_any_masking_key_is_undone(mask: bytes) -> None:
    """RFC 6455, 5.3."""
    assert read(frame(BINARY, bytes(range(11)), mask=mask)) == [
        Message(bytes(range(11)), binary=True)
    ]


@pytest.mark.parametrize('form', [126, 127])
def test_a_length_in_more_bytes_than_needed_is_harmless(form: int) -> None:
    """RFC 6455, 5.2 forbids it to the sender; what the frame says is clear all the same."""
    length = struct.pack('!H' if form == 126 else '!Q', 1)
    assert read(bytes([0x81, 0x80 | form]) + length + b'\x00\x00\x00\x00a') == [text('a')]


def test_many_messages_in_one_read() -> None:
    """In their order."""
    assert read(frame(TEXT, b'a') + frame(BINARY, b'b') + frame(PING, b'c') + frame(TEXT)) == [
        text('a'),
        Message(b'b', binary=True),
        Ping(b'c'),
        text(''),
    ]


def test_nothing_read_means_nothing() -> None:
    """No event without a whole frame; half a frame stops nothing."""
    websocket = WebSocket(LIMIT)
    assert websocket.receive_data(b'') == []
    assert websocket.receive_data(frame(TEXT, b'ab')[:-1]) == []
    assert websocket.receive_data(b'') == []
    assert websocket.receive_data(frame(TEXT, b'ab')[-1:]) == [text('ab')]


# Control frames


@pytest.mark.parametrize('payload', [b'', b'x', b'\xff' * 125])
def test_pings_and_pongs_are_events_and_not_answered_here(payload: bytes) -> None:
    """A lone or empty ping; when it is answered is the recipient's matter."""
    websocket = WebSocket(LIMIT)
    assert websocket.receive_data(frame(PING, payload)) == [Ping(payload)]
    assert websocket.receive_data(frame(PONG, payload)) == [Pong(payload)]
    assert (websocket.outbox, websocket.pending) == ([], 0)


@pytest.mark.parametrize('opcode', [CLOSE, PING, PONG])
@pytest.mark.parametrize('size', [126, 500, LIMIT])
def test_a_control_frame_of_more_than_125_bytes_fails(opcode: int, size: int) -> None:
    """RFC 6455, 5.5."""
    assert failed(read(frame(opcode, b'\x03\xe8' + b'x' * (size - 2)))) == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize('opcode', [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_fails(opcode: int) -> None:
    """RFC 6455, 5.5."""
    assert failed(read(frame(opcode, fin=False))) == CloseCode.PROTOCOL_ERROR


# Frames that may not be


@pytest.mark.parametrize('opcode', [CONT, TEXT, BINARY, CLOSE, PING, PONG])
def test_an_unmasked_frame_fails(opcode: int) -> None:
    """RFC 6455, 5.1; as soon as the head is there."""
    assert failed(read(head(opcode, 3, masked=False))) == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize('opcode', [CONT, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize('reserved', range(1, 8))
def test_a_reserved_bit_fails(opcode: int, reserved: int) -> None:
    """RFC 6455, 5.2: no extension is agreed on."""
    assert failed(read(frame(opcode, reserved=reserved))) == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize('opcode', [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
@pytest.mark.parametrize('fin', [True, False])
def test_a_reserved_opcode_fails(opcode: int, fin: bool) -> None:
    """RFC 6455, 5.2."""
    assert failed(read(frame(opcode, b'x', fin=fin))) == CloseCode.PROTOCOL_ERROR


def test_what_came_before_the_fault_is_given() -> None:
    """A client's last good message is not lost."""
    events = read(frame(TEXT, b'a') + frame(PING) + frame(3) + frame(TEXT, b'b'))
    assert events[:2] == [text('a'), Ping(b'')]
    assert failed(events[2:]) == CloseCode.PROTOCOL_ERROR


# Fragments


@pytest.mark.parametrize('opcode', [TEXT, BINARY])
def test_fragments_become_one_message(opcode: int) -> None:
    """RFC 6455, 5.4, with empty fragments anywhere."""
    parts = [
        frame(opcode, b'', fin=False),
        frame(CONT, b'ab', fin=False),
        frame(CONT, b'', fin=False),
        frame(CONT, b'c'),
    ]
    assert read(*parts) == [Message(b'abc', binary=opcode == BINARY)]
    assert read(b''.join(parts)) == [Message(b'abc', binary=opcode == BINARY)]
    assert read(frame(opcode, b'abc', fin=False), frame(CONT)) == [
        Message(b'abc', binary=opcode == BINARY)
    ]


def test_a_message_after_a_fragmented_one_starts_anew() -> None:
    """Nothing of the last one is left."""
    parts = [
        frame(TEXT, b'a', fin=False),
        frame(CONT, b'b'),
        frame(BINARY, b'\xff', fin=False),
        frame(CONT, b'\xfe'),
        frame(TEXT, b'c'),
    ]
    assert read(*parts) == [text('ab'), Message(b'\xff\xfe', binary=True), text('c')]


def test_control_frames_may_stand_between_fragments() -> None:
    """RFC 6455, 5.4; they are told at once, the message when it is whole."""
    websocket = WebSocket(LIMIT)
    assert websocket.receive_data(frame(TEXT, 'ü'.encode()[:1], fin=False)) == []
    assert websocket.receive_data(frame(PING, b'1')) == [Ping(b'1')]
    assert websocket.receive_data(frame(CONT, 'ü'.encode()[1:], fin=False)) == []
    assert websocket.receive_data(frame(PONG, b'2')) == [Pong(b'2')]
    assert websocket.receive_data(frame(CONT)) == [text('ü')]


@pytest.mark.parametrize('used', [LIMIT, LIMIT - 1, LIMIT - 124, LIMIT - 125])
def test_a_ping_between_fragments_is_no_part_of_the_message(used: int) -> None:
    """A message near its limit leaves room for the control frames that may stand in it."""
    payload = b'x' * used
    assert read(frame(BINARY, payload, fin=False), frame(PING, b'y' * 125), frame(CONT)) == [
        Ping(b'y' * 125),
        Message(payload, binary=True),
    ]


def test_a_limit_for_messages_is_none_for_control_frames() -> None:
    """A site that takes small messages only still gets pings and close frames."""
    assert read(frame(PING, b'y' * 125) + close(1000, b'z' * 123), limit=1) == [
        Ping(b'y' * 125),
        Closed(1000, 'z' * 123, b'\x03\xe8' + b'z' * 123),
    ]


@pytest.mark.parametrize('fin', [True, False])
def test_a_continuation_of_nothing_fails(fin: bool) -> None:
    """RFC 6455, 5.4; also after a message that is whole."""
    assert failed(read(frame(CONT, b'x', fin=fin))) == CloseCode.PROTOCOL_ERROR
    assert (
        failed(read(frame(TEXT, b'a') + frame(CONT, b'x', fin=fin))[1:]) == CloseCode.PROTOCOL_ERROR
    )
    assert (
        failed(read(frame(TEXT, fin=False) + frame(CONT) + frame(CONT, b'x', fin=fin))[1:])
        == CloseCode.PROTOCOL_ERROR
    )


@pytest.mark.parametrize('opcode', [TEXT, BINARY])
@pytest.mark.parametrize('fin', [True, False])
def test_a_new_message_inside_another_fails(opcode: int, fin: bool) -> None:
    """RFC 6455, 5.4."""
    assert (
        failed(read(frame(TEXT, b'a', fin=False), frame(opcode, b'b', fin=fin)))
        == CloseCode.PROTOCOL_ERROR
    )


# UTF-8

INVALID = [
    b'\x80',
    b'\xbf',
    b'a\xff',
    b'\xfe',
    b'\xc0\x80',
    b'\xc1\xbf',
    b'\xe0\x80\x80',
    b'\xe0\x9f\xbf',
    b'\xed\xa0\x80',
    b'\xed\xbf\xbf',
    b'\xf0\x80\x80\x80',
    b'\xf0\x8f\xbf\xbf',
    b'\xf4\x90\x80\x80',
    b'\xf5\x80\x80\x80',
    b'\xf8\x88\x80\x80\x80',
    b'gr\xc3\x28',
    b'\xe2\x82\x28',
    b'\xe2\x82',
    b'\xf0\x9f\x8e',
    b'ok\xc3',
    'κόσμε'.encode() + b'\xed\xa0\x80' + b'edited',
]


def decodes(payload: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        payload.decode('utf-8')
    except UnicodeDecodeError:
        return False
    return True


# The ends of every range of continuation bytes in Unicode's table of well-formed sequences (3-7).
ENDS = (b'\x80', b'\x8f', b'\x90', b'\x9f', b'\xa0', b'\xbf')
TAILS = [
    b'',
    *ENDS,
    *(a + b for a in ENDS for b in ENDS),
    *(a + b + c for a in ENDS for b in ENDS for c in ENDS),
]


def can_become_text(start: bytes) -> bool:
    """Whether bytes may follow that make it UTF-8: tried out."""
    return any(decodes(start + tail) for tail in TAILS)


def expect_utf8(fragments: list[bytes]) -> None:
    """The websocket fails with the fragment that rules out text, no later and no sooner; else
    the message is read.
    """
    websocket = WebSocket(LIMIT)
    so_far = b''
    for index, fragment in enumerate(fragments):
        last = index == len(fragments) - 1
        so_far += fragment
        events = websocket.receive_data(frame(CONT if index else TEXT, fragment, fin=last))
        if not (decodes(so_far) if last else can_become_text(so_far)):
            assert failed(events) == CloseCode.INVALID_DATA
            return
        assert events == ([Message(so_far, binary=False)] if last else [])


@pytest.mark.parametrize('payload', INVALID)
def test_invalid_text_fails_with_the_first_fragment_that_shows_it(payload: bytes) -> None:
    """RFC 6455, 8.1: 1007, at every place where the message can be cut in two or three."""
    assert failed(read(frame(TEXT, payload))) == CloseCode.INVALID_DATA
    for one in range(len(payload) + 1):
        for two in range(one, len(payload) + 1):
            expect_utf8([payload[:one], payload[one:two], payload[two:]])


@pytest.mark.parametrize('payload', ['κόσμε', '🎉', '\x00é\ud7ff\ue000\U0010ffff', 'aé世🎉z'])
def test_valid_text_may_be_cut_anywhere(payload: str) -> None:
    """UTF-8 split over fragments."""
    data = payload.encode()
    for one in range(len(data) + 1):
        for two in range(one, len(data) + 1):
            parts = [
                frame(TEXT, data[:one], fin=False),
                frame(CONT, data[one:two], fin=False),
                frame(CONT, data[two:]),
            ]
            assert read(*parts) == [text(payload)]


BYTES_OF_TEXT = st.lists(
    st.sampled_from(
        [
            b'a',
            b'\xc3',
            b'\xa9',
            b'\xe4\xb8',
            b'\x96',
            b'\xf0\x9f',
            b'\x8e\x89',
            b'\xed',
            b'\xa0',
            b'\xf4',
            b'\x90',
            b'',
        ]
    ),
    max_size=5,
).map(b''.join)


@settings(deadline=None)
@given(st.lists(BYTES_OF_TEXT, min_size=1, max_size=4))
@example([b'\xed', b'\xa0', b'\x80'])
@example([b'\xf4', b'\x8f', b'\xbf\xbf'])
def test_text_fails_as_early_as_a_fragment_shows_it(fragments: list[bytes]) -> None:
    """Against an oracle that tries out every way in which a text may go on."""
    expect_utf8(fragments)


def test_every_message_is_checked_by_itself() -> None:
    """Half a character at the end of one message is not completed by the next."""
    assert failed(read(frame(TEXT, b'\xc3'), frame(TEXT, b'\xa9'))) == CloseCode.INVALID_DATA


def test_a_ping_between_the_halves_of_a_character_changes_nothing() -> None:
    """Nor does its payload, which need be no text."""
    assert read(frame(TEXT, b'\xc3', fin=False), frame(PING, b'\xff'), frame(CONT, b'\xa9')) == [
        Ping(b'\xff'),
        text('é'),
    ]


def test_a_binary_message_is_not_checked() -> None:
    """In fragments neither."""
    assert read(frame(BINARY, b'\xff', fin=False), frame(CONT, b'\xc3')) == [
        Message(b'\xff\xc3', binary=True)
    ]


# Sizes


def test_a_message_of_exactly_the_limit_is_read() -> None:
    """Whole and in fragments."""
    payload = b'x' * LIMIT
    assert read(frame(BINARY, payload)) == [Message(payload, binary=True)]
    assert read(frame(BINARY, payload[:400], fin=False), frame(CONT, payload[400:])) == [
        Message(payload, binary=True)
    ]


@pytest.mark.parametrize('over', [1, 124, 125, 126, 127, 5000])
@pytest.mark.parametrize('opcode', [TEXT, BINARY])
def test_a_message_over_the_limit_fails(over: int, opcode: int) -> None:
    """It ends with 1009."""
    assert failed(read(frame(opcode, b'x' * (LIMIT + over)))) == CloseCode.TOO_LARGE


@pytest.mark.parametrize('over', [1, 125, 126, 5000])
@pytest.mark.parametrize('first', [0, 1, LIMIT - 1, LIMIT])
@pytest.mark.parametrize('fin', [True, False])
def test_fragments_whose_sum_is_over_the_limit_fail(over: int, first: int, fin: bool) -> None:
    """As soon as the sum is over it, whether or not it is the last."""
    parts = [
        frame(TEXT, b'x' * first, fin=False),
        frame(CONT, b'x' * (LIMIT - first + over), fin=fin),
    ]
    assert failed(read(*parts)) == CloseCode.TOO_LARGE


def test_many_fragments_over_the_limit_fail_with_the_first_that_is() -> None:
    """One byte at a time."""
    websocket = WebSocket(10)
    assert websocket.receive_data(frame(BINARY, b'x', fin=False)) == []
    for _ in range(9):
        assert websocket.receive_data(frame(CONT, b'x', fin=False)) == []
    assert failed(websocket.receive_data(frame(CONT, b'x', fin=False))) == CloseCode.TOO_LARGE


def test_each_message_has_the_whole_limit() -> None:
    """It limits a message, not a connection."""
    payload = b'x' * LIMIT
    fragments = [frame(BINARY, payload, fin=False), frame(CONT)]
    assert (
        read(*fragments, *fragments, frame(BINARY, payload)) == [Message(payload, binary=True)] * 3
    )


def test_the_log_is_told_the_size_and_the_limit() -> None:
    """Both in bytes, as the site has set it."""
    (event,) = read(head(TEXT, 2**40), limit=2**20)
    assert isinstance(event, Failed)
    assert event.text == 'message has 1,099,511,627,776 bytes, limit is 1,048,576'
    (event,) = read(frame(TEXT, b'x' * 600, fin=False), head(CONT, 9000))
    assert isinstance(event, Failed)
    assert event.text == 'message has 9,600 bytes, limit is 1,000'
    (event,) = read(frame(TEXT, b'x' * 600, fin=False), frame(CONT, b'x' * 401))
    assert isinstance(event, Failed)
    assert event.text == 'message has 1,001 bytes, limit is 1,000'


@pytest.mark.parametrize('opcode', [CONT, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize('length', [2**20 + 126, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_huge_declared_length_fails_before_anything_is_allocated(
    opcode: int, length: int
) -> None:
    """By the head alone, in no more memory than it needs to say so."""
    websocket = WebSocket(2**20)
    data = head(opcode, length)
    websocket.receive_data(frame(BINARY, b'x', fin=False))
    tracemalloc.start()
    try:
        events = websocket.receive_data(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert failed(events) == CloseCode.TOO_LARGE
    assert peak < 100_000


def test_what_follows_a_failure_is_not_kept() -> None:
    """A client that goes on sending fills no memory."""
    websocket = WebSocket(LIMIT)
    failed(websocket.receive_data(head(TEXT, 2**40)))
    chunk = bytes(2**16)
    tracemalloc.start()
    try:
        for _ in range(100):
            assert websocket.receive_data(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert websocket.outbox == []


def test_a_large_message_is_read_in_pieces() -> None:
    """Frames larger than one recv."""
    payload = 'ä'.encode() * 2**19
    data = frame(TEXT, payload)
    websocket = WebSocket(2**20)
    events = [
        event
        for at in range(0, len(data), 65536)
        for event in websocket.receive_data(data[at : at + 65536])
    ]
    assert events == [Message(payload, binary=False)]
    assert read(data, limit=2**20) == events


# Closing

MAY_BE_SENT = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


def test_every_close_code_is_valid_or_not() -> None:
    """RFC 6455, 7.4, and IANA's registry: 1004, 1005, 1006 and 1015 may not be in a frame."""
    for code in range(0, 5100):
        events = read(close(code, b'bye'))
        if code in MAY_BE_SENT:
            assert events == [Closed(code, 'bye', struct.pack('!H', code) + b'bye')]
        else:
            assert failed(events) == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    'code', [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_a_close_code_that_may_not_be_sent_fails(code: int) -> None:
    """The boundaries by name."""
    assert failed(read(close(code))) == CloseCode.PROTOCOL_ERROR


def test_a_close_without_a_code() -> None:
    """RFC 6455, 7.1.5: 1005 stands for it and is never sent; its answer is as empty."""
    assert read(frame(CLOSE)) == [Closed(1005, '', b'')]
    assert close_echo(b'') == b'\x88\x00'


def test_a_close_of_one_byte_fails() -> None:
    """RFC 6455, 5.5.1: a code has two."""
    assert failed(read(frame(CLOSE, b'\x03'))) == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize('reason', ['', 'bye', 'tschüß 🎉', 'x' * 123])
def test_a_close_reason_is_text(reason: str) -> None:
    """At most 123 bytes of it."""
    assert read(close(1001, reason.encode())) == [
        Closed(1001, reason, b'\x03\xe9' + reason.encode())
    ]


@pytest.mark.parametrize('reason', [b'\xff', b'gr\xc3', b'\xed\xa0\x80'])
def test_a_close_reason_that_is_no_text_fails(reason: bytes) -> None:
    """RFC 6455, 8.1."""
    assert failed(read(close(1000, reason))) == CloseCode.INVALID_DATA


@pytest.mark.parametrize(
    'ending', [close(1000), frame(CLOSE), close(1001, b'bye'), close(4000, 'ü'.encode())]
)
def test_a_close_may_stand_between_fragments(ending: bytes) -> None:
    """RFC 6455, 5.4: a control frame may; the message is given up, and the client gets the
    answer to its own close.
    """
    for opcode in (TEXT, BINARY):
        events = read(frame(opcode, b'half', fin=False), ending)
        assert events == read(ending)
        assert isinstance(events[0], Closed)
    assert read(frame(TEXT, b'half', fin=False) + frame(PING) + ending + frame(CONT, b'more')) == [
        Ping(b''),
        *read(ending),
    ]


@pytest.mark.parametrize(
    'ending',
    [
        close(1000),
        frame(CLOSE),
        frame(TEXT, b'half', fin=False) + close(1000),
        frame(TEXT, b'\xff'),
        frame(3),
        head(TEXT, 2**40),
        close(1005),
        frame(CLOSE, b'\x03'),
    ],
)
def test_nothing_is_read_after_the_end(ending: bytes) -> None:
    """RFC 6455, 5.5.1 and 7.1.7: neither behind it in the same bytes nor later, be it good or
    bad.
    """
    after = frame(TEXT, b'a') + close(1001) + b'\xff' * 300
    websocket = WebSocket(LIMIT)
    assert len(websocket.receive_data(ending + after)) == 1
    assert websocket.receive_data(after) == []
    assert websocket.receive_data(b'') == []
    websocket = WebSocket(LIMIT)
    assert len(websocket.receive_data(ending)) == 1
    for index in range(len(after)):
        assert websocket.receive_data(after[index : index + 1]) == []


def test_a_frame_before_the_close_is_read_and_the_one_behind_it_is_not() -> None:
    """A client that sends, closes and looks finds its message stored."""
    assert read(frame(TEXT, b'a') + close(1000) + frame(TEXT, b'b')) == [
        text('a'),
        Closed(1000, '', b'\x03\xe8'),
    ]


def test_the_protocol_object_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What went wrong is told once, by the recipient."""
    caplog.set_level(logging.INFO)
    for ending in (
        close(1000),
        frame(TEXT, b'\xff'),
        frame(3),
        head(TEXT, 2**40),
        head(TEXT, 1, masked=False),
    ):
        read(ending)
    assert caplog.records == []


# Bytes may be cut anywhere

FRAMES = st.one_of(
    st.builds(
        frame, st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=130).filter(decodes)
    ),
    st.builds(
        frame,
        st.sampled_from([CONT, TEXT, BINARY]),
        st.text(max_size=40).map(str.encode),
        fin=st.booleans(),
    ),
    st.builds(
        lambda parts: b''.join(
            frame(CONT if index else TEXT, part, fin=index == len(parts) - 1)
            for index, part in enumerate(parts)
        ),
        st.lists(st.text(max_size=10).map(str.encode), min_size=2, max_size=4),
    ),
    st.builds(
        close, st.sampled_from([1000, 1001, 1005, 4000]), st.sampled_from([b'', b'bye', b'\xff'])
    ),
    st.sampled_from(
        [
            frame(TEXT, b'\xff'),
            frame(CLOSE),
            frame(CLOSE, b'\x03'),
            frame(3),
            frame(BINARY, b'x' * (LIMIT + 1)),
        ]
    ),
)


@settings(deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=6).map(b''.join), st.data())
def test_every_cut_of_a_stream_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    """Parsing is incremental, whatever a recv gives."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*parts) == read(stream)


@settings(max_examples=30, deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=4).map(b''.join))
def test_single_bytes_give_the_same_events(stream: bytes) -> None:
    """The slowest client there is."""
    assert read(*(stream[index : index + 1] for index in range(len(stream)))) == read(stream)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(stream: bytes) -> None:
    """Whatever a client sends is an event, nothing yet, or a failure with one of four codes."""
    for event in read(stream):
        if isinstance(event, Failed):
            assert event.close_code in {1002, 1007, 1009}
    assert read(stream) == read(*(stream[index : index + 1] for index in range(len(stream))))


# With a real client at the other end


def new_client() -> ClientProtocol:
    """A browser's protocol object after the handshake."""
    return ClientProtocol(parse_uri('ws://example.com/'), state=State.OPEN, max_size=None)


def events_of(websocket: WebSocket, client: ClientProtocol) -> list[Event]:
    """What the websocket reads of what the client has written."""
    return [event for data in client.data_to_send() for event in websocket.receive_data(data)]


SENDING: list[tuple[Callable[[ClientProtocol], None], list[Event]]] = [
    (lambda client: client.send_text(b'hello'), [text('hello')]),
    (lambda client: client.send_text(b''), [text('')]),
    (lambda client: client.send_binary(b''), [Message(b'', binary=True)]),
    (lambda client: client.send_binary(b'\xff' * 70000), [Message(b'\xff' * 70000, binary=True)]),
    (lambda client: client.send_ping(b''), [Ping(b'')]),
    (lambda client: client.send_pong(b'x'), [Pong(b'x')]),
    (lambda client: client.send_close(), [Closed(1005, '', b'')]),
    (lambda client: client.send_close(1000, 'bye'), [Closed(1000, 'bye', b'\x03\xe8bye')]),
]


@pytest.mark.parametrize(('send', 'events'), SENDING)
def test_what_a_client_sends_is_read(
    send: Callable[[ClientProtocol], None], events: list[Event]
) -> None:
    """Frames made by somebody else than this file."""
    client = new_client()
    send(client)
    assert events_of(WebSocket(2**20), client) == events


def test_a_client_that_sends_fragments() -> None:
    """With a ping in between."""
    client = new_client()
    client.send_text(b'\xc3', fin=False)
    client.send_ping(b'?')
    client.send_continuation(b'\xa9', fin=True)
    assert events_of(WebSocket(LIMIT), client) == [Ping(b'?'), text('é')]


def test_the_closing_handshake_ends_cleanly_at_the_client() -> None:
    """Its close, our answer."""
    client, websocket = new_client(), WebSocket(LIMIT)
    client.send_close(1001, 'off')
    (event,) = events_of(websocket, client)
    assert isinstance(event, Closed)
    websocket.send(close_echo(event.data))
    client.receive_data(websocket.data_to_send())
    client.receive_eof()
    assert client.state is State.CLOSED
    assert (client.close_code, client.close_reason) == (1001, 'off')
    assert client.parser_exc is None


def test_our_close_is_answered_by_the_client() -> None:
    """Ours first: the answer is the event."""
    client, websocket = new_client(), WebSocket(LIMIT)
    websocket.send(close_frame(CloseCode.GOING_AWAY))
    client.receive_data(websocket.data_to_send())
    (event,) = events_of(websocket, client)
    assert isinstance(event, Closed)
    assert (event.code, event.reason) == (1001, 'server is going away')


def test_the_client_reads_every_frame_of_the_outbox() -> None:
    """Joined frames too, in their order."""
    client, websocket = new_client(), WebSocket(LIMIT)
    for frames in (
        message_frame(b'a'),
        message_frame(b'b') + message_frame(b'\xff'),
        pong_frame(b'c'),
    ):
        websocket.send(frames)
    client.receive_data(websocket.data_to_send())
    got = [(event.opcode, event.data) for event in client.events_received()]  # type: ignore[union-attr]
    assert got == [
        (Opcode.TEXT, b'a'),
        (Opcode.TEXT, b'b'),
        (Opcode.BINARY, b'\xff'),
        (Opcode.PONG, b'c'),
    ]


# The outbox


def test_an_empty_outbox_has_nothing_to_send() -> None:
    """And nothing has left it."""
    websocket = WebSocket(LIMIT)
    assert (websocket.data_to_send(), websocket.pending) == (b'', 0)
    websocket.sent(0)
    assert (websocket.data_to_send(), websocket.pending) == (b'', 0)


def test_one_object_in_the_outbox_is_written_as_it_is() -> None:
    """A frame made once is not copied for each websocket."""
    websocket = WebSocket(LIMIT)
    frames = message_frame(b'shared' * 50)
    websocket.send(frames)
    assert websocket.data_to_send() is frames
    assert websocket.pending == len(frames)


def test_what_was_not_taken_stays_in_front() -> None:
    """A partial write, and frames that come meanwhile."""
    websocket = WebSocket(LIMIT)
    websocket.send(b'abcdef')
    websocket.data_to_send()
    websocket.sent(2)
    websocket.send(b'ghi')
    assert (websocket.data_to_send(), websocket.pending) == (b'cdefghi', 7)
    websocket.sent(7)
    assert (websocket.data_to_send(), websocket.pending, websocket.outbox) == (b'', 0, [])


def test_nothing_taken_changes_nothing() -> None:
    """The kernel's buffer is full."""
    websocket = WebSocket(LIMIT)
    websocket.send(b'abc')
    websocket.sent(0)
    assert (websocket.data_to_send(), websocket.pending) == (b'abc', 3)


def test_a_discarded_outbox_is_empty() -> None:
    """And takes frames again."""
    websocket = WebSocket(LIMIT)
    websocket.send(b'abc')
    websocket.discard_outbox()
    assert (websocket.data_to_send(), websocket.pending) == (b'', 0)
    websocket.send(b'de')
    assert (websocket.data_to_send(), websocket.pending) == (b'de', 2)


def test_reading_puts_nothing_into_the_outbox() -> None:
    """What the protocol object answers by itself never leaves."""
    websocket = WebSocket(LIMIT)
    websocket.receive_data(frame(PING, b'x') + frame(TEXT, b'\xff'))
    assert (websocket.outbox, websocket.pending) == ([], 0)


STEPS = st.lists(st.one_of(st.binary(min_size=1, max_size=9), st.floats(0, 1)), max_size=30)


@settings(deadline=None)
@given(STEPS)
def test_every_byte_leaves_once_and_in_order(steps: Iterable[bytes | float]) -> None:
    """Random sends and partial writes; pending is always what has not left."""
    websocket = WebSocket(LIMIT)
    given_, left = b'', b''
    for step in steps:
        if isinstance(step, bytes):
            websocket.send(step)
            given_ += step
        else:
            data = websocket.data_to_send()
            count = round(step * len(data))
            websocket.sent(count)
            left += data[:count]
        assert websocket.pending == len(given_) - len(left) == sum(map(len, websocket.outbox))
    assert left + websocket.data_to_send() == given_


def test_an_idle_websocket_has_no_protocol_object() -> None:
    """It is made with the client's first byte; most websockets never send one."""
    tracemalloc.start()
    try:
        websockets = [WebSocket(LIMIT) for _ in range(100)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(websockets) < 400


@pytest.mark.parametrize('length', [0, 1, 125, 126, 65535, 65536])
def test_between_frames_nothing_is_kept(length: int) -> None:
    """An idle websocket has no RFC 6455 object, however its last bytes were cut."""
    websocket = WebSocket(1 << 20)
    frame = Frame(Opcode.BINARY, b'x' * length).serialize(mask=True)
    for cut in (1, 2, 5, len(frame) - 1):
        websocket.receive_data(frame[:cut])
        assert websocket._protocol is not None
        assert [
            event.payload
            for event in websocket.receive_data(frame[cut:])
            if isinstance(event, Message)
        ] == [b'x' * length]
        assert websocket._protocol is None


def test_between_fragments_the_state_is_kept() -> None:
    websocket = WebSocket(1 << 20)
    websocket.receive_data(Frame(Opcode.TEXT, b'one', fin=False).serialize(mask=True))
    assert websocket._protocol is not None
    (event,) = websocket.receive_data(Frame(Opcode.CONT, b' two').serialize(mask=True))
    assert event == Message(b'one two', binary=False)
    assert websocket._protocol is None


def test_length_written_too_long_is_read_right() -> None:
    """The state is not given up then, since the count no longer says where a frame ends."""
    websocket = WebSocket(1 << 20)
    frame = bytes([0x82, 0x80 | 126, 0, 1, 0, 0, 0, 0]) + b'x'
    for _ in range(3):
        assert websocket.receive_data(frame[:6]) == []
        assert websocket.receive_data(frame[6:]) == [Message(b'x', binary=True)]
