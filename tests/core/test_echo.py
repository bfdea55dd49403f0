"""Own copies and equal messages of others: told apart by who sent them."""

import pytest
from websockets.frames import Opcode

from tests.core.simulation import World, masked
from ws4redis.core.recipient import Recipient

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'


@pytest.fixture
def world() -> World:
    return World()


def test_three_quick_sends_give_three_suppressed_copies(world: World) -> None:
    sender, other = world.open([CHAT], publishes=[CHAT]), world.open([CHAT])
    world.send_text(sender, b'hi', b'hi', b'hi')
    for _ in range(3):
        world.run(sender)
    world.settle()
    assert sender.received == []
    assert other.received == [b'hi'] * 3
    assert world.exchange.agenda.counters.own_copies == 3
    assert sender.recipient.direct


class Interrupted(list[tuple[int, bytes, bytes]]):
    """What a worker adds; the hub has its turn just before."""

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient

    def append(self, item: tuple[int, bytes, bytes]) -> None:
        self.recipient.update_direct()
        super().append(item)


def test_hub_that_looks_while_a_worker_counts_does_not_miss_the_own_copy(world: World) -> None:
    """The hub delivers somebody's message to a websocket whose own one is being counted in
    another thread.
    """
    client = world.open([CHAT], publishes=[CHAT])
    client.recipient.own_copies._added = Interrupted(client.recipient)
    client.recipient.own_copies.publishing([CHAT], b'mine')
    assert not client.recipient.direct
    world.redis.publish(CHAT, b'mine')
    world.settle()
    assert client.received == []


def test_equal_text_of_somebody_else_arrives(world: World) -> None:
    """Two copies, one of them its own."""
    sender, other = world.open([CHAT], publishes=[CHAT]), world.open([CHAT], publishes=[CHAT])
    world.send_text(sender, b'hi')
    world.settle()
    world.send_text(other, b'hi')
    world.settle()
    assert sender.received == other.received == [b'hi']


def test_other_text_in_between_arrives(world: World) -> None:
    sender = world.open([CHAT], publishes=[CHAT])
    world.send_text(sender, b'mine', b'mine')
    world.run(sender)
    world.redis.publish(CHAT, b'other')
    world.settle()
    assert sender.received == [b'other']


def test_same_text_on_another_channel_is_no_own_copy(world: World) -> None:
    sender = world.open([CHAT, NEWS], publishes=[CHAT])
    world.send_text(sender, b'x')
    world.redis.publish(NEWS, b'x')
    world.settle()
    assert sender.received == [b'x']


def test_count_goes_back_when_the_publish_fails(world: World) -> None:
    client = world.open([CHAT])
    own_copies = client.recipient.own_copies
    own_copies.publishing([CHAT], b'x')
    own_copies.failed([CHAT], b'x')
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']
    assert client.recipient.direct


def test_own_copy_that_came_before_its_failure_leaves_no_debt(world: World) -> None:
    """The answer to PUBLISH was lost, but it had been carried out."""
    client = world.open([CHAT])
    own_copies = client.recipient.own_copies
    own_copies.publishing([CHAT], b'x')
    world.redis.publish(CHAT, b'x')
    world.settle()
    own_copies.failed([CHAT], b'x')
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']
    own_copies.publishing([CHAT], b'x')
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']


def test_with_echo_a_websocket_gets_what_it_sends(world: World) -> None:
    client = world.open([CHAT], publishes=[CHAT], echo=True)
    world.send_text(client, b'x', b'x')
    world.settle()
    assert client.received == [b'x', b'x']
    assert world.exchange.agenda.counters.own_copies == 0


def test_publishing_where_one_does_not_listen_counts_nothing(world: World) -> None:
    client = world.open([NEWS], publishes=[CHAT])
    world.send_text(client, b'x')
    world.settle()
    world.subscribe(client, [CHAT])
    world.settle()
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']


def test_own_copy_through_a_pattern_is_suppressed_once(world: World) -> None:
    client = world.open([], [b'broadcast:*', b'*chat'], publishes=[CHAT])
    world.send_text(client, b'x')
    world.settle()
    assert client.received == []
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']


def test_own_copy_while_joining_is_suppressed(world: World) -> None:
    client = world.handshake([CHAT], publishes=[CHAT])
    world.settle()
    world.begin(client, persisted=True, rest=masked(Opcode.TEXT, b'x'))
    world.run(client)
    world.run(client)
    assert client.recipient.joining is not None
    world.redis.publish(CHAT, b'y')
    world.settle()
    assert client.received == [b'y']


def test_lost_redis_connection_empties_the_counts(world: World) -> None:
    client = world.open([CHAT], publishes=[CHAT])
    world.send_text(client, b'x')
    world.run(client)
    world.lose_feed()
    assert not client.recipient.own_copies.expecting
    world.advance(1)
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']


def test_what_was_published_during_an_outage_leaves_no_debt(world: World) -> None:
    """Its copy cannot come; an equal text of somebody else must."""
    client = world.open([CHAT], publishes=[CHAT])
    world.lose_feed()
    world.send_text(client, b'x')
    world.run(client)
    world.advance(1)
    assert world.gaps
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']
    assert client.recipient.direct


def test_own_message_persisted_during_an_outage_does_not_come_back(world: World) -> None:
    client, other = world.open([CHAT], publishes=[CHAT], persist=True), world.open([CHAT])
    world.lose_feed()
    world.send_text(client, b'x')
    world.run(client)
    world.advance(1)
    assert client.received == []
    assert other.received == [b'x']


def test_unsubscribing_before_the_own_copy_comes_leaves_no_debt(world: World) -> None:
    client, other = world.open([CHAT], publishes=[CHAT]), world.open([CHAT])
    world.send_text(client, b'x')
    world.run(client)
    world.unsubscribe(client, [CHAT])
    world.settle()
    assert not client.recipient.own_copies.expecting
    world.subscribe(client, [CHAT])
    world.settle()
    world.redis.publish(CHAT, b'x')
    world.settle()
    assert client.received == [b'x']
    assert other.received == [b'x', b'x']


def test_what_a_subscriber_publishes_after_its_end_is_owed_to_nobody(world: World) -> None:
    client = world.open([CHAT])
    own_copies = client.recipient.own_copies
    own_copies.publishing([CHAT], b'before')
    world.send_eof(client)
    world.settle()
    own_copies.publishing([CHAT], b'after')
    own_copies.failed([CHAT], b'after')
    own_copies.forget_unheard()
    assert not own_copies.expecting
