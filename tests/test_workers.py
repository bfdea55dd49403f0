"""The site's code off the hub: what a job calls, what its exceptions become, and the threads
that run it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gevent
import gevent.event
import pytest
import redis
from django.db import connections, transaction
from django.utils.functional import SimpleLazyObject

from ws4redis import workers
from ws4redis.core.agenda import Agenda, Job, JobKind, Outcome, Result
from ws4redis.core.entries import Entry, Sent
from ws4redis.core.handle import Handle
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Recipient
from ws4redis.core.replies import Published
from ws4redis.core.serving import ServingDriver
from ws4redis.exceptions import NothingToRead
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscription import Subscription
from ws4redis.workers import (
    GreenletWorkers,
    ThreadWorkers,
    close_database_connections,
    finish_spawned,
    perform,
    run_spawned,
    spawned_greenlets,
)

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django import DjangoDbBlocker, Settings

PATIENCE = 20.0
"""Seconds after which a thread that does not come counts as a failure."""


def do(subscriber: Any, kind: JobKind, message: Any = None) -> Result:
    """Perform one job and give its result."""
    return perform(subscriber, Job(kind, message), handle_of([]))


def handle_of(entries: list[Entry]) -> Handle:
    """The websocket as a subscriber sees it; what it sends is kept."""
    return Handle(Recipient(Limits(), Agenda()), lambda recipient, entry: entries.append(entry))


class Listening(RedisSubscriber):
    """A subscriber that listens on one channel of the exchange."""

    def __init__(self) -> None:
        super().__init__()
        # Nobody is asked before the handshake has succeeded.
        self._subscription = Subscription(cast(ServingDriver, None))
        self._subscription.subscribe('news')


# Which spelling


class Base(RedisSubscriber):
    """Notes which of the two spellings was called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []


class New(Base):
    def send_persisted_messages(self, websocket: Any) -> None:
        self.called.append('new')


class Old(Base):
    def send_persited_messages(self, websocket: Any) -> None:
        self.called.append('old')


class OldOverNew(New):
    def send_persited_messages(self, websocket: Any) -> None:
        self.called.append('old')


class NewOverOld(Old):
    def send_persisted_messages(self, websocket: Any) -> None:
        self.called.append('new')


class Inherits(OldOverNew):
    pass


@pytest.mark.parametrize(
    ('cls', 'called'),
    [(New, 'new'), (Old, 'old'), (OldOverNew, 'old'), (NewOverOld, 'new'), (Inherits, 'old')],
)
def test_spelling_of_the_first_class_that_has_either_is_called_once(
    cls: type[Base], called: str
) -> None:
    subscriber = cls()
    assert do(subscriber, JobKind.PERSISTED).outcome is Outcome.DONE
    assert subscriber.called == [called]


def test_spelling_put_on_the_object_itself_beats_its_class() -> None:
    subscriber = New()
    subscriber.send_persited_messages = lambda websocket: subscriber.called.append('own')  # type: ignore[method-assign]
    do(subscriber, JobKind.PERSISTED)
    assert subscriber.called == ['own']


def test_persisted_job_gets_the_websocket() -> None:
    class Greeting(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            websocket.send('hello')

    entries: list[Entry] = []
    perform(Greeting(), Job(JobKind.PERSISTED), handle_of(entries))
    assert entries == [Sent(b'hello', None)]


# What jobs call


def test_message_of_a_client_arrives_as_a_redis_message() -> None:
    class Keeping(RedisSubscriber):
        got: Any = None

        def publish_message(self, message: Any, expire: float | None = None) -> Any:
            self.got = message
            return 'a result that nobody looks at'

    subscriber = Keeping()
    result = do(subscriber, JobKind.PUBLISH, b'hello')
    assert subscriber.got == b'hello'
    assert type(subscriber.got) is RedisMessage
    assert (result.outcome, result.replies) == (Outcome.DONE, [])


@pytest.mark.parametrize('binary', [True, False])
def test_message_of_a_client_says_whether_it_was_binary(binary: bool) -> None:
    got: list[Any] = []

    class Keeping(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            got.append(message)

    perform(Keeping(), Job(JobKind.PUBLISH, b'', binary), handle_of([]))
    assert [(message, message.binary) for message in got] == [(b'', binary)]


def test_heartbeat_of_a_client_is_not_published(settings: Settings) -> None:
    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            raise AssertionError('the heartbeat is no message')

    settings.WS4REDIS_HEARTBEAT = 'beat'
    assert do(Failing(), JobKind.PUBLISH, b'beat').outcome is Outcome.DONE


def parsing(answer: Any) -> Listening:
    """A subscriber whose parse_response() gives this."""

    class Parsing(Listening):
        def parse_response(self) -> Any:
            return answer(super().parse_response())

    return Parsing()


@pytest.mark.parametrize(
    ('answer', 'replies'),
    [
        (lambda reply: reply, [b'hello']),
        (lambda reply: tuple(reply), [b'hello']),
        (lambda reply: [reply[0], reply[1], b'changed'], [b'changed']),
        (lambda reply: [b'pmessage', b'*', b'news', b'changed'], [b'changed']),
        (lambda reply: [b'subscribe', b'news', 1], []),
        (lambda reply: 'grün', ['grün'.encode()]),
        (lambda reply: b'\xff', [b'\xff']),
        (lambda reply: bytearray(b'abc'), [b'abc']),
        (lambda reply: RedisMessage(reply), [b'hello']),
        (lambda reply: None, []),
        (lambda reply: '', []),
        (lambda reply: b'', []),
        (lambda reply: [], []),
    ],
)
def test_what_parse_response_gives_is_sent(answer: Any, replies: list[bytes]) -> None:
    result = do(parsing(answer), JobKind.PARSE, Published(b'news', b'hello'))
    assert [payload for payload, _ in result.replies] == replies
    assert result.outcome is Outcome.DONE


@pytest.mark.parametrize('answer', [7, 1.5, {'a': 1}, object(), True])
def test_parse_response_that_gives_another_type_fails(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    result = do(parsing(lambda reply: answer), JobKind.PARSE, Published(b'news', b'hello'))
    assert result.outcome is Outcome.FAILED
    assert type(answer).__name__ in str(result.exception)


def test_message_by_pattern_is_the_list_that_redis_py_gives() -> None:
    got: list[list[bytes]] = []
    do(parsing(got.append), JobKind.PARSE, Published(b'news', b'hello', b'n*'))
    assert got == [[b'pmessage', b'n*', b'news', b'hello']]


def test_filter_that_reads_on_until_something_is_wanted_sends_nothing_and_never_waits() -> None:
    class Filtering(Listening):
        def parse_response(self) -> Any:
            while True:
                try:
                    reply = super().parse_response()
                except Exception:
                    raise AssertionError('NothingToRead must pass') from None
                if reply[2] == b'wanted':
                    return reply

    subscriber = Filtering()
    assert do(subscriber, JobKind.PARSE, Published(b'news', b'unwanted')).replies == []
    assert do(subscriber, JobKind.PARSE, Published(b'news', b'wanted')).replies == [
        (b'wanted', None)
    ]


def test_message_that_parse_response_left_is_gone_afterwards() -> None:
    subscriber = parsing(lambda reply: reply)
    subscriber.parse_response = lambda: None  # type: ignore[method-assign]
    do(subscriber, JobKind.PARSE, Published(b'news', b'hello'))
    with pytest.raises(NothingToRead):
        subscriber._subscription.parse_response()


class OwnConnection:
    """A pub/sub object with so many events to read."""

    def __init__(self, events: int) -> None:
        self.events = events

    @property
    def connection(self) -> OwnConnection:
        return self

    def can_read(self, timeout: float = 0) -> bool:
        return self.events > 0


class Serving(RedisSubscriber):
    """Serves itself from a connection of its own."""

    _subscription: Any

    def __init__(self, events: int) -> None:
        super().__init__()
        self._subscription = OwnConnection(events)

    def parse_response(self) -> Any:
        self._subscription.events -= 1
        if self._subscription.events % 2:
            raise NothingToRead
        return b'event'

    def get_file_descriptor(self) -> int | None:
        return 99


def test_subscriber_that_serves_itself_is_asked_until_there_is_no_more() -> None:
    """An acknowledgement among them does not end it."""
    subscriber = Serving(4)
    result = do(subscriber, JobKind.SERVE)
    assert subscriber._subscription.events == 0
    assert len(result.replies) == 2
    assert result.descriptor == 99, 'redis-py may have swapped its socket'


# What exceptions become


class Raising(Listening):
    """Raises the same from every method."""

    def __init__(self, exception: BaseException) -> None:
        super().__init__()
        self.exception = exception

    def _fail(self, *arguments: Any) -> Any:
        raise self.exception

    publish_message = parse_response = send_persisted_messages = release = _fail  # type: ignore[assignment]


JOBS = [
    (JobKind.PERSISTED, None),
    (JobKind.PUBLISH, b'hello'),
    (JobKind.PARSE, Published(b'news', b'hello')),
]


@pytest.mark.parametrize(('kind', 'message'), JOBS)
@pytest.mark.parametrize(
    'exception', [RuntimeError('bug'), OSError('bug'), SystemExit(1), KeyboardInterrupt()]
)
def test_exception_of_a_job_is_a_failure_logged_once(
    kind: JobKind, message: Any, exception: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    result = do(Raising(exception), kind, message)
    assert (result.outcome, result.exception) == (Outcome.FAILED, exception)
    assert [record.levelname for record in caplog.records if record.exc_info] == ['ERROR']
    assert f'Raising.{kind.value}() failed' in caplog.text


@pytest.mark.parametrize(('kind', 'message'), JOBS)
@pytest.mark.parametrize('exception', [redis.ConnectionError('away'), redis.TimeoutError('away')])
def test_redis_away_is_no_failure_of_the_site(
    kind: JobKind, message: Any, exception: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert do(Raising(exception), kind, message).outcome is Outcome.UNAVAILABLE
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize('exception', [RuntimeError('bug'), redis.ConnectionError('away')])
def test_exception_of_release_is_logged_and_nothing_else(
    exception: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    result = do(Raising(exception), JobKind.RELEASE)
    assert (result.outcome, result.exception) == (Outcome.DONE, exception)
    assert 'release() failed' in caplog.text


# Database connections


@pytest.fixture
def database(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """A connection to a database file; that of the suite is in memory and never closed."""
    connections.settings['file'] = {
        **connections.settings['default'],
        'NAME': str(tmp_path / 'database.sqlite3'),
    }
    with django_db_blocker.unblock():
        connection = connections['file']
        connection.ensure_connection()
        yield connection
        connection.close()
    del connections['file']
    del connections.settings['file']


def test_database_connections_are_closed_as_at_the_end_of_a_request(
    database: BaseDatabaseWrapper,
) -> None:
    """Every websocket of a user kept one open."""
    close_database_connections()
    assert database.connection is None


def test_database_connection_inside_a_transaction_stays(database: BaseDatabaseWrapper) -> None:
    with transaction.atomic(using='file'):
        close_database_connections()
        assert database.connection is not None


def test_database_connection_that_may_be_kept_stays(database: BaseDatabaseWrapper) -> None:
    database.close()
    database.settings_dict['CONN_MAX_AGE'] = None
    database.ensure_connection()
    close_database_connections()
    assert database.connection is not None


# Threads


@pytest.fixture
def four_threads() -> Iterator[ThreadWorkers]:
    threads = ThreadWorkers(4)
    yield threads
    stop(threads)


def stop(threads: ThreadWorkers) -> None:
    """End the threads and wait until they have ended."""
    threads.stop()
    for thread in threads._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_join_waits_for_calls_and_gives_back_the_hubs_that_they_made() -> None:
    descriptors = len(os.listdir('/dev/fd'))
    threads = ThreadWorkers(4)
    done: list[int] = []

    def call() -> None:
        gevent.sleep(0.05)
        done.append(len(os.listdir('/dev/fd')))

    for _ in range(4):
        threads.submit(call)
    assert threads.join(PATIENCE) is True
    assert len(done) == 4
    assert max(done) > descriptors, 'a hub has descriptors of its own'
    assert len(os.listdir('/dev/fd')) == descriptors


def test_join_does_not_wait_longer_than_it_may() -> None:
    threads = ThreadWorkers(1)
    release = threading.Event()
    threads.submit(lambda: bool(release.wait(PATIENCE)))  # type: ignore[arg-type]
    assert threads.join(0.01) is False
    release.set()
    assert threads.join(PATIENCE) is True


def test_no_thread_is_made_before_there_is_a_call(four_threads: ThreadWorkers) -> None:
    assert four_threads._threads == []


def test_calls_run_side_by_side_up_to_the_limit() -> None:
    """A thread that has just taken a call must not count as idle: many rounds, since that is a
    race.
    """
    for _ in range(1000):
        threads = ThreadWorkers(4)
        barrier = threading.Barrier(4, timeout=PATIENCE)
        met: list[int] = []

        def call(barrier: threading.Barrier = barrier, met: list[int] = met) -> None:
            met.append(barrier.wait())

        for _ in range(4):
            threads.submit(call)
        stop(threads)
        assert sorted(met) == [0, 1, 2, 3]


def test_more_calls_than_threads_wait_and_are_counted(four_threads: ThreadWorkers) -> None:
    started, release = threading.Semaphore(0), threading.Event()
    done: list[int] = []

    def call(number: int) -> None:
        started.release()
        assert release.wait(PATIENCE)
        done.append(number)

    for number in range(7):
        four_threads.submit(lambda number=number: call(number))  # type: ignore[misc]
    for _ in range(4):
        assert started.acquire(timeout=PATIENCE)
    assert four_threads.waiting == 3
    assert len(four_threads._threads) == 4
    release.set()
    stop(four_threads)
    assert sorted(done) == list(range(7))


def test_threads_that_there_are_do_the_rest_where_none_can_be_started(
    four_threads: ThreadWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on in a process that ends, where release() has still to be called."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    started, release, done = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        assert release.wait(PATIENCE)

    four_threads.submit(call)
    assert started.wait(PATIENCE)
    monkeypatch.setattr(threading.Thread, 'start', refuse)
    four_threads.submit(done.set)
    assert four_threads.waiting == 1
    release.set()
    assert done.wait(PATIENCE)
    assert four_threads.join(PATIENCE) is True


def test_call_that_no_thread_will_ever_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, 'start', refuse)
    threads = ThreadWorkers(4)
    with pytest.raises(RuntimeError):
        threads.submit(lambda: None)
    assert threads.waiting == 0


def test_thread_survives_a_call_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    one_thread = ThreadWorkers(1)
    done = threading.Event()

    def fail() -> None:
        raise SystemExit(1)

    one_thread.submit(fail)
    one_thread.submit(done.set)
    assert done.wait(PATIENCE)
    assert len(one_thread._threads) == 1
    stop(one_thread)
    assert 'a worker failed' in caplog.text


def test_threads_do_not_keep_the_process_alive(four_threads: ThreadWorkers) -> None:
    done = threading.Event()
    four_threads.submit(done.set)
    assert done.wait(PATIENCE)
    assert [thread.daemon for thread in four_threads._threads] == [True]


def test_greenlets_that_a_call_spawned_run_in_its_thread(four_threads: ThreadWorkers) -> None:
    """The rest of the work is often spawned, in a process that is not patched too."""
    ran: list[int] = []
    done = threading.Event()

    def spawned() -> None:
        ran.append(threading.get_ident())
        done.set()

    four_threads.submit(lambda: gevent.spawn(spawned))  # type: ignore[arg-type]
    assert done.wait(PATIENCE)
    assert ran == [four_threads._threads[0].ident]


def test_greenlet_that_does_not_end_is_named_and_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, 'SPAWNED_TIME', 0.01)
    killed: list[str] = []

    def endless() -> None:
        try:
            gevent.event.Event().wait(PATIENCE)
        except gevent.GreenletExit:
            killed.append('killed')
            raise

    gevent.spawn(endless)
    finish_spawned()
    assert killed == ['killed']
    assert 'endless' in caplog.text
    assert 'was spawned by a subscriber' in caplog.text


def test_dead_weak_proxy_among_all_objects_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    class Gone:
        """Soon."""

    proxy = weakref.proxy(Gone())
    gevent.spawn(gevent.sleep, PATIENCE)
    (name,) = run_spawned()
    assert 'sleep' in name
    del proxy


def test_nothing_spawned_is_nothing_to_wait_for() -> None:
    finish_spawned()


def test_greenlets_that_hand_on_to_each_other_are_run_without_waiting() -> None:
    order: list[int] = []

    def step(number: int) -> None:
        order.append(number)
        gevent.sleep(0)
        if number < 2000:
            gevent.spawn(step, number + 1)

    gevent.spawn(step, 1)
    assert run_spawned() == []
    assert order == list(range(1, 2001))


def test_greenlet_that_waits_for_time_is_killed_at_once_and_named_with_its_line() -> None:
    killed: list[str] = []

    def sleeps() -> None:
        try:
            gevent.sleep(PATIENCE)
        except gevent.GreenletExit:
            killed.append('killed')
            raise

    gevent.spawn(sleeps)
    line = sleeps.__code__.co_firstlineno + 2
    (name,) = run_spawned()
    assert killed == ['killed']
    assert 'sleeps' in name
    assert name.endswith(f'{__file__}:{line}')
    assert spawned_greenlets() == []


def test_greenlet_that_was_there_before_stays() -> None:
    before = gevent.spawn(gevent.sleep, PATIENCE)
    try:
        assert run_spawned(others=spawned_greenlets()) == []
        assert not before.dead
    finally:
        before.kill()


def test_looking_for_greenlets_evaluates_no_lazy_object() -> None:
    evaluated: list[str] = []
    lazy = SimpleLazyObject(lambda: evaluated.append('the row of a user'))
    waiting = gevent.spawn(gevent.event.Event().wait, 1000)
    try:
        assert spawned_greenlets() == [waiting]
    finally:
        waiting.kill()
    assert evaluated == []
    assert lazy is not None


def test_greenlets_run_calls_when_the_hub_has_its_turn() -> None:
    workers = GreenletWorkers()
    order: list[str] = []
    workers.submit(lambda: order.append('called'))
    order.append('submitted')
    gevent.idle()
    assert order == ['submitted', 'called']
    assert workers.waiting == 0
    assert workers.join(0)
    gevent.get_hub().destroy()
