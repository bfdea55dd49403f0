"""WebSocketLoop: the websockets of this process: how their loop begins, what the WSGI server asks
of it, and how it ends.

Nothing is made before the first handshake in the process that serves it, since a preloading server
imports before it patches and forks.
"""

import atexit
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import redis

from ws4redis import access, settings
from ws4redis.checks.environment import check_processes
from ws4redis.checks.log import log_findings, log_messages
from ws4redis.core.frames import CloseCode
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.serving import ServerTransport
from ws4redis.core.wording import counted
from ws4redis.exceptions import UnavailableError
from ws4redis.hub import Answer
from ws4redis.hub_driver import HubDriver
from ws4redis.redis_client import RedisServer, active_server
from ws4redis.seam import seam
from ws4redis.signals import rights_withdrawn
from ws4redis.status import Status, status
from ws4redis.subscription import ExchangeRedis
from ws4redis.takeover import find_transport
from ws4redis.transport import DescriptorTransport
from ws4redis.uwsgi_host import call_at_exit

__all__ = ['WebSocketLoop', 'current_loop']

logger = logging.getLogger('ws4redis.loop')


class WebSocketLoop(HubDriver):
    """The websockets of this process.

    Args:
        server: the Redis that carries their messages.

    Attributes:
        draining: whether it takes no more websockets, since it ends.
    """

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server)
        self.draining = False
        self._lock = threading.Lock()
        self._started = False
        self._connection: ExchangeRedis | None = None
        self._numbers = 0

    # Its life

    def ensure_started(self) -> None:
        """Start it, if this has not been done: at the first handshake."""
        if self._started:
            return
        with self._lock:
            if self._started:
                return
            self._start_hub()
            atexit.register(self._at_exit, os.getpid())
            call_at_exit(partial(self._at_exit, os.getpid()))
            rights_withdrawn.connect(self._session_ended)
            self._started = True
        place = 'main hub' if self.hub.patched else 'thread ws4redis-loop'
        logger.info('websocket loop: in the %s of process %s', place, os.getpid())
        if not seam.in_force:
            log_findings()

    def _at_exit(self, pid: int) -> None:
        if pid != os.getpid():
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            # A second signal would cut the goodbye short.
            with contextlib.suppress(ValueError):
                signal.signal(number, signal.SIG_IGN)
        self.hub.keep_to_its_threads()
        self.stop()

    def stop(self, timeout: float | None = None) -> bool:
        """Close every websocket with 1001, and wait until they are gone and every release() has
        run.

        Args:
            timeout: seconds; None takes WS4REDIS_DRAIN_TIMEOUT.

        Returns:
            Whether all of that was done in time.
        """
        if not self._started or self.hub.closed:
            return True
        seconds = settings.WS4REDIS_DRAIN_TIMEOUT if timeout is None else timeout
        self.draining = True
        count = len(self.exchange.recipients)
        if count:
            logger.info('closing %s', counted(count, 'websocket'))
        self.hub.call(partial(self.close_all, CloseCode.GOING_AWAY))
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
        idle = Answer()
        deadline = time.monotonic() + seconds

        def look() -> None:
            if not self.exchange.recipients and not self.running_jobs:
                idle.set(True)
            elif time.monotonic() < deadline:
                self.hub.later(0.01, look)

        self.hub.call(look)
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
        if not self._started or self.hub.closed:
            return done
        atexit.unregister(self._at_exit)
        rights_withdrawn.disconnect(self._session_ended)
        self.hub.run(self._cut)
        seconds = settings.WS4REDIS_DRAIN_TIMEOUT if timeout is None else timeout
        done = self.workers.join(seconds) and done
        self.hub.run(self._close_hub)
        self.hub.join()
        if _loops.get((os.getpid(), self.server)) is self:
            del _loops[os.getpid(), self.server]
        return done

    def _cut(self) -> None:
        for recipient in list(self.exchange.recipients):
            recipient.abort()
        self.work_off()

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
        answer = Answer()
        self.hub.call(partial(self._subscribe, recipient, channels, patterns, answer))
        if not answer.wait(self.server.timeout):
            raise redis.ConnectionError('Redis has not acknowledged a subscription')

    def _subscribe(
        self, recipient: Recipient, channels: list[bytes], patterns: list[bytes], answer: Answer
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

        self.hub.call(now)

    def open(
        self,
        recipient: Recipient,
        transport: int,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        self.hub.call(partial(self._open, recipient, transport, head, rest, persisted, descriptor))

    def _open(
        self,
        recipient: Recipient,
        transport: int,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        recipient.transport = DescriptorTransport(transport, self.hub.loop)
        self.touch()
        self.enter(recipient)
        self.serve_again(recipient, descriptor)
        self.start(recipient, head, rest, persisted=persisted, fetch=not persisted)
        if self.draining:
            recipient.close(CloseCode.GOING_AWAY)
            self.work_off()

    def forget(self, recipient: Recipient) -> None:
        def now() -> None:
            self.exchange.leave(recipient)
            self.work_off()

        self.hub.call(now)

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
        return status(
            self.exchange, workers_waiting=self.workers.waiting, running_jobs=self.running_jobs
        )

    # Rights

    def _session_ended(self, sender: object, session_key: str, **kwargs: object) -> None:
        self.hub.call(partial(self.withdraw, lambda who: who.session_key == session_key))


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
