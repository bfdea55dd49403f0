"""The browser's end: bytes become messages, and what does not fit waits."""

from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidUpgrade
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker
from ws4redis.testing.browser_end import Joined, MemoryEnd
from ws4redis.testing.publications import Pattern


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """As a server sends it."""
    return Frame(opcode, data, fin).serialize(mask=False)


@pytest.fixture
def end(ws4redis: Broker) -> MemoryEnd:
    """One that is open, with nobody at the other end."""
    end = MemoryEnd(ws4redis, 'ws://testserver/ws/a%20b?subscribe-user', 'mary', (), b'beat')
    address = parse_uri('ws://testserver/ws/')
    end.protocol = ClientProtocol(address, state=State.OPEN, max_size=None)
    return end


def test_it_knows_facility_and_query_of_its_address(end: MemoryEnd) -> None:
    assert (end.facility, end.query, str(end)) == ('a b', 'subscribe-user', 'mary')
    assert end.joined == Joined()


def test_messages_are_kept_and_heartbeats_and_pongs_counted(end: MemoryEnd) -> None:
    data = b''.join(
        [
            frame(Opcode.TEXT, 'grün'.encode()[:3], fin=False),
            frame(Opcode.PONG, b'here'),
            frame(Opcode.CONT, 'grün'.encode()[3:]),
            frame(Opcode.TEXT, b'beat'),
            frame(Opcode.BINARY, b'beat'),
        ]
    )
    assert end.receive_bytes(data) == len(data)
    assert end.history == list(end.inbox) == ['grün', b'beat']
    assert (end.heartbeats, end.pongs) == (1, [b'here'])


def test_who_reads_nothing_takes_in_what_the_kernel_would(end: MemoryEnd, ws4redis: Broker) -> None:
    ws4redis.kernel_buffer = 10
    data = frame(Opcode.TEXT, b'hello')
    end.reads = False
    assert [end.receive_bytes(data), end.receive_bytes(data), end.receive_bytes(data)] == [7, 3, 0]
    assert end.history == []
    end.receive_eof()
    end.read_on()
    assert end.history == ['hello']
    assert (end.open, end.close_code) == (False, 1006)


def test_end_without_a_close_frame_is_the_servers_unless_it_has_vanished(end: MemoryEnd) -> None:
    end.receive_eof()
    assert end.closed_by_server
    end.dropped = True
    assert not end.closed_by_server


def test_close_frame_has_code_and_reason(end: MemoryEnd) -> None:
    assert (end.close_code, end.close_reason) == (None, None)
    end.receive_bytes(frame(Opcode.CLOSE, (1008).to_bytes(2, 'big') + b'no'))
    assert (end.open, end.close_code, end.close_reason) == (False, 1008, 'no')


def test_answer_that_no_browser_would_take_is_an_error(ws4redis: Broker) -> None:
    end = MemoryEnd(ws4redis, 'ws://testserver/ws/', 'mary', (), None)
    end.request()
    end.receive_bytes(
        b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: spdy\r\nConnection: Upgrade\r\n\r\n'
    )
    with pytest.raises(InvalidUpgrade):
        end.check_response()


def test_without_a_server_side_it_listens_on_nothing(end: MemoryEnd) -> None:
    assert (end.channels, end.own_copies, end.session_expires) == ([], None, None)


def test_channels_are_names_and_patterns(ws4redis: Broker) -> None:
    class Patterns(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('lab:*')

    client = ws4redis.connect('news', subscribe='broadcast', subscriber=Patterns)
    assert client._end.channels == ['broadcast:news', 'lab:*']
    assert [isinstance(name, Pattern) for name in client._end.channels] == [False, True]
    assert client._end.peers == [client._end]
