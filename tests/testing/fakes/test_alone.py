"""A subscriber alone: Broker.make_subscriber(), and the recipe that takes the place of doubles
written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
import redis
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory

from tests.subscribers import overrides, probes
from ws4redis.core.exchange import Exchange
from ws4redis.exceptions import NothingToRead
from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, FakeWebSocket
from ws4redis.testing.fakes.alone import make_request


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def alone(broker: Broker, cls: Any = None, *channels: str, **keywords: Any) -> Any:
    """A subscriber of the facility news that listens on broadcast."""
    return broker.make_subscriber(
        cls, facility='news', channels=channels or 'subscribe-broadcast', **keywords
    )


def tell(broker: Broker, *texts: str | bytes) -> None:
    """Publish to everybody of the facility news."""
    for text in texts:
        broker.publish(text, facility='news', broadcast=True, expire=0)


def replies(subscriber: Any) -> list[Any]:
    """Everything that parse_response() gives until nothing is left."""
    found = []
    while True:
        try:
            found.append(subscriber.parse_response())
        except NothingToRead:
            return found


def payloads(subscriber: Any) -> list[bytes]:
    """The messages of these replies."""
    return [reply[-1] for reply in replies(subscriber)]


def listeners(broker: Broker, channel: str = 'broadcast:news') -> int:
    """How many connections Redis sends this channel's messages to."""
    return int(broker.redis.pubsub_numsub(channel)[0][1])


# Messages


def test_messages_come_one_by_one_and_in_order_then_nothing(broker: Broker) -> None:
    subscriber = alone(broker)
    tell(broker, 'one', 'two')
    assert subscriber.parse_response() == [b'message', b'broadcast:news', b'one']
    tell(broker, 'three')
    assert payloads(subscriber) == [b'two', b'three']
    with pytest.raises(NothingToRead):
        subscriber.parse_response()
    tell(broker, 'four')
    assert payloads(subscriber) == [b'four']


def test_many_messages_come_whole(broker: Broker) -> None:
    subscriber = alone(broker)
    pipeline = broker.redis.pipeline(transaction=False)
    for number in range(2000):
        pipeline.publish('broadcast:news', f'{number}' + 'x' * 1000)
    pipeline.execute()
    assert [int(payload[:-1000]) for payload in payloads(subscriber)] == list(range(2000))


def test_what_the_process_publishes_need_not_be_settled(broker: Broker) -> None:
    subscriber = alone(broker)
    RedisPublisher(facility='news', broadcast=True).publish_message('hello')
    assert payloads(subscriber) == [b'hello']


def test_subscribers_and_clients_on_one_broker_get_their_own(broker: Broker) -> None:
    first, second, client = (
        alone(broker),
        alone(broker),
        broker.connect('news', subscribe='broadcast'),
    )
    other = broker.make_subscriber(facility='chat', channels=['subscribe-broadcast'])
    tell(broker, 'hello')
    assert (payloads(first), payloads(second), client.receive_all()) == (
        [b'hello'],
        [b'hello'],
        ['hello'],
    )
    assert payloads(other) == []
    assert broker.clients == [client]


def test_what_it_publishes_goes_to_others_and_does_not_come_back(broker: Broker) -> None:
    subscriber = alone(broker, None, 'subscribe-broadcast', 'publish-broadcast')
    client = broker.connect('news', subscribe='broadcast')
    subscriber.publish_message('mine')
    tell(broker, 'mine')
    assert payloads(subscriber) == [b'mine'], "somebody else's"
    assert client.receive_all() == ['mine', 'mine']


def test_echo_in_the_query_string_of_its_request_brings_its_own_copies(broker: Broker) -> None:
    request = make_request('news')
    request.GET = request.GET.copy()
    request.GET['echo'] = ''
    subscriber = broker.make_subscriber(
        request=request, channels=['subscribe-broadcast', 'publish-broadcast']
    )
    subscriber.publish_message('mine')
    assert payloads(subscriber) == [b'mine']


def test_heartbeat_is_no_message(broker: Broker, settings: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    subscriber = alone(broker)
    tell(broker, 'beat', 'hello')
    assert payloads(subscriber) == [b'hello']


def test_messages_arrive_after_an_outage(broker: Broker) -> None:
    subscriber = alone(broker)
    with broker.outage():
        pass
    tell(broker, 'hello')
    assert payloads(subscriber) == [b'hello']


# What an override makes of them


def test_filter_gives_none_for_what_it_leaves_out(broker: Broker) -> None:
    subscriber = alone(broker, overrides.Filters)
    tell(broker, '#one', 'two')
    assert [reply and reply[-1] for reply in replies(subscriber)] == [None, b'two']


def test_filter_that_reads_on_gives_what_it_wants(broker: Broker) -> None:
    subscriber = alone(broker, overrides.ReadsOn)
    tell(broker, '#one', 'two', '#three')
    assert payloads(subscriber) == [b'two']


def test_one_call_is_offered_one_message_as_in_production(broker: Broker) -> None:
    """What asks for two at once loses the first, here as there."""

    class Pairs(RedisSubscriber):
        def parse_response(self) -> Any:
            return b' '.join([super().parse_response()[-1], super().parse_response()[-1]])

    subscriber, client = (
        alone(broker, Pairs),
        broker.connect('news', subscribe='broadcast', subscriber=Pairs),
    )
    tell(broker, 'one', 'two')
    assert replies(subscriber) == client.receive_all() == []


def test_message_that_an_override_does_not_read_is_gone(broker: Broker) -> None:
    class Deaf(RedisSubscriber):
        def parse_response(self) -> Any:
            return 'something arrived'

    subscriber = alone(broker, Deaf)
    tell(broker, 'one')
    assert replies(subscriber) == ['something arrived']
    assert subscriber._subscription.get_message() is None


def test_error_of_an_override_comes_out_of_the_call(broker: Broker) -> None:
    subscriber = alone(broker, overrides.FailsToParse)
    tell(broker, 'one')
    with pytest.raises(RuntimeError, match='a bug of the site'):
        subscriber.parse_response()
    with pytest.raises(NothingToRead):
        subscriber.parse_response()


def test_patterns_and_channels_that_are_added_later_count(broker: Broker) -> None:
    subscriber = alone(broker, overrides.Patterns)
    broker.redis.publish('lab:1', 'by pattern')
    assert replies(subscriber) == [b'pmessage lab:* lab:1 by pattern']
    later = alone(broker, overrides.ExtraChannel)
    later.publish_message(b'more')
    broker.redis.publish('more', 'in time')
    assert payloads(later) == [b'in time']


def test_persisted_messages_go_to_a_fake_websocket(broker: Broker) -> None:
    broker.publish('persisted', facility='news', broadcast=True, expire=60)
    websocket = FakeWebSocket()
    alone(broker, overrides.SendsOneMore).send_persisted_messages(websocket)
    assert websocket.sent == ['welcome', 'persisted']


def test_subscriber_with_a_descriptor_of_its_own_is_read_without_waiting(broker: Broker) -> None:
    other = overrides.other_client()
    other.flushall()
    subscriber = alone(broker, overrides.ServesItself)
    assert replies(subscriber) == []
    other.publish('broadcast:news', 'one')
    other.publish('broadcast:news', 'two')
    tell(broker, 'not there')
    assert payloads(subscriber) == [b'one', b'two']
    subscriber.release()
    assert other.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


def test_descriptor_makes_it_serve_itself_whatever_its_subscription_is(broker: Broker) -> None:
    class Odd(RedisSubscriber):
        def get_file_descriptor(self) -> int | None:
            return 0

    subscriber = alone(broker, Odd)
    tell(broker, 'live')
    assert replies(subscriber) == []
    assert listeners(broker) == 0


def test_nobody_watches_another_client_without_a_descriptor(broker: Broker) -> None:
    subscriber = alone(broker, overrides.OtherClient)
    overrides.other_client().publish('broadcast:news', 'live there')
    assert replies(subscriber) == []


@pytest.mark.parametrize('cls', [overrides.FromRedisStore, overrides.FromNothing])
def test_class_of_another_kind_is_served_too(broker: Broker, cls: Any) -> None:
    subscriber = alone(broker, cls)
    assert type(subscriber) is cls
    tell(broker, 'hello')
    assert payloads(subscriber) == [b'hello']
    subscriber.release()
    assert listeners(broker) == 0


# How it is made


def test_class_is_that_of_the_settings_unless_one_is_given(broker: Broker, settings: Any) -> None:
    settings.WS4REDIS_SUBSCRIBER = 'tests.subscribers.overrides.ExtraChannel'
    assert type(broker.make_subscriber()) is overrides.ExtraChannel
    assert type(broker.make_subscriber(overrides.Filters)) is overrides.Filters


def test_default_request_is_an_anonymous_visitors(broker: Broker) -> None:
    request = broker.make_subscriber(overrides.KeepsRequest, facility='a b/ü').request
    assert (request.method, request.path_info) == ('GET', '/ws/a b/ü')
    assert not request.user.is_authenticated
    assert (request.session.session_key, list(request.session.keys())) == (None, [])


def test_request_of_ones_own_says_who_it_is_and_which_facility(broker: Broker) -> None:
    request = RequestFactory().get('/ws/chat')
    request.user = User(username='john')
    subscriber = broker.make_subscriber(request=request, channels=['subscribe-user'])
    assert list(subscriber._subscription.channels) == [b'user:john:chat']
    with pytest.raises(ValueError, match='facility= is for the request that is made here'):
        broker.make_subscriber(request=request, facility='news')


@pytest.mark.row('T7')
def test_unknown_channel_names_the_valid_ones(broker: Broker) -> None:
    text = "is no channel of RedisSubscriber: it takes 'subscribe-session'.*'publish-broadcast'"
    for channels in ('broadcast', ['subscribe-broadcast', 'subscribe-server'], 'echo'):
        with pytest.raises(ValueError, match=text):
            broker.make_subscriber(channels=channels)
    assert alone(broker, overrides.LabSubscriber, 'subscribe-server')._subscription.channels == {
        b'server:news': None
    }


def test_refusal_reaches_the_test_and_leaves_nothing(broker: Broker, db: None) -> None:
    with pytest.raises(PermissionDenied):
        broker.make_subscriber(overrides.WholeReplacement, facility='secret')
    assert not broker._engine.driver.exchange.recipients


def test_handshake_that_fails_half_way_is_released_once(broker: Broker) -> None:
    class HalfWay(probes.NotesEverything):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            raise PermissionDenied

    with pytest.raises(PermissionDenied):
        alone(broker, HalfWay)
    assert broker.redis.lrange(overrides.NOTES, -1, -1) == [b'release']
    assert broker.redis.lrange(overrides.NOTES, 0, -1).count(b'release') == 1
    assert listeners(broker) == 0


def test_set_pubsub_channels_may_query_the_database(broker: Broker, db: None) -> None:
    Group.objects.create(name='physics')
    subscriber = alone(broker, overrides.WholeReplacement)
    broker.redis.publish('lab:physics:news', 'hello')
    assert payloads(subscriber) == [b'hello']


def test_redis_away_is_a_connection_error(broker: Broker) -> None:
    with broker.outage(), pytest.raises(redis.ConnectionError):
        alone(broker)
    assert not broker._engine.driver.exchange.recipients


# Its end


@pytest.mark.parametrize(
    'cls', [RedisSubscriber, overrides.SaysGoodbye, probes.ForgetsSubscription]
)
def test_release_frees_it_whatever_the_override_does(broker: Broker, cls: Any) -> None:
    subscriber = alone(broker, cls)
    assert listeners(broker) == 1
    subscriber.release()
    assert listeners(broker) == 0
    assert not broker._engine.driver.exchange.recipients


def test_release_tells_the_others_and_not_itself(broker: Broker) -> None:
    subscriber, client = (
        alone(broker, overrides.SaysGoodbye),
        broker.connect('news', subscribe='broadcast'),
    )
    subscriber.release()
    assert client.receive_all() == ['gone']
    assert broker.redis.lrange(overrides.NOTES, 0, -1) == [b'released']
    with pytest.raises(NothingToRead):
        subscriber.parse_response()


def test_error_of_release_comes_out_of_it(broker: Broker) -> None:
    subscriber = alone(broker, overrides.FailsToRelease)
    with pytest.raises(RuntimeError, match='a bug of the site'):
        subscriber.release()
    assert listeners(broker) == 0
    broker.settle()


def test_end_of_the_broker_releases_what_is_left_once() -> None:
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')
            super().release()

    with Broker() as broker:
        kept, freed = alone(broker, Releasing), alone(broker, Releasing)
        freed.release()
        assert released == ['released']
        assert isinstance(kept, Releasing)
    assert released == ['released'] * 2


def test_error_of_release_at_the_brokers_end_fails_the_test() -> None:
    with pytest.raises(RuntimeError, match='a bug of the site'), Broker() as broker:
        alone(broker, overrides.FailsToRelease)


def test_closing_the_clients_releases_it_while_the_database_is_there(broker: Broker) -> None:
    """As the plugin does before the other fixtures go."""
    subscriber = alone(broker, probes.NotesEverything)
    broker._close_clients()
    assert broker.redis.lrange(overrides.NOTES, -1, -1) == [b'release']
    assert isinstance(subscriber, RedisSubscriber)


# What projects have written by hand, and what takes its place


@pytest.mark.row('O12')
def test_double_by_hand_gets_no_live_messages() -> None:
    """fakeredis has no descriptor to watch, so that a test had to read the double's own
    subscription.
    """
    request = make_request('news')
    server = fakeredis.FakeServer()
    subscriber = RedisSubscriber(fakeredis.FakeStrictRedis(server=server, protocol=2))
    subscriber.set_pubsub_channels(request, ['subscribe-broadcast'])
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher._connection = fakeredis.FakeStrictRedis(server=server, protocol=2)
    publisher.publish_message('hello')
    assert subscriber.get_file_descriptor() is None
    assert subscriber.parse_response() == [b'subscribe', b'broadcast:news', 1]
    assert subscriber.parse_response() == [b'message', b'broadcast:news', b'hello']
    subscriber.release()


@pytest.mark.row('O12')
def test_replacement_on_a_broker(broker: Broker) -> None:
    subscriber = broker.make_subscriber(facility='news', channels='subscribe-broadcast')
    RedisPublisher(facility='news', broadcast=True).publish_message('hello')
    assert subscriber.parse_response() == [b'message', b'broadcast:news', b'hello']


def test_exchange_is_the_real_one(broker: Broker) -> None:
    subscriber = alone(broker)
    assert type(broker._engine.driver.exchange) is Exchange
    whole = broker.connect(
        'news', subscribe='broadcast', subscriber=overrides.PassesOn, allowed_channels=allow_all
    )
    tell(broker, 'one', b'\xff', '')
    assert payloads(subscriber) == [b'one', b'\xff', b'']
    assert whole.receive_all() == ['one', b'\xff', '']
