"""WebSocketLoop: drives the exchange on a gevent hub: watchers, timers, draining.

In a process that gevent has patched it lives in the main hub. In any other it has a daemon thread
with a hub of its own. Nothing is made before the first handshake in the process that serves it,
since a preloading server imports before it patches and forks.
"""

import atexit
import contextlib
import ctypes
import errno
import logging
import os
import random
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import gevent
import redis
from gevent import monkey
from gevent.exceptions import LoopExit

from ws4redis import access, settings
from ws4redis.checks.environment import check_processes
from ws4redis.checks.log import log_findings, log_messages
from ws4redis.core.agenda import Job
from ws4redis.core.exchange import Exchange, Gap
from ws4redis.core.feed import Feed
from ws4redis.core.frames import CloseCode
from ws4redis.core.handle import Handle
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.serving import ServerTransport, ServingDriver
from ws4redis.core.wording import counted
from ws4redis.exceptions import UnavailableError
from ws4redis.memory import MemoryPump
from ws4redis.pump import SocketPump
from ws4redis.redis_client import RedisServer, active_server, persisted_values
from ws4redis.seam import seam
from ws4redis.signals import rights_withdrawn, tell_gap
from ws4redis.status import Status, status
from ws4redis.subscription import ExchangeRedis, control_channel
from ws4redis.takeover import find_transport
from ws4redis.uwsgi_host import call_at_exit
from ws4redis.workers import ThreadWorkers, close_database_connections, perform

__all__ = ['WebSocketLoop', 'current_loop']

logger = logging.getLogger('ws4redis.loop')

READ, WRITE = 1, 2

READ_SIZE: Final = 1 << 16
"""Bytes read from a client at once; eight times the largest frame that browsers send in one
piece.
"""

FETCHED: Final = 500
"""Channels in one MGET."""

# On bare descriptors. PyDLL keeps the GIL: a call that never waits is not worth giving it away, and
# beside a thread that computes it takes milliseconds to come back.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.send.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_libc.send.restype = ctypes.c_ssize_t
_FLAGS = getattr(socket, 'MSG_NOSIGNAL', 0)


def _send(descriptor: int, data: bytes) -> int:
    count: int = _libc.send(descriptor, data, len(data), _FLAGS)
    if count >= 0:
        return count
    code = ctypes.get_errno()
    if code in (errno.EAGAIN, errno.EINTR):
        return 0
    raise OSError(code, os.strerror(code))


class _Transport:
    """One client's descriptor and its watchers."""

    __slots__ = ('descriptor', 'half_closed', 'reading', 'watches_reading', 'writing')

    def __init__(self, descriptor: int, reading: Any) -> None:
        self.descriptor = descriptor
        self.reading = reading
        self.watches_reading = False
        self.writing: Any = None
        self.half_closed = False


class _Answer:
    """What a handshake's thread waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._value = False

    def set(self, value: bool) -> None:
        self._value = value
        self._event.set()

    def wait(self, seconds: float | None) -> bool:
        # In a busy hub the answer is there long before this greenlet's turn, which begins with a
        # time-out then.
        self._event.wait(seconds)
        return self._value


class WebSocketLoop(ServingDriver):
    """The websockets of this process.

    Args:
        server: the Redis that carries their messages.

    Attributes:
        patched: whether it lives in the main hub.
    """

    def __init__(self, server: RedisServer) -> None:
        super().__init__(
            Exchange(Feed(random.random), control_channel()), lambda: settings.WS4REDIS_RECHECK
        )
        self.server = server
        self.patched = monkey.is_module_patched('threading') and monkey.is_module_patched('socket')
        self.draining = False
        self._lock = threading.Lock()
        self._started = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._connection: ExchangeRedis | None = None
        self._calls: deque[Callable[[], None]] = deque()
        self._hub: Any = None
        self._async: Any = None
        self._timer: Any = None
        self._check: Any = None
        self._prepare: Any = None
        self._armed = float('inf')
        self._pump: SocketPump | MemoryPump | None = None
        self._workers: ThreadWorkers | None = None
        self._running_jobs = 0
        self._own: dict[Recipient, Any] = {}
        self._numbers = 0
        self._iteration_began = 0.0
        self._classes: dict[str, None] = {}

    # Life

    def ensure_started(self) -> None:
        """Start it, if this has not been done: at the first handshake."""
        if self._started:
            return
        with self._lock:
            if self._started:
                return
            if self.patched:
                self._begin()
            else:
                self._workers = ThreadWorkers(settings.WS4REDIS_THREADS)
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=self._run_thread, args=(ready,), name='ws4redis-loop', daemon=True
                )
                self._thread.start()
                ready.wait()
            atexit.register(self._at_exit, os.getpid())
            call_at_exit(partial(self._at_exit, os.getpid()))
            rights_withdrawn.connect(self._session_ended)
            self._started = True
        place = 'main hub' if self.patched else 'thread ws4redis-loop'
        logger.info('websocket loop: in the %s of process %s', place, os.getpid())
        if not seam.in_force:
            log_findings()

    def _run_thread(self, ready: threading.Event) -> None:
        self._begin()
        ready.set()
        # The hub runs until no watcher is left, which is close()'s doing.
        with contextlib.suppress(LoopExit):
            gevent.get_hub().switch()
        gevent.get_hub().destroy(destroy_loop=True)

    def _begin(self) -> None:
        self._hub = gevent.get_hub()
        loop = self._hub.loop
        self._async = loop.async_(ref=not self.patched)
        self._async.start(self._guard(self._run_calls))
        self._timer = loop.timer(0)
        if self.patched:
            self._watch_standstills(loop)

    def _watch_standstills(self, loop: Any) -> None:
        # Between check (the wait is over) and prepare (the next wait begins) the hub runs what was
        # due. gevent runs greenlets in a prepare watcher of its own: ours comes behind it.
        self._iteration_began = time.monotonic()
        self._check = loop.check(ref=False, priority=loop.MAXPRI)
        self._prepare = loop.prepare(ref=False, priority=loop.MINPRI)
        self._check.start(self._iteration_begins)
        self._prepare.start(self._iteration_ends)

    def _iteration_begins(self) -> None:
        self._iteration_began = time.monotonic()

    def _iteration_ends(self) -> None:
        stood = time.monotonic() - self._iteration_began
        if self._classes and stood > settings.WS4REDIS_BLOCKED_WARNING:
            logger.warning(
                'the loop stood still for %.1f s, and with it every websocket of this process, '
                'while %s ran: '
                'a call there is not patched by gevent',
                stood,
                ', '.join(self._classes),
            )
        if not self._running_jobs:
            self._classes.clear()

    def _guard(self, function: Callable[..., None]) -> Callable[..., None]:
        """The function as a callback of the hub: an exception there would be printed by gevent,
        SystemExit end the hub.
        """

        def guarded(*args: Any) -> None:
            try:
                function(*args)
            except BaseException:
                logger.exception(
                    'the websocket loop failed in %s', getattr(function, '__name__', function)
                )

        return guarded

    def call(self, function: Callable[[], None]) -> None:
        """Run the function in the hub, soon and in the order of the calls; from any thread or
        greenlet.
        """
        if self._closed:
            return
        self._calls.append(function)
        self._async.send()

    def _run_calls(self) -> None:
        # Together: a thousand joins that are ready at once share one GET, one barrier and one write
        # to Redis.
        self.together(self._waiting_calls())

    def _waiting_calls(self) -> Iterator[Callable[[], None]]:
        while self._calls:
            yield self._guard(self._calls.popleft())

    def _at_exit(self, pid: int) -> None:
        if pid != os.getpid():
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            # A second signal would cut the goodbye short.
            with contextlib.suppress(ValueError):
                signal.signal(number, signal.SIG_IGN)
        if self.patched:
            self._keep_to_the_threads_that_there_are()
        self.stop()

    def _keep_to_the_threads_that_there_are(self) -> None:
        # gevent looks up hosts in native threads, of which Python starts no more by now, from 3.12
        # on: it would raise there.
        pool = self._hub.threadpool
        if pool.size:
            pool.maxsize = pool.size

    def stop(self, timeout: float | None = None) -> bool:
        """Close every websocket with 1001, and wait until they are gone and every release() has
        run.

        Args:
            timeout: seconds; None takes WS4REDIS_DRAIN_TIMEOUT.

        Returns:
            Whether all of that was done in time.
        """
        if not self._started or self._closed:
            return True
        seconds = settings.WS4REDIS_DRAIN_TIMEOUT if timeout is None else timeout
        self.draining = True
        count = len(self.exchange.recipients)
        if count:
            logger.info('closing %s', counted(count, 'websocket'))
        self.call(partial(self.close_all, CloseCode.GOING_AWAY))
        done = self._wait_until_idle(seconds)
        if not done:
            left = len(self.exchange.recipients)
            logger.warning(
                '%s not closed within %s s',
                counted(left, 'websocket has', 'websockets have'),
                seconds,
            )
        return done

    def _wait_until_idle(self, seconds: float) -> bool:
        idle = _Answer()
        deadline = time.monotonic() + seconds

        def look() -> None:
            if not self.exchange.recipients and not self._running_jobs:
                idle.set(True)
            elif time.monotonic() < deadline:
                self._later(0.01, look)

        self.call(look)
        return idle.wait(seconds)

    def close(self, timeout: float | None = None) -> bool:
        """Stop, and give back threads, timers, the connection to Redis, and the places at exit and
        among the signals' receivers.

        Websockets that have not closed in time are cut. It serves nothing more.

        Args:
            timeout: as stop() takes it.

        Returns:
            Whether all websockets had closed, and every call of the site's code ended, in time.
        """
        done = self.stop(timeout)
        self.draining = True
        if not self._started or self._closed:
            return done
        atexit.unregister(self._at_exit)
        rights_withdrawn.disconnect(self._session_ended)
        self._pass(self._cut)
        if self._workers is not None:
            done = (
                self._workers.join(settings.WS4REDIS_DRAIN_TIMEOUT if timeout is None else timeout)
                and done
            )
        self._pass(self._give_back)
        if self._thread is not None:
            self._thread.join()
        if _loops.get((os.getpid(), self.server)) is self:
            del _loops[os.getpid(), self.server]
        return done

    def _pass(self, function: Callable[[], None]) -> None:
        """Run the function in the hub, and wait until it is done."""
        done = _Answer()

        def step() -> None:
            try:
                function()
            finally:
                done.set(True)

        # Not among the other calls, of which what follows is worked off only when all of them are
        # done.
        self.call(partial(self._hub.loop.run_callback, self._guard(step)))
        done.wait(None)

    def _cut(self) -> None:
        for recipient in list(self.exchange.recipients):
            recipient.abort()
        self.work_off()

    def _give_back(self) -> None:
        self._closed = True
        self.drop_feed()
        self.exchange.feed_lost(self.now())
        for watcher in (self._async, self._timer, self._check, self._prepare):
            if watcher is not None:
                watcher.close()

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        timer = self._hub.loop.timer(seconds)

        def due() -> None:
            timer.close()
            function()

        timer.start(self._guard(due))

    # The driver's part

    def now(self) -> float:
        return time.monotonic()

    def write(self, recipient: Recipient, data: bytes) -> int:
        return _send(recipient.transport.descriptor, data)

    def watch(self, recipient: Recipient) -> None:
        transport: _Transport = recipient.transport
        if recipient.reading != transport.watches_reading:
            transport.watches_reading = recipient.reading
            if recipient.reading:
                transport.reading.start(self._readable, recipient)
            else:
                transport.reading.stop()
        if recipient.blocked == (transport.writing is None):
            if recipient.blocked:
                transport.writing = self._hub.loop.io(transport.descriptor, WRITE)
                transport.writing.start(self._writable, recipient)
            else:
                transport.writing.stop()
                transport.writing.close()
                transport.writing = None

    def half_close(self, recipient: Recipient) -> None:
        transport: _Transport = recipient.transport
        if not transport.half_closed:
            transport.half_closed = True
            _libc.shutdown(transport.descriptor, socket.SHUT_WR)

    def drop(self, recipient: Recipient) -> None:
        transport: _Transport = recipient.transport
        self._forget_own(recipient)
        for watcher in (transport.reading, transport.writing):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        os.close(transport.descriptor)
        logger.info('%s: closed, %s', recipient, recipient.close_code)

    def run_job(self, recipient: Recipient, job: Job) -> None:
        self._running_jobs += 1
        call = partial(self._perform, recipient, job)
        if self._workers is not None:
            self._workers.submit(call)
        else:
            gevent.spawn(call)

    def _perform(self, recipient: Recipient, job: Job) -> None:
        if self.patched:
            self._classes[type(recipient.subscriber).__name__] = None
        result = perform(recipient.subscriber, job, Handle(recipient, self._post))
        self.close_connections()
        self.call(partial(self._job_ended, recipient, job, result))

    def _job_ended(self, recipient: Recipient, job: Job, result: Any) -> None:
        self._running_jobs -= 1
        self.job_done(recipient, job, result)

    def _post(self, recipient: Recipient, entry: Any) -> None:
        self.call(partial(self.receive_entry, recipient, entry))

    def _in_worker(self, function: Callable[[], None]) -> None:
        """Run something of ours that waits, off the hub."""

        def run() -> None:
            try:
                function()
            finally:
                self.close_connections()

        if self._workers is not None:
            self._workers.submit(run)
        else:
            gevent.spawn(run)

    def close_connections(self) -> None:
        """The database connections of this thread or greenlet, behind each call in it."""
        close_database_connections()

    def connect_feed(self) -> None:
        self._in_worker(self._connect)

    def _connect(self) -> None:
        if self.exchange.feed.lost_at is not None:
            # Those that wait in the pool may be as dead as the feed's was, each of them good for a
            # time-out.
            self.server.pool.disconnect(inuse_connections=False)
        connection: Any = self.server.pubsub_connection()
        try:
            connection.connect()
        except Exception as exc:
            logger.warning('cannot connect to Redis: %s', exc)
            self.call(partial(self.feed_lost, exc))
            return
        self.call(partial(self._connected, connection))

    def _connected(self, connection: Any) -> None:
        if self.server.in_memory:
            self._pump = MemoryPump(
                connection, self.server.gate, self.call, self.receive_replies, self.feed_lost
            )
        else:
            self._pump = SocketPump(self._hub, connection, self.receive_replies, self.feed_lost)
        self.feed_connected()

    def drop_feed(self) -> None:
        if self._pump is not None:
            self._pump.close()
            self._pump = None

    def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
        if self._pump is not None:
            self._pump.send(commands)

    def fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        self._in_worker(partial(self._fetch, names, done))

    def _fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        found: dict[bytes, bytes] = {}
        try:
            for start in range(0, len(names), FETCHED):
                found.update(persisted_values(self.server.client, names[start : start + FETCHED]))
        except redis.RedisError:
            self.call(partial(done, None))
        else:
            self.call(partial(done, found))

    def gap_ended(self, gap: Gap) -> None:
        def tell() -> None:
            for receiver, error in tell_gap(gap.seconds, gap.channels):
                logger.error('receiver %r of redis_gap failed', receiver, exc_info=error)

        self._in_worker(tell)

    def work_off(self) -> None:
        super().work_off()
        deadline = self.deadline()
        if deadline is not None and deadline < self._armed:
            self._arm(deadline)

    def _arm(self, deadline: float) -> None:
        self._armed = deadline
        self._timer.close()
        self._timer = self._hub.loop.timer(max(0.0, deadline - self.now()))
        # update: the hub's own idea of now is as old as this iteration.
        self._timer.start(self._due, update=True)

    def _due(self) -> None:
        self._armed = float('inf')
        try:
            self.tick()
        except BaseException:
            logger.exception('the websocket loop failed in its timers')

    # Clients

    def _readable(self, recipient: Recipient) -> None:
        transport: _Transport = recipient.transport
        try:
            data = os.read(transport.descriptor, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        self._guard_recipient(recipient, self.receive_data, recipient, data)

    def _writable(self, recipient: Recipient) -> None:
        self._guard_recipient(recipient, self.writable, recipient)

    def _guard_recipient(
        self, recipient: Recipient, function: Callable[..., None], *args: Any
    ) -> None:
        # gevent stops a watcher whose callback raised: that websocket would hang without a word.
        try:
            function(*args)
        except BaseException:
            logger.exception('%s: the websocket loop failed', recipient)
            recipient.close(CloseCode.INTERNAL_ERROR)
            self.call(self.work_off)

    def _watch_own(self, recipient: Recipient, descriptor: int | None) -> None:
        self._forget_own(recipient)
        if descriptor is not None and recipient.phase is Phase.OPEN:
            watcher = self._own[recipient] = self._hub.loop.io(descriptor, READ)
            watcher.start(self._own_readable, recipient)

    def _forget_own(self, recipient: Recipient) -> None:
        watcher = self._own.pop(recipient, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()

    def _own_readable(self, recipient: Recipient) -> None:
        # Level-triggered: not watched again before the job has read.
        self._forget_own(recipient)
        self.touch()
        recipient.serve()
        self._guard_recipient(recipient, self.work_off)

    def serve_again(self, recipient: Recipient, descriptor: int | None) -> None:
        self._watch_own(recipient, descriptor)

    # What the WSGI server asks for, in its own thread

    @property
    def connection(self) -> ExchangeRedis:
        """What subscribers get."""
        if self._connection is None:
            self._connection = ExchangeRedis(self.server.client, self)
        return self._connection

    def find_transport(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> ServerTransport:
        if self.server.in_memory and not seam.in_force:
            log_messages(check_processes(bool(environ.get('wsgi.multiprocess'))))
        return find_transport(environ, start_response)

    def admit(self) -> None:
        if self.draining:
            raise UnavailableError('Try again later', reason='this process is about to end')
        access.admit(len(self.exchange.recipients))

    def new_recipient(self, limits: Limits, name: str, echo: bool) -> Recipient:
        self.ensure_started()
        self._numbers += 1
        return Recipient(limits, self.exchange.agenda, name=f'{self._numbers} on {name}', echo=echo)

    def subscribe(self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]) -> None:
        # With nobody here no further attempt is under way: this one makes it.
        if self.exchange.feed.failing and self.exchange.recipients:
            raise redis.ConnectionError('Redis is away')
        answer = _Answer()
        self.call(partial(self._subscribe, recipient, channels, patterns, answer))
        if not answer.wait(self.server.timeout):
            raise redis.ConnectionError('Redis has not acknowledged a subscription')

    def _subscribe(
        self, recipient: Recipient, channels: list[bytes], patterns: list[bytes], answer: _Answer
    ) -> None:
        self.touch()
        if recipient.phase is Phase.GONE:
            answer.set(False)
            return
        self.enter(recipient)
        self.exchange.subscribe(recipient, channels, patterns, answer.set)
        self.work_off()

    def unsubscribe(
        self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]
    ) -> None:
        def now() -> None:
            self.exchange.unsubscribe(recipient, channels, patterns)
            self.work_off()

        self.call(now)

    def open(
        self,
        recipient: Recipient,
        transport: int,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        self.call(partial(self._open, recipient, transport, head, rest, persisted, descriptor))

    def _open(
        self,
        recipient: Recipient,
        transport: int,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        recipient.transport = _Transport(transport, self._hub.loop.io(transport, READ))
        self.touch()
        self.enter(recipient)
        self._watch_own(recipient, descriptor)
        self.start(recipient, head, rest, persisted=persisted, fetch=not persisted)
        if self.draining:
            recipient.close(CloseCode.GOING_AWAY)
            self.work_off()

    def forget(self, recipient: Recipient) -> None:
        def now() -> None:
            self.exchange.leave(recipient)
            self.work_off()

        self.call(now)

    @property
    def websockets(self) -> Iterable[Recipient]:
        """The open ones."""
        return [
            recipient
            for recipient in list(self.exchange.recipients)
            if recipient.transport is not None
        ]

    def status(self) -> Status:
        """Figures of this moment and counters since the start; see ws4redis.status."""
        waiting = self._workers.waiting if self._workers is not None else 0
        return status(self.exchange, workers_waiting=waiting, running_jobs=self._running_jobs)

    # Rights

    def _session_ended(self, sender: Any, session_key: str, **kwargs: Any) -> None:
        self.call(partial(self.withdraw, lambda who: who.session_key == session_key))

    def look_up(
        self, some: list[access.Access], done: Callable[[set[access.Access]], None]
    ) -> None:
        self._in_worker(partial(self._look_up, some, done))

    def _look_up(
        self, some: list[access.Access], done: Callable[[set[access.Access]], None]
    ) -> None:
        self.call(partial(done, access.no_longer_allowed(some)))


_loops: dict[tuple[int, RedisServer], WebSocketLoop] = {}


def current_loop() -> WebSocketLoop:
    """The loop of this process, for the Redis that the settings name now."""
    server = active_server()
    key = (os.getpid(), server)
    loop = _loops.get(key)
    if loop is None:
        # Two first handshakes may come at once; setdefault() lets one of the two objects win, and
        # neither has started.
        loop = _loops.setdefault(key, WebSocketLoop(server))
    loop.ensure_started()
    return loop
