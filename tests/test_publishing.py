"""publish_message: what it takes, stores and sends, in one round trip and at most once."""

from __future__ import annotations

import asyncio
import datetime
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import fakeredis
import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.utils.connection import ConnectionDoesNotExist
from django.utils.functional import lazy, lazystr
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, ngettext_lazy, override, pgettext_lazy

from ws4redis import publishing
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import Message, RedisMessage, RedisStore
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, FakeRedisPublisher

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

    def _publish_on_commit(self, message: str) -> None:
        RedisStore.publish_message(self, message, on_commit=True)  # type: ignore[call-arg]


METHODS = ('publish_message', 'pipeline_publish_message', 'apublish_message')


def call(store: RedisStore, method: str, *arguments: Any, **keywords: Any) -> None:
    """The method, below async_to_sync if it is a coroutine's."""
    if method.startswith('a'):
        async_to_sync(getattr(store, method))(*arguments, **keywords)
    else:
        getattr(store, method)(*arguments, **keywords)


CALL = call.__code__.co_firstlineno + 1


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


@pytest.mark.row('U17')
@pytest.mark.parametrize(
    'message',
    [
        gettext_lazy('Yes'),
        pgettext_lazy('answer', 'Yes'),
        ngettext_lazy('Yes', 'Yeses', 1),
        format_lazy('{}{}', 'Y', gettext_lazy('es')),
        lazystr('Yes'),
    ],
)
def test_lazy_text_is_published_as_text(broker: Broker, message: Any) -> None:
    """It was a TypeError."""
    Store('channel').publish_message(message)
    assert [publication.message for publication in broker.published] == [b'Yes']
    assert RedisMessage(message) == b'Yes'


def test_lazy_text_is_in_the_language_of_the_call(broker: Broker) -> None:
    with override('de'):
        Store('channel').publish_message(gettext_lazy('Yes'))
        call(Store('channel'), 'publish_message', json=[gettext_lazy('No')])
    assert [publication.text for publication in broker.published] == ['Ja', '["Nein"]']


def test_lazy_bytes_are_no_text(broker: Broker) -> None:
    with pytest.raises(TypeError, match='message is __proxy__'):
        Store('channel').publish_message(lazy(lambda: b'Yes', bytes)())


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ({'state': 'new'}, '{"state": "new"}'),
        ([1, None], '[1, null]'),
        (None, 'null'),
        ('', '""'),
        (False, 'false'),
        (
            {'at': datetime.date(2026, 1, 2), 'sum': Decimal('1.50')},
            '{"at": "2026-01-02", "sum": "1.50"}',
        ),
        (UUID(int=7), f'"{UUID(int=7)}"'),
        (gettext_lazy('Yes'), '"Yes"'),
    ],
)
@pytest.mark.parametrize('method', METHODS)
def test_json_is_published_as_django_writes_it(
    broker: Broker, method: str, value: object, text: str
) -> None:
    call(Store('channel'), method, json=value, expire=5)
    [publication] = broker.published
    assert (publication.text, publication.expire) == (text, 5)


@pytest.mark.parametrize('method', METHODS)
def test_exactly_one_of_message_and_json_is_given(broker: Broker, method: str) -> None:
    for message in ('hello', None, ''):
        with pytest.raises(TypeError, match='message and json are given'):
            call(Store('channel'), method, message, json={})
    with pytest.raises(TypeError, match='nothing to publish'):
        call(Store('channel'), method)
    with pytest.raises(TypeError, match='nothing to publish'):
        call(Store('channel'), method, expire=5)
    assert broker.published == []


def test_object_that_is_no_json_is_refused_at_the_call(broker: Broker) -> None:
    with pytest.raises(TypeError, match='not JSON serializable'):
        call(Store('channel'), 'publish_message', json=object(), on_commit=True)


# After the commit


@pytest.fixture
def other() -> Iterator[str]:
    """The alias of a second database."""
    connections['other'] = connections['default'].copy('other')
    yield 'other'
    connections['other'].close()
    del connections['other']


def texts(broker: Broker) -> list[str]:
    """What was published."""
    return [publication.text for publication in broker.published]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('on_commit', [True, 'default'])
def test_message_waits_for_the_commit(broker: Broker, method: str, on_commit: bool | str) -> None:
    with transaction.atomic(durable=True):
        call(Store('channel'), method, 'hello', 5, on_commit=on_commit)
        call(Store('channel'), method, json={'a': 1}, on_commit=on_commit)
        assert texts(broker) == []
    assert texts(broker) == ['hello', '{"a": 1}']
    assert [publication.expire for publication in broker.published] == [5, 3600]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', METHODS)
def test_message_is_never_published_after_a_rollback(broker: Broker, method: str) -> None:
    with pytest.raises(LookupError), transaction.atomic(durable=True):
        call(Store('channel'), method, 'hello', on_commit=True)
        raise LookupError
    with transaction.atomic(durable=True):
        call(Store('channel'), method, 'outer', on_commit=True)
        with pytest.raises(LookupError), transaction.atomic():
            call(Store('channel'), method, 'inner', on_commit=True)
            raise LookupError
    assert texts(broker) == ['outer']


@pytest.mark.django_db(transaction=True)
def test_other_database_has_its_own_commit(broker: Broker, other: str) -> None:
    with transaction.atomic(durable=True):
        with transaction.atomic(using=other, durable=True):
            call(Store('channel'), 'publish_message', 'of the other', on_commit=other)
            call(Store('channel'), 'publish_message', 'of the default', on_commit=True)
            assert texts(broker) == []
        assert texts(broker) == ['of the other']
        call(Store('channel'), 'publish_message', 'at once', on_commit=other)
        assert texts(broker) == ['of the other', 'at once']
    assert texts(broker) == ['of the other', 'at once', 'of the default']


@pytest.mark.parametrize('method', METHODS)
def test_message_is_published_at_once_outside_a_transaction(broker: Broker, method: str) -> None:
    """It does not even connect to the database, which this test may not."""
    call(Store('channel'), method, 'hello', on_commit=True)
    assert texts(broker) == ['hello']


@pytest.mark.django_db(transaction=True)
def test_message_is_published_at_once_on_an_open_connection_without_a_transaction(
    broker: Broker,
) -> None:
    connections['default'].ensure_connection()
    call(Store('channel'), 'publish_message', 'hello', on_commit=True)
    assert texts(broker) == ['hello']


@pytest.mark.django_db(transaction=True)
def test_transaction_that_django_does_not_manage_is_refused_as_django_does(broker: Broker) -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError):
            call(Store('channel'), 'publish_message', 'hello', on_commit=True)
    finally:
        transaction.set_autocommit(True)
    assert texts(broker) == []


@pytest.mark.django_db(transaction=True)
def test_message_after_the_commit_is_the_one_of_the_call(
    broker: Broker, settings: Settings
) -> None:
    state, data = {'state': 'new'}, bytearray(b'new')
    publisher = RedisPublisher(facility='news', broadcast=True)
    with transaction.atomic(durable=True):
        publisher.publish_message(json=state, on_commit=True)
        publisher.publish_message(data, on_commit=True)
        with override('de'):
            publisher.publish_message(gettext_lazy('Yes'), on_commit=True)
        state['state'], data[:] = 'old', b'old'
        settings.WS4REDIS_PREFIX, settings.WS4REDIS_EXPIRE = 'shop', 7
    assert texts(broker) == ['{"state": "new"}', 'new', 'Ja']
    assert {(one.channel, one.expire) for one in broker.published} == {('shop:broadcast:news', 7)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', METHODS)
def test_what_is_wrong_is_said_at_the_call(broker: Broker, method: str) -> None:
    with transaction.atomic(durable=True):
        for arguments in ((1,), ('hello', 'soon'), ('hello', True)):
            with pytest.raises(TypeError):
                call(Store('channel'), method, *arguments, on_commit=True)
        for on_commit in (1, 0, b'default', ['default'], transaction):
            with pytest.raises(TypeError, match=f'on_commit is {type(on_commit).__name__}'):
                call(Store('channel'), method, 'hello', on_commit=on_commit)
        for alias in ('nowhere', ''):
            with pytest.raises(ConnectionDoesNotExist):
                call(Store('channel'), method, 'hello', on_commit=alias)
        with pytest.warns(RuntimeWarning, match='the message is None'):
            call(Store('channel'), method, None, on_commit=True)
    assert texts(broker) == []


@pytest.mark.django_db(transaction=True)
def test_redis_that_is_away_at_the_commit_raises_with_the_line_that_published(
    broker: Broker,
) -> None:
    with (
        pytest.raises(redis.ConnectionError) as error,
        broker.outage(),
        transaction.atomic(durable=True),
    ):
        Store('channel')._publish_on_commit('hello')
    line = Store._publish_on_commit.__code__.co_firstlineno + 1
    assert error.value.__notes__ == [f'published with on_commit at {__file__}:{line}']


@pytest.mark.django_db(transaction=True)
def test_store_may_have_been_told_to_wait(broker: Broker) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True, on_commit=True)
    with transaction.atomic(durable=True):
        for method in METHODS:
            call(publisher, method, method)
            call(publisher, method, 'at once', on_commit=False)
        assert texts(broker) == ['at once'] * 3
    assert texts(broker)[3:] == list(METHODS)


@pytest.mark.row('U17')
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', ['publish_message', 'apublish_message'])
def test_override_that_knows_two_arguments_goes_on_working(broker: Broker, method: str) -> None:
    class Shouting(RedisPublisher):
        def publish_message(self, message: Any, expire: float | None = None) -> None:  # type: ignore[override]
            super().publish_message(message.upper(), expire)

    publisher = Shouting('news', True, on_commit=True)
    with transaction.atomic(durable=True):
        call(publisher, method, 'hello', 5)
        assert texts(broker) == []
    assert [(one.text, one.expire) for one in broker.published] == [('HELLO', 5)]
    with pytest.raises(TypeError, match="unexpected keyword argument 'json'"):
        call(publisher, method, json={})


@pytest.mark.django_db(transaction=True)
def test_own_message_that_waited_does_not_come_back(broker: Broker, settings: Settings) -> None:
    class Committing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            with transaction.atomic():
                RedisStore.publish_message(self, message, expire, on_commit=True)  # type: ignore[call-arg]
                assert texts(broker) == []

    settings.WS4REDIS_SUBSCRIBER = Committing
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    john = broker.connect('news', subscribe='broadcast', publish='broadcast')
    mary = broker.connect('news', subscribe='broadcast')
    john.send('hi')
    assert mary.receive() == 'hi'
    john.assert_nothing_received()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', METHODS)
def test_source_of_what_waits_is_the_line_that_has_published(broker: Broker, method: str) -> None:
    line = CALL + (2 if method.startswith('a') else 4)
    with transaction.atomic(durable=True):
        call(Store('channel'), method, 'hello', on_commit=True)
    call(Store('channel'), method, 'hello', on_commit=True)
    assert [one.source for one in broker.published] == [f'{__file__}:{line}'] * 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize('method', METHODS)
def test_fake_without_a_broker_waits_too_and_names_the_line_that_has_published(
    method: str,
) -> None:
    """So does a site: a coroutine publishes from the thread that has the transaction."""
    line = CALL + (2 if method.startswith('a') else 4)
    publisher = FakeRedisPublisher(facility='news', broadcast=True)
    with transaction.atomic(durable=True):
        call(publisher, method, 'hello', on_commit=True)
        assert publisher.published == []
    assert [one.source for one in publisher.published] == [f'{__file__}:{line}']


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
