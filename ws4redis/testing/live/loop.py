"""LiveLoop: the loop of production in a test, which knows when nothing moves any more and whose
clock a test moves.
"""

import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import redis
from django.db import connections

from ws4redis.core.agenda import Job
from ws4redis.core.feed import FeedState
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import Reply, ping_number
from ws4redis.exceptions import HandshakeError
from ws4redis.loop import WebSocketLoop
from ws4redis.redis_client import RedisServer
from ws4redis.subscriber_methods import can_read
from ws4redis.testing.driver import REDIS_AWAY, error_of_the_site
from ws4redis.testing.faults import Faults
from ws4redis.workers import finish_spawned

__all__ = ['ClientEnd', 'Outcome', 'LiveLoop', 'Traffic']

T = TypeVar('T')

GUARD: Final = 30.0
"""Seconds after which a loop in which something still moves is taken for one that hangs."""


@dataclass(slots=True)
class Traffic:
    """Bytes that the loop has read from a client and written to it, the 101 among them."""

    read: int = 0
    written: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of one request on the server's side."""

    recipient: Recipient | None = None
    session: Any = None
    refusal: HandshakeError | None = None


class ClientEnd(Protocol):
    """A client in the test's thread, as far as the loop has to know when nothing moves.

    Attributes:
        recipient: its server side.
        sent, taken: bytes that it has sent and taken, the handshake's request not counted.
        ended: whether it sends nothing more.
        reads: whether it takes what comes.
    """

    recipient: Recipient | None
    sent: int
    taken: int
    ended: bool
    reads: bool


class LiveLoop(Faults, WebSocketLoop):
    """The real loop, on a test's Redis.

    Args:
        server: the Redis of the test's broker.
        shared: database connections that all threads use, by alias, as in-memory SQLite needs it.

    Attributes:
        errors: what the site's code has raised.
    """

    def __init__(self, server: RedisServer, shared: Mapping[str, Any]) -> None:
        super().__init__(server)
        self.errors: list[BaseException] = []
        self._shared = shared
        self._offset = 0.0
        self._request = threading.local()
        self._handshakes: dict[str, Outcome] = {}
        self._traffic: dict[Recipient, Traffic] = {}
        self._conditions: dict[queue.SimpleQueue[None], Callable[[], bool]] = {}
        self._looking = self._again = False
        self._under_way: dict[int, str] = {}
        self._jobs: dict[Recipient, int] = {}
        self._submitted = 0
        self._connections = 0
        self._barrier_answered = 0

    # From the test's thread

    def ask(self, function: Callable[[], T]) -> T:
        """What the function gives in the hub, or raises there."""
        found: list[T] = []
        failed: list[BaseException] = []

        def step() -> None:
            try:
                found.append(function())
            except BaseException as exc:
                failed.append(exc)

        self.hub.run(step)
        if failed:
            raise failed[0]
        return found[0]

    def happens(self, condition: Callable[[], bool], guard: float) -> bool:
        """Whether the condition, looked at in the hub whenever something has moved, comes true
        before the guard's seconds end.
        """
        answer: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.hub.call(partial(self._conditions.__setitem__, answer, condition))
        try:
            answer.get(timeout=guard)
        except queue.Empty:
            return False
        finally:
            self.hub.call(partial(self._give_up, answer))
        return True

    def settle(self, clients: Iterable[ClientEnd]) -> tuple[Any, ...]:
        """Until no job runs, all that clients have sent is read, and every PUBLISH that has
        returned too.

        Returns:
            Figures that are the same again if nothing has moved since.

        Raises:
            RuntimeError: something still moves when the guard's time ends; it says what.
        """
        quiet = _Quiet(self, list(clients))
        if not self.happens(quiet, GUARD):
            running = ', '.join(self.ask(lambda: list(self._under_way.values()))) or quiet.waits_for
            raise RuntimeError(f'the loop has not settled within {GUARD:.0f} s: {running}')
        return quiet.figures

    def traffic(self, recipient: Recipient) -> Traffic:
        """What has passed between the loop and this client."""
        return self._traffic.get(recipient) or Traffic()

    def has_said_all(self, recipient: Recipient) -> bool:
        """Whether nothing more is written to this client, so that it meets the end."""
        transport = recipient.transport
        return transport is None or bool(transport.half_closed)

    def expect(self, port: str) -> Outcome:
        """Tell what becomes of the next request from this port."""
        handshake = self._handshakes[port] = Outcome()
        return handshake

    @contextlib.contextmanager
    def answering(self, port: str) -> Iterator[None]:
        """In a request's thread: whose request it is."""
        self._request.handshake = self._handshakes.pop(port, None)
        try:
            yield
        finally:
            self._request.handshake = None

    @property
    def _handshake(self) -> Outcome:
        return getattr(self._request, 'handshake', None) or Outcome()

    def note_session(self, session: Any) -> None:
        """In a request's thread: the session that it has."""
        self._handshake.session = session

    def move(self, seconds: float) -> None:
        """In the hub: let the clock jump, and do what is due then."""
        self._offset += seconds
        self._alarm.at = float('inf')
        self.tick()

    def _give_up(self, answer: 'queue.SimpleQueue[None]') -> None:
        self._conditions.pop(answer, None)

    # The loop's own steps, counted

    def now(self) -> float:
        # Clock tools replace time.monotonic(), and would move this clock a second time.
        return time.clock_gettime(time.CLOCK_MONOTONIC) + self._offset

    def work_off(self) -> None:
        super().work_off()
        if not self._working:
            self._look()

    def _look(self) -> None:
        self._again = True
        if self._looking:
            return
        self._looking = True
        try:
            while self._again:
                self._again = False
                for answer, condition in list(self._conditions.items()):
                    if condition():
                        self._give_up(answer)
                        answer.put(None)
        finally:
            self._looking = False

    def receive_data(self, recipient: Recipient, data: bytes) -> None:
        self._counted(recipient).read += len(data)
        super().receive_data(recipient, data)

    def start(
        self,
        recipient: Recipient,
        head: bytes,
        rest: bytes,
        *,
        persisted: bool,
        fetch: bool = False,
    ) -> None:
        self._counted(recipient).read += len(rest)
        super().start(recipient, head, rest, persisted=persisted, fetch=fetch)

    def write(self, recipient: Recipient, data: bytes) -> int:
        count = super().write(recipient, data)
        self._counted(recipient).written += count
        return count

    def _counted(self, recipient: Recipient) -> Traffic:
        return self._traffic.setdefault(recipient, Traffic())

    def receive_replies(self, replies: Iterable[Reply]) -> None:
        replies = list(replies)
        answered = [ping_number(reply) or 0 for reply in replies]
        self._barrier_answered = max([self._barrier_answered, *answered])
        super().receive_replies(replies)

    def feed_connected(self) -> None:
        self._connections += 1
        super().feed_connected()

    def run_job(self, recipient: Recipient, job: Job) -> None:
        self._submitted += 1
        self._under_way[self._submitted] = (
            f'{type(recipient.subscriber).__name__}.{job.kind.value}() runs'
        )
        self._jobs[recipient] = self._submitted
        super().run_job(recipient, job)

    def _perform(self, recipient: Recipient, job: Job) -> None:
        with self._in_thread(self._jobs.pop(recipient)):
            super()._perform(recipient, job)

    def _job_ended(self, recipient: Recipient, job: Job, result: Any) -> None:
        if result.exception is not None and not isinstance(result.exception, REDIS_AWAY):
            self.errors.append(result.exception)
        super()._job_ended(recipient, job, result)

    def _in_worker(self, function: Callable[[], None]) -> None:
        self._submitted += 1
        number = self._submitted
        self._under_way[number] = f'{getattr(function, "__qualname__", function)} runs'

        def counted() -> None:
            with self._in_thread(number):
                function()

        super()._in_worker(counted)

    @contextlib.contextmanager
    def _in_thread(self, number: int) -> Iterator[None]:
        """What has this number has ended when all that it spawned has, and its thread keeps no
        database connection.
        """
        for alias, connection in self._shared.items():
            connections[alias] = connection
        try:
            yield
            finish_spawned()
        finally:
            for connection in connections.all(initialized_only=True):
                if connection.alias not in self._shared:
                    connection.close()
            self.hub.call(partial(self._came_back, number))

    def _came_back(self, number: int) -> None:
        del self._under_way[number]

    def close_connections(self) -> None:
        """They are the test's own, which closes them by itself."""

    # Requests, in their threads

    def new_recipient(self, limits: Limits, name: str, echo: bool) -> Recipient:
        recipient = super().new_recipient(limits, name, echo)
        self._handshake.recipient = recipient
        return recipient

    def refused(self, refusal: HandshakeError) -> None:
        super().refused(refusal)
        self._handshake.refusal = refusal
        error = error_of_the_site(refusal)
        if error is not None:
            self.errors.append(error)


class _Quiet:
    """The condition that nothing moves: in the hub, after every step of the loop, with a barrier
    behind the last publish.
    """

    def __init__(self, loop: LiveLoop, clients: list[ClientEnd]) -> None:
        self.figures: tuple[Any, ...] = ()
        self.waits_for = ''
        self._loop = loop
        self._clients = clients
        self._barrier = 0

    def __call__(self) -> bool:
        self.waits_for = self._what_moves()
        if not self.waits_for:
            loop = self._loop
            counters = dataclasses.astuple(loop.exchange.agenda.counters)
            self.figures = (loop._submitted, loop._connections, counters)
        return not self.waits_for

    def _what_moves(self) -> str:
        loop = self._loop
        agenda = loop.exchange.agenda
        if loop._under_way:
            return 'calls of the site run'
        if loop.hub.has_calls or agenda.to_write or agenda.to_attend:
            return 'the hub has work'
        for client in self._clients:
            if client.recipient is not None and self._moves(client, client.recipient):
                return f'bytes are on their way between the loop and {client}'
        if loop.exchange.feed.state is FeedState.UP and not self._barrier_passed():
            return 'Redis has not answered'
        if any(_can_read(recipient) for recipient in loop._own):
            return 'a subscriber that serves itself has something to read'
        return ''

    def _moves(self, client: ClientEnd, recipient: Recipient) -> bool:
        if recipient.phase is Phase.GONE and recipient.transport is None:
            return False
        traffic = self._loop.traffic(recipient)
        if client.ended or traffic.read < client.sent:
            return True
        # What does not fit leaves when the client has taken what is there.
        return client.reads and bool(recipient.websocket.outbox) and traffic.written <= client.taken

    def _barrier_passed(self) -> bool:
        """Whether a PING is answered that was sent when no job ran; what has run since then changes
        the figures.

        If the connection is lost meanwhile, a later PING is answered, since the loop catches up
        with one.
        """
        loop = self._loop
        if not self._barrier:
            self._barrier = loop.exchange.feed.ping()
            loop.work_off()
        return loop._barrier_answered >= self._barrier


def _can_read(recipient: Recipient) -> bool:
    if recipient.phase is not Phase.OPEN:
        return False
    try:
        return can_read(recipient.subscriber)
    except redis.RedisError:
        # Its end is something to read too.
        return True
