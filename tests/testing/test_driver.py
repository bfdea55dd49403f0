"""MemoryDriver: everything that follows from a call is done when it returns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
import redis

from ws4redis.core.feed import FeedState
from ws4redis.core.limits import Limits
from ws4redis.redis_client import RedisServer
from ws4redis.signals import redis_gap
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker
from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def driver() -> Iterator[MemoryDriver]:
    server = RedisServer('memory://')
    driver = MemoryDriver(server, Clock())
    yield driver
    driver.stop()
    server.close()


def test_driver_connects_only_when_there_is_somebody_to_serve(driver: MemoryDriver) -> None:
    driver.settle()
    states = [driver.exchange.feed.state]
    recipient = driver.new_recipient(Limits(), 'news', False)
    driver.subscribe(recipient, [b'news'], [])
    states.append(driver.exchange.feed.state)
    assert states == [FeedState.DOWN, FeedState.UP]


def test_subscribe_returns_when_redis_has_acknowledged(driver: MemoryDriver) -> None:
    recipient = driver.new_recipient(Limits(), 'news', False)
    driver.subscribe(recipient, [b'one', b'two'], [b'a*'])
    assert set(driver.server.client.pubsub_channels()) == {b'one', b'two'}
    assert driver.server.client.pubsub_numpat() == 1


def test_subscribe_without_redis_raises(driver: MemoryDriver) -> None:
    driver.server.gate.closed = True
    recipient = driver.new_recipient(Limits(), 'news', False)
    with pytest.raises(redis.ConnectionError, match='no acknowledgement'):
        driver.subscribe(recipient, [b'news'], [])
    driver.server.gate.closed = False


def test_recipient_that_is_forgotten_leaves_nothing(driver: MemoryDriver) -> None:
    recipient = driver.new_recipient(Limits(), 'news', False)
    driver.subscribe(recipient, [b'news'], [])
    driver.forget(recipient)
    assert driver.server.client.pubsub_numsub('news') == [(b'news', 0)]
    assert not driver.exchange.recipients


def test_heartbeat_follows_the_latest_handshake(driver: MemoryDriver) -> None:
    driver.new_recipient(Limits(heartbeat=b'beat'), 'news', False)
    assert driver.exchange.heartbeat == b'beat'


def test_server_side_runs_in_the_tests_thread(broker: Broker) -> None:
    threads: list[int] = []

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            threads.append(threading.get_ident())
            super().set_pubsub_channels(request, channels)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            threads.append(threading.get_ident())

        def release(self) -> None:
            threads.append(threading.get_ident())

    client = broker.connect('news', subscriber=Looking)
    client.send('hello')
    client.close()
    assert threads == [threading.get_ident()] * 3


def test_jobs_run_one_at_a_time_and_in_order(broker: Broker) -> None:
    """A message that is published by a job is delivered when the job has ended."""
    order: list[str] = []

    class Noting(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            order.append(f'begin {message.decode()}')
            self._connection.publish('broadcast:news', message)
            order.append(f'end {message.decode()}')

        def parse_response(self) -> Any:
            reply = super().parse_response()
            order.append(f'parse {reply[-1].decode()}')
            return reply

    client = broker.connect('news', subscribe='broadcast', subscriber=Noting)
    client._end.protocol.send_text(b'one')
    client._end.protocol.send_text(b'two')
    client._end.flush()
    assert client.receive_all() == ['one', 'two']
    assert order == ['begin one', 'end one', 'begin two', 'end two', 'parse one', 'parse two']


def test_settle_works_off_what_follows_from_what_arrived(broker: Broker) -> None:
    """A chain of answers ends where nothing moves any more."""

    class Counting(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            number = int(reply[-1])
            if number:
                self._connection.publish('broadcast:news', str(number - 1))
            return reply

    client = broker.connect('news', subscribe='broadcast', subscriber=Counting)
    broker.redis.publish('broadcast:news', '5')
    assert client.receive_all() == ['5', '4', '3', '2', '1', '0']


class Spawning(RedisSubscriber):
    """Hands the rest of its work to greenlets."""

    rest: Any = None

    def parse_response(self) -> Any:
        reply = super().parse_response()
        gevent.spawn(type(self).rest, self, int(reply[-1]))
        return None


def test_greenlets_of_a_hook_have_run_when_it_has_settled(broker: Broker) -> None:
    def rest(self: RedisSubscriber, number: int) -> None:
        gevent.sleep(0)
        if number:
            self._connection.publish('broadcast:news', str(number - 1))
        else:
            self._connection.set('done', 'yes')

    broker.connect(
        'news', subscribe='broadcast', subscriber=type('Chain', (Spawning,), {'rest': rest})
    )
    broker.publish('3', facility='news', broadcast=True)
    assert broker.redis.get('done') == b'yes'
    assert [publication.text for publication in broker.published] == ['3', '2', '1', '0']


@pytest.mark.row('T4')
def test_greenlet_of_a_hook_that_waits_for_real_time_is_named_at_once(broker: Broker) -> None:
    def rest(self: RedisSubscriber, number: int) -> None:
        gevent.sleep(60)

    broker.connect(
        'news', subscribe='broadcast', subscriber=type('Waiting', (Spawning,), {'rest': rest})
    )
    with pytest.raises(
        RuntimeError,
        match=f'waits for real time.*rest.*{__file__}:{rest.__code__.co_firstlineno + 1}',
    ):
        broker.publish('1', facility='news', broadcast=True)
    broker.settle()


def test_burst_arrives_whole_and_in_order(broker: Broker) -> None:
    clients = [broker.connect('news', subscribe='broadcast') for _ in range(3)]
    for number in range(1000):
        broker.redis.publish('broadcast:news', str(number))
    for client in clients:
        assert client.receive_all() == [str(number) for number in range(1000)]


def test_feed_that_is_cut_comes_back_with_its_subscriptions(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker._engine.driver.feed_lost('cut by the test')
    broker.advance(1)
    broker.redis.publish('broadcast:news', 'after')
    assert client.receive_all() == ['after']


def test_back_off_is_at_its_longest_so_that_a_test_can_rely_on_it(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker._engine.driver.feed_lost('cut by the test')
    broker.advance(0.05)
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]
    broker.advance(0.06)
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)]
    assert client.open


def test_gap_is_told_in_the_tests_thread(broker: Broker) -> None:
    threads: list[int] = []

    def receiver(**kwargs: Any) -> None:
        threads.append(threading.get_ident())

    redis_gap.connect(receiver)
    try:
        broker.connect('news', subscribe='broadcast')
        with broker.outage():
            pass
    finally:
        redis_gap.disconnect(receiver)
    assert threads == [threading.get_ident()]


def test_stop_closes_everybody_and_lets_go_of_redis(driver: MemoryDriver) -> None:
    recipient = driver.new_recipient(Limits(), 'news', False)
    driver.subscribe(recipient, [b'news'], [])
    driver.stop()
    assert driver.server.client.pubsub_numsub('news') == [(b'news', 0)]
    assert not driver.exchange.recipients
