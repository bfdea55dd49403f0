"""LiveServer: pages, static files and the real loop on a real port; what a test asserts there is
as exact as in memory.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import freezegun
import gevent
import pytest
import time_machine
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_sync
from websockets.typing import Origin

from tests.conftest import PLUGIN, PLUGIN_INSTALLED
from ws4redis import loop as loops
from ws4redis.core.feed import FeedState
from ws4redis.publisher import RedisPublisher
from ws4redis.signals import WebSockets, redis_gap, rights_withdrawn
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected, LiveServer
from ws4redis.testing.live import loop as live_loop_module

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing import LiveClient

pytestmark = pytest.mark.urls(__name__)

NEWS = '/ws/news?subscribe-broadcast'
DAY = 86_400


def whoami(request: HttpRequest) -> HttpResponse:
    text = str(request.user)
    # With its length known the connection stays open for the next request.
    return HttpResponse(text, headers={'Content-Length': str(len(text))})


def notify(request: HttpRequest) -> HttpResponse:
    RedisPublisher(facility='news', broadcast=True).publish_message('from a view')
    return HttpResponse('notified')


urlpatterns = [path('whoami/', whoami), path('notify/', notify)]


@pytest.fixture(params=['memory', 'redis'])
def where(request: pytest.FixtureRequest) -> str:
    """What Broker takes for this kind of server."""
    if request.param == 'redis':
        request.getfixturevalue('redis_url')
    return 'memory://' if request.param == 'memory' else 'server'


@pytest.fixture
def broker(where: str, settings: Settings) -> Iterator[Broker]:
    """On each kind of server; everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker(where) as broker:
        yield broker


@pytest.fixture
def live(broker: Broker) -> Iterator[LiveServer]:
    with LiveServer(broker) as live:
        yield live


@pytest.fixture
def john(transactional_db: None) -> User:
    return User.objects.create(username='john')


def is_up(live: LiveServer) -> bool:
    """Whether the loop has its connection to Redis."""
    return live._loop.exchange.feed.state is FeedState.UP


def browse(live: LiveServer, query: str = '') -> Any:
    """A websocket of a library that knows nothing of us; a context manager."""
    return connect_sync(live.ws_url + NEWS + query, origin=Origin(live.url))


def tell(broker: Broker, *messages: str | bytes, expire: float = 0, facility: str = 'news') -> None:
    """Publish to everybody."""
    for message in messages:
        broker.publish(message, facility=facility, broadcast=True, expire=expire)


def chatter(live: LiveServer, **kwargs: Any) -> LiveClient:
    """A client that listens and publishes."""
    return live.connect('news', subscribe='broadcast', publish='broadcast', **kwargs)


def get(url: str) -> str:
    """The text of a page."""
    with urllib.request.urlopen(url, timeout=20) as response:
        text: str = response.read().decode()
    return text


# One port


def test_pages_and_websockets_are_on_one_port(live: LiveServer, transactional_db: None) -> None:
    client = live.connect('news', subscribe='broadcast')
    assert get(f'{live.url}/notify/') == 'notified'
    assert client.receive() == 'from a view'
    assert live.url == f'http://127.0.0.1:{live.port}'
    assert live.ws_url == f'ws://127.0.0.1:{live.port}'


@pytest.mark.parametrize('static', [True, False])
def test_static_files_are_served_unless_they_are_not_wanted(
    broker: Broker, transactional_db: None, settings: Settings, tmp_path: Path, static: bool
) -> None:
    settings.STATICFILES_DIRS = [tmp_path]
    (tmp_path / 'site.js').write_text('alert(1)')
    with LiveServer(broker, static=static) as live:
        if static:
            assert get(f'{live.url}/static/site.js') == 'alert(1)'
        else:
            with pytest.raises(urllib.error.HTTPError, match='404'):
                get(f'{live.url}/static/site.js')
        assert live.connect('news').open


def test_another_application_may_serve_the_pages(broker: Broker) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'mine: ' + environ['PATH_INFO'].encode()]

    with LiveServer(broker, application=application) as live:
        assert get(f'{live.url}/anything') == 'mine: /anything'
        assert live.connect('news').open


def test_page_may_publish_while_the_test_holds_a_connection_to_the_database(
    live: LiveServer, john: User
) -> None:
    assert User.objects.count() == 1
    client = live.connect('news', subscribe='broadcast')
    assert get(f'{live.url}/whoami/') == 'AnonymousUser'
    assert get(f'{live.url}/notify/') == 'notified'
    assert client.receive() == 'from a view'


def test_server_listens_where_it_is_told(broker: Broker) -> None:
    with closing(socket.create_server(('127.0.0.1', 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match='in use'):
            LiveServer(broker, port=port).__enter__()
    with LiveServer(broker, host='localhost') as live:
        assert live.url == f'http://localhost:{live.port}'
        assert live.connect('news').open


def test_failed_start_leaves_nothing(broker: Broker) -> None:
    before = usage()
    with (
        closing(socket.create_server(('127.0.0.1', 0))) as taken,
        pytest.raises(OSError, match='in use'),
    ):
        LiveServer(broker, port=taken.getsockname()[1]).__enter__()
    assert usage() == before


# Who connects


def test_client_has_a_peer_name(live: LiveServer) -> None:
    seen: list[str] = []

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            seen.append(request.META['REMOTE_ADDR'])
            super().set_pubsub_channels(request, channels)

    client = live.connect('news', subscriber=Looking)
    assert client._end.recipient is not None
    with socket.socket(fileno=os.dup(client._end.recipient.transport.descriptor)) as server_side:
        assert server_side.getpeername() == client._end.address
        assert server_side.getsockname() == ('127.0.0.1', live.port)
    assert seen == ['127.0.0.1']


def test_user_is_logged_in_by_a_cookie(live: LiveServer, john: User) -> None:
    client = live.connect('news', subscribe='user', user=john)
    live.broker.publish('for john', facility='news', users=[john])
    live.broker.publish('for mary', facility='news', users=['mary'])
    assert client.receive_all() == ['for john']
    assert client.channels == ['user:john:news']
    assert client.name == 'john'


def test_client_of_django_gives_its_cookies(live: LiveServer, john: User) -> None:
    browser = Client()
    browser.force_login(john)
    client = live.connect('news', subscribe=['user', 'session'], client=browser)
    assert client.channels == ['user:john:news', f'session:{browser.session.session_key}:news']
    assert (
        live.connect('news', subscribe='session', session=browser.session).channels
        == client.channels[1:]
    )


def test_groups_are_those_of_the_session(live: LiveServer, transactional_db: None) -> None:
    client = live.connect('news', subscribe='group', groups=['lab'])
    live.broker.publish('for the lab', facility='news', groups=['lab'])
    assert client.receive_all() == ['for the lab']


def test_forced_user_is_refused_with_what_to_do_instead(live: LiveServer) -> None:
    with pytest.raises(ValueError, match='cookie says who this is: give a saved user as user='):
        live.connect('news', force_user=User(username='john'))


def test_unknown_channel_is_refused_with_the_valid_ones(live: LiveServer) -> None:
    with pytest.raises(ValueError, match="'user'"):
        live.connect('news', subscribe='broadcats')


def test_headers_and_subprotocols_arrive(live: LiveServer) -> None:
    seen: list[HttpRequest] = []

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            seen.append(request)
            super().set_pubsub_channels(request, channels)

    headers = {'X-Tenant': 'lab', 'Origin': live.url}
    client = live.connect('/ws/a b?x=1', subscribe='broadcast', echo=True, headers=headers, origin='http://evil.example',
                          subprotocols=['chat', 'soap'], subscriber=Looking)  # fmt: skip
    [request] = seen
    assert request.path_info == '/ws/a b'
    assert list(request.GET) == ['x', 'subscribe-broadcast', 'echo']
    assert request.headers['X-Tenant'] == 'lab'
    assert client.subprotocol == 'chat'
    assert isinstance(client.subscriber, Looking)


def test_origin_is_the_servers_own_unless_it_is_given(live: LiveServer, settings: Settings) -> None:
    settings.WS4REDIS_REQUIRE_ORIGIN = True
    assert live.connect('news').open
    with pytest.raises(HandshakeRejected, match='no Origin'):
        live.connect('news', origin=None)


@pytest.mark.parametrize(
    ('arguments', 'status', 'body', 'reason'),
    [
        (
            {'origin': 'https://evil.example'},
            403,
            b'Origin not allowed\n',
            'WS4REDIS_ALLOWED_ORIGINS',
        ),
        ({'url_or_facility': 'x' * 2000}, 400, b'Facility too long\n', 'limit is'),
        ({'allowed_channels': lambda request, channels: 1 / 0}, 500, None, 'ZeroDivisionError'),
    ],
)
def test_refusal_carries_what_the_client_sees_and_what_the_log_says(
    live: LiveServer, arguments: dict[str, Any], status: int, body: bytes | None, reason: str
) -> None:
    live.broker.raise_server_exceptions = False
    with pytest.raises(HandshakeRejected) as refused:
        live.connect(**arguments)
    in_memory = pytest.raises(HandshakeRejected, live.broker.connect, **arguments)
    assert refused.value.status_code == in_memory.value.status_code == status
    assert refused.value.body == in_memory.value.body
    assert body is None or refused.value.body == body
    assert reason in refused.value.reason
    assert live.clients == []


def test_contradicting_arguments_are_refused_as_in_memory(live: LiveServer) -> None:
    with pytest.raises(ValueError, match='session says who it is'):
        live.connect('news', session='abc', groups=['staff'])
    with pytest.raises(ValueError, match='user is not saved'):
        live.connect('news', user=User(username='john'))


def test_refused_client_leaves_no_socket(live: LiveServer) -> None:
    def refuse(times: int) -> dict[str, Any]:
        for _ in range(times):
            with pytest.raises(HandshakeRejected):
                live.connect('news', origin='https://evil.example')
        for thread in threading.enumerate():
            if thread.name == 'ws4redis-live-request':
                thread.join(20)
        return usage(threads=False)

    before = refuse(1)
    assert refuse(3) == before


def test_what_the_sites_code_raises_in_the_handshake_is_raised_by_connect(live: LiveServer) -> None:
    def fails(request: Any, channels: Any) -> Any:
        raise ZeroDivisionError('a bug of the site')

    with pytest.raises(ZeroDivisionError, match='a bug of the site'):
        live.connect('news', subscribe='broadcast', allowed_channels=fails)


def test_settings_of_the_test_are_seen(live: LiveServer, settings: Settings) -> None:
    settings.WS4REDIS_MAX_WEBSOCKETS = 1
    live.connect('news')
    with pytest.raises(HandshakeRejected, match='1 websocket is open'):
        live.connect('news')


# Settling


class Slow(RedisSubscriber):
    """Takes a while for each message, and then publishes it."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        time.sleep(0.3)
        super().publish_message(message, expire)


def test_nothing_received_is_exact_although_the_sites_code_takes_its_time(live: LiveServer) -> None:
    other = live.connect('news', subscribe='broadcast')
    slow = chatter(live, subscriber=Slow)
    other.assert_nothing_received()
    slow._end.protocol.send_text(b'late')
    slow._end.flush()
    assert other._end.history == [], 'it is under way'
    with pytest.raises(AssertionError, match='1 unread'):
        other.assert_nothing_received()
    assert other.receive() == 'late'
    other.assert_nothing_received()
    slow.assert_nothing_received()


def test_settle_waits_for_what_a_job_has_spawned(live: LiveServer) -> None:
    class Spawning(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            gevent.spawn_later(0.3, super().publish_message, message, expire)

    other = live.connect('news', subscribe='broadcast')
    chatter(live, subscriber=Spawning).send('later')
    assert other.receive_all() == ['later']


def test_settle_follows_a_chain_through_both_kinds_of_clients(live: LiveServer) -> None:
    """Each answer is published by a job that the one before has caused."""

    class Counting(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            number = int(reply[-1])
            if number:
                time.sleep(0.02)
                self._connection.publish(
                    'broadcast:' + ('two' if reply[1] == b'broadcast:one' else 'one'),
                    str(number - 1),
                )
            return reply

    over_tcp = live.connect('one', subscribe='broadcast', subscriber=Counting)
    in_memory = live.broker.connect('two', subscribe='broadcast', subscriber=Counting)
    tell(live.broker, '9', facility='one')
    assert over_tcp.receive_all() == ['9', '7', '5', '3', '1']
    live.settle()
    assert in_memory.receive_all() == ['8', '6', '4', '2', '0']


def test_publish_in_another_thread_or_with_another_client_is_read_once_it_has_returned(
    live: LiveServer,
) -> None:
    client = live.connect('news', subscribe='broadcast')
    for number in range(20):
        thread = threading.Thread(
            target=live.broker.redis.publish, args=('broadcast:news', str(number))
        )
        thread.start()
        thread.join()
        assert client.receive_all() == [str(number)]


def read_late(live: LiveServer, then: Callable[[], None] | None = None) -> None:
    """Let the loop's connection to Redis be read no more, until something is done in a while."""
    if live.broker._engine.server.in_memory:
        pytest.skip('fakeredis has no connection to be slow')
    pump: Any = live._loop._pump
    live._loop.ask(pump._reading.stop)

    def read() -> None:
        if not pump._closed:
            pump._reading.start(pump._readable)

    live._loop.ask(lambda: live._loop.hub.later(0.3, then or read))


def test_publish_that_the_network_delays_is_waited_for(live: LiveServer) -> None:
    client = live.connect('news', subscribe='broadcast')
    read_late(live)
    live.broker.redis.publish('broadcast:news', 'late')
    assert client.receive_all() == ['late']


def test_settle_survives_the_loss_of_the_connection_that_it_has_asked(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_loop_module, 'GUARD', 5.0)
    client = live.connect('news', subscribe='broadcast')
    read_late(live, lambda: live._loop.cut('a test cut it'))
    live.settle()
    tell(live.broker, 'on the next one')
    assert client.receive_all() == ['on the next one']


def test_what_the_sites_code_raises_in_a_job_is_raised_by_the_call_that_drove_it(
    live: LiveServer,
) -> None:
    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            raise ZeroDivisionError('a bug of the site')

    client = live.connect('news', publish='broadcast', subscriber=Failing)
    with pytest.raises(ZeroDivisionError, match='a bug of the site'):
        client.send('hello')
    assert client.close_code == 1011
    live.broker.raise_server_exceptions = False
    client = live.connect('news', publish='broadcast', subscriber=Failing)
    client.send('hello')
    assert client.close_code == 1011


def test_what_nobody_collected_is_raised_at_the_end(broker: Broker) -> None:
    class Failing(RedisSubscriber):
        def release(self) -> None:
            raise ZeroDivisionError('in release')

    with pytest.raises(ZeroDivisionError, match='in release'), LiveServer(broker) as live:
        live.connect('news', subscriber=Failing)
    with pytest.raises(KeyError, match='of the test'), LiveServer(broker) as live:
        live.connect('news', subscriber=Failing)
        raise KeyError('of the test')


def test_job_that_hangs_is_named(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()

    class Hanging(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            end.wait(20)

    client = live.connect('news', publish='broadcast', subscriber=Hanging)
    with monkeypatch.context() as patch:
        patch.setattr(live_loop_module, 'GUARD', 0.1)
        with pytest.raises(
            RuntimeError, match=r'not settled within 0 s: Hanging\.publish_message\(\) runs'
        ):
            client.send('hello')
    end.set()
    live.settle()


def test_hundred_clients_get_everything(live: LiveServer) -> None:
    clients = [
        live.connect('news', subscribe='broadcast', publish='broadcast', echo=True)
        for _ in range(100)
    ]
    tell(live.broker, 'to all')
    clients[42].send('from one')
    assert [client.receive_all() for client in clients] == [['to all', 'from one']] * 100
    assert len(live.clients) == 100


def test_clients_in_memory_and_over_tcp_hear_each_other(live: LiveServer) -> None:
    over_tcp = chatter(live)
    in_memory = live.broker.connect('news', subscribe='broadcast', publish='broadcast')
    over_tcp.send('from tcp')
    in_memory.send('from memory')
    assert in_memory.receive_all() == ['from tcp']
    assert over_tcp.receive_all() == ['from memory']


def test_subscriber_that_serves_itself_is_served(live: LiveServer) -> None:
    """O: a pub/sub connection of the site's own, which the loop watches."""
    if live.broker._engine.server.in_memory:
        pytest.skip('fakeredis has no descriptor')

    class Own(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self._subscription = live.broker.redis.pubsub()
            self._subscription.subscribe('own')
            self._subscription.parse_response()

        def get_file_descriptor(self) -> int | None:
            connection = self._subscription.connection
            return connection._sock.fileno() if connection is not None else None

        def release(self) -> None:
            self._subscription.close()

    client = live.connect('news', subscriber=Own)
    for number in range(20):
        live.broker.redis.publish('own', str(number))
        assert client.receive_all() == [str(number)]
    recipient: Any = client._end.recipient
    watcher = live._loop.ask(lambda: live._loop._own[recipient])
    live._loop.ask(watcher.stop)
    live.broker.redis.publish('own', 'seen late')

    def read() -> None:
        if recipient in live._loop._own:
            watcher.start(live._loop._own_readable, recipient)

    live._loop.ask(lambda: live._loop.hub.later(0.3, read))
    assert client.receive_all() == ['seen late']


# Time


def test_advance_lets_persisted_messages_expire(live: LiveServer) -> None:
    tell(live.broker, 'kept', expire=60)
    assert live.connect('news', subscribe='broadcast').receive_all() == ['kept']
    live.advance(59)
    assert live.connect('news', subscribe='broadcast').receive_all() == ['kept']
    live.advance(2)
    live.connect('news', subscribe='broadcast').assert_nothing_received()
    assert live.broker.persisted(facility='news', broadcast=True) is None


def test_advance_runs_heartbeats_and_pings_in_their_order(
    live: LiveServer, settings: Settings
) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = live.connect('news', subscribe='broadcast')
    began = time.monotonic()
    live.advance(41)
    assert client.heartbeats == 10
    assert client.received == []
    live.advance(DAY)
    assert client.open
    assert time.monotonic() - began < 20


def test_client_that_does_not_read_is_dropped_for_not_answering(live: LiveServer) -> None:
    client, reading = live.connect('news'), live.connect('news')
    client.stop_reading()
    live.advance(41)
    assert live.clients == [reading]
    assert live._loop.exchange.agenda.counters.no_answer == 1


def test_advance_moves_the_brokers_clients_too(live: LiveServer, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    in_memory = live.broker.connect('news')
    before = live.broker.now
    live.advance(8.5)
    assert in_memory.heartbeats == 2
    assert 8.5 <= live.broker.now - before < 20


def test_advance_rechecks_rights(live: LiveServer, john: User, settings: Settings) -> None:
    settings.WS4REDIS_RECHECK = 30
    client = live.connect('news', subscribe='user', user=john)
    User.objects.update(is_active=False)
    live.advance(31)
    assert client.close_code == 1008


def test_rechecks_are_counted_from_the_first_websocket(live: LiveServer, john: User) -> None:
    live.advance(50)
    live.connect('news').close()
    live.advance(50)
    client = live.connect('news', subscribe='user', user=john)
    User.objects.update(is_active=False)
    live.advance(5)
    assert client.open
    live.advance(6)
    assert client.close_code == 1008


def test_session_that_ends_is_withdrawn(live: LiveServer, john: User) -> None:
    browser = Client()
    browser.force_login(john)
    client, other = live.connect('news', client=browser), live.connect('news', user=john)
    browser.logout()
    live.settle()
    assert client.close_code == 1008
    assert other.open


def test_time_cannot_pass_beyond_a_session_unless_djangos_clock_moves(
    live: LiveServer, john: User
) -> None:
    client = live.connect('news', subscribe='user', user=john)
    with pytest.raises(RuntimeError, match="john's session ends in"):
        live.advance(15 * DAY)
    assert client.open


@pytest.mark.parametrize('seconds', [-1, -0.001])
def test_time_never_goes_back(live: LiveServer, seconds: float) -> None:
    with pytest.raises(ValueError, match='takes seconds from 0 on'):
        live.advance(seconds)


@pytest.mark.parametrize('tool', ['freezegun', 'time-machine'])
def test_advance_moves_a_clock_tool_and_the_loop_once(
    live: LiveServer, settings: Settings, tool: str
) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    travels: dict[str, Any] = {
        'freezegun': freezegun.freeze_time,
        'time-machine': partial(time_machine.travel, tick=False),
    }
    with travels[tool]('2026-01-01 00:00Z'):
        client = live.connect('news', subscribe='broadcast')
        tell(live.broker, 'hello')
        assert client.receive() == 'hello'
        before = time.time()
        live.advance(8.5)
        assert time.time() - before == pytest.approx(8.5)
        assert client.heartbeats == 2


# Faults


def test_outage_refuses_and_at_its_end_everything_is_back(live: LiveServer) -> None:
    client, sender = live.connect('news', subscribe='broadcast'), chatter(live)
    gaps: list[int] = []

    def note(channels: int, **kwargs: object) -> None:
        gaps.append(channels)

    redis_gap.connect(note, sender=WebSockets)
    try:
        with live.outage():
            assert not is_up(live)
            assert client.open
            sender.send('lost')
            assert sender.close_code == 1013
            with pytest.raises(HandshakeRejected) as refused:
                live.connect('news', subscribe='broadcast')
            assert refused.value.status_code == 503
    finally:
        redis_gap.disconnect(note, sender=WebSockets)
    assert is_up(live)
    assert gaps == [1]
    tell(live.broker, 'back')
    assert client.receive_all() == ['back']


def test_outage_ends_with_what_was_persisted_meanwhile(live: LiveServer, where: str) -> None:
    client = live.connect('news', subscribe='broadcast')
    with live.outage(), live.broker._engine.behind_the_gate() as store:
        store.set('broadcast:news', 'persisted', ex=60)
    assert client.receive_all() == ['persisted']


def test_outage_that_lasts_is_over_at_once_whatever_the_back_off(live: LiveServer) -> None:
    client = live.connect('news', subscribe='broadcast')
    with live.outage():
        live.advance(300)
    began = time.monotonic()
    tell(live.broker, 'back')
    assert client.receive_all() == ['back']
    assert time.monotonic() - began < 5


def test_dropped_subscribers_are_back_at_once(live: LiveServer) -> None:
    client = live.connect('news', subscribe='broadcast')
    connections = live._loop._connections
    live.drop_subscribers()
    assert live._loop._connections == connections + 1
    tell(live.broker, 'hello')
    assert client.receive_all() == ['hello']


def test_lost_publishes_reach_nobody_and_the_others_everybody(live: LiveServer) -> None:
    client = live.connect('news', subscribe='broadcast')
    tell(live.broker, 'zero')
    live.lose_publishes(2)
    tell(live.broker, 'one', 'two', 'three')
    assert client.receive_all() == ['zero', 'three']
    assert [message.payload for message in live._loop.lost] == [b'one', b'two']


# Browsers that are not ours


def test_third_party_client_can_talk_to_it(live: LiveServer) -> None:
    ours = chatter(live)
    with browse(live, '&publish-broadcast') as theirs:
        live.wait_until_subscribed('news', 2)
        theirs.send('from them')
        live._loop.happens(lambda: live._loop.exchange.agenda.counters.messages_received == 1, 20)
        assert ours.receive() == 'from them'
        ours.send('from us')
        assert theirs.recv(timeout=20) == 'from us'
    live.settle()


def test_third_party_client_is_told_of_the_end(broker: Broker) -> None:
    with ExitStack() as stack:
        with LiveServer(broker) as live:
            theirs = stack.enter_context(browse(live))
        with pytest.raises(ConnectionClosed, match='1001'):
            theirs.recv(timeout=20)


def test_waiting_for_subscribers_says_how_many_there_are(live: LiveServer) -> None:
    live.connect('news', subscribe='broadcast')
    live.connect('other', subscribe='broadcast')
    live.wait_until_subscribed('news', 1, timeout=20)
    with pytest.raises(AssertionError, match="1 websocket listens on 'news' after 0.05 s, not 2"):
        live.wait_until_subscribed('news', 2, timeout=0.05)


def test_waiting_for_subscribers_ends_when_they_have_come(live: LiveServer) -> None:
    found: list[Any] = []

    def listen() -> None:
        with browse(live) as theirs:
            found.append(theirs.recv(timeout=20))

    thread = threading.Thread(target=listen)
    thread.start()
    live.wait_until_subscribed('news', 1, timeout=20)
    tell(live.broker, 'hello')
    thread.join()
    assert found == ['hello']


# The fixture


def test_fixture_serves_on_the_tests_broker_and_database(
    ws4redis_live_server: LiveServer, ws4redis: Broker
) -> None:
    john = User.objects.create(username='john')
    client = ws4redis_live_server.connect('news', subscribe='user', user=john)
    ws4redis.publish('for john', facility='news', users=[john])
    assert client.receive_all() == ['for john']
    assert get(f'{ws4redis_live_server.url}/whoami/') == 'AnonymousUser'


def test_fixture_ends_before_the_database_and_the_broker_go(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).resolve().parents[3]))
    pytester.makepyfile(
        """
        from django.contrib.auth.models import User
        from ws4redis.publisher import RedisPublisher
        from ws4redis.subscriber import RedisSubscriber

        class Last(RedisSubscriber):
            def release(self):
                print('users at release:', User.objects.count())
                RedisPublisher(facility='news', broadcast=True).publish_message('bye')
                super().release()

        def test_that_leaves_a_websocket_open(ws4redis_live_server):
            User.objects.create_user('john')
            ws4redis_live_server.connect('news', subscriber=Last)
        """
    )
    plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
    result = pytester.runpytest_subprocess(
        *plugin, '--ds=tests.settings', '-W', 'error', '-p', 'no:cacheprovider', '-s'
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(['*users at release: 1'])


# The end


def usage(*, threads: bool = True) -> dict[str, Any]:
    """What the process uses: descriptors, threads, receivers."""
    gc.collect()
    found: dict[str, Any] = {
        'descriptors': len(os.listdir('/dev/fd')),
        'receivers': len(rights_withdrawn.receivers),
    }
    if threads:
        found['threads'] = sorted(thread.name for thread in threading.enumerate())
    return found


def use(broker: Broker) -> None:
    """One round: pages, clients of every kind, one that does not read, one that is gone."""
    with ExitStack() as stack, LiveServer(broker) as live:
        page = stack.enter_context(closing(HTTPConnection('127.0.0.1', live.port, timeout=20)))
        page.request('GET', '/whoami/')
        assert page.getresponse().read() == b'AnonymousUser'
        clients = [chatter(live, subscriber=Slow) for _ in range(3)]
        clients[0].send('hello')
        clients[1].stop_reading()
        clients[2].drop()
        stack.enter_context(browse(live))
        with live.outage():
            pass
    assert clients[0].close_code == 1001


def test_end_leaves_nothing(broker: Broker, transactional_db: None) -> None:
    use(broker)
    before = usage()
    assert [name for name in before['threads'] if name.startswith('ws4redis')] == []
    for _ in range(2):
        use(broker)
        assert usage() == before


def test_clients_are_closed_with_1001_at_the_end(broker: Broker) -> None:
    released: list[Any] = []

    class Noting(RedisSubscriber):
        def release(self) -> None:
            released.append(self)
            super().release()

    with LiveServer(broker) as live:
        clients = [live.connect('news', subscribe='broadcast', subscriber=Noting) for _ in range(3)]
        clients[1].stop_reading()
    assert [client.close_code for client in clients] == [1001] * 3
    assert len(released) == 3
    assert live.clients == []


def test_loop_of_the_process_is_never_touched(live: LiveServer) -> None:
    client = live.connect('news', subscribe='broadcast')
    assert client.open
    assert [
        loop for loop in loops._loops.values() if loop.server is live.broker._engine.server
    ] == []


def test_client_that_does_not_read_is_closed_and_nobody_waits_for_it(
    live: LiveServer, settings: Settings
) -> None:
    settings.WS4REDIS_MAX_PENDING = 100_000
    slow, fast = (live.connect('news', subscribe='broadcast') for _ in range(2))
    slow.stop_reading()
    for _ in range(60):
        tell(live.broker, 'x' * 20_000)
        live.settle()
    assert fast.unread == 60
    slow.resume_reading()
    assert slow.close_code == 1013
    assert 0 < slow.unread < 60
    assert live._loop.exchange.agenda.counters.slow_readers == 1
    assert fast.open


def test_counters_agree_with_those_in_memory(live: LiveServer) -> None:
    """The same steps, the same figures."""
    for facility, connect in (('one', live.connect), ('two', live.broker.connect)):
        client: Any = connect(facility, subscribe='broadcast', publish='broadcast')
        tell(live.broker, 'one', b'\xff', facility=facility)
        client.send('two')
        client.close(4000)
    over_tcp, in_memory = (
        live._loop.exchange.agenda.counters,
        live.broker._engine.driver.exchange.agenda.counters,
    )
    assert dataclasses.asdict(over_tcp) == dataclasses.asdict(in_memory)
