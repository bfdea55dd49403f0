"""MemoryDriver: drives the exchange in the test's thread; the transport is a client object, the
feed a fakeredis connection.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis
from django.core.exceptions import PermissionDenied
from django.http import Http404

from ws4redis import access, settings
from ws4redis.access import Access
from ws4redis.core.agenda import Job, JobKind
from ws4redis.core.exchange import Exchange, Gap
from ws4redis.core.feed import Feed, FeedState
from ws4redis.core.handle import Handle
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import ping_number
from ws4redis.core.serving import ServingDriver
from ws4redis.exceptions import HandshakeError
from ws4redis.handshake import HANDSHAKE, Handshake
from ws4redis.redis_client import RedisServer, persisted_values
from ws4redis.signalling import tell_gap
from ws4redis.signals import rights_withdrawn
from ws4redis.subscriber_methods import can_read
from ws4redis.subscription import ExchangeRedis, control_channel
from ws4redis.testing.browser_end import MemoryEnd
from ws4redis.testing.clock import Clock
from ws4redis.testing.faults import Faults
from ws4redis.testing.publications import ANSWER_GUARD
from ws4redis.workers import perform, run_spawned, spawned_greenlets

__all__ = ['MemoryDriver', 'MemoryHandshake', 'MemoryTransport', 'error_of_the_site']

REDIS_AWAY = (redis.ConnectionError, redis.TimeoutError)
"""What a publisher in the site's code raises in an outage: no fault of the site."""


class MemoryHandshake(Handshake):
    """A handshake of a client in the same thread, in whose environ it is before the application is
    called.

    Args:
        client: who asks.
        forced: user and group names that stand for session and database; None looks there.
    """

    def __init__(
        self, client: MemoryEnd, forced: tuple[Any, Sequence[str] | None] | None = None
    ) -> None:
        super().__init__()
        self.client = client
        self.forced = forced


class MemoryTransport:
    """The way to a client in the same thread."""

    def __init__(self, client: MemoryEnd) -> None:
        self.client = client

    def detach(self) -> tuple[MemoryEnd, bytes]:
        """The client is the transport; it has sent nothing yet."""
        return self.client, b''


class MemoryDriver(Faults, ServingDriver):
    """Everything that the loop does, without a loop: each call returns when all that follows from
    it is done.

    Args:
        server: the Redis to use.
        clock: the time.

    Attributes:
        errors: what the site's code has raised, for the test.
        subscribed: told of the raw names that are subscribed to on a server that others use.
    """

    def __init__(self, server: RedisServer, clock: Clock) -> None:
        super().__init__(
            Exchange(Feed(lambda: 1.0), control_channel()), lambda: settings.WS4REDIS_RECHECK
        )
        self.server = server
        self.clock = clock
        self._connection: ExchangeRedis | None = ExchangeRedis(server.client, self)
        self.errors: list[BaseException] = []
        self.refusal: HandshakeError | None = None
        self._feed: Any = None
        self._from_clients: deque[tuple[MemoryEnd, bytes]] = deque()
        self._own: dict[Recipient, int] = {}
        self.subscribed: Callable[[bytes], None] | None = None
        self._lookups: deque[tuple[list[Access], Callable[[set[Access]], None]]] = deque()
        self._greenlets_before = spawned_greenlets()
        rights_withdrawn.connect(self._session_ended)

    # What the core asks for

    def now(self) -> float:
        return self.clock.now()

    def write(self, recipient: Recipient, data: bytes) -> int:
        client: MemoryEnd = recipient.transport
        return client.receive_bytes(data)

    def watch(self, recipient: Recipient) -> None:
        pass

    def half_close(self, recipient: Recipient) -> None:
        recipient.transport.receive_eof()

    def drop(self, recipient: Recipient) -> None:
        recipient.transport.receive_eof()
        self._own.pop(recipient, None)

    def run_job(self, recipient: Recipient, job: Job) -> None:
        result = perform(recipient.subscriber, job, Handle(recipient, self.receive_entry))
        if result.exception is not None and not (
            self.server.gate.closed and isinstance(result.exception, REDIS_AWAY)
        ):
            self.errors.append(result.exception)
        if job.kind is JobKind.RELEASE:
            self._own.pop(recipient, None)
        self.job_done(recipient, job, result)

    def connect_feed(self) -> None:
        connection: Any = self.server.pubsub_connection()
        try:
            connection.connect()
        except redis.RedisError as exc:
            self.feed_lost(exc)
            return
        self._feed = connection
        self.feed_connected()

    def drop_feed(self) -> None:
        if self._feed is not None:
            self._feed.disconnect()
            self._feed = None

    def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
        try:
            for command in commands:
                self._feed.send_command(*command, check_health=False)
        except redis.RedisError as exc:
            self.feed_lost(exc)

    def fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        try:
            found = persisted_values(self.server.client, names)
        except redis.RedisError:
            done(None)
        else:
            done(found)

    def gap_ended(self, gap: Gap) -> None:
        self.errors.extend(error for _, error in tell_gap(gap.seconds, gap.channels))

    def look_up(self, some: list[Access], done: Callable[[set[Access]], None]) -> None:
        self._lookups.append((some, done))

    # What the WSGI server asks for

    @property
    def connection(self) -> ExchangeRedis:
        assert self._connection is not None, 'the driver has stopped'
        return self._connection

    def find_transport(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> MemoryTransport:
        return MemoryTransport(environ[HANDSHAKE].client)

    def admit(self) -> None:
        access.admit(len(self.exchange.recipients))

    def new_recipient(self, limits: Limits, name: str, echo: bool) -> Recipient:
        self.touch()
        recipient = Recipient(limits, self.exchange.agenda, name=name, echo=echo)
        self.enter(recipient)
        return recipient

    def subscribe(self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]) -> None:
        if self.subscribed is not None:
            for name in channels:
                if not name.startswith(self.server.namespace.encode()):
                    self.subscribed(name)
        answers: list[bool] = []
        self.exchange.subscribe(recipient, channels, patterns, answers.append)
        self.work_off()
        self.read_feed()
        if not answers or not answers[0]:
            raise redis.ConnectionError('no acknowledgement of SUBSCRIBE')

    def unsubscribe(
        self, recipient: Recipient, channels: list[bytes], patterns: list[bytes]
    ) -> None:
        self.exchange.unsubscribe(recipient, channels, patterns)
        self.work_off()

    def serve_again(self, recipient: Recipient, descriptor: int | None) -> None:
        pass

    def open(
        self,
        recipient: Recipient,
        transport: Any,
        head: bytes,
        rest: bytes,
        persisted: bool,
        descriptor: int | None,
    ) -> None:
        recipient.transport = transport
        transport.recipient, transport.subscriber = recipient, recipient.subscriber
        if descriptor is not None:
            self._own[recipient] = descriptor
        self.start(recipient, head, rest, persisted=persisted, fetch=not persisted)

    def forget(self, recipient: Recipient) -> None:
        self.exchange.leave(recipient)
        self.work_off()

    def refused(self, refusal: HandshakeError) -> None:
        super().refused(refusal)
        self.refusal = refusal
        error = error_of_the_site(refusal)
        if error is not None:
            self.errors.append(error)

    @property
    def websockets(self) -> list[MemoryEnd]:
        return [
            recipient.transport
            for recipient in self.exchange.recipients
            if recipient.transport is not None
        ]

    # Settling

    def receive_from_client(self, client: MemoryEnd, data: bytes) -> None:
        """Bytes that a client has sent, b'' for its end; worked off by settle()."""
        self._from_clients.append((client, data))

    def settle(self) -> None:
        """Until nothing moves any more: a PING has been answered and everything before it worked
        off.
        """
        moved = True
        while moved:
            self.work_off()
            self._run_spawned()
            moved = self._read_clients()
            moved |= self.read_feed()
            moved |= self._tick()
            moved |= self._look_up_rights()
            moved |= self._serve_own()

    def _run_spawned(self) -> None:
        for name in run_spawned(self._greenlets_before):
            self.errors.append(
                RuntimeError(
                    f'a greenlet waits for real time, for which a Broker never waits: {name}; '
                    f'let it wait for an event'
                )
            )

    def _read_clients(self) -> bool:
        moved = bool(self._from_clients)
        while self._from_clients:
            client, data = self._from_clients.popleft()
            if client.recipient is not None and client.recipient.transport is client:
                self.receive_data(client.recipient, data)
        return moved

    def _tick(self) -> bool:
        deadline = self.deadline()
        if deadline is None or deadline > self.now():
            return False
        self.tick()
        return True

    def _look_up_rights(self) -> bool:
        moved = bool(self._lookups)
        while self._lookups:
            some, done = self._lookups.popleft()
            done(access.no_longer_allowed(some))
        return moved

    def _session_ended(self, sender: Any, session_key: str, **kwargs: Any) -> None:
        self.withdraw(lambda who: who.session_key == session_key)

    def read_feed(self) -> bool:
        """Read everything that was published before this call; whether there was anything."""
        if self._feed is None or self.exchange.feed.state is not FeedState.UP:
            return False
        barrier = None if self.server.in_memory else self.exchange.feed.ping()
        self.send_commands(self.exchange.feed.pop_commands())
        try:
            replies = list(self._replies(barrier))
        except redis.RedisError as exc:
            self.feed_lost(exc)
            return True
        self.receive_replies(replies)
        answered = 0 if barrier is None else 1
        return len(replies) > answered

    def _replies(self, barrier: int | None) -> Iterator[Any]:
        """What has come up to the answer to this PING; a server in memory has sent everything by
        now.
        """
        if self._feed is not None and barrier is None:
            yield from self._feed.arrived()
        while self._feed is not None and barrier is not None:
            reply = _next_reply(self._feed)
            yield reply
            if ping_number(reply) == barrier:
                return

    def _serve_own(self) -> bool:
        moved = False
        for recipient in list(self._own):
            if recipient.phase is Phase.OPEN and can_read(recipient.subscriber):
                recipient.serve()
                self.work_off()
                moved = True
        return moved

    def stop(self) -> None:
        """Close every websocket and let go of the feed."""
        rights_withdrawn.disconnect(self._session_ended)
        self.close_all()
        self.settle()
        for recipient in list(self.exchange.recipients):
            recipient.abort()
        self.work_off()
        self.drop_feed()
        self.exchange.feed_lost(self.now())
        # It leads back here, and what no ring holds together is freed at once.
        self._connection = None


def _next_reply(feed: Any) -> Any:
    """What Redis sends next.

    Raises:
        RuntimeError: a server does not answer PING.
    """
    try:
        return feed.read_response(disable_decoding=True, timeout=ANSWER_GUARD)
    except redis.TimeoutError as exc:
        raise RuntimeError(
            f'the Redis server has not answered PING for {ANSWER_GUARD:.0f} s'
        ) from exc


def error_of_the_site(refusal: HandshakeError) -> BaseException | None:
    """What the site's code raised that led to this refusal; None if it is one that the site
    meant, or Redis is away.
    """
    cause = refusal.__cause__
    expected = (PermissionDenied, Http404, HandshakeError, *REDIS_AWAY)
    return (
        None
        if cause is None or isinstance(cause, expected) or refusal.status not in (500, 503)
        else cause
    )
