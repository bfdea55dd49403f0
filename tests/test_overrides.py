"""How existing projects override the subscriber, each pattern by its number, in the test broker; then the contract C0 to C11."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis
from django.contrib.auth.models import Group, User
from django.test import Client

from tests import overrides
from ws4redis.core.handle import Handle
from ws4redis.exceptions import NothingToRead, WebSocketError
from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscription import Subscription
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing import WebSocketClient


LISTEN = '/ws/news?subscribe-broadcast'
CHAT = '/ws/news?subscribe-broadcast&publish-broadcast'


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def browser() -> Iterator[Broker]:
    """A broker that shows what a browser would see of the site's bugs."""
    with Broker(raise_server_exceptions=False) as broker:
        yield broker


@pytest.fixture
def other() -> Iterator[redis.Redis]:
    """The server of subscribers that bring a client of their own."""
    client = overrides.other_client()
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def john(db: None) -> User:
    return User.objects.create(username='john')


def connect(broker: Broker, subscriber: Any = None, url: str = LISTEN, **keywords: Any) -> WebSocketClient:
    """Open a websocket that may publish too if its query string asks for it."""
    return broker.connect(url, subscriber=subscriber, allowed_channels=allow_all, **keywords)


def notes(broker: Broker) -> list[str]:
    """What subscribers have noted."""
    found: list[Any] = broker.redis.lrange(overrides.NOTES, 0, -1)
    return [text.decode() for text in found]


def publish(broker: Broker, *texts: str | bytes, channel: str = 'broadcast:news') -> None:
    """Publish as another program does."""
    for text in texts:
        broker.redis.publish(channel, text)



# O1: one more channel, from the beginning and later


def test_o1_extra_channel_reaches_this_websocket_alone(broker: Broker) -> None:
    client, plain = connect(broker, overrides.ExtraChannel), connect(broker)
    publish(broker, 'to all')
    publish(broker, 'extra', channel='extra')
    assert client.receive_all() == ['to all', 'extra']
    assert plain.receive_all() == ['to all']


def test_o1_channel_added_by_publish_message_counts_at_once(broker: Broker) -> None:
    client = connect(broker, overrides.ExtraChannel, CHAT)
    publish(broker, 'too early', channel='more')
    client.send('more')
    publish(broker, 'in time', channel='more')
    assert client.receive_all() == ['in time']


def test_o1_extra_channel_has_a_persisted_message_like_any_other(broker: Broker) -> None:
    broker.redis.set('extra', 'persisted', ex=100)
    assert connect(broker, overrides.ExtraChannel).receive_all() == ['persisted']


# O2: the whole method replaced


def test_o2_channels_by_the_groups_in_the_database(broker: Broker, db: None) -> None:
    for name in ('physics', 'biology'):
        Group.objects.create(name=name)
    client = connect(broker, overrides.WholeReplacement)
    assert client.channels == ['lab:biology:news', 'lab:physics:news']
    client.send('hello')
    assert {publication.channel for publication in broker.published} == {'lab:biology:news', 'lab:physics:news'}
    client.assert_nothing_received()
    publish(broker, 'from the lab', channel='lab:physics:news')
    assert client.receive_all() == ['from the lab']


def test_o2_permission_denied_is_a_403_before_the_upgrade(broker: Broker, db: None) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        connect(broker, overrides.WholeReplacement, '/ws/secret')
    assert refused.value.status_code == 403


def test_o2_other_exception_is_a_500_and_logged(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Without its database, the site's code fails."""
    with pytest.raises(HandshakeRejected) as refused:
        connect(browser, overrides.WholeReplacement)
    assert refused.value.status_code == 500
    assert [record.levelname for record in caplog.records if record.exc_info] == ['ERROR']


# O3: one more audience


def test_o3_audience_of_a_sites_own_is_published_and_subscribed(broker: Broker) -> None:
    lab = connect(broker, overrides.LabSubscriber, '/ws/x?subscribe-server')
    plain = connect(broker, overrides.LabSubscriber, '/ws/x?subscribe-broadcast')
    overrides.LabPublisher(facility='x', server=True).publish_message('to servers')
    broker.settle()
    assert lab.channels == ['server:x']
    assert lab.receive_all() == ['to servers']
    assert plain.receive_all() == []


def test_o3_audience_of_a_sites_own_stands_beside_ours(broker: Broker) -> None:
    publisher = overrides.LabPublisher(facility='x', broadcast=True, server=True, users=['john'])
    assert publisher._publishers == ['broadcast:x', 'user:john:x', 'server:x']


def test_o3_names_of_a_sites_own_are_valid_in_the_query_string(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client = connect(broker, overrides.LabSubscriber, '/ws/x?SUBSCRIBE-server&publish-server')
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['server:x']
    assert 'unknown names' not in caplog.text


def test_o3_names_of_a_sites_own_are_for_logged_in_users_too(broker: Broker) -> None:
    """U24."""
    client = broker.connect('/ws/x?subscribe-server&publish-server', subscriber=overrides.LabSubscriber)
    client.send('hello')
    assert broker.published == []


def test_o3_method_that_knows_few_audiences_is_asked_for_no_other(broker: Broker) -> None:
    client = connect(broker, overrides.FewAudiences)
    publish(broker, 'hello', channel='all:news')
    assert client.receive_all() == ['hello']


# O4: where a browser's message arrives


def command(do: str, **arguments: str) -> str:
    """A command as a browser sends it."""
    return json.dumps({'do': do, **arguments})


def test_o4_message_is_answered_through_a_publisher(broker: Broker, john: User) -> None:
    client, other = connect(broker, overrides.JsonCommands), connect(broker)
    client.send(command('answer', text='yes'))
    assert client.receive_json() == other.receive_json() == {'answer': 'yes'}


def test_o4_answer_may_go_to_the_user_of_the_request(broker: Broker, john: User) -> None:
    client = connect(broker, overrides.JsonCommands, '/ws/news?subscribe-user', user=john)
    client.send(command('answer_me', text='for you'))
    assert client.receive_all() == ['for you']


def test_o4_message_may_query_the_database(broker: Broker, db: None) -> None:
    Group.objects.create(name='staff')
    connect(broker, overrides.JsonCommands).send(command('count_groups'))
    assert notes(broker) == ['1 groups']


def test_o4_message_may_be_swallowed_or_passed_on(broker: Broker) -> None:
    client = connect(broker, overrides.JsonCommands, CHAT)
    client.send(command('swallow'))
    assert (notes(broker), broker.published) == (['swallowed'], [])
    client.send(command('pass_on', text='hello'))
    assert [publication.text for publication in broker.published] == ['hello']
    client.assert_nothing_received()


def test_o4_messages_arrive_in_order(broker: Broker) -> None:
    client, other = connect(broker, overrides.JsonCommands, CHAT), connect(broker)
    for number in range(20):
        client.send(command('pass_on', text=str(number)))
    assert other.receive_all() == [str(number) for number in range(20)]


def test_o4_greenlet_that_it_spawned_runs(broker: Broker) -> None:
    client = connect(broker, overrides.JsonCommands)
    client.send(command('spawn', text='later'))
    assert client.receive_json() == {'answer': 'later'}


def test_o4_exception_is_logged_once_and_closes_that_websocket_alone(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client, other = connect(browser, overrides.JsonCommands), connect(browser, overrides.JsonCommands)
    client.send(command('fail'))
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    assert other.open
    assert [record.levelname for record in caplog.records if record.exc_info] == ['ERROR']


def test_o4_message_before_a_close_is_published_before_it_is_answered(broker: Broker) -> None:
    """Who sends, closes and looks finds the message stored."""
    client = connect(broker, None, CHAT)
    client._protocol.send_text(b'last words')
    client.close()
    assert client.close_code == 1000
    assert broker.persisted(facility='news', broadcast=True) == b'last words'


# O5: persisted messages


@pytest.mark.parametrize('subscriber', [overrides.SendsList, overrides.SendsListOldSpelling])
def test_o5_list_from_redis_is_sent(broker: Broker, subscriber: Any) -> None:
    broker.redis.rpush('history:broadcast:news', 'one', 'two', 'three')
    broker.redis.set('broadcast:news', 'persisted, but the override sends something else')
    assert connect(broker, subscriber).receive_all() == ['one', 'two', 'three']


@pytest.mark.parametrize('subscriber', [overrides.SendsOneMore, overrides.SendsOneMoreOldSpelling])
def test_o5_override_may_call_the_one_in_whose_place_it_stands(broker: Broker, subscriber: Any) -> None:
    broker.redis.set('broadcast:news', 'persisted')
    assert connect(broker, subscriber).receive_all() == ['welcome', 'persisted']


def test_o5_what_it_sends_arrives_before_any_live_message(broker: Broker) -> None:
    assert connect(broker, overrides.PublishesWhileJoining).receive_all() == ['persisted', 'live']


def test_o5_error_is_logged_and_closes_with_1011(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client = connect(browser, overrides.FailsWhileJoining)
    assert client.close_code == 1011
    assert 'send_persisted_messages() failed' in caplog.text


# O6: release


@pytest.mark.parametrize('subscriber', [overrides.SaysGoodbye, overrides.SaysGoodbyeWithSuper])
def test_o6_others_are_told_with_or_without_super(broker: Broker, subscriber: Any) -> None:
    client, other = connect(broker, subscriber), connect(broker)
    client.close()
    assert other.receive_all() == ['gone']
    assert notes(broker) == ['released']
    other.close()
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


@pytest.mark.parametrize('end', ['close', 'drop'])
def test_o6_release_comes_once_however_it_ends(broker: Broker, end: str) -> None:
    client = connect(broker, overrides.SaysGoodbye)
    getattr(client, end)()
    client.drop()
    broker.advance(100)
    assert notes(broker) == ['released']


def test_o6_release_comes_when_the_server_closes(browser: Broker) -> None:
    class Both(overrides.SaysGoodbye, overrides.FailsWhileJoining):
        pass

    client = connect(browser, Both)
    assert client.close_code == 1011
    client.close()
    browser.advance(20)
    assert notes(browser) == ['released']


def test_o6_error_is_logged_and_nothing_else(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client = connect(browser, overrides.FailsToRelease)
    client.close()
    assert client.close_code == 1000
    assert notes(browser) == ['released']
    assert caplog.text.count('release() failed') == 1
    assert browser.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


def test_o6_number_of_listeners_is_that_of_processes(broker: Broker) -> None:
    """O11."""
    clients = [connect(broker, overrides.TellsListeners) for _ in range(3)]
    for client in clients:
        client.close()
    assert len(notes(broker)) == 3
    assert set(notes(broker)[:2]) == {'broadcast:news: 1'}


# O7: parse_response


@pytest.mark.parametrize('subscriber', [overrides.Filters, overrides.ReadsOn])
def test_o7_filter_leaves_out_what_is_not_wanted(broker: Broker, subscriber: Any) -> None:
    client = connect(broker, subscriber)
    publish(broker, '#one', 'two', '#three', 'four', '#five')
    assert client.receive_all() == ['two', 'four']


def test_o7_list_may_be_rewritten(broker: Broker) -> None:
    client, plain = connect(broker, overrides.Rewrites), connect(broker)
    publish(broker, 'hello')
    assert client.receive_all() == ['HELLO']
    assert plain.receive_all() == ['hello'], 'the list belongs to one websocket'


def test_o7_any_type_of_message_is_sent(broker: Broker) -> None:
    client = connect(broker, overrides.ReturnsWhatItLikes)
    publish(broker, 'str', 'bytes', 'array', 'message', 'empty')
    assert client.receive_all() == ['str', 'bytes', 'array', 'message']


def test_o7_messages_by_pattern_are_delivered_with_pattern_and_channel(broker: Broker) -> None:
    client = connect(broker, overrides.Patterns)
    publish(broker, 'one', channel='lab:1')
    publish(broker, 'two')
    assert client.receive_all() == ['pmessage lab:* lab:1 one', 'message broadcast:news two']


def test_o7_message_by_name_and_by_pattern_comes_once(broker: Broker) -> None:
    client = connect(broker, overrides.QuietPatterns)
    publish(broker, 'one')
    publish(broker, 'two', channel='group:staff:news')
    assert client.receive_all() == ['one', 'two']


def test_o7_error_is_logged_and_closes_with_1011(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    client = connect(browser, overrides.FailsToParse)
    publish(browser, 'hello')
    browser.settle()
    assert client.close_code == 1011
    assert 'parse_response() failed' in caplog.text


# O8: another client in place


def test_o8_nobody_watches_another_client_without_a_descriptor(broker: Broker, other: redis.Redis) -> None:
    other.set('broadcast:news', 'persisted there')
    client = connect(broker, overrides.OtherClient, CHAT)
    assert client.receive_all() == ['persisted there']
    client.send('published there')
    assert other.get('broadcast:news') == b'published there'
    other.publish('broadcast:news', 'live there')
    publish(broker, 'live here')
    client.assert_nothing_received()
    assert client.open


def test_o8_own_descriptor_is_watched(broker: Broker, other: redis.Redis) -> None:
    other.set('broadcast:news', 'persisted there')
    client = connect(broker, overrides.ServesItself)
    for text in ('one', 'two', 'three'):
        other.publish('broadcast:news', text)
    publish(broker, 'live here')
    assert client.receive_all() == ['persisted there', 'one', 'two', 'three']
    client.close()
    assert other.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


# O9: classes of another kind


@pytest.mark.parametrize('subscriber', [overrides.FromRedisStore, overrides.FromNothing])
def test_o9_what_counts_are_the_methods(broker: Broker, subscriber: Any) -> None:
    broker.redis.set('broadcast:news', 'persisted')
    client, other = connect(broker, subscriber, CHAT), connect(broker)
    assert client.receive_all() == other.receive_all() == ['persisted']
    publish(broker, 'live')
    assert client.receive_all() == other.receive_all() == ['live']
    client.send('mine')
    assert other.receive_all() == ['mine']
    client.assert_nothing_received()
    client.close()
    other.close()
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


# O10: the request


def test_o10_request_is_usable_as_long_as_the_websocket_is_open(broker: Broker, john: User) -> None:
    client = connect(broker, overrides.KeepsRequest, user=john, headers={'User-Agent': 'browser'})
    key = client.subscriber.request.session.session_key
    client.send('hello')
    client.close()
    assert notes(broker) == ['john: hello, browser', f'john of {key} left']


# O12: test doubles written by hand


def test_o12_subscriber_on_a_fake_of_its_own(broker: Broker, other: redis.Redis) -> None:
    client = connect(broker, overrides.HandWrittenDouble, CHAT)
    client.send('hello')
    assert other.get('broadcast:news') == b'hello'


def test_o12_publisher_with_its_connection_replaced() -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher._connection = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), protocol=2)
    publisher.publish_message(RedisMessage('hello'))
    assert publisher._connection.get('broadcast:news') == b'hello'
    assert publisher.fetch_message(None, 'news', 'broadcast') == b'hello'


# The contract


def test_c0_class_is_made_once_for_each_request_with_one_argument(broker: Broker) -> None:
    made: list[tuple[Any, ...]] = []

    class Made(RedisSubscriber):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            made.append((*arguments, *keywords))
            super().__init__(*arguments)

    first, second = connect(broker, Made), connect(broker, Made)
    assert len(made) == 2
    assert [len(arguments) for arguments in made] == [1, 1]
    assert isinstance(made[0][0], redis.Redis)
    assert first.subscriber is not second.subscriber


def test_c0_calls_come_in_order(broker: Broker) -> None:
    client = connect(broker, overrides.NotesEverything, CHAT)
    client.send('mine')
    publish(broker, 'live')
    broker.settle()
    client.close()
    assert notes(broker) == [
        'made',
        "set_pubsub_channels ['subscribe-broadcast', 'publish-broadcast']",
        'send_persisted_messages',
        'publish_message mine',
        'parse_response live',
        'release',
    ]


def test_c1_connection_is_one_redis_client_for_all_with_every_command(broker: Broker) -> None:
    first, second = connect(broker), connect(broker)
    connection = first.subscriber._connection
    assert connection is second.subscriber._connection
    assert isinstance(connection, redis.Redis)
    assert isinstance(connection.pubsub(), Subscription)
    connection.hset('hash', 'field', 'value')
    assert connection.hgetall('hash') == {b'field': b'value'}


def test_c1_redis_client_of_ones_own_gives_a_pub_sub_object_of_ones_own() -> None:
    assert isinstance(overrides.other_client().pubsub(), redis.client.PubSub)


def test_c1_int_makes_the_subscriber_serve_itself_whatever_its_subscription_is(broker: Broker) -> None:
    class Odd(RedisSubscriber):
        def get_file_descriptor(self) -> int | None:
            return 0

    client = connect(broker, Odd)
    publish(broker, 'live')
    client.assert_nothing_received()
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]


def test_c3_subscribe_only_records_until_set_pubsub_channels_has_ended(broker: Broker) -> None:
    class Looking(overrides.Noting):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe('extra')
            self.note(str(self._connection.pubsub_channels()))

    client = connect(broker, Looking)
    assert notes(broker) == ['[]']
    assert client.channels == ['broadcast:news', 'extra']


def test_c3_raw_names_get_no_prefix(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    assert connect(broker, overrides.ExtraChannel).channels == ['shop:broadcast:news', 'extra']


def test_c4_own_copies_are_left_out_by_origin(broker: Broker) -> None:
    """F21: three quick sends without `echo`: two came back."""
    client, other = connect(broker, None, CHAT), connect(broker)
    for _ in range(3):
        client.send('again')
    publish(broker, 'again')
    assert client.receive_all() == ['again']
    assert other.receive_all() == ['again'] * 4


def test_c4_echo_brings_own_copies(broker: Broker) -> None:
    client = connect(broker, None, f'{CHAT}&echo=false')
    client.send('hello')
    assert client.receive_all() == ['hello'], 'the name alone counts'


def test_c4_what_does_not_go_through_publish_message_is_nobodys_own(broker: Broker) -> None:
    client = connect(broker, overrides.PublishesAround, CHAT)
    client.send('around')
    client.send('through')
    assert client.receive_all() == ['around']


def test_c4_count_goes_back_if_publishing_fails(broker: Broker) -> None:
    client = connect(broker, None, CHAT)
    broker.raise_server_exceptions = False
    with broker.outage():
        client.send('hello')
        assert client.close_code == 1013
    again = connect(broker, None, CHAT)
    publish(broker, 'hello')
    assert again.receive_all() == ['hello']


def test_c4_count_goes_back_if_an_override_goes_on_after_a_failure(broker: Broker) -> None:
    away = fakeredis.FakeServer()
    away.connected = False

    class GoesOn(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self._connection = fakeredis.FakeRedis(server=away, protocol=2)
            with pytest.raises(redis.ConnectionError):
                super().publish_message(message, expire)

    client = connect(broker, GoesOn, CHAT)
    client.send('hello')
    publish(broker, 'hello')
    assert client.receive_all() == ['hello'], "somebody else's"


MESSAGES: list[str | bytes] = ['one', '', 'grün', b'\xff\x00', 'x' * 70_000, '#five']


@pytest.mark.parametrize('subscriber', [RedisSubscriber, overrides.PassesOn])
def test_c5_both_paths_give_the_same_frames(broker: Broker, subscriber: Any) -> None:
    client = connect(broker, subscriber)
    publish(broker, *MESSAGES)
    assert client.receive_all() == MESSAGES


@pytest.mark.parametrize('subscriber', [RedisSubscriber, overrides.PassesOn])
def test_c5_both_paths_leave_out_the_heartbeat_and_own_copies(broker: Broker, settings: Settings, subscriber: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = connect(broker, subscriber, CHAT)
    client.send('mine')
    publish(broker, 'beat', 'hello')
    assert client.receive_all() == ['hello']


def test_c5_nothing_there_raises_nothing_to_read_at_once(broker: Broker) -> None:
    client = connect(broker)
    with pytest.raises(NothingToRead):
        client.subscriber.parse_response()


def test_c5_acknowledgements_are_never_offered(broker: Broker) -> None:
    class Strict(overrides.ExtraChannel):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            assert reply[0] == b'message'
            return reply

    client = connect(broker, Strict, CHAT)
    client.send('more')
    publish(broker, 'hello', channel='more')
    assert client.receive_all() == ['hello']


def test_c6_descriptor_of_the_exchange_is_none(broker: Broker) -> None:
    assert connect(broker).subscriber.get_file_descriptor() is None
    assert connect(broker, overrides.FromRedisStore).subscriber.get_file_descriptor() is None, 'a copied expression'


def test_c6_self_served_subscriber_is_asked_for_what_comes_later_too(broker: Broker, other: redis.Redis) -> None:
    client = connect(broker, overrides.ServesItself)
    for text in ('one', 'two'):
        other.publish('broadcast:news', text)
        assert client.receive_all() == [text]


def test_c7_websocket_has_send_close_and_closed(broker: Broker) -> None:
    kept: list[Handle] = []

    class Keeping(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            kept.append(websocket)
            websocket.send('text')
            websocket.send(b'bytes that are text')
            websocket.send('binary', binary=True)
            websocket.send(b'\xff')

    client = connect(broker, Keeping)
    assert client.receive_all() == ['text', 'bytes that are text', b'binary', b'\xff']
    kept[0].send('later')
    assert client.receive_all() == ['later']
    assert not kept[0].closed
    client.close()
    assert kept[0].closed
    with pytest.raises(WebSocketError):
        kept[0].send('too late')


def test_c7_websocket_may_be_closed_at_once(broker: Broker) -> None:
    client = connect(broker, overrides.Refuses)
    assert client.close_code == 4001
    assert client.close_reason == 'closed for holidays'
    assert client.receive_all() == ['not today'], 'what it sent before is not lost'


def test_c7_each_payload_that_an_override_sent_removes_one_equal_live_message(broker: Broker) -> None:
    class Twice(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            for _ in range(3):
                self._connection.publish('broadcast:news', 'same')
            websocket.send('same')

    assert connect(broker, Twice).receive_all() == ['same', 'same', 'same']


def test_c7_base_sends_a_persisted_message_that_is_live_too_once(broker: Broker) -> None:
    class Racing(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            RedisPublisher(facility='news', broadcast=True).publish_message('new')
            super().send_persisted_messages(websocket)

    broker.redis.set('broadcast:news', 'old')
    assert connect(broker, Racing).receive_all() == ['new']


def test_c7_base_takes_only_messages_of_the_same_channel_for_the_same(broker: Broker) -> None:
    class Racing(overrides.ExtraChannel):
        def send_persisted_messages(self, websocket: Any) -> None:
            self._connection.publish('extra', 'equal by chance')
            super().send_persisted_messages(websocket)

    broker.redis.set('broadcast:news', 'equal by chance')
    assert connect(broker, Racing).receive_all() == ['equal by chance'] * 2


def test_c8_message_is_a_redis_message_and_its_result_is_ignored(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    got: list[Any] = []

    class Keeping(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> Any:
            got.append(message)
            return 'ignored'

    client = connect(broker, Keeping)
    client.send('text')
    client.send('beat')
    client.send(b'\xff')
    assert got == [b'text', b'\xff']
    assert {type(message) for message in got} == {RedisMessage}
    assert client.open


@pytest.mark.parametrize('exception', [redis.ConnectionError('away'), redis.TimeoutError('away')])
def test_c8_redis_away_closes_with_1013(broker: Broker, exception: Exception) -> None:
    class Away(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            raise exception

    broker.raise_server_exceptions = False
    client = connect(broker, Away)
    client.send('lost')
    assert (client.close_code, client.close_reason) == (1013, 'try again later')


def test_c8_messages_behind_one_that_failed_are_not_published(browser: Broker, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            if message == b'bad':
                raise RuntimeError('a bug of the site')
            super().publish_message(message, expire)

    client = connect(browser, Failing, CHAT)
    for text in (b'bad', b'good'):
        client._protocol.send_text(text)
    client._flush()
    browser.settle()
    assert client.close_code == 1011
    assert browser.published == []
    assert 'messages of the client were not published' in caplog.text


def test_c9_exchange_forgets_the_channels_whatever_release_does(broker: Broker) -> None:
    for subscriber in (overrides.ForgetsSubscription, overrides.SaysGoodbye):
        client = connect(broker, subscriber)
        client.close()
        assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)]
        assert broker.clients == []


def test_c9_release_is_the_last_call(broker: Broker) -> None:
    client = connect(broker, overrides.NotesEverything, CHAT)
    client._protocol.send_text(b'last words')
    client._flush()
    client.drop()
    assert notes(broker)[-2:] == ['publish_message last words', 'release']


def test_c9_release_comes_at_the_end_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    with Broker() as broker:
        for _ in range(3):
            connect(broker, Releasing)
        assert released == []
    assert released == ['released'] * 3


def test_c9_subscription_can_be_read_and_left_in_release(broker: Broker) -> None:
    class Reading(overrides.Noting):
        def release(self) -> None:
            self.note(str([list(self._subscription.channels), list(self._subscription.patterns)]))
            self._subscription.unsubscribe(b'extra')
            self.note(str(list(self._subscription.channels)))
            super().release()
            self.note(str(self._subscription.subscribed))

        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe('extra')
            self._subscription.psubscribe('lab:*')

    connect(broker, Reading).close()
    assert notes(broker) == ["[[b'broadcast:news', b'extra'], [b'lab:*']]", "[b'broadcast:news']", 'False']


def test_c10_middleware_does_not_run(broker: Broker, settings: Settings) -> None:
    settings.MIDDLEWARE = ['tests.no_such_middleware']
    assert connect(broker).open


def set_tenant(request: Any) -> None:
    """What a middleware would put on the request."""
    request.tenant = 'lab'


def test_c10_what_middleware_puts_on_a_request_comes_from_a_callback(broker: Broker, settings: Settings) -> None:
    class Tenant(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe(f'tenant:{request.tenant}')

    settings.WS4REDIS_PROCESS_REQUEST = f'{__name__}.set_tenant'
    assert connect(broker, Tenant).channels == ['broadcast:news', 'tenant:lab']


def test_c11_publishers_of_a_subscriber_can_be_read_and_assigned(broker: Broker) -> None:
    client = connect(broker, None, CHAT)
    assert client.subscriber._publishers == {'broadcast:news'}
    client.subscriber._publishers = {'raw'}
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['raw']


def test_c11_self_is_resolved_when_a_publisher_is_made(broker: Broker, john: User) -> None:
    class Answering(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self.publisher = RedisPublisher(facility='news', users=[SELF], request=request)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.publisher.publish_message(message, expire)

    browser = Client()
    browser.force_login(john)
    client = connect(broker, Answering, '/ws/news', client=browser)
    User.objects.update(username='johanna')
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['user:john:news']


def test_open_and_close_are_logged_without_details_of_the_client(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, 'ws4redis'):
        connect(broker).close()
    assert 'open, subscribe-broadcast' in caplog.text
