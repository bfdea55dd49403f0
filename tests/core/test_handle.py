"""What a subscriber says through its handle."""

import pytest
from websockets.exceptions import ProtocolError
from websockets.frames import Opcode

from tests.core.simulation import World
from ws4redis.core.entries import Closing, Entry
from ws4redis.core.handle import Handle
from ws4redis.exceptions import WebSocketError

NEWS = b'broadcast:news'


@pytest.fixture
def world() -> World:
    return World()


def test_what_a_subscriber_sends_while_joining_comes_before_live_messages(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'live')
    world.settle(jobs=False)
    world.handle(client).send('first')
    world.handle(client).send(b'\x00\xff')
    world.handle(client).send(bytearray(b'third'), binary=True)
    world.settle()
    assert client.transport.frames() == [
        (Opcode.TEXT, b'first'),
        (Opcode.BINARY, b'\x00\xff'),
        (Opcode.BINARY, b'third'),
        (Opcode.TEXT, b'live'),
    ]


def test_each_payload_that_an_override_sent_removes_one_equal_held_message(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    for payload in (b'a', b'b', b'a'):
        world.redis.publish(NEWS, payload)
    world.settle(jobs=False)
    world.handle(client).send(b'a')
    world.settle()
    assert client.received == [b'a', b'b', b'a']


def test_handle_sends_at_once_to_a_live_websocket(world: World) -> None:
    client = world.open([NEWS])
    world.handle(client).send('hello')
    assert client.received == [b'hello']


def test_handle_is_closed_as_soon_as_it_was_told_to_whenever_the_loop_hears_of_it(
    world: World,
) -> None:
    client = world.open([NEWS])
    posted: list[Entry] = []
    handle = Handle(client.recipient, lambda recipient, entry: posted.append(entry))
    with pytest.raises(ProtocolError):
        handle.close(1005)
    assert not handle.closed
    handle.close(4001, 'enough')
    assert handle.closed
    with pytest.raises(WebSocketError, match='closed'):
        handle.send('too late')
    handle.close(4002)
    assert [entry.code for entry in posted if isinstance(entry, Closing)] == [4001]
    assert client.received == []


def test_handle_refuses_a_closed_websocket_and_wrong_types(world: World) -> None:
    client = world.open([NEWS])
    handle = world.handle(client)
    with pytest.raises(TypeError, match='message is int'):
        handle.send(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='message is NoneType'):
        handle.send_persisted(NEWS, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='message is no UTF-8'):
        handle.send(b'\xff', binary=False)
    with pytest.raises(ProtocolError):
        handle.close(1005)
    assert not handle.closed
    handle.close()
    assert handle.closed
    handle.close()
    for call in (lambda: handle.send('x'), lambda: handle.send_persisted(NEWS, 'x')):
        with pytest.raises(WebSocketError, match='websocket is closed'):
            call()
    assert client.transport.frames() == [(Opcode.CLOSE, b'\x03\xe8')]


def test_what_a_subscriber_sends_before_it_closes_while_joining_arrives(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    handle = world.handle(client)
    handle.send('not today')
    handle.send_persisted(NEWS, b'\xff')
    handle.close(4001, 'closed for holidays')
    world.settle()
    assert client.transport.frames() == [
        (Opcode.TEXT, b'not today'),
        (Opcode.BINARY, b'\xff'),
        (Opcode.CLOSE, b'\x0f\xa1closed for holidays'),
    ]
