"""Broker: what a downstream project tests with; and that it refuses misuse aloud."""

from __future__ import annotations

import contextlib
import datetime
import gc
import inspect
import logging
import time
import weakref
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import fakeredis
import freezegun
import pytest
import redis
import time_machine
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest
from django.test import Client, TestCase

from ws4redis import access
from ws4redis.core.recheck import BATCH
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.redis_store import SELF
from ws4redis.seam import seam
from ws4redis.signals import redis_gap
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected, Publication

if TYPE_CHECKING:
    from pytest_django import Settings

DAY = 86_400


@pytest.fixture(params=['memory', 'server', 'url'])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """In memory, on a redis-server of the run's own, and on one that others use."""
    with Broker(url_of(request, request.param)) as broker:
        yield broker


def url_of(request: pytest.FixtureRequest, kind: str) -> str:
    """What Broker takes for this kind of server."""
    if kind == 'memory':
        return 'memory://'
    url: str = request.getfixturevalue('redis_url')
    return url if kind == 'url' else kind


def raw(broker: Broker, name: str) -> str:
    """A channel's name as the server has it."""
    return broker.namespace + name


def elsewhere(broker: Broker) -> redis.Redis:
    """A client of another process, which knows of no gate."""
    arguments = broker.redis.connection_pool.connection_kwargs
    if 'server' in arguments:
        return fakeredis.FakeRedis(server=arguments['server'], protocol=2)
    if 'path' in arguments:
        return redis.Redis(unix_socket_path=arguments['path'])
    return redis.Redis(host=arguments['host'], port=arguments['port'])


@pytest.fixture
def john(db: None) -> User:
    return User.objects.create(username='john')


def tell(broker: Broker, message: Any, expire: float | None = 0) -> None:
    """Publish to everybody."""
    broker.publish(message, facility='news', broadcast=True, expire=expire)


class FailsToPublish(RedisSubscriber):
    """A bug in the site's code."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        raise ZeroDivisionError('a bug of the site')


# The real code with the transport replaced


@pytest.mark.row('T1')
def test_publisher_anywhere_in_the_process_lands_in_the_broker(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    RedisPublisher(facility='news', broadcast=True).publish_message('hello')
    assert client.receive() == 'hello'


@pytest.mark.row('T1')
def test_request_is_what_a_browser_sends(broker: Broker) -> None:
    seen: list[HttpRequest] = []

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            seen.append(request)
            super().set_pubsub_channels(request, channels)

    broker.connect(
        '/ws/a b?x=1',
        subscribe='broadcast',
        echo=True,
        headers={'X-Tenant': 'lab'},
        subscriber=Looking,
    )
    [request] = seen
    assert request.method == 'GET'
    assert request.path_info == '/ws/a b'
    assert list(request.GET) == ['x', 'subscribe-broadcast', 'echo']
    assert request.headers['Origin'] == 'http://testserver'
    assert request.headers['Host'] == 'testserver'
    assert request.headers['Upgrade'] == 'websocket'
    assert request.headers['X-Tenant'] == 'lab'
    assert isinstance(request.user, AnonymousUser)


@pytest.mark.row('T1')
@pytest.mark.parametrize('facility', ['news', 'a/b', 'a:b', 'grün', 'a b', 'a?b', 'a%b', ''])
def test_facility_reaches_the_server_as_it_is(broker: Broker, facility: str) -> None:
    client = broker.connect(facility, subscribe='broadcast')
    assert client.channels == [f'broadcast:{facility}']
    broker.publish('hello', facility=facility, broadcast=True)
    assert client.receive() == 'hello'
    assert broker.published[0].facility == facility


@pytest.mark.row('T1')
def test_url_and_facility_are_the_same_websocket(broker: Broker, settings: Settings) -> None:
    settings.WEBSOCKET_URL = '/live/'
    assert broker.connect('news', subscribe='broadcast').channels == ['broadcast:news']
    assert broker.connect('/live/news?subscribe-broadcast').channels == ['broadcast:news']


# The test's thread and the test's database connection


@pytest.mark.row('T2')
@pytest.mark.django_db
def test_rows_need_no_commit(broker: Broker) -> None:
    john = User.objects.create(username='john')
    assert connection.in_atomic_block
    client = broker.connect('news', subscribe='user', user=john)
    broker.publish('for john', facility='news', users=[john])
    assert client.receive() == 'for john'
    client.close()
    assert connection.in_atomic_block


class PlainTestCase(TestCase):
    """unittest: self.enterContext(Broker())."""

    def setUp(self) -> None:
        self.ws4redis = self.enterContext(Broker())

    @pytest.mark.row('T2')
    def test_testcase_of_django_is_enough(self) -> None:
        john = User.objects.create(username='john')
        client = self.ws4redis.connect('news', subscribe='user', user=john)
        self.ws4redis.publish('for john', facility='news', users=[john])
        self.assertEqual(client.receive(), 'for john')


@pytest.mark.row('T2')
def test_database_is_not_touched_without_a_login(broker: Broker) -> None:
    """This test has no database."""
    client = broker.connect('news', subscribe='broadcast')
    client.close()


# Exceptions of the server side


@pytest.mark.row('T3')
def test_exception_of_the_sites_code_comes_out_of_the_call_that_drove_it(broker: Broker) -> None:
    client = broker.connect('news', subscriber=FailsToPublish)
    with pytest.raises(ZeroDivisionError, match='a bug of the site') as caught:
        client.send('hello')
    assert any(
        entry.name == 'publish_message' and str(entry.path) == __file__
        for entry in caught.traceback
    )
    assert client.close_code == 1011
    client.assert_nothing_received()


@pytest.mark.row('T3')
def test_exception_of_a_callback_comes_out_of_connect(broker: Broker) -> None:
    def callback(request: HttpRequest, channels: list[str]) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broker.connect('news', allowed_channels=callback)


@pytest.mark.row('T3')
def test_exception_that_nobody_collected_comes_out_at_the_end() -> None:
    class FailsToRelease(RedisSubscriber):
        def release(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Broker() as broker:
        broker.connect('news', subscriber=FailsToRelease)


@pytest.mark.row('T3')
def test_exception_of_the_test_itself_is_not_replaced() -> None:
    with pytest.raises(KeyError), Broker() as broker:
        broker.connect('news', subscriber=FailsToPublish)._end.protocol.send_text(b'hello')
        raise KeyError('of the test')


@pytest.mark.row('T3')
def test_browser_sees_codes_only_when_asked_for() -> None:
    def callback(request: HttpRequest, channels: list[str]) -> list[str]:
        raise ZeroDivisionError

    with Broker(raise_server_exceptions=False) as broker:
        client = broker.connect('news', subscriber=FailsToPublish)
        client.send('hello')
        assert client.close_code == 1011
        with pytest.raises(HandshakeRejected) as refused:
            broker.connect('news', allowed_channels=callback)
        assert refused.value.status_code == 500


# Settled is proved


@pytest.mark.row('T4')
def test_nothing_received_is_known_without_waiting(broker: Broker) -> None:
    client, other = (
        broker.connect('news', subscribe='broadcast'),
        broker.connect('chat', subscribe='broadcast'),
    )
    for number in range(100):
        broker.redis.publish(raw(broker, 'broadcast:news'), str(number))
    other.assert_nothing_received()
    assert client.unread == 100


@pytest.mark.row('T4')
def test_greenlet_that_a_hook_spawned_has_run(broker: Broker) -> None:
    import gevent

    class Spawning(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            gevent.spawn(
                RedisPublisher(facility='news', broadcast=True).publish_message,
                b'later: ' + message,
            )

    client = broker.connect('news', subscribe='broadcast', subscriber=Spawning)
    client.send('hello')
    assert client.receive() == 'later: hello'


# One clock


@pytest.mark.row('T6')
def test_persisted_message_expires(broker: Broker) -> None:
    tell(broker, 'hello', expire=60)
    broker.advance(59)
    assert broker.persisted(facility='news', broadcast=True) == b'hello'
    broker.advance(timedelta(seconds=1))
    assert broker.persisted(facility='news', broadcast=True) is None
    assert broker.ttl(facility='news', broadcast=True) is None
    broker.connect('news', subscribe='broadcast').assert_nothing_received()


@pytest.mark.row('T6')
def test_time_is_real_time_and_what_was_added(broker: Broker) -> None:
    before = broker.now
    broker.advance(1000)
    broker.advance(0)
    assert before + 1000 <= broker.now < time.time() + 1001
    assert time.time() < before + 1000, "Django's clock does not move"


@pytest.mark.row('T6')
@pytest.mark.parametrize('seconds', [-1, -0.001, timedelta(seconds=-1)])
def test_time_does_not_go_back(broker: Broker, seconds: Any) -> None:
    with pytest.raises(ValueError, match='from 0 on'):
        broker.advance(seconds)


@pytest.mark.row('T6')
def test_key_without_a_ttl_stays(broker: Broker) -> None:
    broker.redis.set('key', 'value')
    broker.advance(100 * DAY)
    assert broker.redis.get('key') == b'value'


@pytest.mark.row('T6')
def test_timers_run_in_their_order(broker: Broker, settings: Settings) -> None:
    """Every 4 s a heartbeat; after 20 s of silence a ping, which the client answers, so that it
    stays.
    """
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = broker.connect('news')
    for count in range(1, 16):
        broker.advance(4)
        assert client.heartbeats == count
    assert client.open


@pytest.mark.row('T6')
def test_fifteen_days_are_coalesced(broker: Broker, settings: Settings) -> None:
    """Periodic timers do once what they would have done many times over."""
    settings.WS4REDIS_HEARTBEAT = 'beat'
    clients = [broker.connect('news', subscribe='broadcast') for _ in range(3)]
    tell(broker, 'expires', expire=15 * DAY)
    broker.advance(timedelta(days=15))
    assert all(client.open for client in clients)
    assert {client.heartbeats for client in clients} <= set(range(10, 200))
    assert broker.persisted(facility='news', broadcast=True) is None
    tell(broker, 'still here')
    assert clients[0].receive_all() == ['expires', 'still here']


@pytest.mark.row('T6')
def test_client_that_went_silent_is_dropped_within_the_fifteen_days(broker: Broker) -> None:
    client = broker.connect('news')
    client.stop_reading()
    broker.advance(15 * DAY)
    assert broker.clients == []


@pytest.mark.row('T6')
def test_client_that_went_silent_is_dropped_among_many_that_did_not(broker: Broker) -> None:
    """They have timers of their own, more than are run one by one."""
    others = [broker.connect('news') for _ in range(100)]
    broker.connect('news').stop_reading()
    broker.advance(15 * DAY)
    assert broker.clients == others


@pytest.mark.row('T6')
def test_time_passes_during_an_outage(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    tell(broker, 'expires', expire=60)
    with broker.outage():
        broker.advance(30)
        assert broker.persisted(facility='news', broadcast=True) == b'expires'
        broker.advance(30)
        assert broker.persisted(facility='news', broadcast=True) is None
    assert client.receive_all() == ['expires']
    assert client.open


@pytest.mark.row('T6')
def test_time_machine_is_moved_and_ttls_follow_it() -> None:
    with (
        time_machine.travel(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), tick=False),
        Broker() as broker,
    ):
        start = time.time()
        tell(broker, 'hello', expire=60)
        client = broker.connect('news', subscribe='broadcast')
        broker.advance(59)
        assert (time.time(), broker.now) == (start + 59, start + 59)
        assert broker.ttl(facility='news', broadcast=True) == 1
        broker.advance(1)
        assert broker.persisted(facility='news', broadcast=True) is None
        assert client.open


@pytest.mark.row('T6')
def test_shift_of_somebody_else_is_noticed(settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    with (
        time_machine.travel(
            datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), tick=False
        ) as traveller,
        Broker() as broker,
    ):
        client = broker.connect('news')
        traveller.shift(5)
        broker.settle()
        assert client.heartbeats == 1


@pytest.mark.row('T6')
def test_freezegun_is_moved_and_ttls_follow_it() -> None:
    with freezegun.freeze_time('2026-01-01'), Broker() as broker:
        start = time.time()
        tell(broker, 'hello', expire=60)
        broker.advance(59)
        assert (time.time(), broker.now) == (start + 59, start + 59)
        assert broker.persisted(facility='news', broadcast=True) == b'hello'
        broker.advance(1)
        assert broker.persisted(facility='news', broadcast=True) is None


@pytest.mark.row('T6')
def test_heartbeats_with_a_frozen_clock(settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    with (
        time_machine.travel(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), tick=False),
        Broker() as broker,
    ):
        client = broker.connect('news')
        broker.advance(12)
        assert client.heartbeats == 3


# Typos


@pytest.mark.row('T7')
@pytest.mark.parametrize('name', ['brodcast', 'subscribe-user', 'users', '', 'echo', 'USER'])
def test_unknown_channel_name_is_refused_with_the_valid_ones(broker: Broker, name: str) -> None:
    valid = "it takes 'session', 'group', 'user', 'broadcast'"
    for keyword in ('subscribe', 'publish'):
        with pytest.raises(ValueError, match=f"{keyword}='{name}' is no channel: {valid}"):
            broker.connect('news', **{keyword: [name]})  # type: ignore[arg-type]


@pytest.mark.row('T7')
def test_lone_name_is_one_name_not_its_letters(broker: Broker) -> None:
    assert broker.connect('news', subscribe='broadcast').channels == ['broadcast:news']


@pytest.mark.row('T7')
def test_names_of_the_subscriber_that_is_used_are_valid(broker: Broker) -> None:
    class Lab(RedisSubscriber):
        subscription_channels = ['subscribe-server']

    broker.connect('news', subscribe='server', subscriber=Lab)
    with pytest.raises(ValueError, match="it takes 'server'"):
        broker.connect('news', subscribe='broadcast', subscriber=Lab)


@pytest.mark.row('T7')
@pytest.mark.parametrize('method', ['publish', 'connect', 'persisted', 'ttl'])
def test_keywords_are_explicit(broker: Broker, method: str) -> None:
    """A typo in `**audience` would pass for ever."""
    kinds = {
        parameter.kind
        for parameter in inspect.signature(getattr(broker, method)).parameters.values()
    }
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    with pytest.raises(TypeError, match='broadcats'):
        getattr(broker, method)(broadcats=True)


@pytest.mark.row('T7')
def test_self_means_nobody_here(broker: Broker) -> None:
    with pytest.raises(ValueError, match='needs request='):
        broker.publish('hello', facility='news', users=[SELF])


@pytest.mark.row('T7')
def test_audience_of_several_channels_has_no_one_persisted_message(broker: Broker) -> None:
    for method in (broker.persisted, broker.ttl):
        with pytest.raises(ValueError, match='names 2 channels'):
            method(facility='news', broadcast=True, users=['john'])
        with pytest.raises(ValueError, match='names 0 channels'):
            method(facility='news')


@pytest.mark.row('T7')
@pytest.mark.parametrize(
    'url', ['localhost', 'http://localhost', 'memory', '', 'redis//localhost', 7, None]
)
def test_other_url_is_refused(url: Any) -> None:
    with (
        pytest.raises(
            ValueError, match=r'a Broker takes memory://, server, or the URL of a server \(redis://'
        ),
        Broker(url),
    ):
        pass
    assert not seam.in_force


@pytest.mark.row('T7')
def test_server_that_does_not_answer_is_an_error_at_once() -> None:
    with pytest.raises(redis.ConnectionError), Broker('redis://127.0.0.1:1'):
        pass
    assert not seam.in_force


# What was published


def test_published_knows_channel_facility_message_expire_and_who(broker: Broker) -> None:
    line = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
    RedisPublisher(facility='a:b', users=['john'], broadcast=True).publish_message(
        '{"a": 1}', expire=5
    )
    source = f'{__file__}:{line}'
    assert broker.published == [
        Publication('broadcast:a:b', 'a:b', b'{"a": 1}', 5, source),
        Publication('user:john:a:b', 'a:b', b'{"a": 1}', 5, source),
    ]
    assert broker.published[0].text == '{"a": 1}'
    assert broker.published[0].json() == {'a': 1}


def test_published_by_another_client_is_seen_without_expire_and_source(broker: Broker) -> None:
    broker.redis.publish(raw(broker, 'broadcast:news'), 'hello')
    broker.redis.publish(raw(broker, 'raw'), b'\xff')
    assert broker.published == [
        Publication('broadcast:news', 'news', b'hello', None, None),
        Publication('raw', None, b'\xff', None, None),
    ]


def test_published_by_a_pipeline_of_ones_own_is_seen(broker: Broker) -> None:
    client = redis.Redis(connection_pool=active_server().pool)
    with client.pipeline() as pipeline:
        pipeline.set(raw(broker, 'broadcast:news'), 'hello')
        pipeline.publish(raw(broker, 'broadcast:news'), 'hello')
        pipeline.execute()
    assert [publication.text for publication in broker.published] == ['hello']


def test_published_by_a_browser_is_seen(broker: Broker, john: User) -> None:
    broker.connect('news', publish='broadcast', user=john).send('hello')
    [publication] = broker.published
    assert (publication.channel, publication.expire) == ('broadcast:news', 3600)


def test_published_holds_nothing_but_publications(broker: Broker) -> None:
    """A Redis sends no keyspace notifications unless it was told to."""
    tell(broker, 'hello', expire=5)
    broker.redis.set('key', 'value', ex=5)
    broker.redis.delete('key')
    broker.advance(6)
    assert [publication.channel for publication in broker.published] == ['broadcast:news']


def test_published_is_without_the_prefix_only_in_its_facility(
    broker: Broker, settings: Settings
) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    tell(broker, 'hello')
    [publication] = broker.published
    assert (publication.channel, publication.facility) == ('shop:broadcast:news', 'news')


def test_published_is_known_in_an_outage_too(broker: Broker) -> None:
    tell(broker, 'before')
    with broker.outage():
        with pytest.raises(redis.ConnectionError):
            tell(broker, 'meanwhile')
        assert [publication.text for publication in broker.published] == ['before']
    tell(broker, 'after')
    assert [publication.text for publication in broker.published] == ['before', 'after']


def test_publication_that_failed_does_not_lend_its_source_to_another(broker: Broker) -> None:
    with broker.outage(), pytest.raises(redis.ConnectionError):
        tell(broker, 'hello', expire=5)
    broker.redis.publish(raw(broker, 'broadcast:news'), 'hello')
    assert broker.published == [Publication('broadcast:news', 'news', b'hello', None, None)]


@pytest.mark.parametrize(
    ('obj', 'text'),
    [
        ({'a': 1}, '{"a": 1}'),
        (None, 'null'),
        ([], '[]'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
    ],
)
def test_publish_takes_json(broker: Broker, obj: Any, text: str) -> None:
    broker.publish(json=obj, facility='news', broadcast=True)
    assert broker.published[0].text == text


def test_persisted_and_ttl_look_at_one_channel(broker: Broker) -> None:
    broker.publish('for john', facility='news', users=['john'], expire=3600)
    broker.publish('for staff', facility='news', groups=['staff'], expire=60)
    assert broker.persisted(facility='news', users=['john']) == b'for john'
    assert broker.persisted(channel='group:staff:news') == b'for staff'
    assert broker.persisted(facility='news', sessions=['abc']) is None
    assert 3000 < (broker.ttl(facility='news', users=['john']) or 0) <= 3600
    assert broker.ttl(facility='news', broadcast=True) is None
    assert broker.ttl(channel='missing') is None


# Who connects


def test_user_is_logged_in(broker: Broker, john: User) -> None:
    client = broker.connect('news', subscribe=['user', 'session'], user=john)
    assert client.name == 'john'
    assert 'user:john:news' in client.channels
    assert len(client.channels) == 2


def test_groups_are_those_of_the_session(broker: Broker, john: User) -> None:
    client = broker.connect('news', subscribe='group', user=john, groups=['staff', 'editors'])
    assert client.channels == ['group:staff:news', 'group:editors:news']


@pytest.mark.django_db
def test_groups_may_be_those_of_an_anonymous_session(broker: Broker) -> None:
    client = broker.connect('news', subscribe=['group', 'user'], groups=['staff'])
    assert client.channels == ['group:staff:news']


def test_force_user_needs_no_database(broker: Broker) -> None:
    user = User(username='mary')
    client = broker.connect(
        'news',
        subscribe=['user', 'group', 'session'],
        force_user=user,
        groups=['staff'],
        publish='user',
    )
    assert set(client.channels) == {'user:mary:news', 'group:staff:news'}
    assert client.name == 'mary'
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['user:mary:news']


def test_client_of_django_lends_its_cookies(broker: Broker, john: User) -> None:
    django_client = Client()
    django_client.force_login(john)
    django_client.cookies['theme'] = 'dark'
    seen: list[dict[str, str]] = []

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            seen.append(request.COOKIES)
            super().set_pubsub_channels(request, channels)

    client = broker.connect('news', subscribe='user', client=django_client, subscriber=Looking)
    assert client.channels == ['user:john:news']
    assert seen[0]['theme'] == 'dark'


@pytest.mark.django_db
def test_session_may_be_an_object_or_a_key(broker: Broker) -> None:
    session = SessionStore()
    session['cart'] = 1
    session.save()
    for given in (session, session.session_key):
        client = broker.connect('news', subscribe='session', session=given)
        assert client.channels == [f'session:{session.session_key}:news']


def test_nobody_is_anonymous_and_has_a_number(broker: Broker) -> None:
    assert [broker.connect('news').name for _ in range(2)] == ['client 1', 'client 2']
    assert broker.connect('news', name='the third').name == 'the third'


def test_origin_may_be_another_or_none(broker: Broker, settings: Settings) -> None:
    broker.connect('news', origin=None)
    settings.WS4REDIS_REQUIRE_ORIGIN = True
    with pytest.raises(HandshakeRejected):
        broker.connect('news', origin=None)
    with pytest.raises(HandshakeRejected):
        broker.connect('news', origin='https://evil.example')


def test_subprotocol_is_agreed_on(broker: Broker) -> None:
    assert broker.connect('news', subprotocols=['chat', 'other']).subprotocol == 'chat'


def test_allowed_channels_counts_for_its_handshake_alone(broker: Broker) -> None:
    def nothing(request: HttpRequest, channels: list[str]) -> list[str]:
        return []

    assert broker.connect('news', subscribe='broadcast', allowed_channels=nothing).channels == []
    assert broker.connect('news', subscribe='broadcast').channels == ['broadcast:news']


def test_allowed_channels_none_is_the_default_policy(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    broker.connect('news', publish='broadcast', allowed_channels=None).send('anonymous')
    assert broker.published == []


def test_subscriber_counts_for_its_handshake_alone(broker: Broker) -> None:
    class Special(RedisSubscriber):
        pass

    assert type(broker.connect('news', subscriber=Special).subscriber) is Special
    assert type(broker.connect('news').subscriber) is RedisSubscriber


# Echo, heartbeat, binary


def test_echo_is_asked_for(broker: Broker, john: User) -> None:
    silent = broker.connect('news', subscribe='broadcast', publish='broadcast', user=john)
    echoing = broker.connect(
        'news', subscribe='broadcast', publish='broadcast', user=john, echo=True
    )
    silent.send('one')
    echoing.send('two')
    assert silent.receive_all() == ['two']
    assert echoing.receive_all() == ['one', 'two']


def test_binary_goes_out_as_binary(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    tell(broker, b'\xff\xfe')
    tell(broker, 'grün'.encode())
    assert client.receive_all() == [b'\xff\xfe', 'grün']


# Rights that are withdrawn


def test_logout_closes_the_websockets_of_its_session_alone(broker: Broker, john: User) -> None:
    """Sockets outlived logout."""
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.force_login(john)
    one, two = (broker.connect('news', subscribe='user', client=here) for _ in range(2))
    other, nobody = (
        broker.connect('news', subscribe='user', client=elsewhere),
        broker.connect('news'),
    )
    here.logout()
    assert [client.close_code for client in (one, two, other, nobody)] == [1008, 1008, None, None]
    assert one.close_reason == 'not allowed'
    broker.publish('secret', facility='news', users=[john])
    assert one.received == []
    assert other.receive_all() == ['secret']
    assert broker._engine.driver.exchange.agenda.counters.rights_withdrawn == 2


def test_rights_are_looked_up_again_after_a_minute(broker: Broker, john: User) -> None:
    john_ws, nobody = broker.connect('news', subscribe='user', user=john), broker.connect('news')
    broker.advance(61)
    assert john_ws.open
    User.objects.update(is_active=False)
    broker.advance(58)
    assert john_ws.open
    broker.advance(2)
    assert (john_ws.close_code, nobody.close_code) == (1008, None)


def test_rights_are_looked_up_on_a_grid_that_the_first_websocket_begins(
    broker: Broker, john: User
) -> None:
    broker.connect('news').close()
    broker.advance(50)
    client = broker.connect('news', subscribe='user', user=john)
    User.objects.update(is_active=False)
    broker.advance(9)
    assert client.open
    broker.advance(2)
    assert client.close_code == 1008


def test_rights_of_any_number_of_websockets_are_looked_up_in_batches(
    broker: Broker, john: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_longer_allowed, sizes = access.no_longer_allowed, []

    def counted(some: list[access.Access]) -> set[access.Access]:
        sizes.append(len(some))
        return no_longer_allowed(some)

    monkeypatch.setattr(access, 'no_longer_allowed', counted)
    clients = [broker.connect('news', subscribe='user', user=john) for _ in range(BATCH + 1)]
    User.objects.update(is_active=False)
    broker.advance(61)
    assert sizes == [BATCH, 1]
    assert {client.close_code for client in clients} == {1008}


def test_rights_are_never_looked_up_again_if_the_setting_says_so(
    broker: Broker, john: User, settings: Settings
) -> None:
    settings.WS4REDIS_RECHECK = None
    client = broker.connect('news', subscribe='user', user=john)
    User.objects.update(is_active=False)
    broker.advance(1000)
    assert client.open


def test_rights_are_looked_up_while_time_passes_and_at_no_other_time(
    broker: Broker, john: User, django_assert_num_queries: Any
) -> None:
    broker.advance(1000)
    django_client = Client()
    django_client.force_login(john)
    with django_assert_num_queries(2):
        client = broker.connect('news', subscribe='user', client=django_client)
        client.assert_nothing_received()
    with django_assert_num_queries(2):
        broker.advance(61)


def test_session_that_expires_ends_its_websockets_if_a_tool_moves_the_clock_of_django(
    john: User,
) -> None:
    with (
        time_machine.travel(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), tick=False),
        Broker() as broker,
    ):
        client = broker.connect('news', subscribe='user', user=john)
        broker.advance(timedelta(days=13))
        assert client.open
        broker.advance(timedelta(days=2))
        assert client.close_code == 1008


@pytest.mark.row('T6')
def test_time_beyond_a_session_needs_a_tool_that_moves_the_clock_of_django(
    broker: Broker, john: User
) -> None:
    client = broker.connect('news', subscribe='user', user=john)
    broker.advance(timedelta(days=13))
    with pytest.raises(
        RuntimeError, match=r"john's session ends in 86\d+ s, and Django's clock does not move"
    ):
        broker.advance(timedelta(days=2))
    assert client.open
    client.close()
    broker.advance(timedelta(days=2))


@pytest.mark.row('T6')
def test_time_passes_for_clients_that_have_no_session(broker: Broker) -> None:
    clients = [broker.connect('news'), broker.connect('news', force_user=AnonymousUser())]
    broker.advance(timedelta(days=400))
    assert broker.clients == clients


# Faults


def test_outage_keeps_websockets_open_and_sends_what_was_persisted(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    tell(broker, 'before', expire=100)
    with broker.outage():
        with pytest.raises(redis.ConnectionError):
            tell(broker, 'fails')
        with pytest.raises(redis.ConnectionError):
            broker.redis.get('key')
        assert client.open
    tell(broker, 'after')
    assert client.receive_all() == ['before', 'after']


def test_outage_in_which_others_published_is_caught_up(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    name = raw(broker, 'broadcast:news')
    with broker.outage(), elsewhere(broker) as other:
        other.set(name, 'persisted meanwhile', ex=100)
        other.publish(name, 'persisted meanwhile')
        other.publish(name, 'not persisted')
    assert client.receive_all() == ['persisted meanwhile']


def test_outage_ends_when_its_block_fails(broker: Broker) -> None:
    with pytest.raises(KeyError), broker.outage():
        raise KeyError
    assert broker.redis.ping()


def test_message_of_a_client_in_an_outage_closes_it_with_1013(broker: Broker, john: User) -> None:
    client = broker.connect('news', publish='broadcast', user=john)
    with broker.outage():
        client.send('lost')
        assert client.close_code == 1013


def test_handshake_in_an_outage_is_refused_with_503(broker: Broker) -> None:
    with broker.outage(), pytest.raises(HandshakeRejected) as refused:
        broker.connect('news', subscribe='broadcast')
    assert refused.value.status_code == 503


# A broker of one's own, and tidying up


@pytest.mark.row('T12')
def test_brokers_know_nothing_of_each_other() -> None:
    with Broker() as outer:
        outer_client = outer.connect('news', subscribe='broadcast')
        with Broker() as inner:
            assert active_server().client is inner.redis
            tell(inner, 'inner', expire=100)
        assert active_server().client is outer.redis
        tell(outer, 'outer')
        assert outer_client.receive_all() == ['outer']
        assert outer.persisted(facility='news', broadcast=True) is None
    assert not seam.in_force


@pytest.mark.row('T12')
def test_reset_begins_anew(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    tell(broker, 'hello', expire=100)
    broker.advance(1000)
    broker.reset()
    assert client.close_code == 1001
    assert (broker.clients, broker.published, broker.redis.keys()) == ([], [], [])
    assert broker.now < time.time() + 1000
    assert active_server().client is broker.redis
    again = broker.connect('news', subscribe='broadcast')
    tell(broker, 'again')
    assert again.receive_all() == ['again']


@pytest.mark.row('T13')
def test_clients_still_open_are_closed_and_released() -> None:
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    with Broker() as broker:
        client = broker.connect('news', subscribe='broadcast', subscriber=Releasing)
        gone = broker.connect('news', subscribe='broadcast', subscriber=Releasing)
        gone.stop_reading()
    assert client.close_code == 1001
    assert released == ['released'] * 2
    assert broker._engine.driver.exchange.channel_count == 0
    assert not broker._engine.driver.exchange.recipients
    assert not seam.in_force


@pytest.mark.row('T13')
def test_server_is_given_back_when_the_block_fails() -> None:
    with pytest.raises(KeyError), Broker():
        raise KeyError
    assert not seam.in_force


@pytest.mark.row('T13')
def test_server_is_given_back_in_the_middle_of_an_outage() -> None:
    with pytest.raises(KeyError), Broker() as broker, broker.outage():
        broker.connect('news')
        raise KeyError
    assert not seam.in_force


def test_clients_are_those_that_the_server_still_has(broker: Broker) -> None:
    one, other = broker.connect('news'), broker.connect('news')
    assert broker.clients == [one, other]
    one.close()
    assert broker.clients == [other]
    other.drop()
    assert broker.clients == []


def test_names_of_the_package_are_loaded_when_asked_for() -> None:
    import ws4redis.testing

    assert ws4redis.testing.Broker is Broker
    assert set(ws4redis.testing.__all__) <= set(dir(ws4redis.testing))
    with pytest.raises(AttributeError, match='Brokre'):
        ws4redis.testing.Brokre  # type: ignore[attr-defined]  # noqa: B018


# Use that makes no sense


def test_block_inside_its_own_block_is_refused(broker: Broker) -> None:
    with pytest.raises(RuntimeError, match='this Broker has begun already'), broker:
        pass
    broker.settle()


def test_use_outside_its_block_is_refused() -> None:
    broker = Broker()
    calls: list[Any] = [
        lambda: broker.publish('x', facility='news', broadcast=True),
        lambda: broker.published,
        lambda: broker.connect('news'),
        lambda: broker.persisted(facility='news', broadcast=True),
        lambda: broker.advance(1),
        lambda: broker.redis,
        broker.assert_nothing_published,
        broker.settle,
        broker.reset,
    ]
    with broker:
        client = broker.connect('news', subscribe='broadcast')
    for call in [*calls, client.assert_nothing_received, client.receive]:
        with pytest.raises(RuntimeError, match='this Broker has ended, or has not begun'):
            call()
    assert not seam.in_force


def test_brokers_may_end_in_any_order() -> None:
    one, other = Broker(), Broker()
    one.__enter__()
    other.__enter__()
    one.__exit__(None)
    assert active_server() is other._engine.server
    other.publish('x', facility='news', broadcast=True)
    other.__exit__(None)
    assert not seam.in_force


def test_what_a_broker_was_made_of_is_freed_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Without a search for rings, which a test run with thousands of tests pays for."""
    # pytest keeps log records, and they the websocket that they name.
    caplog.set_level(logging.CRITICAL, 'ws4redis')
    gc.collect()
    gc.disable()
    try:
        with Broker() as broker:
            broker.connect('news', subscribe='broadcast')
            broker.publish('x', facility='news', broadcast=True)
            parts = [
                weakref.ref(part)
                for part in (
                    broker._engine.driver,
                    broker._engine.driver.exchange,
                    *broker._engine.driver.exchange.recipients,
                )
            ]
        del broker
        Broker._last = None
        assert [reference() for reference in parts] == [None] * 3
    finally:
        gc.enable()


def test_server_is_given_back_when_the_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise redis.ConnectionError('gone')

    monkeypatch.setattr('ws4redis.testing.servers.BrokerServer.close', fail)
    with pytest.raises(redis.ConnectionError, match='gone'), Broker():
        pass
    assert not seam.in_force


@pytest.mark.row('T6')
@pytest.mark.parametrize('seconds', [float('inf'), float('nan')])
def test_time_is_finite(broker: Broker, seconds: float) -> None:
    with pytest.raises(ValueError, match='takes seconds from 0 on'):
        broker.advance(seconds)
    assert broker.now < float('inf')


@pytest.mark.row('T6')
@pytest.mark.parametrize('seconds', ['5', None, True])
def test_time_is_a_number(broker: Broker, seconds: Any) -> None:
    with pytest.raises(TypeError, match='takes seconds or a timedelta'):
        broker.advance(seconds)


def test_outage_inside_an_outage_ends_with_the_outer_one(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    with broker.outage():
        with broker.outage():
            pass
        with pytest.raises(redis.ConnectionError):
            tell(broker, 'fails')
    tell(broker, 'after')
    assert client.receive_all() == ['after']


@pytest.mark.row('T3')
@pytest.mark.parametrize('raises', [True, False])
def test_receiver_of_the_signal_that_raises(broker: Broker, raises: bool) -> None:
    def receiver(**kwargs: Any) -> None:
        raise ZeroDivisionError('in a receiver')

    broker.raise_server_exceptions = raises
    broker.connect('news', subscribe='broadcast')
    redis_gap.connect(receiver)
    try:
        with pytest.raises(ZeroDivisionError) if raises else contextlib.nullcontext():
            broker.drop_subscribers()
    finally:
        redis_gap.disconnect(receiver)


@pytest.mark.row('T3')
def test_every_error_is_told(broker: Broker) -> None:
    class Broken(RedisSubscriber):
        def release(self) -> None:
            raise ZeroDivisionError('in release')

    clients = [broker.connect('news', subscriber=Broken) for _ in range(2)]
    for client in clients:
        client._end.put(b'')
    with pytest.raises(ZeroDivisionError) as error:
        broker.settle()
    assert error.value.__notes__ == [
        "the site's code raised this too: ZeroDivisionError('in release')"
    ]


@pytest.mark.row('T3')
def test_redis_of_the_sites_own_that_is_away_is_an_error_of_the_site(broker: Broker) -> None:
    class Elsewhere(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            redis.Redis(port=1).ping()

    client = broker.connect('news', subscriber=Elsewhere)
    with pytest.raises(redis.ConnectionError):
        client.send('x')


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        ({'facility': 'news'}, TypeError, 'takes a message'),
        ({'facility': 'news', 'broadcast': True}, TypeError, 'takes a message'),
        (
            {'message': 'x', 'json': 1, 'facility': 'news', 'broadcast': True},
            TypeError,
            'takes a message',
        ),
        ({'message': 'x', 'facility': 'news'}, ValueError, 'reaches nobody'),
    ],
)
def test_publish_that_would_do_nothing_is_refused(
    broker: Broker, arguments: dict[str, Any], error: Any, text: str
) -> None:
    with pytest.raises(error, match=text):
        broker.publish(**arguments)


def test_publish_of_an_outer_broker_is_refused(broker: Broker) -> None:
    with Broker(), pytest.raises(RuntimeError, match='another Broker has begun inside this one'):
        broker.publish('x', facility='news', broadcast=True)


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        ({'user': User(username='john')}, ValueError, 'user is not saved'),
        ({'user': 'john'}, TypeError, 'user is str'),
        ({'force_user': 'john'}, TypeError, 'force_user is str'),
        ({'user': User(pk=1), 'force_user': User()}, ValueError, 'user and force_user are given'),
        ({'force_user': User(), 'session': 'abc'}, ValueError, 'force_user stands for session'),
        ({'session': 'abc', 'groups': ['staff']}, ValueError, 'session says who it is'),
        ({'session': 7}, TypeError, 'session is int'),
        ({'client': 7}, TypeError, 'client is int'),
        (
            {'url_or_facility': '/ws/news?subscribe=user'},
            ValueError,
            r"a query string has names, '\?subscribe-user'",
        ),
        (
            {'url_or_facility': '/ws/news?echo&publish=all'},
            ValueError,
            r"a query string has names, '\?publish-all'",
        ),
    ],
)
def test_connect_with_arguments_that_make_no_sense(
    broker: Broker, arguments: dict[str, Any], error: Any, text: str
) -> None:
    with pytest.raises(error, match=text):
        broker.connect(**arguments)
    assert broker.clients == []


def test_lone_group_is_one_name(broker: Broker, db: None) -> None:
    assert broker.connect('news', subscribe='group', groups='staff').channels == [
        'group:staff:news'
    ]


def test_most_websockets_of_a_process_count_here_too(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_MAX_WEBSOCKETS = 1
    broker.connect('news')
    with pytest.raises(HandshakeRejected) as refused:
        broker.connect('news')
    assert (refused.value.status_code, refused.value.reason) == (
        503,
        '1 websocket is open, which is WS4REDIS_MAX_WEBSOCKETS',
    )


def test_published_and_persisted_have_what_follows_from_what_was_sent(
    broker: Broker, settings: Settings
) -> None:
    class Answering(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            if reply[-1] == b'question':
                self._publishers = {reply[-2].decode()}
                self.publish_message('answer', 60)
            return reply

    broker.connect('news', subscribe='broadcast', subscriber=Answering)
    with broker.capture() as published:
        RedisPublisher(facility='news', broadcast=True).publish_message('question')
    assert [publication.text for publication in published] == ['question', 'answer']
    RedisPublisher(facility='news', broadcast=True).publish_message('question')
    assert broker.persisted(facility='news', broadcast=True) == b'answer'
    RedisPublisher(facility='news', broadcast=True).publish_message('question')
    assert len(broker.published) == 6


def test_error_of_a_captured_block_is_not_replaced(broker: Broker) -> None:
    class Broken(RedisSubscriber):
        def parse_response(self) -> Any:
            raise ZeroDivisionError('in parse_response')

    broker.connect('news', subscribe='broadcast', subscriber=Broken)
    with pytest.raises(AssertionError, match="the test's own"), broker.capture():
        RedisPublisher(facility='news', broadcast=True).publish_message('x')
        raise AssertionError("the test's own")


@pytest.mark.parametrize('name', ['assert_published', 'assert_not_published'])
@pytest.mark.parametrize('expire', [None, '60', True])
def test_expire_that_no_publication_has_is_refused(broker: Broker, name: str, expire: Any) -> None:
    with pytest.raises(TypeError, match='expire is'):
        getattr(broker, name)('x', expire=expire)
