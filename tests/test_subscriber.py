"""RedisSubscriber: what the base class does; what sites override is in test_overrides.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber import RedisSubscriber, facility_of
from ws4redis.subscriber_methods import subscriber_class
from ws4redis.testing import Broker
from ws4redis.testing.redis_process import RedisProcess

if TYPE_CHECKING:
    from django.test import RequestFactory
    from pytest_django import Settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


class Websocket:
    """What send_persisted_messages(websocket) gets, as a subclass of ours need not know more of
    it.
    """

    closed = False

    def __init__(self) -> None:
        self.sent: list[str | bytes | bytearray] = []

    def send(self, message: str | bytes | bytearray, binary: bool | None = None) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = '') -> None:
        raise AssertionError('nobody closes')


@pytest.mark.parametrize('value', ['tests.test_subscriber.Websocket', Websocket])
def test_class_is_the_one_of_the_setting(settings: Settings, value: object) -> None:
    assert subscriber_class() is RedisSubscriber
    settings.WS4REDIS_SUBSCRIBER = value
    assert subscriber_class() is Websocket


@pytest.mark.parametrize(
    ('path', 'facility'),
    [
        ('/ws/chat', 'chat'),
        ('/ws/', ''),
        ('/ws/a/b', 'a/b'),
        ('/ws/a:b', 'a:b'),
        ('/ws/gr%C3%BCn', 'grün'),
        ('/ws/a%20b', 'a b'),
        ('/ws/ws/x', 'ws/x'),
    ],
)
def test_facility_is_the_decoded_path_after_websocket_url(
    rf: RequestFactory, path: str, facility: str
) -> None:
    assert facility_of(rf.get(path)) == facility


def test_facility_follows_the_setting(rf: RequestFactory, settings: Settings) -> None:
    settings.WEBSOCKET_URL = '/live/socket/'
    assert facility_of(rf.get('/live/socket/chat')) == 'chat'


def test_class_lists_are_the_names_of_the_query_string() -> None:
    kinds = ('session', 'group', 'user', 'broadcast')
    assert RedisSubscriber.subscription_channels == [f'subscribe-{kind}' for kind in kinds]
    assert RedisSubscriber.publish_channels == [f'publish-{kind}' for kind in kinds]


def test_constructor_takes_a_connection() -> None:
    connection = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    assert RedisSubscriber(connection)._connection is connection


@pytest.mark.django_db
def test_subscriptions_follow_what_was_asked_for(broker: Broker, django_user_model: Any) -> None:
    john = django_user_model.objects.create(username='john')
    client = broker.connect(
        'chat', subscribe=['user', 'group', 'session', 'broadcast'], user=john, groups=['staff']
    )
    assert {name.split(':')[0] for name in client.channels} == {
        'user',
        'group',
        'session',
        'broadcast',
    }
    assert {'user:john:chat', 'group:staff:chat', 'broadcast:chat'} < set(client.channels)


def test_only_what_was_asked_for_is_subscribed_to(broker: Broker) -> None:
    assert broker.connect('chat', subscribe='broadcast').channels == ['broadcast:chat']
    assert broker.connect('chat').channels == []


@pytest.mark.django_db
def test_publishers_follow_what_was_asked_for(broker: Broker, django_user_model: Any) -> None:
    john = django_user_model.objects.create(username='john')
    client = broker.connect('chat', publish=['user', 'broadcast'], user=john)
    assert set(client.subscriber._publishers) == {'broadcast:chat', 'user:john:chat'}
    client.send('hello')
    assert {publication.channel for publication in broker.published} == {
        'broadcast:chat',
        'user:john:chat',
    }


class ClosesFirst(RedisSubscriber):
    """Turns its visitors away, and leaves the rest to the base."""

    def send_persisted_messages(self, websocket: Any) -> None:
        websocket.close(4001, 'full')
        super().send_persisted_messages(websocket)


def test_websocket_that_is_closed_gets_no_persisted_messages_and_that_is_no_error(
    broker: Broker,
) -> None:
    for facility in ('chat', 'lobby'):
        RedisPublisher(facility=facility, broadcast=True).publish_message('persisted', 60)
    client = broker.connect('chat', subscribe='broadcast', subscriber=ClosesFirst)
    client.assert_closed(4001)
    assert client.receive_all() == []
    assert broker.connect('lobby', subscribe='broadcast').receive_all() == ['persisted']


# Outside of any loop: a management command, a shell


def test_subscriber_works_on_a_redis_py_connection(rf: RequestFactory) -> None:
    connection = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    subscriber = RedisSubscriber(connection)
    subscriber.set_pubsub_channels(rf.get('/ws/chat'), ['subscribe-broadcast'])
    assert subscriber.parse_response() == [b'subscribe', b'broadcast:chat', 1]
    connection.publish('broadcast:chat', 'hello')
    assert RedisMessage(subscriber.parse_response()) == b'hello'
    subscriber.release()
    assert connection.pubsub_numsub('broadcast:chat') == [(b'broadcast:chat', 0)]


def test_persisted_messages_go_to_any_websocket(rf: RequestFactory) -> None:
    connection = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    connection.set('broadcast:chat', 'persisted')
    for name in ('send_persisted_messages', 'send_persited_messages'):
        subscriber = RedisSubscriber(connection)
        subscriber.set_pubsub_channels(rf.get('/ws/chat'), ['subscribe-broadcast'])
        subscriber.parse_response()
        websocket = Websocket()
        getattr(subscriber, name)(websocket)
        assert websocket.sent == [b'persisted']


def test_persisted_messages_before_set_pubsub_channels_are_none() -> None:
    websocket = Websocket()
    RedisSubscriber().send_persisted_messages(websocket)
    assert websocket.sent == []


def test_release_before_set_pubsub_channels_is_no_error() -> None:
    RedisSubscriber().release()


def test_release_may_come_twice(rf: RequestFactory) -> None:
    subscriber = RedisSubscriber(fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2))
    subscriber.set_pubsub_channels(rf.get('/ws/chat'), ['subscribe-broadcast'])
    subscriber.release()
    subscriber.release()
    assert not subscriber._subscription.subscribed


# get_file_descriptor


def test_exchange_has_no_descriptor_to_watch(broker: Broker) -> None:
    assert broker.connect('chat', subscribe='broadcast').subscriber.get_file_descriptor() is None
    assert RedisSubscriber().get_file_descriptor() is None


def test_number_that_fakeredis_invents_is_no_descriptor(rf: RequestFactory) -> None:
    subscriber = RedisSubscriber(fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2))
    subscriber.set_pubsub_channels(rf.get('/ws/chat'), ['subscribe-broadcast'])
    assert subscriber._subscription.connection is not None
    assert subscriber.get_file_descriptor() is None


def test_pub_sub_connection_of_redis_py_has_its_sockets_descriptor(
    rf: RequestFactory, redis_process: RedisProcess
) -> None:
    """As the API document says it."""
    with redis.Redis.from_url(redis_process.url, protocol=2) as connection:
        subscriber = RedisSubscriber(connection)
        subscriber.set_pubsub_channels(rf.get('/ws/chat'), ['subscribe-broadcast'])
        descriptor = subscriber.get_file_descriptor()
        assert descriptor == subscriber._subscription.connection._sock.fileno()
        subscriber.release()
        assert subscriber.get_file_descriptor() is None
