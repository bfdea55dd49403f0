"""How existing projects override the subscriber, and the contract with them; each test has the mark
of its row in docs/compatibility.md.

One flat list, and each test in three forms (tests/sites): in a Broker, in the unpatched form on
memory://, and in gunicorn's gevent worker on a redis-server. Where a form is left out, its test
says why.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
import redis

from tests.processes.serving import eventually
from tests.sites.forms import forms
from tests.sites.production import inside
from tests.sites.site import InBroker, Site
from tests.subscribers import overrides, probes, verbatim
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected
from ws4redis.testing.redis_process import RedisProcess

LISTEN = '/ws/news?subscribe-broadcast'
CHAT = '/ws/news?subscribe-broadcast&publish-broadcast'


@pytest.fixture
def other(
    site: Site, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """The server of subscribers that bring a client of their own; a real one where the loop
    watches descriptors.
    """
    if site.form != 'broker':
        server: RedisProcess = request.getfixturevalue('_another_redis')
        monkeypatch.setenv('OVERRIDES_OTHER_URL', server.url)
    client = overrides.other_client()
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def john(site: Site) -> str:
    """The key of a session in which he has logged in."""
    site.create_user('john')
    return site.log_in('john')


# One more channel, from the beginning and later


@pytest.mark.row('O1')
def test_extra_channel_reaches_this_websocket_alone(site: Site) -> None:
    client, plain = site.connect(LISTEN, overrides.ExtraChannel), site.connect()
    site.publish('to all')
    site.publish('extra', channel='extra')
    assert client.receive_all() == ['to all', 'extra']
    assert plain.receive_all() == ['to all']


@pytest.mark.row('O1')
def test_channel_added_by_publish_message_counts_at_once(site: Site) -> None:
    client = site.connect(CHAT, overrides.ExtraChannel)
    site.publish('too early', channel='more')
    client.send('more')
    site.publish('in time', channel='more')
    assert client.receive_all() == ['in time']


@pytest.mark.row('O1')
def test_extra_channel_has_a_persisted_message_like_any_other(site: Site) -> None:
    site.redis.set('extra', 'persisted', ex=100)
    assert site.connect(LISTEN, overrides.ExtraChannel).receive_all() == ['persisted']


# The whole method replaced


@pytest.mark.row('O2')
def test_channels_by_the_groups_in_the_database(site: Site) -> None:
    for name in ('physics', 'biology'):
        site.run(inside.create_group, name)
    client = site.connect(LISTEN, overrides.WholeReplacement)
    site.assert_listeners('lab:biology:news', 1)
    site.assert_listeners('broadcast:news', 0)
    client.send('hello')
    assert set(site.published) == {('lab:biology:news', 'hello'), ('lab:physics:news', 'hello')}
    client.assert_nothing_received()
    site.publish('from the lab', channel='lab:physics:news')
    assert client.receive_all() == ['from the lab']


@pytest.mark.row('O2')
def test_permission_denied_is_a_403_before_the_upgrade(site: Site) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site.connect('/ws/secret', overrides.WholeReplacement)
    assert refused.value.status_code == 403


@pytest.mark.row('O2')
def test_other_exception_is_a_500_and_logged(site: Site) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site.connect(LISTEN, overrides.FailsToSubscribe)
    assert refused.value.status_code == 500
    assert b'a bug of the site' not in refused.value.body
    [error] = site.errors()
    assert 'FailsToSubscribe' in error
    site.assert_listeners('broadcast:news', 0)


# One more audience


@pytest.mark.row('O3')
def test_audience_of_a_sites_own_is_published_and_subscribed(site: Site) -> None:
    lab = site.connect('/ws/x?subscribe-server', overrides.LabSubscriber)
    plain = site.connect('/ws/x?subscribe-broadcast', overrides.LabSubscriber)
    overrides.LabPublisher(facility='x', server=True).publish_message('to servers')
    assert lab.receive_all() == ['to servers']
    assert plain.receive_all() == []
    site.assert_listeners('server:x', 1)


@pytest.mark.row('O3')
def test_audience_of_a_sites_own_stands_beside_ours() -> None:
    publisher = overrides.LabPublisher(facility='x', broadcast=True, server=True, users=['john'])
    assert publisher._publishers == {'broadcast:x', 'user:john:x', 'server:x'}


@pytest.mark.row('O3')
def test_names_of_a_sites_own_are_valid_in_the_query_string(site: Site) -> None:
    client = site.connect('/ws/x?SUBSCRIBE-server&publish-server', overrides.LabSubscriber)
    client.send('hello')
    assert site.published == [('server:x', 'hello')]
    assert 'unknown names' not in site.said()


@pytest.mark.row('O3')
def test_names_of_a_sites_own_are_for_logged_in_users_too(site: Site) -> None:
    client = site.connect(
        '/ws/x?subscribe-server&publish-server', overrides.LabSubscriber, allowed_channels=None
    )
    client.send('hello')
    assert site.published == []


@pytest.mark.row('O3')
def test_method_that_knows_few_audiences_is_asked_for_no_other(site: Site) -> None:
    client = site.connect(LISTEN, overrides.FewAudiences)
    site.publish('hello', channel='all:news')
    assert client.receive_all() == ['hello']


# Where a browser's message arrives


def command(do: str, **arguments: str) -> str:
    """A command as a browser sends it."""
    return json.dumps({'do': do, **arguments})


@pytest.mark.row('O4')
def test_message_is_answered_through_a_publisher(site: Site) -> None:
    client, other = site.connect(LISTEN, overrides.JsonCommands), site.connect()
    client.send(command('answer', text='yes'))
    assert client.receive_json() == other.receive_json() == {'answer': 'yes'}


@pytest.mark.row('O4')
def test_answer_may_go_to_the_user_of_the_request(site: Site, john: str) -> None:
    client = site.connect('/ws/news?subscribe-user', overrides.JsonCommands, session=john)
    client.send(command('answer_me', text='for you'))
    assert client.receive_all() == ['for you']


@pytest.mark.row('O4')
def test_message_may_query_the_database(site: Site) -> None:
    site.run(inside.create_group, 'staff')
    site.connect(LISTEN, overrides.JsonCommands).send(command('count_groups'))
    assert site.notes() == ['1 groups']


@pytest.mark.row('O4')
def test_message_may_be_swallowed_or_passed_on(site: Site) -> None:
    client = site.connect(CHAT, overrides.JsonCommands)
    client.send(command('swallow'))
    assert (site.notes(), site.published) == (['swallowed'], [])
    client.send(command('pass_on', text='hello'))
    assert site.published == [('broadcast:news', 'hello')]
    client.assert_nothing_received()


@pytest.mark.row('O4')
def test_messages_arrive_in_order(site: Site) -> None:
    client, other = site.connect(CHAT, overrides.JsonCommands), site.connect()
    site.send_together(client, *(command('pass_on', text=str(number)) for number in range(20)))
    assert other.receive_all() == [str(number) for number in range(20)]


@pytest.mark.row('O4')
def test_greenlet_that_it_spawned_runs(site: Site) -> None:
    client = site.connect(LISTEN, overrides.JsonCommands)
    client.send(command('spawn', text='later'))
    assert client.receive_json() == {'answer': 'later'}


@pytest.mark.row('O4')
def test_exception_is_logged_once_and_closes_that_websocket_alone(site: Site) -> None:
    client, other = (
        site.connect(LISTEN, overrides.JsonCommands),
        site.connect(LISTEN, overrides.JsonCommands),
    )
    client.send(command('fail'))
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    assert other.open
    assert len(site.errors()) == 1


@pytest.mark.row('O4')
def test_message_before_a_close_is_published_before_it_is_answered(site: Site) -> None:
    """Who sends, closes and looks finds the message stored."""
    client = site.connect(CHAT)
    site.send_together(client, 'last words')
    client.close()
    assert site.redis.get('broadcast:news') == b'last words'
    assert client.close_code == 1000


# Persisted messages


@pytest.mark.row('O5')
@pytest.mark.parametrize('subscriber', [overrides.SendsList, overrides.SendsListOldSpelling])
def test_list_from_redis_is_sent(site: Site, subscriber: Any) -> None:
    site.redis.rpush('history:broadcast:news', 'one', 'two', 'three')
    site.redis.set('broadcast:news', 'persisted, but the override sends something else')
    assert site.connect(LISTEN, subscriber).receive_all() == ['one', 'two', 'three']


@pytest.mark.row('O5')
@pytest.mark.parametrize('subscriber', [overrides.SendsOneMore, overrides.SendsOneMoreOldSpelling])
def test_override_may_call_the_one_in_whose_place_it_stands(site: Site, subscriber: Any) -> None:
    site.redis.set('broadcast:news', 'persisted')
    assert site.connect(LISTEN, subscriber).receive_all() == ['welcome', 'persisted']


@pytest.mark.row('O5')
def test_what_it_sends_arrives_before_any_live_message(site: Site) -> None:
    assert site.connect(LISTEN, overrides.PublishesWhileJoining).receive_all() == [
        'persisted',
        'live',
    ]


@pytest.mark.row('O5')
def test_error_in_send_persisted_messages_is_logged_and_closes_with_1011(site: Site) -> None:
    client = site.connect(LISTEN, overrides.FailsWhileJoining)
    assert client.close_code == 1011
    [error] = site.errors()
    assert 'send_persisted_messages() failed' in error


# release()


@pytest.mark.row('O6')
@pytest.mark.parametrize('subscriber', [overrides.SaysGoodbye, overrides.SaysGoodbyeWithSuper])
def test_others_are_told_with_or_without_super(site: Site, subscriber: Any) -> None:
    client, other = site.connect(LISTEN, subscriber), site.connect()
    client.close()
    assert other.receive_all() == ['gone']
    assert site.notes() == ['released']
    other.close()
    site.assert_listeners('broadcast:news', 0)


@pytest.mark.row('O6')
@pytest.mark.parametrize('end', ['close', 'drop'])
def test_release_comes_once_however_it_ends(site: Site, end: str) -> None:
    client = site.connect(LISTEN, overrides.SaysGoodbye)
    getattr(client, end)()
    assert site.notes() == ['released']
    client.drop()
    assert site.notes() == ['released']


@pytest.mark.row('O6')
@forms(
    gunicorn_redis='real time would have to pass: ten seconds, and more, until the last timer of '
    'a websocket'
)
def test_no_timer_brings_release_again(site: InBroker) -> None:
    site.connect(LISTEN, overrides.SaysGoodbye).drop()
    site.connect(LISTEN, overrides.SaysGoodbyeThoughClosed).close()
    assert len(site.errors()) == 1
    site.advance(100)
    assert site.notes() == ['released', 'released']


@pytest.mark.row('O6')
def test_release_comes_when_the_server_closes(site: Site) -> None:
    client = site.connect(LISTEN, overrides.SaysGoodbyeThoughClosed)
    assert client.close_code == 1011
    assert len(site.errors()) == 1
    assert site.notes() == ['released']


@pytest.mark.row('O6')
def test_release_comes_if_the_handshake_fails(site: Site) -> None:
    for url in ('/ws/news?fail=1&subscribe-broadcast', LISTEN):
        try:
            site.connect(url, probes.DisconnectHook).close()
        except HandshakeRejected as exc:
            assert exc.status_code == 403
    assert site.notes() == ['released', 'released']


@pytest.mark.row('O6')
def test_error_in_release_is_logged_and_nothing_else(site: Site) -> None:
    client = site.connect(LISTEN, overrides.FailsToRelease)
    client.close()
    assert client.close_code == 1000
    assert site.notes() == ['released']
    [error] = site.errors()
    assert 'release() failed' in error
    site.assert_listeners('broadcast:news', 0)


@pytest.mark.row('O6')
def test_number_of_listeners_is_that_of_processes(site: Site) -> None:
    clients = [site.connect(LISTEN, overrides.TellsListeners) for _ in range(3)]
    for client in clients:
        client.close()
    assert len(site.notes()) == 3
    assert set(site.notes()[:2]) == {'broadcast:news: 1'}


# parse_response()


@pytest.mark.row('O7')
@pytest.mark.parametrize('subscriber', [overrides.Filters, overrides.ReadsOn])
def test_filter_leaves_out_what_is_not_wanted(site: Site, subscriber: Any) -> None:
    client = site.connect(LISTEN, subscriber)
    site.publish('#one', 'two', '#three', 'four', '#five')
    assert client.receive_all() == ['two', 'four']


@pytest.mark.row('O7')
def test_list_may_be_rewritten(site: Site) -> None:
    client, plain = site.connect(LISTEN, overrides.Rewrites), site.connect()
    site.publish('hello')
    assert client.receive_all() == ['HELLO']
    assert plain.receive_all() == ['hello'], 'the list belongs to one websocket'


@pytest.mark.row('O7')
def test_any_type_of_message_is_sent(site: Site) -> None:
    client = site.connect(LISTEN, overrides.ReturnsWhatItLikes)
    site.publish('str', 'bytes', 'array', 'message', 'empty')
    assert client.receive_all() == ['str', 'bytes', 'array', 'message']


@pytest.mark.row('O7')
def test_messages_by_pattern_are_delivered_with_pattern_and_channel(site: Site) -> None:
    client = site.connect(LISTEN, overrides.Patterns)
    site.publish('one', channel='lab:1')
    site.publish('two')
    assert client.receive_all() == ['pmessage lab:* lab:1 one', 'message broadcast:news two']


@pytest.mark.row('O7')
def test_message_by_name_and_by_pattern_comes_once(site: Site) -> None:
    client = site.connect('/ws/news?subscribe-broadcast', overrides.QuietPatterns)
    site.publish('one')
    site.publish('two', channel='group:staff:news')
    assert client.receive_all() == ['one', 'two']


@pytest.mark.row('O7')
def test_error_in_parse_response_is_logged_and_closes_with_1011(site: Site) -> None:
    client = site.connect(LISTEN, overrides.FailsToParse)
    site.publish('hello')
    site.settle()
    assert client.close_code == 1011
    [error] = site.errors()
    assert 'parse_response() failed' in error


# Another client in place


@pytest.mark.row('O8')
def test_nobody_watches_another_client_without_a_descriptor(site: Site, other: redis.Redis) -> None:
    other.set('broadcast:news', 'persisted there')
    client = site.connect(CHAT, overrides.OtherClient)
    assert client.receive_all() == ['persisted there']
    client.send('published there')
    assert other.get('broadcast:news') == b'published there'
    other.publish('broadcast:news', 'live there')
    site.publish('live here')
    client.assert_nothing_received()
    assert client.open


@pytest.mark.row('O8')
def test_own_descriptor_is_watched(site: Site, other: redis.Redis) -> None:
    other.set('broadcast:news', 'persisted there')
    client = site.connect(LISTEN, overrides.ServesItself)
    for text in ('one', 'two', 'three'):
        other.publish('broadcast:news', text)
    site.publish('live here')
    assert [client.receive() for _ in range(4)] == ['persisted there', 'one', 'two', 'three']
    client.assert_nothing_received()
    client.close()
    site.settle()
    eventually(
        lambda: other.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 0)],
        'it listens there for ever',
    )


# Classes of another kind


@pytest.mark.row('O9')
@pytest.mark.parametrize('subscriber', [overrides.FromRedisStore, overrides.FromNothing])
def test_what_counts_are_the_methods(site: Site, subscriber: Any) -> None:
    site.redis.set('broadcast:news', 'persisted')
    client, other = site.connect(CHAT, subscriber), site.connect()
    assert client.receive_all() == other.receive_all() == ['persisted']
    site.publish('live')
    assert client.receive_all() == other.receive_all() == ['live']
    client.send('mine')
    assert other.receive_all() == ['mine']
    client.assert_nothing_received()
    client.close()
    other.close()
    site.assert_listeners('broadcast:news', 0)


@pytest.mark.row('O9')
@pytest.mark.parametrize('subscriber', [verbatim.Documented, verbatim.DocumentedMisspelt])
def test_subscriber_written_from_the_api_document_alone_works(site: Site, subscriber: Any) -> None:
    site.redis.set('room:7', 'old')
    listener = site.connect('/ws/7?subscribe-room', subscriber)
    speaker = site.connect('/ws/7?publish-room', subscriber)
    assert listener.receive_all() == ['stored in room:7> old']
    speaker.send('from a browser')
    site.publish('from a program', channel='room:7')
    assert listener.receive_all() == ['room:7> from a browser', 'room:7> from a program']
    speaker.assert_nothing_received()
    assert site.persisted('room:7') == b'from a browser'
    for client in (speaker, listener):
        client.close()
    assert site.notes() == ['released', 'released']
    site.assert_listeners('room:7', 0)


# The request


@pytest.mark.row('O10')
def test_request_is_usable_as_long_as_the_websocket_is_open(site: Site, john: str) -> None:
    client = site.connect(
        LISTEN, overrides.KeepsRequest, session=john, headers={'User-Agent': 'browser'}
    )
    client.send('hello')
    client.close()
    assert site.notes() == ['john: hello, browser', f'john of {john} left']


# Test doubles written by hand


@pytest.mark.row('O12')
@forms(gunicorn_redis='the double lives in the memory of a test, where none of gunicorn sees it')
def test_subscriber_on_a_fake_of_its_own(site: Site) -> None:
    client = site.connect(CHAT, overrides.HandWrittenDouble)
    client.send('hello')
    fake = fakeredis.FakeStrictRedis(server=overrides.OTHER_SERVER, protocol=2)
    assert fake.get('broadcast:news') == b'hello'
    assert site.published == []


@pytest.mark.row('O12')
def test_publisher_with_its_connection_replaced() -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher._connection = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), protocol=2)
    publisher.publish_message(RedisMessage('hello'))
    assert publisher._connection.get('broadcast:news') == b'hello'
    assert publisher.fetch_message(None, 'news', 'broadcast') == b'hello'


# The contract


@pytest.mark.row('C0')
def test_class_is_made_once_for_each_request_with_one_argument(site: Site) -> None:
    for _ in range(2):
        site.connect(LISTEN, probes.NotesItsMaking)
    assert site.notes() == ['1 and 0, True'] * 2


@pytest.mark.row('C0')
def test_calls_come_in_order(site: Site) -> None:
    client = site.connect(CHAT, probes.NotesEverything)
    client.send('mine')
    site.publish('live')
    site.settle()
    client.close()
    assert site.notes() == [
        'made',
        "set_pubsub_channels ['subscribe-broadcast', 'publish-broadcast']",
        'send_persisted_messages',
        'publish_message mine',
        'parse_response live',
        'release',
    ]


@pytest.mark.row('C1')
def test_connection_is_one_redis_client_for_all_with_every_command(site: Site) -> None:
    for _ in range(2):
        site.connect(LISTEN, probes.NotesItsConnection)
    first, second = site.notes()[:2], site.notes()[2:]
    assert first == second
    assert first[1] == 'True, Subscription'
    assert site.redis.hgetall('hash') == {b'field': b'value'}


@pytest.mark.row('C1')
def test_redis_client_of_ones_own_gives_a_pub_sub_object_of_ones_own() -> None:
    assert isinstance(overrides.other_client().pubsub(), redis.client.PubSub)


@pytest.mark.row('C1')
def test_int_makes_the_subscriber_serve_itself_whatever_its_subscription_is(site: Site) -> None:
    client = site.connect(LISTEN, probes.OwnDescriptor)
    site.publish('live')
    client.assert_nothing_received()
    assert client.open
    site.assert_listeners('broadcast:news', 0)


@pytest.mark.row('C2')
def test_subscription_has_the_names_of_redis_py(site: Site) -> None:
    client = site.connect('/ws/news', probes.NotesItsSubscription)
    assert site.notes() == [
        "[b'one'], [b'lab:*'], True",
        'None, False',
        'TypeError',
        'AttributeError',
    ]
    site.publish('hello', channel='lab:1')
    assert client.receive_all() == ['hello']
    message = {'type': 'pmessage', 'pattern': b'lab:*', 'channel': b'lab:1', 'data': b'hello'}
    assert site.notes()[4:] == [f'{message}', 'None']
    client.send('listen on nothing')
    site.publish('nobody', channel='lab:1')
    client.assert_nothing_received()
    site.assert_listeners('one', 0)


@pytest.mark.row('C3')
def test_subscribe_only_records_until_set_pubsub_channels_has_ended(site: Site) -> None:
    site.connect(LISTEN, probes.LooksAtRedis)
    assert site.notes() == ["[(b'broadcast:news', 0), (b'extra', 0)]"]
    for name in ('broadcast:news', 'extra'):
        site.assert_listeners(name, 1)


@pytest.mark.row('C3')
def test_raw_names_get_no_prefix(site: Site, settings: Any) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    site.connect(LISTEN, overrides.ExtraChannel)
    for name in ('shop:broadcast:news', 'extra'):
        site.assert_listeners(name, 1)


@pytest.mark.row('C4')
def test_own_copies_are_left_out_by_origin(site: Site) -> None:
    """Three quick sends without `echo`: two came back."""
    client, other = site.connect(CHAT), site.connect()
    site.send_together(client, 'again', 'again', 'again')
    site.settle()
    site.publish('again')
    assert client.receive_all() == ['again']
    assert other.receive_all() == ['again'] * 4


@pytest.mark.row('C4')
def test_echo_brings_own_copies(site: Site) -> None:
    client = site.connect(f'{CHAT}&echo=false')
    client.send('hello')
    assert client.receive_all() == ['hello'], 'the name alone counts'


@pytest.mark.row('C4')
def test_what_does_not_go_through_publish_message_is_nobodys_own(site: Site) -> None:
    client = site.connect(CHAT, probes.PublishesAround)
    client.send('around')
    client.send('through')
    assert client.receive_all() == ['around']


@pytest.mark.row('C4')
@forms(
    gunicorn_redis='its Redis serves the whole run; one that goes away is in '
    'tests/servers/test_journey.py'
)
def test_count_goes_back_if_publishing_fails(site: InBroker) -> None:
    client = site.connect(CHAT)
    with site.outage():
        client.send('hello')
        assert client.close_code == 1013
    again = site.connect(CHAT)
    site.publish('hello')
    assert again.receive_all() == ['hello']


@pytest.mark.row('C4')
def test_count_goes_back_if_an_override_goes_on_after_a_failure(site: Site) -> None:
    client = site.connect(CHAT, probes.GoesOn)
    client.send('hello')
    site.publish('hello')
    assert client.receive_all() == ['hello'], "somebody else's"


MESSAGES: list[str | bytes] = ['one', '', 'grün', b'\xff\x00', 'x' * 70_000, '#five']


@pytest.mark.row('C5')
@pytest.mark.parametrize('subscriber', [RedisSubscriber, overrides.PassesOn])
def test_both_paths_give_the_same_frames(site: Site, subscriber: Any) -> None:
    client = site.connect(LISTEN, subscriber)
    site.publish(*MESSAGES)
    assert client.receive_all() == MESSAGES


@pytest.mark.row('C5')
@pytest.mark.parametrize('subscriber', [RedisSubscriber, overrides.PassesOn])
def test_both_paths_leave_out_the_heartbeat_and_own_copies(
    site: Site, settings: Any, subscriber: Any
) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = site.connect(CHAT, subscriber)
    client.send('mine')
    site.publish('beat', 'hello')
    assert client.receive_all() == ['hello']


@pytest.mark.row('C5')
def test_nothing_there_raises_nothing_to_read_at_once(site: Site) -> None:
    client = site.connect(LISTEN, probes.AsksForMore)
    client.send('more')
    assert site.notes() == ['NothingToRead, False']


@pytest.mark.row('C5')
def test_acknowledgements_are_never_offered(site: Site) -> None:
    client = site.connect(CHAT, probes.MessagesAlone)
    client.send('more')
    site.publish('hello', channel='more')
    assert client.receive_all() == ['hello']


@pytest.mark.row('C6')
@pytest.mark.parametrize('subscriber', [probes.NotesItsDescriptor, probes.NotesACopiedDescriptor])
def test_descriptor_of_the_exchange_is_none(site: Site, subscriber: Any) -> None:
    client = site.connect(LISTEN, subscriber)
    assert set(site.notes()) == {'None'}
    site.publish('live')
    assert client.receive_all() == ['live']


@pytest.mark.row('C6')
def test_self_served_subscriber_is_asked_for_what_comes_later_too(
    site: Site, other: redis.Redis
) -> None:
    client = site.connect(LISTEN, overrides.ServesItself)
    for text in ('one', 'two'):
        other.publish('broadcast:news', text)
        assert client.receive() == text
    client.assert_nothing_received()


@pytest.mark.row('C7')
def test_websocket_has_send_close_and_closed(site: Site) -> None:
    client = site.connect(LISTEN, probes.KeepsItsWebsocket)
    assert client.receive_all() == ['text', 'bytes that are text', b'binary', b'\xff']
    client.send('now')
    assert client.receive_all() == ['later']
    client.close()
    assert site.notes() == ['closed: False', 'closed: True', 'websocket is closed']


@pytest.mark.row('C7')
def test_websocket_may_be_closed_at_once(site: Site) -> None:
    client = site.connect(LISTEN, overrides.Refuses)
    assert client.close_code == 4001
    assert client.close_reason == 'closed for holidays'
    assert client.receive_all() == ['not today'], 'what it sent before is not lost'


@pytest.mark.row('C7')
def test_each_payload_that_an_override_sent_removes_one_equal_live_message(site: Site) -> None:
    assert site.connect(LISTEN, probes.SendsOneOfThree).receive_all() == ['same', 'same', 'same']


@pytest.mark.row('C7')
def test_base_sends_a_persisted_message_that_is_live_too_once(site: Site) -> None:
    site.redis.set('broadcast:news', 'old')
    assert site.connect(LISTEN, probes.PublishesBefore).receive_all() == ['new']


@pytest.mark.row('C7')
def test_base_takes_only_messages_of_the_same_channel_for_the_same(site: Site) -> None:
    site.redis.set('broadcast:news', 'equal by chance')
    assert site.connect(LISTEN, probes.PublishesElsewhere).receive_all() == ['equal by chance'] * 2


@pytest.mark.row('C8')
def test_message_is_a_redis_message_and_its_result_is_ignored(site: Site, settings: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = site.connect(LISTEN, probes.NotesMessages)
    client.send('text')
    client.send('beat')
    client.send(b'\xff')
    assert site.notes() == [f'RedisMessage {RedisMessage(data)!r}' for data in (b'text', b'\xff')]
    assert client.open


@pytest.mark.row('C8')
@pytest.mark.parametrize('exception', ['ConnectionError', 'TimeoutError'])
def test_redis_away_closes_with_1013(site: Site, exception: str) -> None:
    client = site.connect(LISTEN, probes.RaisesWhatItIsTold)
    client.send(exception)
    assert (client.close_code, client.close_reason) == (1013, 'try again later')


@pytest.mark.row('C8')
def test_messages_behind_one_that_failed_are_not_published(site: Site) -> None:
    client = site.connect(CHAT, probes.RaisesWhatItIsTold)
    site.send_together(client, 'RuntimeError', 'good')
    site.settle()
    assert client.close_code == 1011
    assert len(site.errors()) == 1
    assert site.published == []
    assert ' not published' in site.said()


@pytest.mark.row('C9')
@pytest.mark.parametrize('subscriber', [probes.ForgetsSubscription, overrides.SaysGoodbye])
def test_exchange_forgets_the_channels_whatever_release_does(site: Site, subscriber: Any) -> None:
    client = site.connect(LISTEN, subscriber)
    site.assert_listeners('broadcast:news', 1)
    client.close()
    site.assert_listeners('broadcast:news', 0)


@pytest.mark.row('C9')
def test_release_is_the_last_call(site: Site) -> None:
    client = site.connect(CHAT, probes.NotesEverything)
    site.send_together(client, 'last words')
    client.drop()
    assert site.notes()[-2:] == ['publish_message last words', 'release']


@pytest.mark.row('C9')
def test_release_comes_at_the_end_of_the_process(site: Site) -> None:
    clients = [site.connect(LISTEN, overrides.SaysGoodbye) for _ in range(3)]
    assert site.notes() == []
    site.end()
    assert site.notes() == ['released'] * 3
    assert {client.close_code for client in clients} == {1001}


@pytest.mark.row('C9')
def test_subscription_can_be_read_and_left_in_release(site: Site) -> None:
    site.connect(LISTEN, probes.LooksAround).close()
    assert site.notes() == [
        "[[b'broadcast:news', b'extra'], [b'lab:*']]",
        "[b'broadcast:news']",
        'False',
    ]


@pytest.mark.row('C10')
def test_middleware_does_not_run(site: Site) -> None:
    site.connect(LISTEN, probes.ByTenant)
    assert site.notes() == ['nobody']
    assert site.page('/tenant/') == 'of the middleware'


@pytest.mark.row('C10')
def test_what_middleware_puts_on_a_request_comes_from_a_callback(site: Site, settings: Any) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = 'tests.subscribers.overrides.set_tenant'
    client = site.connect(LISTEN, probes.ByTenant)
    site.publish('for the lab', channel='tenant:lab')
    assert client.receive_all() == ['for the lab']


@pytest.mark.row('C11')
def test_publishers_of_a_subscriber_can_be_read_and_assigned(site: Site) -> None:
    site.connect(CHAT, probes.AssignsPublishers).send('hello')
    assert site.notes() == ["{'broadcast:news'}"]
    assert site.published == [('raw', 'hello')]


@pytest.mark.row('C11')
def test_self_is_resolved_when_a_publisher_is_made(site: Site, john: str) -> None:
    client = site.connect('/ws/news', probes.KeepsAPublisher, session=john)
    site.run(inside.rename_user, 'john', 'johanna')
    client.send('hello')
    assert site.published == [('user:john:news', 'hello')]


def test_open_and_close_are_logged_without_details_of_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, 'ws4redis'), Broker() as broker:
        broker.connect(LISTEN).close()
    assert 'open, subscribe-broadcast' in caplog.text
