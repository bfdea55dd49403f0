"""publish_message: what it takes, stores and sends, in one round trip and at most once."""

from __future__ import annotations

import asyncio
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis

from ws4redis import publishing
from ws4redis.redis_store import Message, RedisMessage, RedisStore
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing.redis_process import RedisProcess


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


class Store(RedisStore):
    """Publishes to the channels that it is given."""

    def __init__(self, *channels: str, connection: redis.Redis | None = None) -> None:
        super().__init__(connection)
        self._publishers = set(channels)


def this_line() -> int:
    """The number of the line that calls."""
    return sys._getframe(1).f_lineno


class CountingConnection(fakeredis.FakeRedisConnection):
    """A connection that keeps what is sent, one entry for each round trip."""

    def __init__(self, sent: list[bytes], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sent = sent

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self.sent.append(command if isinstance(command, bytes) else b''.join(command))
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


class CountingRedis:
    """A client in memory that counts its round trips."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        pool = redis.ConnectionPool(
            connection_class=CountingConnection,
            sent=self.sent,
            server=fakeredis.FakeServer(),
            protocol=2,
        )
        self.client = redis.Redis(connection_pool=pool)
        self.client.ping()
        self.sent.clear()

    @property
    def commands(self) -> list[list[str]]:
        """The names of the commands, in one list for each round trip."""
        known = ('MULTI', 'SET', 'PUBLISH', 'EXEC')
        return [
            [word for word in data.decode().split('\r\n') if word in known] for data in self.sent
        ]


# What publish_message takes


@pytest.mark.parametrize(
    ('message', 'payload'),
    [
        ('grün', 'grün'.encode()),
        ('', b''),
        (b'\xff\x00', b'\xff\x00'),
        (bytearray(b'abc'), b'abc'),
        (RedisMessage('hello'), b'hello'),
    ],
)
def test_message_is_published_raw(broker: Broker, message: Message, payload: bytes) -> None:
    Store('channel').publish_message(message)
    [publication] = broker.published
    assert publication.message == payload
    assert broker.persisted(channel='channel') == payload


@pytest.mark.parametrize('message', [1, 1.5, ['list'], {'a': 1}, True, object()])
def test_message_of_another_type_is_refused_and_nothing_published(
    broker: Broker, message: Any
) -> None:
    with pytest.raises(TypeError, match=f'message is {type(message).__name__}'):
        Store('channel').publish_message(message)
    assert broker.published == []


def test_none_publishes_nothing_and_the_line_is_warned_of(
    broker: Broker, settings: Settings
) -> None:
    """RedisMessage yields None for the heartbeat text."""
    settings.WS4REDIS_HEARTBEAT = 'beat'
    with pytest.warns(RuntimeWarning, match='^published nothing: the message is None') as caught:
        line = this_line() + 1
        Store('channel').publish_message(RedisMessage('beat'))
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]
    assert broker.published == []


class Louder(Store):
    """Hands on what it gets."""

    def publish_message(self, message: Message, expire: float | None = None) -> None:
        super().publish_message(message, expire)


def publish_in_two_places(publish: Callable[[None], object]) -> None:
    """Publish None three times, on two lines."""
    for _ in range(2):
        publish(None)
    publish(None)


async def publish_in_two_places_of_a_coroutine(store: Store) -> None:
    """The same, awaited."""
    for _ in range(2):
        await store.apublish_message(None)
    await store.apublish_message(None)


@pytest.mark.parametrize(
    ('publish', 'warnings_given'),
    [
        (lambda: publish_in_two_places(Store('channel').publish_message), 2),
        (lambda: publish_in_two_places(Store('channel').pipeline_publish_message), 2),
        (lambda: publish_in_two_places(Store().publish_message), 2),
        (lambda: publish_in_two_places(Louder('channel').publish_message), 1),
        (lambda: asyncio.run(publish_in_two_places_of_a_coroutine(Store('channel'))), 2),
    ],
    ids=['publish', 'pipeline', 'nobody', 'override', 'async'],
)
def test_none_is_warned_of_once_for_each_line(
    broker: Broker, publish: Callable[[], None], warnings_given: int
) -> None:
    """As Python does by default; a heartbeat that is published in a loop fills no log."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('default')
        publish()
    assert [warning.filename for warning in caught] == [__file__] * warnings_given
    assert len({warning.lineno for warning in caught}) == warnings_given
    assert broker.published == []


def test_message_without_channels_goes_nowhere(broker: Broker) -> None:
    Store().publish_message('hello')
    RedisStore().publish_message('hello')
    assert broker.published == []


# How long it stays


@pytest.mark.parametrize(
    ('expire', 'seconds'), [(None, 3600), (1, 1), (0.25, 0.25), (90.5, 90.5), (86400, 86400)]
)
def test_message_is_persisted_for_expire_seconds(
    broker: Broker, expire: float | None, seconds: float
) -> None:
    Store('channel').publish_message('hello', expire)
    [publication] = broker.published
    assert publication.expire == seconds
    assert broker.persisted(channel='channel') == b'hello'
    broker.advance(seconds)
    assert broker.persisted(channel='channel') is None


def test_part_of_a_millisecond_still_persists(broker: Broker) -> None:
    """PX 0 would be an error."""
    Store('channel').publish_message('hello', 0.0001)
    assert [publication.text for publication in broker.published] == ['hello']


@pytest.mark.parametrize('expire', [0, -1, -0.5, 0.0])
def test_expire_of_zero_or_less_publishes_and_leaves_the_older_message(
    broker: Broker, expire: float
) -> None:
    Store('channel').publish_message('older', 100)
    Store('channel').publish_message('newer', expire)
    assert [publication.text for publication in broker.published] == ['older', 'newer']
    assert broker.persisted(channel='channel') == b'older'


@pytest.mark.parametrize('expire', [None, 0])
def test_setting_of_none_or_zero_persists_nothing(
    broker: Broker, settings: Settings, expire: int | None
) -> None:
    """WS4REDIS_EXPIRE=None was a TypeError."""
    settings.WS4REDIS_EXPIRE = expire
    Store('channel').publish_message('hello')
    assert [publication.text for publication in broker.published] == ['hello']
    assert broker.persisted(channel='channel') is None


def test_expire_of_the_call_beats_the_setting(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = 0
    Store('channel').publish_message('hello', expire=5)
    assert broker.published[0].expire == 5


def test_expire_of_the_object_beats_the_setting(broker: Broker) -> None:
    store = Store('channel')
    store._expire = 11
    store.publish_message('hello')
    assert broker.published[0].expire == 11


@pytest.mark.parametrize('expire', [True, False, '5', b'5', [5], object()])
def test_expire_of_another_type_is_refused(broker: Broker, expire: Any) -> None:
    with pytest.raises(TypeError, match=f'expire is {type(expire).__name__}'):
        Store('channel').publish_message('hello', expire)
    assert broker.published == []


@pytest.mark.parametrize('expire', [10**12 + 1, 1e17])
def test_expire_that_redis_cannot_keep_is_refused_before_anything_is_published(
    broker: Broker, expire: float
) -> None:
    with pytest.raises(ValueError, match='longer than 1000000000000 seconds'):
        Store('channel').publish_message('hello', expire)
    assert broker.published == []
    Store('channel').publish_message('kept', 10**12)
    assert broker.persisted(channel='channel') == b'kept'


@pytest.mark.parametrize('expire', [float('nan'), float('inf'), float('-inf')])
def test_expire_that_is_no_finite_number_is_refused(broker: Broker, expire: float) -> None:
    with pytest.raises(ValueError, match='finite'):
        Store('channel').publish_message('hello', expire)
    assert broker.published == []


def test_persisted_message_is_a_plain_string_key_with_a_ttl(broker: Broker) -> None:
    """Other programs read it."""
    Store('broadcast:news').publish_message('hello', 60)
    assert broker.redis.type('broadcast:news') == b'string'
    assert 0 < broker.redis.pttl('broadcast:news') <= 60_000


# One round trip, atomic for each channel, at most once


def test_publish_is_one_round_trip_with_a_transaction_for_each_channel() -> None:
    counting = CountingRedis()
    Store('one', 'other', connection=counting.client).publish_message('hello', 60)
    assert counting.commands == [['MULTI', 'SET', 'PUBLISH', 'EXEC'] * 2]


def test_publish_without_persisting_needs_no_transaction() -> None:
    counting = CountingRedis()
    Store('one', 'other', connection=counting.client).publish_message('hello', 0)
    assert counting.commands == [['PUBLISH', 'PUBLISH']]


@pytest.mark.parametrize(
    ('transaction', 'commands'),
    [(True, ['MULTI', 'SET', 'PUBLISH', 'EXEC']), (False, ['SET', 'PUBLISH'])],
)
def test_pipeline_publish_message_is_one_round_trip_with_or_without_transaction(
    transaction: bool, commands: list[str]
) -> None:
    counting = CountingRedis()
    Store('one', 'other', connection=counting.client).pipeline_publish_message(
        'hello', 60, transaction=transaction
    )
    assert counting.commands == [commands * 2]
    assert counting.client.get('one') == counting.client.get('other') == b'hello'


def test_pipeline_publish_message_is_atomic_unless_told_otherwise() -> None:
    counting = CountingRedis()
    Store('one', connection=counting.client).pipeline_publish_message('hello')
    assert counting.commands == [['MULTI', 'SET', 'PUBLISH', 'EXEC']]
    assert counting.client.ttl('one') == 3600


def test_publish_leaves_no_open_transaction_behind(broker: Broker) -> None:
    Store('channel').publish_message('hello')
    assert broker.redis.set('key', 'value') is True


TOO_LONG = 1e17
"""Seconds that Redis cannot store as milliseconds: SET is queued and fails inside EXEC."""


@pytest.fixture
def nothing_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, 'LONGEST', math.inf)


@pytest.mark.usefixtures('nothing_too_long')
def test_error_inside_exec_is_raised() -> None:
    """EXEC gives it in its list, which redis-py does not look into."""
    counting = CountingRedis()
    with pytest.raises(redis.ResponseError):
        Store('one', connection=counting.client).publish_message('hello', TOO_LONG)
    assert counting.commands == [['MULTI', 'SET', 'PUBLISH', 'EXEC']]


@pytest.mark.usefixtures('nothing_too_long')
def test_error_inside_exec_of_a_real_redis_is_raised(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, protocol=2) as client, pytest.raises(redis.ResponseError):
        Store('one', connection=client).publish_message('hello', TOO_LONG)


def test_redis_that_is_full_raises_and_publishes_nothing(redis_process: RedisProcess) -> None:
    """SET is refused when it is queued, so EXEC is too."""
    with redis.Redis.from_url(redis_process.url, protocol=2) as client, client.pubsub() as pubsub:
        pubsub.subscribe('one')
        pubsub.get_message(timeout=5)
        client.config_set('maxmemory', '1')
        with pytest.raises(redis.ResponseError, match='maxmemory'):
            Store('one', connection=client).publish_message('hello', 60)
        pubsub.ping('end')
        message = pubsub.get_message(timeout=5)
        assert message is not None
        assert message['data'] == b'end'


def test_key_of_another_type_is_replaced_by_the_persisted_message(broker: Broker) -> None:
    broker.redis.rpush('channel', 'a', 'list')
    Store('channel').publish_message('hello')
    assert broker.persisted(channel='channel') == b'hello'


def test_key_of_another_type_is_no_persisted_message_and_no_error(broker: Broker) -> None:
    broker.redis.rpush('broadcast:news', 'a', 'list')
    client = broker.connect('news', subscribe='broadcast')
    client.assert_nothing_received()
    broker.publish('live', facility='news', broadcast=True, expire=0)
    assert client.receive() == 'live'


@pytest.mark.parametrize('method', ['publish_message', 'pipeline_publish_message'])
def test_publishing_while_redis_is_away_raises(broker: Broker, method: str) -> None:
    with broker.outage(), pytest.raises(redis.ConnectionError):
        getattr(Store('channel'), method)('hello')
    assert broker.published == []
    assert broker.persisted(channel='channel') is None


def test_store_uses_the_connection_that_it_is_given(broker: Broker) -> None:
    counting = CountingRedis()
    store = Store('channel', connection=counting.client)
    store.publish_message('hello')
    assert counting.client.get('channel') == b'hello'
    assert broker.published == []


def test_connection_can_be_replaced(broker: Broker) -> None:
    counting = CountingRedis()
    store = Store('channel')
    store._connection = counting.client
    store.publish_message('hello')
    assert counting.client.get('channel') == b'hello'
    assert broker.published == []


def test_store_without_a_connection_asks_for_the_server_in_force_each_time() -> None:
    store = Store('channel')
    for text in ('one', 'two'):
        with Broker() as broker:
            store.publish_message(text)
            assert [publication.text for publication in broker.published] == [text]


# Asynchronous views


def test_apublish_message_publishes(broker: Broker) -> None:
    asyncio.run(Store('channel').apublish_message('hello', expire=5))
    [publication] = broker.published
    assert (publication.text, publication.expire) == ('hello', 5)


def test_apublish_message_calls_an_overridden_publish_message(broker: Broker) -> None:
    class Shouting(Store):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            super().publish_message(message.upper(), expire)

    asyncio.run(Shouting('channel').apublish_message('hello'))
    assert [publication.text for publication in broker.published] == ['HELLO']


def test_apublish_message_raises_what_publish_message_raises(broker: Broker) -> None:
    with pytest.raises(TypeError, match='message is int'):
        asyncio.run(Store('channel').apublish_message(1))  # type: ignore[arg-type]
