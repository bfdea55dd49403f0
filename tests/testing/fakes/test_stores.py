"""The fakes of publisher, subscriber and store: a plain unit test of one class, with and without
a Broker.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import fakeredis
import pytest
import redis
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from tests.subscribers import overrides
from ws4redis import redis_client
from ws4redis.exceptions import ChannelNameError, NothingToRead
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.seam import seam
from ws4redis.signals import rights_withdrawn
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import (
    Broker,
    FakeRedisPublisher,
    FakeRedisStore,
    FakeRedisSubscriber,
    FakeWebSocket,
)
from ws4redis.testing.fakes.alone import make_request

LISTEN = ['subscribe-broadcast']


def publisher(**keywords: Any) -> FakeRedisPublisher:
    """One that tells everybody of the facility news."""
    return FakeRedisPublisher(facility='news', broadcast=True, **keywords)


def subscriber(cls: Any = FakeRedisSubscriber, channels: Any = LISTEN, **keywords: Any) -> Any:
    """One that listens on the facility news."""
    made = cls(**keywords)
    made.set_pubsub_channels(make_request('news'), list(channels))
    return made


def payloads(listener: Any) -> list[bytes]:
    """The messages that parse_response() gives until nothing is left."""
    found = []
    while True:
        try:
            found.append(listener.parse_response()[-1])
        except NothingToRead:
            return found


@pytest.fixture(params=['alone', 'broker'])
def surroundings(request: pytest.FixtureRequest) -> Any:
    """Outside any Broker, and inside one."""
    if request.param == 'alone':
        yield None
    else:
        with Broker() as broker:
            yield broker


# All of them


@pytest.mark.parametrize('fake', [FakeRedisStore, FakeRedisPublisher, FakeRedisSubscriber])
def test_fake_is_the_real_class(fake: Any) -> None:
    real = {
        FakeRedisStore: RedisStore,
        FakeRedisPublisher: RedisPublisher,
        FakeRedisSubscriber: RedisSubscriber,
    }[fake]
    assert issubclass(fake, real)
    assert isinstance(fake(), RedisStore)


def test_each_fake_has_a_server_of_its_own() -> None:
    first, second = publisher(), publisher()
    first.publish_message('hello', expire=60)
    assert first.redis.get('broadcast:news') == b'hello'
    assert second.redis.keys() == []
    assert second.published == []


def test_fakes_that_share_a_server_hear_each_other() -> None:
    one = publisher()
    two, listener = publisher(server=one.server), subscriber(server=one.server)
    one.publish_message('first', expire=60)
    two.publish_message('second')
    assert payloads(listener) == [b'first', b'second']
    assert [publication.text for publication in one.published] == ['first']
    assert [publication.text for publication in two.published] == ['second']


def test_nothing_outside_is_touched() -> None:
    before = redis_client._configured, seam.server
    publisher().publish_message('hello')
    subscriber()
    assert (redis_client._configured, seam.server) == before
    assert not seam.in_force


def test_fakes_work_inside_a_broker_on_its_server() -> None:
    with Broker() as broker:
        client = broker.connect('news', subscribe='broadcast')
        listener, teller = subscriber(), publisher()
        teller.publish_message('hello')
        broker.publish('from the broker', facility='news', broadcast=True)
        assert client.receive_all() == ['hello', 'from the broker']
        assert payloads(listener) == [b'hello', b'from the broker']
        assert [publication.text for publication in teller.published] == ['hello']
        assert len(broker.published) == 2
        with broker.outage(), pytest.raises(redis.ConnectionError):
            teller.publish_message('lost')
        assert len(teller.published) == 1, 'what failed was not published'


def test_fake_with_a_server_of_another_stays_there_inside_a_broker() -> None:
    outside = publisher()
    with Broker() as broker:
        publisher(server=outside.server).publish_message('hello', expire=60)
        assert broker.published == []
    assert outside.redis.get('broadcast:news') == b'hello'


@pytest.mark.parametrize('fake', [FakeRedisStore, FakeRedisPublisher, FakeRedisSubscriber])
def test_fake_leaves_nothing_behind(fake: Any) -> None:
    made = fake()
    server = weakref.ref(made.server)
    del made
    gc.collect()
    assert server() is None


# Publisher


def test_published_has_what_was_published_where_and_how_long_it_stays(surroundings: Any) -> None:
    teller = FakeRedisPublisher(facility='news', broadcast=True, users=['john'], groups=['staff'])
    teller.publish_message('kept', expire=1.5)
    teller.publish_message(b'\xff', expire=0)
    teller.pipeline_publish_message('default', transaction=False)
    found = [
        (publication.channel, publication.message, publication.expire)
        for publication in teller.published
    ]
    channels = ['broadcast:news', 'group:staff:news', 'user:john:news']
    assert sorted(found[:3]) == [(name, b'kept', 1.5) for name in channels]
    assert sorted(found[3:6]) == [(name, b'\xff', 0) for name in channels]
    assert sorted(found[6:]) == [(name, b'default', 3600) for name in channels]
    assert {publication.facility for publication in teller.published} == {'news'}
    assert {str(publication.source).rpartition(':')[0] for publication in teller.published} == {
        __file__
    }
    assert 0 < teller.redis.pttl('user:john:news') <= 3_600_000


def test_persisted_message_is_fetched() -> None:
    teller = publisher()
    assert teller.fetch_message(None, 'news', 'broadcast') is None
    teller.publish_message('hello')
    assert teller.fetch_message(None, 'news', 'broadcast') == b'hello'


def test_self_is_the_user_of_the_request() -> None:
    request = RequestFactory().get('/')
    request.user = User(username='john')
    teller = FakeRedisPublisher(facility='news', users=[SELF], request=request)
    teller.publish_message('hello')
    assert [publication.channel for publication in teller.published] == ['user:john:news']


def test_publisher_refuses_what_the_real_one_refuses() -> None:
    refused: list[tuple[dict[str, Any], type[Exception]]] = [
        ({'facility': 'news', 'users': ['a:b']}, ChannelNameError),
        ({'broadcast': True}, ValueError),
        ({'facility': 'news', 'users': [SELF]}, ValueError),
        ({'facility': 'news', 'users': 7}, TypeError),
    ]
    for keywords, error in refused:
        for cls in (RedisPublisher, FakeRedisPublisher):
            with pytest.raises(error):
                cls(**keywords)
    wrong: list[tuple[Any, Any]] = [(1, None), ('text', 'soon'), ('text', float('inf'))]
    for message, expire in wrong:
        teller = publisher()
        with pytest.raises((TypeError, ValueError)):
            teller.publish_message(message, expire)
        assert teller.published == []


def test_connection_is_what_the_fake_replaces() -> None:
    with pytest.raises(TypeError, match='server= takes the server of another fake'):
        FakeRedisPublisher(connection=fakeredis.FakeRedis())


def test_heartbeat_message_is_not_published(settings: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    teller = publisher()
    with pytest.warns(RuntimeWarning, match='published nothing'):
        teller.publish_message(RedisMessage('beat'))
    assert teller.published == []


def test_prefix_of_the_settings_counts(settings: Any) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    teller = publisher()
    teller.publish_message('hello')
    assert [(publication.channel, publication.facility) for publication in teller.published] == [
        ('shop:broadcast:news', 'news')
    ]


def test_asynchronous_twins_work() -> None:
    teller = publisher()

    async def tell() -> bytes | None:
        await teller.apublish_message('hello')
        return await teller.afetch_message(None, 'news', 'broadcast')

    assert asyncio.run(tell()) == b'hello'
    assert [publication.text for publication in teller.published] == ['hello']


def test_publisher_of_a_sites_own_is_put_behind_the_fake() -> None:
    class LabPublisher(RedisPublisher):
        def _get_message_channels(self, *args: Any, labs: Any = (), **kwargs: Any) -> list[str]:
            return [
                *super()._get_message_channels(*args, **kwargs),
                *(f'lab:{name}:{args[1]}' for name in labs),
            ]

    class FakeLabPublisher(FakeRedisPublisher, LabPublisher):
        pass

    teller = FakeLabPublisher(facility='x', labs=['a', 'b'])
    teller.publish_message('hello')
    assert [publication.channel for publication in teller.published] == ['lab:a:x', 'lab:b:x']


# Store


def test_store_publishes_where_it_is_told_to() -> None:
    store = FakeRedisStore()
    store._publishers = {'raw', 'broadcast:news'}
    store.publish_message('hello', expire=5)
    found = [
        (publication.channel, publication.facility, publication.expire)
        for publication in store.published
    ]
    assert found == [('broadcast:news', 'news', 5), ('raw', None, 5)]


def test_single_commands_are_noted_too() -> None:
    store = FakeRedisStore()
    store._connection.publish('raw', 'hello')
    store._connection.set('key', 'value', px=1000)
    assert [(publication.channel, publication.expire) for publication in store.published] == [
        ('raw', 0)
    ]


# Subscriber


def test_messages_come_in_order_and_then_nothing(surroundings: Any) -> None:
    listener = subscriber()
    for text in ('one', 'two', 'three'):
        listener.redis.publish('broadcast:news', text)
    listener.redis.publish('broadcast:other', 'not this')
    assert payloads(listener) == [b'one', b'two', b'three']
    with pytest.raises(NothingToRead):
        listener.parse_response()


def test_subscriber_that_has_not_subscribed_has_nothing_to_read() -> None:
    with pytest.raises(NothingToRead):
        FakeRedisSubscriber().parse_response()


def test_what_it_publishes_itself_does_not_come_back(surroundings: Any) -> None:
    listener = subscriber(channels=['subscribe-broadcast', 'publish-broadcast'])
    listener.publish_message('mine')
    assert [publication.text for publication in listener.published] == ['mine']
    assert payloads(listener) == []


def test_persisted_messages_are_sent_to_a_fake_websocket(surroundings: Any) -> None:
    listener = subscriber()
    publisher(server=listener.server).publish_message('kept')
    websocket = FakeWebSocket()
    listener.send_persisted_messages(websocket)
    assert websocket.sent == ['kept']


def test_last_set_pubsub_channels_counts() -> None:
    listener = subscriber()
    listener.set_pubsub_channels(make_request('chat'), LISTEN)
    assert listener.redis.pubsub_channels() == [b'broadcast:chat']


def drivers(listener: Any) -> int:
    """How often its driver is told of withdrawn rights."""
    alive = [receiver() for _, receiver, *_ in rights_withdrawn.receivers]
    return sum(getattr(receiver, '__self__', None) is listener._driver for receiver in alive)


def test_release_frees_it(surroundings: Any) -> None:
    listener = subscriber()
    assert drivers(listener) == 1
    assert listener.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)]
    listener.release()
    assert listener.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]
    assert drivers(listener) == 0
    with pytest.raises(NothingToRead):
        listener.parse_response()


def test_error_of_release_comes_out_of_it() -> None:
    class Fake(FakeRedisSubscriber, overrides.FailsToRelease):
        pass

    listener = subscriber(Fake)
    with pytest.raises(RuntimeError, match='a bug of the site'):
        listener.release()
    assert listener.redis.pubsub_channels() == []


def test_subscriber_of_a_sites_own_is_put_behind_the_fake(surroundings: Any) -> None:
    class Fake(FakeRedisSubscriber, overrides.ReadsOn, overrides.ExtraChannel):
        pass

    listener = subscriber(Fake)
    assert isinstance(listener, Fake)
    for text in ('#one', 'two'):
        listener.redis.publish('extra', text)
    assert payloads(listener) == [b'two']


def test_class_derived_from_the_fake_works_too() -> None:
    class Derived(FakeRedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe('extra')

    listener = subscriber(Derived)
    listener.redis.publish('extra', 'hello')
    assert payloads(listener) == [b'hello']


# What projects have written by hand, and what takes its place


class ByHand(RedisSubscriber):
    """A double as projects have it."""

    def __init__(self, connection: Any) -> None:
        super().__init__(fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), protocol=2))

    def get_file_descriptor(self) -> int | None:
        return None


@pytest.mark.row('O12')
def test_double_by_hand() -> None:
    listener = ByHand(None)
    listener.set_pubsub_channels(make_request('news'), LISTEN)
    teller = RedisPublisher(facility='news', broadcast=True)
    teller._connection = listener._connection
    teller.publish_message('hello')
    assert listener.parse_response() == [b'subscribe', b'broadcast:news', 1], (
        'an acknowledgement, which no override gets'
    )
    assert listener.parse_response() == [b'message', b'broadcast:news', b'hello']
    # One more parse_response() would wait for ever.


@pytest.mark.row('O12')
def test_what_takes_its_place() -> None:
    listener = FakeRedisSubscriber()
    listener.set_pubsub_channels(make_request('news'), LISTEN)
    FakeRedisPublisher(facility='news', broadcast=True, server=listener.server).publish_message(
        'hello'
    )
    assert listener.parse_response() == [b'message', b'broadcast:news', b'hello']
    with pytest.raises(NothingToRead):
        listener.parse_response()


def test_view_that_makes_its_own_publisher_needs_a_broker(db: None, settings: Any) -> None:
    """A fake is handed to the code under test; what makes its publisher itself is tested with a
    Broker.
    """
    settings.ROOT_URLCONF = __name__
    with Broker() as broker:
        assert Client().get('/tell').status_code == 200
        assert [publication.text for publication in broker.published] == ['hello']


def tell(request: Any) -> Any:
    """A view as sites have it."""
    RedisPublisher(facility='news', broadcast=True).publish_message('hello')
    return HttpResponse()


urlpatterns = [path('tell', tell)]
