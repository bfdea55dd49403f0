"""What one websocket may use."""

import pytest
from websockets.frames import Opcode

from tests.core.simulation import World, masked
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase

CHAT = b'broadcast:chat'


@pytest.fixture
def world() -> World:
    return World()


def test_rate_limit_closes_with_1008_behind_what_came_before(world: World) -> None:
    client = world.open(
        publishes=[CHAT], limits=Limits(message_rate=10, message_burst=3, ping_interval=None)
    )
    world.send_text(client, b'1', b'2', b'3', b'4', b'5')
    assert client.opcodes == []
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'1', b'2', b'3']
    assert client.close_code == 1008


def test_client_over_its_rate_is_not_listened_to_any_more(world: World) -> None:
    client = world.open(
        publishes=[CHAT], limits=Limits(message_rate=10, message_burst=2, ping_interval=None)
    )
    world.send_text(client, b'1', b'2', b'3')
    world.time += 10
    world.send_text(client, b'after its refusal')
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'1', b'2']
    assert client.close_code == 1008


def test_rate_limit_lets_through_what_comes_at_its_pace(world: World) -> None:
    client = world.open(
        publishes=[CHAT], limits=Limits(message_rate=10, message_burst=2, ping_interval=None)
    )
    for _ in range(30):
        world.send_text(client, b'x')
        world.settle()
        world.advance(0.1)
    assert client.recipient.phase is Phase.OPEN
    assert len(world.redis.log) == 30


def test_pings_count_for_the_rate_limit(world: World) -> None:
    client = world.open(limits=Limits(message_rate=10, message_burst=3, ping_interval=None))
    world.receive_data(client.recipient, masked(Opcode.PING, b'') * 5)
    assert client.opcodes == [Opcode.PONG] * 3 + [Opcode.CLOSE]
    assert client.close_code == 1008
