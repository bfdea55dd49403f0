"""The way of a message through real processes: Django, Redis, gunicorn, and a client that is not
ours.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conftest import require
from tests.processes.journey import Deployment, ServerProcess
from tests.processes.serving import GUARD, eventually
from tests.servers.browser import UPGRADE, Browser, raw_request, receive, request_head
from ws4redis.testing.redis_process import RedisProcess

pytestmark = pytest.mark.usefixtures('redis_url')


@pytest.fixture
def nobody(runserver: ServerProcess, gunicorn: ServerProcess) -> Browser:
    """A browser of somebody who is not logged in."""
    return Browser(runserver, gunicorn)


@pytest.fixture
def john(runserver: ServerProcess, gunicorn: ServerProcess) -> Browser:
    """John's browser; he is in the groups chess and staff."""
    return Browser(runserver, gunicorn, 'john')


@pytest.fixture
def mary(runserver: ServerProcess, gunicorn: ServerProcess) -> Browser:
    """Mary's browser; she is in the group chess."""
    return Browser(runserver, gunicorn, 'mary')


# Who publishes


def test_view_in_another_process_reaches_a_websocket(nobody: Browser) -> None:
    with nobody.websocket('news?subscribe-broadcast') as websocket:
        nobody.publish('from the view: \u00e9\u4e16\U0001f310', facility='news', broadcast=1)
        assert receive(websocket) == 'from the view: \u00e9\u4e16\U0001f310'


def test_shell_reaches_a_websocket(nobody: Browser, shared_site: Deployment) -> None:
    with nobody.websocket('news?subscribe-broadcast') as websocket:
        shared_site.manage(
            'shell',
            '-c',
            'from ws4redis.publisher import RedisPublisher\n'
            "RedisPublisher(facility='news', broadcast=True).publish_message('from the shell')",
        )
        assert receive(websocket) == 'from the shell'


def test_redis_cli_reaches_a_websocket(nobody: Browser, redis_url: str) -> None:
    program = shutil.which('redis-cli')
    require('redis', program, 'put redis-cli on PATH (Debian: apt-get install redis-tools)')
    assert program is not None
    with nobody.websocket('news?subscribe-broadcast') as websocket:
        publish = ['PUBLISH', 'broadcast:news', 'from redis-cli']
        said = subprocess.run(
            [program, '-p', str(urlsplit(redis_url).port), *publish],
            capture_output=True,
            text=True,
            timeout=GUARD,
            check=True,
        )
        assert said.stdout.strip() == '1', 'how many connections it reached'
        assert receive(websocket) == 'from redis-cli'


def test_bytes_that_are_no_text_arrive_as_a_binary_message(nobody: Browser, redis_url: str) -> None:
    with (
        nobody.websocket('news?subscribe-broadcast') as websocket,
        redis.Redis.from_url(redis_url) as client,
    ):
        client.publish('broadcast:news', b'\xff\x00')
        assert receive(websocket) == b'\xff\x00'


# Who receives


def test_broadcast_reaches_everybody_on_the_facility_and_nobody_else(
    john: Browser, mary: Browser, nobody: Browser
) -> None:
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(who.websocket('news?subscribe-broadcast'))
            for who in (john, mary, nobody)
        ]
        elsewhere = stack.enter_context(nobody.websocket('sport?subscribe-broadcast'))
        nobody.publish('for all', facility='news', broadcast=1)
        nobody.publish('for the others', facility='sport', broadcast=1)
        assert [receive(listener) for listener in listeners] == ['for all'] * 3
        assert receive(elsewhere) == 'for the others'


def test_message_for_a_user_reaches_that_user_alone(
    john: Browser, mary: Browser, nobody: Browser
) -> None:
    query = 'news?subscribe-user&subscribe-broadcast'
    with (
        john.websocket(query) as his,
        mary.websocket(query) as hers,
        nobody.websocket(query) as nobodys,
    ):
        nobody.publish('for john', facility='news', user='john')
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(his), receive(his)] == ['for john', 'for all']
        assert receive(hers) == 'for all'
        assert receive(nobodys) == 'for all'


def test_message_for_a_group_reaches_its_members_alone(
    john: Browser, mary: Browser, nobody: Browser
) -> None:
    query = 'news?subscribe-group&subscribe-broadcast'
    with (
        john.websocket(query) as his,
        mary.websocket(query) as hers,
        nobody.websocket(query) as nobodys,
    ):
        nobody.publish('for chess', facility='news', group='chess')
        nobody.publish('for staff', facility='news', group='staff')
        nobody.publish('for all', facility='news', broadcast=1)
        assert [receive(his) for _ in range(3)] == ['for chess', 'for staff', 'for all']
        assert [receive(hers) for _ in range(2)] == ['for chess', 'for all']
        assert receive(nobodys) == 'for all'


def test_message_for_a_session_reaches_its_own_windows_alone(john: Browser) -> None:
    other = Browser(john.pages, john.websockets, 'john')
    query = 'news?subscribe-session&subscribe-broadcast'
    with (
        john.websocket(query) as first,
        john.websocket(query) as second,
        other.websocket(query) as third,
    ):
        john.publish('for this browser', facility='news', session=1)
        john.publish('for all', facility='news', broadcast=1)
        assert [receive(first), receive(first)] == ['for this browser', 'for all']
        assert [receive(second), receive(second)] == ['for this browser', 'for all']
        assert receive(third) == 'for all'


# Who comes later


def test_last_message_waits_for_who_joins_later(nobody: Browser) -> None:
    nobody.publish('old', facility='news', broadcast=1)
    nobody.publish('last', facility='news', broadcast=1)
    for _ in range(2):
        with nobody.websocket('news?subscribe-broadcast') as websocket:
            assert receive(websocket) == 'last'


def test_persisted_message_is_gone_after_its_time(nobody: Browser, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        nobody.publish('short', facility='news', broadcast=1, expire=0.2)
        nobody.publish('long', facility='sport', broadcast=1, expire=100)
        assert 99_000 < client.pttl('broadcast:sport') <= 100_000
        eventually(lambda: client.pttl('broadcast:news') == -2, 'it does not expire')
        with nobody.websocket('news?subscribe-broadcast') as websocket:
            nobody.publish('new', facility='news', broadcast=1)
            assert receive(websocket) == 'new'
        with nobody.websocket('sport?subscribe-broadcast') as websocket:
            assert receive(websocket) == 'long'


def test_message_without_expiry_is_not_kept(nobody: Browser, redis_url: str) -> None:
    with (
        redis.Redis.from_url(redis_url) as client,
        nobody.websocket('news?subscribe-broadcast') as websocket,
    ):
        nobody.publish('now or never', facility='news', broadcast=1, expire=0)
        assert receive(websocket) == 'now or never'
        assert client.keys('*news') == []


# From client to client


def test_sender_without_echo_does_not_get_its_own_message_and_others_do(
    john: Browser, mary: Browser
) -> None:
    query = 'chat?subscribe-broadcast&publish-broadcast'
    with (
        john.websocket(query) as his,
        john.websocket(query) as his_other,
        mary.websocket(query) as hers,
    ):
        for number in range(3):
            his.send(f'hello {number}')
        sent = ['hello 0', 'hello 1', 'hello 2']
        assert [receive(hers) for _ in sent] == sent
        assert [receive(his_other) for _ in sent] == sent
        hers.send('hello 1')
        assert receive(his) == 'hello 1', 'the same words of somebody else'


def test_sender_with_echo_gets_its_own_message_too(john: Browser, mary: Browser) -> None:
    query = 'chat?subscribe-broadcast&publish-broadcast'
    with john.websocket(query + '&echo') as his, mary.websocket(query) as hers:
        his.send('hello')
        assert receive(his) == 'hello'
        assert receive(hers) == 'hello'


def test_message_of_a_client_waits_for_who_joins_later(john: Browser, mary: Browser) -> None:
    with john.websocket('chat?publish-user') as his:
        his.send('note to myself')
    # He has closed, and the answer comes after everything that he sent has been published.
    with (
        john.websocket('chat?subscribe-user') as his,
        mary.websocket('chat?subscribe-user') as hers,
    ):
        assert receive(his) == 'note to myself'
        mary.publish('for mary', facility='chat', user='mary')
        assert receive(hers) == 'for mary'


def test_client_that_is_not_logged_in_publishes_nothing(
    nobody: Browser, john: Browser, redis_url: str
) -> None:
    query = 'chat?subscribe-broadcast&publish-broadcast'
    with john.websocket(query) as his:
        with nobody.websocket(query) as websocket:
            websocket.send('from nobody')
        with redis.Redis.from_url(redis_url) as client:
            assert client.keys('*') == []
        john.publish('from john', facility='chat', broadcast=1)
        assert receive(his) == 'from john'


def test_first_frame_sent_with_the_handshake_is_not_lost(
    gunicorn: ServerProcess, john: Browser
) -> None:
    """A client may send frames behind its request, before it has seen the 101."""
    head = request_head(gunicorn, '/ws/chat?publish-broadcast', UPGRADE | {'Cookie': john.cookie})
    # Masked with four zeros.
    frame = bytes([0x81, 0x80 + 5, 0, 0, 0, 0]) + b'early'
    with (
        john.websocket('chat?subscribe-broadcast') as his,
        socket.create_connection(('127.0.0.1', gunicorn.port), timeout=GUARD) as client,
    ):
        client.sendall(head + frame)
        assert receive(his) == 'early'


# Redis goes, and comes back


class Outage:
    """Two servers on a Redis that can be killed."""

    def __init__(
        self, server: RedisProcess, pages: ServerProcess, websockets: ServerProcess
    ) -> None:
        self.redis = server
        self.pages = pages
        self.websockets = websockets

    def begin(self) -> None:
        """Kill Redis, and wait until the websocket loop has noticed."""
        os.kill(self.redis.pid, signal.SIGKILL)
        eventually(
            lambda: 'Redis is away' in self.websockets.said(),
            'the loop has not noticed that Redis is away',
        )

    def end(self) -> None:
        """Start Redis again on the same port, empty as it was at first."""
        self.redis.stop()
        self.redis.start()

    @contextmanager
    def listener(self, facility: str) -> Iterator[ClientConnection]:
        """A websocket that has joined: one that Redis leaves while it looks for persisted
        messages is closed with 1013.
        """
        nobody = Browser(self.pages, self.websockets)
        with nobody.websocket(f'{facility}?subscribe-broadcast') as websocket:
            nobody.publish('before', facility=facility, broadcast=1, expire=0)
            assert receive(websocket) == 'before'
            yield websocket


@pytest.fixture
def outage(redis_process: RedisProcess, journey_database: Path, tmp_path: Path) -> Iterator[Outage]:
    """Servers of this test alone, on a Redis of this test alone."""
    site = Deployment(journey_database, redis_process.url)
    with (
        ServerProcess(site, 'runserver', tmp_path / 'runserver.log') as pages,
        ServerProcess(site, 'gunicorn-gevent', tmp_path / 'gunicorn.log') as websockets,
    ):
        yield Outage(redis_process, pages, websockets)


def is_alive(websocket: ClientConnection) -> bool:
    """Whether the server answers a ping."""
    return websocket.ping().wait(GUARD)


def test_websockets_outlive_redis(outage: Outage) -> None:
    """They stay open, get what was persisted before the loop was back, once, and everything
    after that.
    """
    nobody = Browser(outage.pages, outage.websockets)
    john = Browser(outage.pages, outage.websockets, 'john')
    with (
        outage.listener('news') as first,
        outage.listener('sport') as second,
        john.websocket('news?publish-broadcast') as sender,
    ):
        outage.begin()
        assert is_alive(first) and is_alive(second)
        # Nothing is dropped without a word: who publishes is told, and told once.
        assert nobody.post('/publish/', message='lost', facility='news', broadcast=1) == (
            503,
            'ConnectionError',
        )
        sender.send('lost too')
        with pytest.raises(ConnectionClosed) as closed:
            receive(sender)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013
        assert is_alive(first) and is_alive(second)
        outage.end()
        # Before the loop is back or after it: both ways it comes once.
        nobody.publish('persisted', facility='news', broadcast=1)
        assert receive(first) == 'persisted'
        with outage.redis.client() as client:
            eventually(
                lambda: client.pubsub_numsub('broadcast:sport') == [(b'broadcast:sport', 1)],
                'not subscribed again',
            )
        for number in range(3):
            nobody.publish(f'after {number}', facility='news', broadcast=1)
            nobody.publish(f'after {number}', facility='sport', broadcast=1)
        assert [receive(first) for _ in range(3)] == ['after 0', 'after 1', 'after 2']
        assert [receive(second) for _ in range(3)] == ['after 0', 'after 1', 'after 2']
    assert 'Traceback' not in outage.websockets.said()
    assert 'Traceback' not in outage.pages.said()
    assert outage.websockets.said().count('Redis is back') == 1


def test_message_persisted_before_the_loop_is_back_comes_by_catching_up(outage: Outage) -> None:
    """The process that serves is stopped until both are published, so that it cannot be back in
    time to hear them.
    """
    nobody = Browser(outage.pages, outage.websockets)
    with outage.listener('news') as websocket:
        outage.begin()
        (worker,) = outage.websockets.serving_pids()
        os.kill(worker, signal.SIGSTOP)
        try:
            outage.end()
            nobody.publish('first', facility='news', broadcast=1)
            nobody.publish('missed', facility='news', broadcast=1)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert receive(websocket) == 'missed'
        nobody.publish('after', facility='news', broadcast=1)
        assert receive(websocket) == 'after'


def test_handshake_while_redis_is_away_is_refused(outage: Outage) -> None:
    with outage.listener('news') as websocket:
        outage.begin()
        eventually(
            lambda: 'cannot connect to Redis' in outage.websockets.said(),
            'no attempt to connect has failed',
        )
        status, _, text = raw_request(outage.websockets, '/ws/news?subscribe-broadcast', UPGRADE)
        assert (status, text) == (503, 'Try again later\n')
        assert is_alive(websocket)


def test_many_publish_while_redis_is_away_and_each_is_told_once(outage: Outage) -> None:
    nobody = Browser(outage.pages, outage.websockets)

    def publish(number: int) -> tuple[int, str]:
        return nobody.post('/publish/', message=f'lost {number}', facility='news', broadcast=1)

    with outage.listener('news') as websocket:
        outage.begin()
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(publish, range(20))) == [(503, 'ConnectionError')] * 20
        outage.end()
        nobody.publish('after', facility='news', broadcast=1)
        assert receive(websocket) == 'after'
