"""The same cases on every WSGI server that can give its connections away, and what the others
answer.

`make hosts` prints them as a table. The cases of one host share one server; the last ones reload
and end it.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.loop import process
from tests.processes.hosts import HOSTS, REFUSING, require_programs
from tests.processes.journey import (
    PROJECT,
    Deployment,
    ServerProcess,
    descriptor_count,
    thread_count,
)
from tests.processes.nginx import BehindNginx
from tests.processes.serving import eventually
from tests.servers.browser import UPGRADE, Browser, raw_request, receive

pytestmark = pytest.mark.usefixtures('redis_url')

MANY = 200
"""Websockets at once: more than any of these servers has threads."""

MOST_THREADS = 64
"""The loop's 32 workers, gunicorn's 8 and a few of the interpreter's own; with one a websocket
there would be more.
"""

OTHERS = 60
"""Descriptors of a process's pool of 50 connections to Redis, and of requests that are about to
end.
"""

VISITORS, VISITS = 4, 10
"""Who asks for a page again and again, all at once, and how often."""

EVERYWHERE = 'news?subscribe-broadcast'

SEVERAL = [name for name, host in HOSTS.items() if host.workers > 1]
RELOADING = [name for name, host in HOSTS.items() if host.reloads]
MIDDLEWARE = ['runserver', 'pywsgi', 'gunicorn-gevent', 'gunicorn-gthread', 'uwsgi']
"""One of each kind: a server of its own is started for it."""

COMPLAINTS = ('Traceback', 'Exception ignored', '[CRITICAL]', '[ERROR]', 'MonkeyPatchWarning')

AnyServer = ServerProcess | BehindNginx


class Keeper:
    """The server of one host, started when a case wants it and it does not run.

    Args:
        directory: an empty one, for its logs and for the copy of the project that may be changed.
    """

    def __init__(self, host: str, site: Deployment, directory: Path) -> None:
        self.host = host
        self.site = site
        self.directory = directory
        self.said = ''
        self._running: AnyServer | None = None

    def server(self) -> AnyServer:
        """Its server, running."""
        if self._running is None:
            self._running = self._make()
            self._running.__enter__()
        return self._running

    def _make(self) -> AnyServer:
        kind = HOSTS[self.host]
        if kind.nginx:
            return BehindNginx(self.site, self.host, self.directory)
        if kind.reloads == 'file':
            project = self.directory / 'project'
            shutil.copytree(
                PROJECT, project, ignore=shutil.ignore_patterns('__pycache__'), dirs_exist_ok=True
            )
            return ServerProcess(
                replace(self.site, project=project), self.host, self.directory / 'log'
            )
        return ServerProcess(self.site, self.host, self.directory / 'log')

    def end(self) -> None:
        """Forget the server; it is killed if it still runs."""
        server, self._running = self._running, None
        if server is not None:
            self.said += server.said()
            server.__exit__()


@pytest.fixture(scope='module', params=HOSTS)
def keeper(
    request: pytest.FixtureRequest,
    shared_site: Deployment,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Keeper]:
    """Each host, for all cases."""
    require_programs(request.param)
    keeper = Keeper(request.param, shared_site, tmp_path_factory.mktemp(request.param))
    yield keeper
    keeper.end()
    assert complaints(keeper.said) == []


@pytest.fixture
def server(keeper: Keeper) -> AnyServer:
    """The server of the host."""
    return keeper.server()


@pytest.fixture
def feeds(redis_url: str) -> Iterator['Feeds']:
    """The pub/sub connections at the Redis of this test."""
    with redis.Redis.from_url(redis_url) as client:
        yield Feeds(client)


class Feeds:
    """Pub/sub connections, which Redis counts; those of servers that have ended may take a
    moment to go.
    """

    def __init__(self, client: 'redis.Redis') -> None:
        self.client = client
        self.others = {entry['id'] for entry in client.client_list(_type='pubsub')}

    def count(self) -> int:
        """How many there are."""
        return len(self.client.client_list(_type='pubsub'))

    def since(self) -> int:
        """How many there are that were not there before."""
        return len({entry['id'] for entry in self.client.client_list(_type='pubsub')} - self.others)


def open_many(stack: ExitStack, browser: Browser, count: int) -> list[ClientConnection]:
    """Open websockets that are closed with the stack."""
    return [stack.enter_context(browser.websocket(EVERYWHERE)) for _ in range(count)]


def open_crowd(stack: ExitStack, server: AnyServer, count: int) -> list[process.SocketClient]:
    """Open websockets whose clients have no thread of their own; they are closed with the stack."""
    crowd = []
    for _ in range(count):
        crowd.append(process.SocketClient(server.port, f'/ws/{EVERYWHERE}'))
        stack.callback(crowd[-1].drop)
    return crowd


def close_code(websocket: ClientConnection) -> int:
    """Receive until the server closes, and return its close code; 1006 if it went without a
    close frame.
    """
    try:
        while True:
            receive(websocket)
    except ConnectionClosed as exc:
        return 1006 if exc.rcvd is None else exc.rcvd.code


def descriptors(server: AnyServer) -> int:
    """How many descriptors the processes that serve have open."""
    return sum(map(descriptor_count, server.serving_pids()))


def complaints(text: str) -> list[str]:
    """The lines of a log in which something is complained about."""
    return [
        line for line in text.splitlines() if any(complaint in line for complaint in COMPLAINTS)
    ]


def is_served(server: AnyServer) -> bool:
    """Whether a websocket can be opened."""
    try:
        with Browser(server).websocket(EVERYWHERE) as websocket:
            return websocket.ping().wait(10)
    except (OSError, InvalidStatus, EOFError):
        return False


# Handshakes


def test_upgrade_is_accepted(server: AnyServer) -> None:
    with Browser(server).websocket('news') as websocket:
        assert websocket.response is not None
        assert websocket.response.status_code == 101
        assert websocket.ping().wait(10)


def test_foreign_origin_is_refused(server: AnyServer) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        Browser(server).websocket('news', origin='https://evil.example'),
    ):
        pass
    assert refused.value.response.status_code == 403
    assert 'WS4REDIS_ALLOWED_ORIGINS' in server.said()


def test_plain_request_is_refused_and_the_connection_closed(server: AnyServer) -> None:
    status, headers, text = raw_request(server, '/ws/news', {})
    assert (status, headers['Connection'], text) == (
        400,
        'close',
        'Client does not wish to upgrade to a websocket\n',
    )


def test_other_version_is_refused_and_the_connection_closed(server: AnyServer) -> None:
    status, headers, _ = raw_request(server, '/ws/news', UPGRADE | {'Sec-WebSocket-Version': '8'})
    assert (status, headers['Connection'], headers['Sec-WebSocket-Version']) == (426, 'close', '13')


def test_refusals_leave_nothing_open(server: AnyServer) -> None:
    def cost_nothing() -> bool:
        before = descriptors(server)
        for _ in range(20):
            raw_request(server, '/ws/news', {})
        return descriptors(server) <= before

    # Of several workers each has to get its first request, at which it makes its loop.
    eventually(cost_nothing, 'descriptors are left open')


# Messages


def test_view_reaches_the_user_who_logged_in_here(server: AnyServer) -> None:
    john, mary = Browser(server, username='john'), Browser(server, username='mary')
    query = 'news?subscribe-user&subscribe-broadcast'
    with john.websocket(query) as his, mary.websocket(query) as hers:
        mary.publish('for john', facility='news', user='john')
        mary.publish('for all', facility='news', broadcast=1)
        assert [receive(his), receive(his)] == ['for john', 'for all']
        assert receive(hers) == 'for all'


def test_client_reaches_clients(server: AnyServer) -> None:
    john, mary = Browser(server, username='john'), Browser(server, username='mary')
    query = 'chat?subscribe-broadcast&publish-broadcast'
    with john.websocket(query) as his, mary.websocket(query) as hers:
        his.send('from john')
        hers.send('from mary')
        assert receive(hers) == 'from john'
        assert receive(his) == 'from mary'


def test_persisted_message_waits_here_too(server: AnyServer) -> None:
    nobody = Browser(server)
    nobody.publish('kept', facility='news', broadcast=1)
    with nobody.websocket(EVERYWHERE) as websocket:
        assert receive(websocket) == 'kept'
        nobody.publish('live', facility='news', broadcast=1)
        assert receive(websocket) == 'live'


def test_large_message_arrives_whole_both_ways(server: AnyServer) -> None:
    john = Browser(server, username='john')
    large = 'x\u00e9' * 300_000
    with john.websocket('chat?subscribe-broadcast&publish-broadcast&echo') as websocket:
        websocket.send(large)
        assert receive(websocket) == large


def test_client_that_closes_is_answered(server: AnyServer) -> None:
    with Browser(server).websocket(EVERYWHERE) as websocket:
        websocket.close(4321, 'enough')
        assert websocket.close_code == 4321
        assert websocket.protocol.close_rcvd is not None
        assert websocket.protocol.close_rcvd.code == 4321


# Many of them


def test_many_websockets_cost_one_descriptor_each_and_no_thread_and_no_redis_connection(
    server: AnyServer, feeds: Feeds
) -> None:
    nobody = Browser(server)
    workers = len(server.serving_pids())
    with ExitStack() as stack:
        open_crowd(stack, server, 1)
        before = descriptors(server)
        crowd = open_crowd(stack, server, MANY)
        nobody.publish('for all', facility='news', broadcast=1)
        assert [websocket.receive() for websocket in crowd] == ['for all'] * MANY
        eventually(
            lambda: descriptors(server) <= before + MANY + OTHERS * workers,
            'more than one descriptor a websocket',
        )
        threads = [thread_count(pid) for pid in server.serving_pids()]
        eventually(lambda: max(threads) <= MOST_THREADS, 'more threads than the workers')
        assert feeds.since() <= workers
        opened = descriptors(server)
    eventually(lambda: descriptors(server) <= opened - MANY, 'descriptors are left open')


def test_views_are_served_beside_many_websockets_that_get_all_they_publish(
    server: AnyServer,
) -> None:
    def visit(visitor: int) -> None:
        browser = Browser(server)
        for number in range(VISITS):
            browser.publish(f'{visitor} {number}', facility='news', broadcast=1, expire=0)

    with ExitStack() as stack:
        crowd = open_crowd(stack, server, MANY)
        with ThreadPoolExecutor(VISITORS) as visitors:
            list(visitors.map(visit, range(VISITORS)))
        for websocket in crowd:
            received = [websocket.receive() for _ in range(VISITORS * VISITS)]
            # One visitor's in their order, in whatever order the visitors' come.
            assert sorted(received, key=lambda message: str(message).split()[0]) == [
                f'{visitor} {number}' for visitor in range(VISITORS) for number in range(VISITS)
            ]


def test_requests_and_websockets_in_turn_leave_no_complaint(server: AnyServer) -> None:
    """What a server does with its end of a connection that has left it must not fail."""
    nobody = Browser(server)
    for _ in range(20):
        with nobody.websocket(EVERYWHERE) as websocket:
            websocket.close()
        nobody.publish('next', facility='elsewhere', broadcast=1)
    assert complaints(server.said()) == []


@pytest.mark.parametrize('keeper', SEVERAL, indirect=True)
def test_each_worker_serves_websockets(keeper: Keeper, feeds: Feeds) -> None:
    # Started anew: none of its workers has a loop yet.
    keeper.end()
    eventually(lambda: feeds.count() == 0, 'the feeds of servers that have ended stay')
    server = keeper.server()
    nobody = Browser(server)
    with ExitStack() as stack:
        websockets: list[ClientConnection] = []

        def all_have_some() -> bool:
            websockets.extend(open_many(stack, nobody, 3))
            return feeds.since() == HOSTS[keeper.host].workers

        eventually(all_have_some, 'one worker takes all connections')
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(websocket) for websocket in websockets] == ['for all'] * len(websockets)


# The end


@pytest.mark.parametrize('keeper', RELOADING, indirect=True)
def test_reload_is_told_to_everybody_and_websockets_are_served_again(keeper: Keeper) -> None:
    server = keeper.server()
    with ExitStack() as stack:
        websockets = open_many(stack, Browser(server), 20)
        before = server.serving_pids()
        server.begin_to_reload()
        # A router that ends first may still pass on some of the goodbyes.
        expected = {1001} if server.kind.says_goodbye else {1001, 1006}
        assert {close_code(websocket) for websocket in websockets} <= expected
    eventually(lambda: not set(before) & set(server.serving_pids()), 'the old workers stay')
    eventually(lambda: is_served(server), 'no websockets after the reload')


def test_end_is_told_to_everybody(server: AnyServer, keeper: Keeper) -> None:
    with ExitStack() as stack:
        websockets = open_many(stack, Browser(server), 20)
        server.begin_to_end()
        # A router that ends first may still pass on some of the goodbyes.
        expected = {1001} if server.kind.says_goodbye else {1001, 1006}
        assert {close_code(websocket) for websocket in websockets} <= expected
        assert server.wait() == 0
    keeper.end()


def test_log_has_no_complaint(keeper: Keeper) -> None:
    """Over the cases before this one; of those that another process runs its own fixture sees
    to it, and here may be none.
    """
    if not keeper.said:
        eventually(lambda: is_served(keeper.server()), 'no websockets')
    keeper.end()
    assert 'websocket loop: in the' in keeper.said
    assert complaints(keeper.said) == []


# Beside the shared servers


@pytest.mark.parametrize('host', MIDDLEWARE)
def test_middleware_that_is_a_generator_is_no_obstacle(
    host: str, shared_site: Deployment, tmp_path: Path
) -> None:
    require_programs(host)
    site = replace(shared_site, application='journey.behind_middleware:application')
    with ServerProcess(site, host, tmp_path / 'server.log') as server, ExitStack() as stack:
        nobody = Browser(server)
        websockets = open_many(stack, nobody, 3)
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(websocket) for websocket in websockets] == ['for all'] * 3
        assert raw_request(server, '/ws/news', {})[0] == 400
        server.begin_to_end()
        assert {close_code(websocket) for websocket in websockets} == {1001}
        assert server.wait() == 0
        assert complaints(server.said()) == []


@pytest.mark.parametrize('host', ['nginx-gunicorn-gevent'])
def test_host_that_nginx_keeps_to_itself_is_named_and_so_is_the_remedy(
    host: str, shared_site: Deployment, tmp_path: Path
) -> None:
    require_programs(host)
    with BehindNginx(shared_site, host, tmp_path, passes_host=False) as server:
        with pytest.raises(InvalidStatus) as refused, Browser(server).websocket('news'):
            pass
        assert refused.value.response.status_code == 403
        assert (
            'name it in WS4REDIS_ALLOWED_ORIGINS; behind a proxy, let it pass on the Host header'
            in server.said()
        )


@pytest.mark.parametrize('host', ['nginx-gunicorn-gevent'])
def test_page_that_may_open_websockets_may_so_without_its_host(
    host: str, shared_site: Deployment, tmp_path: Path
) -> None:
    require_programs(host)
    site = replace(shared_site, origins=('https://shop.example',))
    with BehindNginx(site, host, tmp_path, passes_host=False) as server:
        nobody = Browser(server)
        with nobody.websocket(EVERYWHERE, origin='https://shop.example') as websocket:
            nobody.publish('for all', facility='news', broadcast=1)
            assert receive(websocket) == 'for all'


@pytest.mark.parametrize('host', ['nginx-gunicorn-gevent'])
def test_host_is_the_one_that_nginx_went_by(
    host: str, shared_site: Deployment, tmp_path: Path
) -> None:
    """If the request line names a host, that one counts, and the header of that name says
    nothing (RFC 9112, 3.2.2).
    """
    require_programs(host)
    with BehindNginx(shared_site, host, tmp_path) as server:
        headers = UPGRADE | {'Origin': server.origin}
        assert (
            raw_request(server, f'http://elsewhere.example:{server.port}/ws/news', headers)[0]
            == 400
        )
        assert f"Invalid HTTP_HOST header: 'elsewhere.example:{server.port}'" in server.said()


# Servers that give their connections to nobody


REMEDIES = {
    'gunicorn-sync': 'start it with --worker-class gevent',
    'gunicorn-gevent-tls': 'let a proxy in front of it do that',
    'gunicorn-gthread-tls': 'let a proxy in front of it do that',
    'waitress': 'serve the websockets with gunicorn, uWSGI or gevent.pywsgi',
    'mod_wsgi': 'serve the websockets with gunicorn, uWSGI or gevent.pywsgi',
    'uwsgi-processes': 'start it with --gevent',
    'uwsgi-router-alone': 'start it with --http-websockets too',
    'uwsgi-tls': 'let its router do that',
}


@pytest.mark.parametrize('host', REFUSING)
def test_server_that_cannot_is_refused_with_a_remedy(
    host: str, shared_site: Deployment, tmp_path: Path
) -> None:
    require_programs(host)
    with ServerProcess(shared_site, host, tmp_path / 'server.log') as server:
        # waitress leaves nobody but itself a say in that.
        status, headers, text = raw_request(server, '/ws/news', UPGRADE, ends=host != 'waitress')
        assert (status, text) == (501, 'This server does not serve websockets\n')
        assert headers['Connection'] == ('close' if host != 'waitress' else None)
        assert REMEDIES[host] in server.said()
        Browser(server).publish('what is no websocket is served', facility='news', broadcast=1)
