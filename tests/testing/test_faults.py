"""Faults: messages and connections that get lost, at our own end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ws4redis.core.feed import FeedState
from ws4redis.core.limits import Limits
from ws4redis.core.replies import Published
from ws4redis.redis_client import RedisServer
from ws4redis.signals import redis_gap
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker
from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver


@pytest.fixture(params=['memory', 'server'])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == 'server':
        request.getfixturevalue('redis_url')
    with Broker('memory://' if request.param == 'memory' else 'server') as broker:
        yield broker


@pytest.fixture
def driver(broker: Broker) -> MemoryDriver:
    return broker._engine.driver


def tell(broker: Broker, *messages: str) -> None:
    """Publish to everybody, without persisting."""
    for message in messages:
        broker.publish(message, facility='news', broadcast=True, expire=0)


@pytest.mark.parametrize(
    ('count', 'left'), [(1, ['two', 'three']), (2, ['three']), (3, []), (4, [])]
)
def test_next_messages_are_lost_and_no_others(
    broker: Broker, driver: MemoryDriver, count: int, left: list[str]
) -> None:
    client = broker.connect('news', subscribe='broadcast')
    driver.lose(count)
    tell(broker, 'one', 'two', 'three')
    assert client.receive_all() == left
    assert [message.payload.decode() for message in driver.lost] == ['one', 'two', 'three'][
        : 3 - len(left)
    ]


def test_losing_adds_up(broker: Broker, driver: MemoryDriver) -> None:
    client = broker.connect('news', subscribe='broadcast')
    driver.lose()
    driver.lose(2)
    tell(broker, 'one', 'two', 'three', 'four')
    assert client.receive_all() == ['four']


@pytest.mark.parametrize('count', [0, -1])
def test_losing_nothing_is_refused(driver: MemoryDriver, count: int) -> None:
    with pytest.raises(ValueError, match='takes a count from 1 on'):
        driver.lose(count)


def listen(driver: MemoryDriver, channels: list[bytes], patterns: list[bytes]) -> list[list[bytes]]:
    """Listen at the driver; gives what arrives, reply by reply."""
    recipient = driver.new_recipient(Limits(), 'news', False)
    driver.subscribe(recipient, channels, patterns)
    arrived: list[list[bytes]] = []
    receive = driver.exchange.receive

    def note(replies: list[list[bytes]], now: float) -> None:
        arrived.extend(reply for reply in replies if reply[0] in (b'message', b'pmessage'))
        receive(replies, now)

    driver.exchange.receive = note  # type: ignore[assignment, method-assign]
    return arrived


@pytest.fixture(params=['memory', 'redis'])
def alone(request: pytest.FixtureRequest) -> Iterator[MemoryDriver]:
    """A driver on each kind of server."""
    server = RedisServer(
        'memory://' if request.param == 'memory' else request.getfixturevalue('redis_url')
    )
    driver = MemoryDriver(server, Clock())
    yield driver
    driver.stop()
    server.close()


def publish(driver: MemoryDriver, *messages: bytes) -> None:
    """Publish, and read it all at once."""
    for message in messages:
        driver.server.client.publish('news', message)
    driver.settle()


@pytest.mark.parametrize(
    ('channels', 'patterns', 'ways'),
    [([b'news'], [b'n*', b'*s'], 3), ([], [b'n*', b'*s'], 2), ([b'news'], [], 1)],
)
def test_message_is_lost_by_all_the_ways_that_it_comes(
    alone: MemoryDriver, channels: list[bytes], patterns: list[bytes], ways: int
) -> None:
    arrived = listen(alone, channels, patterns)
    alone.lose()
    publish(alone, b'same', b'same', b'other')
    assert [reply[-1] for reply in arrived] == [b'same'] * ways + [b'other'] * ways
    assert [message.payload for message in alone.lost] == [b'same']


def test_message_is_lost_by_ways_that_are_read_later(alone: MemoryDriver) -> None:
    """One wake-up may end between the copies of one PUBLISH."""
    arrived = listen(alone, [b'news'], [b'n*'])
    alone.lose()
    alone.receive_replies([[b'message', b'news', b'one']])
    alone.receive_replies([[b'pmessage', b'n*', b'news', b'one'], [b'message', b'news', b'two']])
    alone.receive_replies([[b'pmessage', b'n*', b'news', b'two']])
    assert [reply[-1] for reply in arrived] == [b'two', b'two']
    assert alone.lost == [Published(b'news', b'one')]


def test_other_replies_are_never_lost(alone: MemoryDriver) -> None:
    recipient = alone.new_recipient(Limits(), 'news', False)
    alone.lose()
    alone.subscribe(recipient, [b'news'], [b'n*'])
    assert alone.lost == []


def test_connection_that_is_cut_comes_back_at_once_and_catches_up(
    broker: Broker, driver: MemoryDriver
) -> None:
    client = broker.connect('news', subscribe='broadcast')
    driver.lose()
    broker.publish('kept', facility='news', broadcast=True, expire=60)
    gaps: list[int] = []

    def note(channels: int, **kwargs: object) -> None:
        gaps.append(channels)

    redis_gap.connect(note)
    try:
        driver.cut('a test cut it')
        broker.settle()
    finally:
        redis_gap.disconnect(note)
    assert gaps == [1]
    assert driver.exchange.feed.state is FeedState.UP
    assert client.receive_all() == ['kept']


def test_what_is_lost_is_stored_all_the_same(broker: Broker) -> None:
    broker.connect('news', subscribe='broadcast')
    broker.lose_publishes()
    broker.publish('lost', facility='news', broadcast=True, expire=60)
    assert broker.persisted(facility='news', broadcast=True) == b'lost'
    assert [publication.text for publication in broker.published] == ['lost']
    assert broker.connect('news', subscribe='broadcast').received == ['lost']


def test_one_publish_is_lost_for_those_who_listen_by_pattern_too(broker: Broker) -> None:
    class ByPattern(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('broadcast:n*')

    by_name = broker.connect('news', subscribe='broadcast')
    by_pattern = broker.connect('news', subscriber=ByPattern)
    broker.lose_publishes()
    tell(broker, 'lost', 'kept')
    assert (by_name.received, by_pattern.received) == (['kept'], ['kept'])


@pytest.mark.parametrize('n', [0, -1])
def test_less_than_one_is_an_error(broker: Broker, n: int) -> None:
    with pytest.raises(ValueError, match=f'from 1 on, not {n}'):
        broker.lose_publishes(n)


def test_connection_that_is_cut_is_back_at_once_and_brings_what_was_kept(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker.lose_publishes()
    broker.publish('lost', facility='news', broadcast=True, expire=60)
    broker.drop_subscribers()
    assert client.received == ['lost']
    tell(broker, 'after')
    assert client.received == ['lost', 'after']
    assert client.open
