"""LiveLoop: it knows when nothing moves any more, its clock is the test's, and its threads keep
nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import freezegun
import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from ws4redis.core.feed import FeedState
from ws4redis.core.recipient import Recipient
from ws4redis.redis_client import RedisServer
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, LiveServer
from ws4redis.testing.live.loop import LiveLoop, Outcome, Traffic

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker, Settings

PATIENCE = 20.0


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    server = RedisServer('memory://')
    yield server
    server.close()


@pytest.fixture
def loop(server: RedisServer) -> Iterator[LiveLoop]:
    loop = LiveLoop(server, {})
    loop.ensure_started()
    yield loop
    assert loop.close(PATIENCE)


def test_answer_comes_from_the_hub(loop: LiveLoop) -> None:
    assert loop.ask(threading.get_ident) == loop.hub.thread.ident  # type: ignore[union-attr]


def test_what_fails_in_the_hub_is_raised_where_it_was_asked(loop: LiveLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        loop.ask(lambda: 1 / 0)
    assert loop.ask(lambda: 7) == 7


def test_condition_is_looked_at_whenever_something_has_moved(loop: LiveLoop) -> None:
    looks: list[int] = []

    def third() -> bool:
        looks.append(threading.get_ident())
        return len(looks) == 3

    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            loop.ask(loop.work_off)

    thread = threading.Thread(target=move)
    thread.start()
    assert loop.happens(third, PATIENCE)
    done.set()
    thread.join()
    loop.ask(loop.work_off)
    assert looks == [loop.hub.thread.ident] * 3  # type: ignore[union-attr]


def test_condition_that_never_comes_true_is_given_up(loop: LiveLoop) -> None:
    looks: list[None] = []

    def never() -> bool:
        looks.append(None)
        return False

    assert loop.happens(never, 0.01) is False
    loop.ask(lambda: None)
    before = len(looks)
    loop.ask(loop.work_off)
    assert len(looks) == before


def test_loop_without_anybody_has_settled(loop: LiveLoop) -> None:
    assert loop.settle([]) == loop.settle([])
    assert loop.exchange.feed.state is FeedState.DOWN


def test_clock_moves_by_what_it_is_told(loop: LiveLoop) -> None:
    before = loop.now()
    loop.ask(lambda: loop.move(1000))
    assert 1000 <= loop.now() - before < 1000 + PATIENCE


@pytest.mark.parametrize('tool', [freezegun.freeze_time, time_machine.travel])
def test_clock_goes_on_under_a_clock_tool(loop: LiveLoop, tool: Any) -> None:
    before = loop.now()
    with tool('2000-01-01'):
        assert 0 < loop.now() - before < PATIENCE
        assert loop.settle([]) == loop.settle([])


def test_nothing_is_due_where_nobody_is(loop: LiveLoop) -> None:
    assert loop.deadline() is None


def test_request_that_nobody_expects_is_told_to_nobody(loop: LiveLoop) -> None:
    expected = loop.expect('1')
    with loop.answering('2'):
        loop.note_session('of another')
    assert expected == Outcome()
    with loop.answering('1'):
        loop.note_session('mine')
    with loop.answering('1'):
        loop.note_session('of the next from this port')
    assert expected == Outcome(session='mine')


def test_client_that_has_never_said_anything_has_no_traffic(loop: LiveLoop) -> None:
    assert loop.traffic(object.__new__(Recipient)) == Traffic(0, 0)


def test_traffic_is_what_has_passed() -> None:
    with Broker() as broker, LiveServer(broker) as live:
        client = live.connect('news', subscribe='broadcast')
        head = client._end.taken
        assert head > 0
        client.ping(b'four')
        broker.publish('hello', facility='news', broadcast=True)
        assert client.receive() == 'hello'
        assert client._end.recipient is not None
        # Masked by the client, not by the server.
        assert live._loop.traffic(client._end.recipient) == Traffic(
            2 + 4 + 4, head + (2 + 4) + (2 + 5)
        )


# The database


@pytest.fixture
def file_database(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A database in a file, as no thread shares it."""
    alias = 'in_a_file'
    values = {
        **connections['default'].settings_dict,
        'NAME': str(tmp_path / 'db.sqlite3'),
        'CONN_MAX_AGE': None,
    }
    monkeypatch.setitem(connections.settings, alias, values)
    with django_db_blocker.unblock():
        call_command('migrate', database=alias, run_syncdb=True, verbosity=0)
        yield alias
        connections[alias].close()
    del connections[alias]


def test_threads_keep_no_database_connection(file_database: str, settings: Settings) -> None:
    """CONN_MAX_AGE None keeps them for ever in production: the test's database could not be
    destroyed.
    """
    used: list[Any] = []

    class Querying(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self.query()

        def query(self) -> None:
            assert User.objects.using(file_database).count() == 0
            used.append(connections[file_database])

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.query()

        def release(self) -> None:
            self.query()
            super().release()

    with Broker() as broker, LiveServer(broker) as live:
        client = live.connect('news', publish='broadcast', subscriber=Querying)
        assert client.open
        client.send('hello')
        client.close()
    assert len(used) == 3
    assert [connection.connection for connection in used] == [None] * 3


def test_database_in_memory_is_the_tests_own_everywhere(transactional_db: None) -> None:
    used: list[Any] = []

    class Querying(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            used.append((connections['default'], User.objects.count()))

    with Broker() as broker, LiveServer(broker) as live:
        client = live.connect('news', publish='broadcast', subscriber=Querying)
        User.objects.create(username='john')
        with CaptureQueriesContext(connections['default']) as queries:
            client.send('hello')
    assert used == [(connections['default'], 1)]
    assert len(queries) == 1
    assert User.objects.count() == 1, 'it is not closed'


def test_loop_has_no_need_of_a_database() -> None:
    """No db fixture: what runs here may not ask one."""
    with Broker() as broker, LiveServer(broker) as live:
        client = live.connect('news', subscribe='broadcast', publish='broadcast')
        client.send('hello')
        began = time.monotonic()
    assert client.close_code == 1001
    assert time.monotonic() - began < 1.5
