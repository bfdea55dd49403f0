"""Subscription: the exchange under redis-py's PubSub method names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis

from ws4redis.core.glob import glob_escape
from ws4redis.exceptions import NothingToRead
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscription import Subscription, control_channel
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing import WebSocketClient


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def new_subscription(broker: Broker) -> Subscription:
    """What connection.pubsub() gives a subscriber whose handshake has not succeeded yet."""
    subscription = broker._engine.driver.connection.pubsub()
    assert isinstance(subscription, Subscription)
    return subscription


def publish(broker: Broker, channel: str, *texts: str) -> None:
    """Publish as another program does."""
    for text in texts:
        broker.redis.publish(channel, text)


def subscription_of(client: WebSocketClient) -> Subscription:
    """The subscription of an open websocket."""
    subscription = client.subscriber._subscription
    assert isinstance(subscription, Subscription)
    return subscription


# Before the handshake has succeeded


def test_subscriptions_are_recorded_under_bytes_keys_as_redis_py_has_them(broker: Broker) -> None:
    subscription = new_subscription(broker)
    subscription.subscribe('one', b'two', 'grün')
    subscription.psubscribe('a*')
    assert list(subscription.channels) == [b'one', b'two', 'grün'.encode()]
    assert list(subscription.patterns) == [b'a*']
    assert broker.redis.pubsub_channels() == []


def test_names_may_come_as_a_list(broker: Broker) -> None:
    subscription = new_subscription(broker)
    names: Any = ['one', 'two']
    subscription.subscribe(names, 'three')
    assert list(subscription.channels) == [b'one', b'two', b'three']


def test_unsubscribe_takes_names_or_all(broker: Broker) -> None:
    subscription = new_subscription(broker)
    subscription.subscribe('one', 'two', 'three')
    subscription.psubscribe('a*', 'b*')
    subscription.unsubscribe('one', 'never-there')
    subscription.punsubscribe('a*')
    assert (list(subscription.channels), list(subscription.patterns)) == (
        [b'two', b'three'],
        [b'b*'],
    )
    subscription.unsubscribe()
    assert subscription.subscribed
    subscription.punsubscribe()
    assert not subscription.subscribed


@pytest.mark.parametrize('method', ['reset', 'close'])
def test_reset_and_close_listen_on_nothing_any_more(broker: Broker, method: str) -> None:
    subscription = new_subscription(broker)
    subscription.subscribe('one')
    subscription.psubscribe('a*')
    getattr(subscription, method)()
    assert not subscription.subscribed


def test_there_is_no_connection_of_its_own(broker: Broker) -> None:
    """So that a copied `connection and ...fileno()` gives None."""
    assert new_subscription(broker).connection is None


@pytest.mark.parametrize('method', ['subscribe', 'psubscribe'])
def test_handlers_are_refused_with_what_to_do_instead(broker: Broker, method: str) -> None:
    with pytest.raises(TypeError, match=r'override parse_response\(\)'):
        getattr(new_subscription(broker), method)(one=print)


@pytest.mark.parametrize('name', ['run_in_thread', 'listen', 'ssubscribe', 'ping'])
def test_other_names_of_redis_py_are_refused_with_what_to_do_instead(
    broker: Broker, name: str
) -> None:
    with pytest.raises(
        AttributeError, match=rf'Subscription has no {name}.*redis\.Redis\(\.\.\.\)\.pubsub\(\)'
    ):
        getattr(new_subscription(broker), name)


@pytest.mark.parametrize('prefix', [None, 'shop'])
def test_control_channel_is_refused(broker: Broker, settings: Settings, prefix: str | None) -> None:
    settings.WS4REDIS_PREFIX = prefix
    assert control_channel() == (b'shop:' if prefix else b'') + b'ws4redis:control'
    with pytest.raises(ValueError, match='control channel'):
        new_subscription(broker).subscribe(control_channel())


def test_nothing_to_read_is_no_exception_that_except_exception_catches(broker: Broker) -> None:
    subscription = new_subscription(broker)
    with pytest.raises(NothingToRead):
        subscription.parse_response()
    with pytest.raises(NothingToRead):
        subscription.parse_response(block=True, timeout=5)
    assert subscription.get_message(timeout=None) is None
    assert not issubclass(NothingToRead, Exception)


def test_message_that_has_arrived_is_read_once(broker: Broker) -> None:
    subscription = new_subscription(broker)
    subscription.offer([b'message', b'one', b'hello'])
    assert subscription.parse_response() == [b'message', b'one', b'hello']
    with pytest.raises(NothingToRead):
        subscription.parse_response()


@pytest.mark.parametrize(
    ('reply', 'message'),
    [
        (
            [b'message', b'one', b'hello'],
            {'type': 'message', 'pattern': None, 'channel': b'one', 'data': b'hello'},
        ),
        (
            [b'pmessage', b'o*', b'one', b'hello'],
            {'type': 'pmessage', 'pattern': b'o*', 'channel': b'one', 'data': b'hello'},
        ),
    ],
)
def test_get_message_gives_the_dict_of_redis_py(
    broker: Broker, reply: list[bytes], message: dict[str, Any]
) -> None:
    subscription = new_subscription(broker)
    subscription.offer(reply)
    assert subscription.get_message() == message
    assert subscription.get_message() is None


# Of an open websocket


class Raw(RedisSubscriber):
    """Listens on raw channels and patterns."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.subscribe('raw')
        self._subscription.psubscribe('many:*')


def test_raw_channels_and_patterns_are_delivered_without_a_prefix(
    broker: Broker, settings: Settings
) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    client = broker.connect('news', subscribe='broadcast', subscriber=Raw)
    assert client.channels == ['shop:broadcast:news', 'raw', 'many:*']
    publish(broker, 'raw', 'by name')
    publish(broker, 'many:1', 'by pattern')
    publish(broker, 'other', 'not for it')
    assert client.receive_all() == ['by name', 'by pattern']


def test_persisted_message_of_a_raw_channel_is_the_key_of_its_name(broker: Broker) -> None:
    broker.redis.set('raw', 'persisted')
    broker.redis.set('many:1', 'a pattern has none')
    assert broker.connect('news', subscriber=Raw).receive_all() == ['persisted']


def test_channels_and_patterns_of_an_open_websocket_can_be_read(broker: Broker) -> None:
    subscription = subscription_of(broker.connect('news', subscribe='broadcast', subscriber=Raw))
    assert list(subscription.channels) == [b'broadcast:news', b'raw']
    assert list(subscription.patterns) == [b'many:*']
    subscription.subscribe('later')
    assert list(subscription.channels) == [b'broadcast:news', b'raw', b'later']
    subscription.unsubscribe('raw')
    assert list(subscription.channels) == [b'broadcast:news', b'later']


def test_later_subscription_counts_when_the_call_has_returned(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker.redis.set('later', 'an old one, which is not sent')
    subscription_of(client).subscribe('later')
    assert broker.redis.pubsub_numsub('later') == [(b'later', 1)]
    publish(broker, 'later', 'hello')
    assert client.receive_all() == ['hello']


def test_later_pattern_counts_when_the_call_has_returned(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    subscription_of(client).psubscribe('late*')
    assert broker.redis.pubsub_numpat() == 2, 'the broker itself listens by one'
    publish(broker, 'later', 'hello')
    assert client.receive_all() == ['hello']


def test_later_subscription_while_redis_is_away_raises(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    with broker.outage(), pytest.raises(redis.ConnectionError):
        subscription_of(client).subscribe('later')


def test_unsubscribed_channel_brings_nothing_more_and_others_keep_it(broker: Broker) -> None:
    one, other = (broker.connect('news', subscribe='broadcast') for _ in range(2))
    subscription_of(one).unsubscribe('broadcast:news')
    broker.publish('hello', facility='news', broadcast=True)
    one.assert_nothing_received()
    assert other.receive_all() == ['hello']
    assert one.open


def test_last_one_who_leaves_unsubscribes_the_process(broker: Broker) -> None:
    one, other = (broker.connect('news', subscribe='broadcast') for _ in range(2))
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)], (
        'processes are counted'
    )
    one.close()
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)]
    other.close()
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


def test_pattern_is_left_too(broker: Broker) -> None:
    client = broker.connect('news', subscriber=Raw)
    subscription_of(client).punsubscribe()
    publish(broker, 'many:1', 'by pattern')
    publish(broker, 'raw', 'by name')
    assert client.receive_all() == ['by name']
    assert broker.redis.pubsub_numpat() == 1, 'the broker itself listens by one'


def test_message_by_name_and_by_patterns_comes_once(broker: Broker) -> None:
    class Twice(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('broadcast:*', '*:news', '*')

    client = broker.connect('news', subscribe='broadcast', subscriber=Twice)
    broker.publish('hello', facility='news', broadcast=True, expire=0)
    assert client.receive_all() == ['hello']


def test_no_pattern_yields_the_control_channel(broker: Broker) -> None:
    class Everything(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('*')

    client = broker.connect('news', subscriber=Everything)
    publish(broker, control_channel().decode(), 'secret')
    publish(broker, 'anything', 'else')
    assert client.receive_all() == ['else']


def test_pattern_of_everything_brings_what_was_published_and_nothing_else(broker: Broker) -> None:
    """Neither SET nor a key that expires is a message."""

    class Everything(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('*')

    client = broker.connect('news', subscriber=Everything)
    broker.publish('hello', facility='news', broadcast=True, expire=5)
    broker.redis.set('key', 'value')
    broker.advance(6)
    assert client.receive_all() == ['hello']


def test_text_from_a_client_is_escaped_in_a_pattern(broker: Broker) -> None:
    class ByName(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe(f'room:{glob_escape(request.GET["room"])}:*')

    client = broker.connect('/ws/?room=[*]', subscriber=ByName)
    publish(broker, 'room:secret:1', 'not for it')
    publish(broker, 'room:[*]:1', 'for it')
    assert client.receive_all() == ['for it']


def test_subscriber_that_asks_for_the_control_channel_is_refused(broker: Broker) -> None:
    class Spy(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self._subscription = self._connection.pubsub()
            self._subscription.subscribe(control_channel())

    broker.raise_server_exceptions = False
    with pytest.raises(HandshakeRejected) as refused:
        broker.connect('news', subscriber=Spy)
    assert refused.value.status_code == 500


def test_subscribers_share_one_connection_that_has_every_command(broker: Broker) -> None:
    one, other = (broker.connect('news', subscribe='broadcast') for _ in range(2))
    assert one.subscriber._connection is other.subscriber._connection
    assert isinstance(one.subscriber._connection, redis.Redis)
    one.subscriber._connection.rpush('list', 'a', 'b')
    assert other.subscriber._connection.lrange('list', 0, -1) == [b'a', b'b']
    assert subscription_of(one) is not subscription_of(other)
