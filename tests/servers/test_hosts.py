"""The same cases on every WSGI server that can give its sockets away, and one that cannot."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.servers.browser import UPGRADE, Browser, raw_request, receive
from tests.servers.processes import HOSTS, ServerProcess, Site, children, descriptor_count, eventually, thread_count

pytestmark = pytest.mark.usefixtures('redis_url')

MANY = 200
"""Websockets at once: more than any of these servers has threads."""

MOST_THREADS = 64
"""The loop's 32 workers, gunicorn's 8 and a few of the interpreter's own; with one a websocket there would be more."""

OTHERS = 60
"""Descriptors of the pool's 50 connections to Redis, and of requests that are about to end."""

EVERYWHERE = 'news?subscribe-broadcast'


@pytest.fixture(scope='module', params=HOSTS)
def server(request: pytest.FixtureRequest, shared_site: Site, log_directory: Path) -> Iterator[ServerProcess]:
    """Each server, for all cases that leave it as it was."""
    with ServerProcess(shared_site, request.param, log_directory / f'{request.param}.log') as server:
        yield server


@pytest.fixture
def feeds(redis_url: str) -> Iterator['Feeds']:
    """The pub/sub connections at the Redis of this test."""
    with redis.Redis.from_url(redis_url) as client:
        yield Feeds(client)


class Feeds:
    """Pub/sub connections, which Redis counts; those of servers that have ended may take a moment to go."""

    def __init__(self, client: 'redis.Redis') -> None:
        self.client = client
        self.others = {entry['id'] for entry in client.client_list(_type='pubsub')}

    def since(self) -> int:
        """How many there are that were not there before."""
        return len({entry['id'] for entry in self.client.client_list(_type='pubsub')} - self.others)


def open_many(stack: ExitStack, browser: Browser, count: int) -> list[ClientConnection]:
    """Open websockets that are closed with the stack."""
    return [stack.enter_context(browser.websocket(EVERYWHERE)) for _ in range(count)]


def close_code(websocket: ClientConnection) -> int:
    """Receive until the server closes, and return its close code; 1006 if it went without a close frame."""
    try:
        while True:
            receive(websocket)
    except ConnectionClosed as exc:
        return 1006 if exc.rcvd is None else exc.rcvd.code


def assert_ends_in_order(server: ServerProcess, websockets: list[ClientConnection]) -> None:
    """After SIGTERM every websocket is told, the server's exit code is 0, and nothing is complained about."""
    server.begin_to_end()
    assert {close_code(websocket) for websocket in websockets} == {1001}
    assert server.wait() == 0
    assert 'Traceback' not in server.said()


# Handshakes


def test_upgrade_is_accepted(server: ServerProcess) -> None:
    with Browser(server).websocket('news') as websocket:
        assert websocket.response is not None
        assert websocket.response.status_code == 101
        assert websocket.ping().wait(10)


def test_foreign_origin_is_refused(server: ServerProcess) -> None:
    with pytest.raises(InvalidStatus) as refused, Browser(server).websocket('news', origin='https://evil.example'):
        pass
    assert refused.value.response.status_code == 403
    assert 'WS4REDIS_ALLOWED_ORIGINS' in server.said()


def test_plain_request_is_refused_and_the_connection_closed(server: ServerProcess) -> None:
    status, headers, text = raw_request(server, '/ws/news', {})
    assert (status, headers['Connection'], text) == (400, 'close', 'Client does not wish to upgrade to a websocket\n')


def test_other_version_is_refused_and_the_connection_closed(server: ServerProcess) -> None:
    status, headers, _ = raw_request(server, '/ws/news', UPGRADE | {'Sec-WebSocket-Version': '8'})
    assert (status, headers['Connection'], headers['Sec-WebSocket-Version']) == (426, 'close', '13')


def test_refusals_leave_nothing_open(server: ServerProcess) -> None:
    raw_request(server, '/ws/news', {})
    before = descriptor_count(server.serving_pid())
    for _ in range(20):
        raw_request(server, '/ws/news', {})
    eventually(lambda: descriptor_count(server.serving_pid()) <= before, 'descriptors are left open')


# Messages


def test_view_reaches_the_user_who_logged_in_here(server: ServerProcess) -> None:
    john, mary = Browser(server, username='john'), Browser(server, username='mary')
    query = 'news?subscribe-user&subscribe-broadcast'
    with john.websocket(query) as his, mary.websocket(query) as hers:
        mary.publish('for john', facility='news', user='john')
        mary.publish('for all', facility='news', broadcast=1)
        assert [receive(his), receive(his)] == ['for john', 'for all']
        assert receive(hers) == 'for all'


def test_client_reaches_clients(server: ServerProcess) -> None:
    john, mary = Browser(server, username='john'), Browser(server, username='mary')
    query = 'chat?subscribe-broadcast&publish-broadcast'
    with john.websocket(query) as his, mary.websocket(query) as hers:
        his.send('from john')
        hers.send('from mary')
        assert receive(hers) == 'from john'
        assert receive(his) == 'from mary'


def test_persisted_message_waits_here_too(server: ServerProcess) -> None:
    nobody = Browser(server)
    nobody.publish('kept', facility='news', broadcast=1)
    with nobody.websocket(EVERYWHERE) as websocket:
        assert receive(websocket) == 'kept'
        nobody.publish('live', facility='news', broadcast=1)
        assert receive(websocket) == 'live'


def test_large_message_arrives_whole_both_ways(server: ServerProcess) -> None:
    john = Browser(server, username='john')
    large = 'x\u00e9' * 300_000
    with john.websocket('chat?subscribe-broadcast&publish-broadcast&echo') as websocket:
        websocket.send(large)
        assert receive(websocket) == large


def test_client_that_closes_is_answered(server: ServerProcess) -> None:
    with Browser(server).websocket(EVERYWHERE) as websocket:
        websocket.close(4321, 'enough')
        assert websocket.close_code == 4321
        assert websocket.protocol.close_rcvd is not None
        assert websocket.protocol.close_rcvd.code == 4321


# What they cost


def test_many_websockets_cost_one_descriptor_each_and_no_thread_and_no_redis_connection(
    server: ServerProcess, feeds: Feeds
) -> None:
    nobody = Browser(server)
    pid = server.serving_pid()
    with ExitStack() as stack:
        open_many(stack, nobody, 1)
        before = descriptor_count(pid)
        feeds_before = len(feeds.client.client_list(_type='pubsub'))
        websockets = open_many(stack, nobody, MANY)
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(websocket) for websocket in websockets] == ['for all'] * MANY
        eventually(lambda: descriptor_count(pid) <= before + MANY + OTHERS, 'more than one descriptor a websocket')
        eventually(lambda: thread_count(pid) <= MOST_THREADS, 'more threads than the workers')
        assert len(feeds.client.client_list(_type='pubsub')) == feeds_before
        opened = descriptor_count(pid)
    eventually(lambda: descriptor_count(pid) <= opened - MANY, 'descriptors are left open')


def test_requests_and_websockets_in_turn_leave_no_traceback(server: ServerProcess) -> None:
    """What a server does with its end of a connection that has left it must not fail."""
    nobody = Browser(server)
    for _ in range(20):
        with nobody.websocket(EVERYWHERE) as websocket:
            websocket.close()
        nobody.publish('next', facility='elsewhere', broadcast=1)
    assert 'Traceback' not in server.said()


# The end


@pytest.mark.parametrize('host', HOSTS)
def test_end_of_the_server_is_told_to_everybody(host: str, shared_site: Site, tmp_path: Path) -> None:
    with ServerProcess(shared_site, host, tmp_path / 'server.log') as server, ExitStack() as stack:
        websockets = open_many(stack, Browser(server), 20)
        assert_ends_in_order(server, websockets)


@pytest.mark.parametrize('worker', ['gevent', 'gthread'])
@pytest.mark.parametrize('preload', [False, True], ids=['loaded', 'preloaded'])
def test_two_workers_serve_all_websockets(worker: str, preload: bool, shared_site: Site, tmp_path: Path, feeds: Feeds) -> None:
    options = ('--workers', '2', *(['--preload'] if preload else []))
    with ServerProcess(shared_site, f'gunicorn-{worker}', tmp_path / 'server.log', options) as server, ExitStack() as stack:
        eventually(lambda: len(children(server.pid)) == 2, 'not two workers')
        nobody = Browser(server)
        websockets: list[ClientConnection] = []

        def both_have_some() -> bool:
            websockets.extend(open_many(stack, nobody, 5))
            return feeds.since() == 2

        eventually(both_have_some, 'one worker takes all connections')
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(websocket) for websocket in websockets] == ['for all'] * len(websockets)
        assert_ends_in_order(server, websockets)


@pytest.mark.parametrize('host', HOSTS)
def test_middleware_that_is_a_generator_is_no_obstacle(host: str, shared_site: Site, tmp_path: Path) -> None:
    site = replace(shared_site, application='journey.behind_middleware:application')
    with ServerProcess(site, host, tmp_path / 'server.log') as server, ExitStack() as stack:
        nobody = Browser(server)
        websockets = open_many(stack, nobody, 3)
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(websocket) for websocket in websockets] == ['for all'] * 3
        assert raw_request(server, '/ws/news', {})[0] == 400
        assert_ends_in_order(server, websockets)


def test_sync_worker_is_refused_with_a_remedy(shared_site: Site, tmp_path: Path) -> None:
    with ServerProcess(shared_site, 'gunicorn-sync', tmp_path / 'server.log') as server:
        status, headers, text = raw_request(server, '/ws/news', UPGRADE)
        assert (status, headers['Connection'], text) == (501, 'close', 'This server does not serve websockets\n')
        assert 'start it with --worker-class gevent' in server.said()
        Browser(server).publish('what is no websocket is served', facility='news', broadcast=1)
