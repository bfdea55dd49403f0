"""A simulated world for the tests of the core: an exact little Redis, wires to clients, and a
driver that does nothing by itself.

Every step waits until the test takes it: Redis executes a command, replies are read, a job has its
effect, a job ends, a connection is made, a client takes bytes. So a test chooses any order of
events, and none is left to chance or to time.
"""

import fnmatch
import functools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from websockets.frames import Close, Frame, Opcode

from ws4redis.core.agenda import Job, JobKind, Outcome, Result
from ws4redis.core.driver import Driver
from ws4redis.core.exchange import Exchange, Gap
from ws4redis.core.feed import Feed, FeedState
from ws4redis.core.handle import Handle
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import Published, Reply

HEAD = b'HTTP/1.1 101 Switching Protocols\r\n\r\n'
QUIET = Limits(message_rate=None, ping_interval=None)
"""No timers and no rate limit: what most tests are not about."""


@dataclass
class Record:
    """One PUBLISH, as Redis executed it.

    Attributes:
        sender: the client that caused it; None for somebody else.
        carried: whether Redis handed it to our connection, and that was not lost before it was
            read.
    """

    channel: bytes
    payload: bytes
    persisted: bool
    sender: 'Client | None' = None
    carried: bool = False


class Redis:
    """Keys, and publish/subscribe for any number of connections; executes one command at a time."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self.log: list[Record] = []
        self.connections: list[Connection] = []
        self.reachable = True

    def publish(
        self,
        channel: bytes,
        payload: bytes,
        *,
        persist: bool = False,
        sender: 'Client | None' = None,
    ) -> None:
        """MULTI, SET, PUBLISH, EXEC; or PUBLISH alone."""
        if persist:
            self.keys[channel] = payload
        record = Record(channel, payload, persist, sender)
        self.log.append(record)
        for connection in self.connections:
            record.carried |= connection.push(channel, payload)

    def connect(self) -> 'Connection':
        connection = Connection(self)
        self.connections.append(connection)
        return connection


class Connection:
    """A pub/sub connection: commands on their way to Redis, and replies on their way back."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.in_flight: deque[tuple[bytes, ...]] = deque()
        self.replies: deque[Reply] = deque()
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}

    def push(self, channel: bytes, payload: bytes) -> bool:
        before = len(self.replies)
        if channel in self.channels:
            self.replies.append([b'message', channel, payload])
        for pattern in self.patterns:
            if matches(pattern, channel):
                self.replies.append([b'pmessage', pattern, channel, payload])
        return len(self.replies) > before

    def execute(self) -> None:
        """Redis executes the next command."""
        word, *names = self.in_flight.popleft()
        if word == b'PING':
            subscribed = self.channels or self.patterns
            self.replies.append([b'pong', names[0]] if subscribed else names[0])
            return
        table = self.patterns if word.startswith(b'P') else self.channels
        for name in names:
            if word.endswith(b'UNSUBSCRIBE'):
                table.pop(name, None)
            else:
                table[name] = None
            self.replies.append([word.lower(), name, len(self.channels) + len(self.patterns)])

    def take_replies(self, count: int) -> list[Reply]:
        return [self.replies.popleft() for _ in range(min(count, len(self.replies)))]


class Transport:
    """The client's end of the connection.

    Attributes:
        room: bytes that it takes before it blocks; None for no limit.
        writes: the objects that were written, for their number and identity.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.data = bytearray()
        self.writes: list[bytes] = []
        self.broken = False
        self.half_closed = False
        self.dropped = False
        self.watched: list[tuple[bool, bool]] = []

    def take(self, data: bytes) -> int:
        if self.broken:
            raise BrokenPipeError
        assert not self.half_closed, 'written after the half-close'
        assert not self.dropped, 'written after the end'
        count = len(data) if self.room is None else min(self.room, len(data))
        if self.room is not None:
            self.room -= count
        self.data += data[:count]
        self.writes.append(data)
        return count

    def frames(self) -> list[tuple[Opcode, bytes]]:
        """All whole frames that have arrived behind the head; a frame after a close frame is an
        error.
        """
        if not self.data:
            return []
        assert self.data.startswith(HEAD[: len(self.data)]), bytes(self.data[:60])
        found = list(_frames(bytes(self.data[len(HEAD) :])))
        assert all(opcode is not Opcode.CLOSE for opcode, _ in found[:-1]), found
        return found


def _frames(data: bytes) -> Iterator[tuple[Opcode, bytes]]:
    at = 0
    while at + 2 <= len(data):
        first, size = data[at], data[at + 1]
        assert first & 0xF0 == 0x80, f'not a whole plain frame: {data[at : at + 20]!r}'
        assert size < 128, 'masked'
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[at : at + width], 'big')
            at += width
        if at + size > len(data):
            return
        yield Opcode(first & 0x0F), data[at : at + size]
        at += size


class Client:
    """A websocket as its test sees it.

    Attributes:
        answer: of the subscription: True when it is acknowledged, False when that failed, None
            before.
        publishes: channels to which its messages go; persist: whether they are stored.
        waiting: subscriptions that are not acknowledged.
        looked_at: length of Redis' log when its persisted messages were read; None before.
        heard_from: for each channel and pattern, the length of the log when its subscription was
            acknowledged.
        calls: the jobs whose effect the site's code has had, in order.
    """

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient
        self.transport = Transport()
        self.answer: bool | None = None
        self.publishes: list[bytes] = []
        self.persist = False
        self.calls: list[Job] = []
        self.started = False
        self.waiting = 0
        self.looked_at: int | None = None
        self.heard_from: dict[bytes, int] = {}

    def acknowledge(self, success: bool) -> None:
        assert self.answer is None, 'acknowledged twice'
        self.answer = success

    @property
    def received(self) -> list[bytes]:
        """The messages, in order."""
        return [
            data
            for opcode, data in self.transport.frames()
            if opcode in (Opcode.TEXT, Opcode.BINARY)
        ]

    @property
    def opcodes(self) -> list[Opcode]:
        return [opcode for opcode, _ in self.transport.frames()]

    @property
    def close_code(self) -> int | None:
        """Of the close frame that has arrived; None without one."""
        closes = [data for opcode, data in self.transport.frames() if opcode is Opcode.CLOSE]
        return int(Close.parse(closes[0]).code) if closes else None

    @property
    def kinds(self) -> list[JobKind]:
        return [job.kind for job in self.calls]


@dataclass
class Fetch:
    """Reading persisted messages: asked, executed by Redis, answered."""

    names: list[bytes]
    done: Callable[[dict[bytes, bytes] | None], None]
    values: dict[bytes, bytes] | None = None
    executed: bool = False


@dataclass
class Running:
    """A job that the driver was told to run; begun: whether the site's code has had its effect."""

    job: Job
    begun: bool = False
    result: Result = field(default_factory=Result)


@dataclass
class LookUp:
    """Rights that are to be looked up, and whom to tell."""

    some: list[str]
    done: Callable[[set[str]], None]


class World(Driver):
    """Redis, one process, and its clients.

    Attributes:
        recheck_interval: seconds between two looks at everybody's rights.
        without_rights: the accesses that have lost theirs.
    """

    def __init__(self, *, reserved: bytes = b'') -> None:
        super().__init__(Exchange(Feed(lambda: 1.0), reserved), lambda: self.recheck_interval)
        self.recheck_interval: float | None = None
        self.without_rights: set[str] = set()
        self.look_ups: list[LookUp] = []
        self.time = 1000.0
        self.redis = Redis()
        self.feed: Connection | None = None
        self.connecting = False
        self.fetches: list[Fetch] = []
        self.gaps: list[Gap] = []
        self.clients: list[Client] = []
        self.jobs: dict[Client, Running] = {}
        self.connects = 0
        self.served: list[int | None] = []
        self.touch()

    # What the core asks for

    def now(self) -> float:
        return self.time

    def client(self, recipient: Recipient) -> Client:
        found: Client = recipient.subscriber
        return found

    def write(self, recipient: Recipient, data: bytes) -> int:
        return self.client(recipient).transport.take(data)

    def watch(self, recipient: Recipient) -> None:
        self.client(recipient).transport.watched.append((recipient.reading, recipient.blocked))

    def half_close(self, recipient: Recipient) -> None:
        assert not recipient.websocket.outbox
        self.client(recipient).transport.half_closed = True

    def drop(self, recipient: Recipient) -> None:
        transport = self.client(recipient).transport
        assert not transport.dropped, 'dropped twice'
        transport.dropped = True

    def run_job(self, recipient: Recipient, job: Job) -> None:
        client = self.client(recipient)
        assert client not in self.jobs, 'two jobs at a time'
        assert JobKind.RELEASE not in client.kinds, f'{job} after release()'
        self.jobs[client] = Running(job)

    def connect_feed(self) -> None:
        assert self.feed is None
        assert not self.connecting
        self.connects += 1
        self.connecting = True

    def drop_feed(self) -> None:
        if self.feed is not None:
            self.redis.connections.remove(self.feed)
            self.feed = None

    def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
        assert self.feed is not None
        self.feed.in_flight.extend(commands)

    def fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        self.fetches.append(Fetch(names, done))

    def gap_ended(self, gap: Gap) -> None:
        self.gaps.append(gap)

    def look_up(self, some: list[str], done: Callable[[set[str]], None]) -> None:
        self.look_ups.append(LookUp(some, done))

    def serve_again(self, recipient: Recipient, descriptor: int | None) -> None:
        self.served.append(descriptor)

    def failed(self, recipient: Recipient, exc: BaseException) -> None:
        """A fault in a step, or an assertion of this world, ends the test."""
        raise exc

    # Steps of Redis and of the way to it

    def connect(self) -> None:
        """The connection that was asked for is made, or refused."""
        self.connecting = False
        if self.redis.reachable:
            self.feed = self.redis.connect()
            self.feed_connected()
        else:
            self.feed_lost('refused')

    def execute(self, count: int = 1) -> None:
        assert self.feed is not None
        for _ in range(min(count, len(self.feed.in_flight))):
            self.feed.execute()

    def read(self, count: int = 1 << 30) -> None:
        assert self.feed is not None
        self.receive_replies(self.feed.take_replies(count))

    def lose_feed(self) -> None:
        """The pub/sub connection breaks: what is on its way in either direction is gone."""
        assert self.feed is not None
        unread = {reply[-1] for reply in self.feed.replies if isinstance(reply, list)}
        for record in self.redis.log:
            record.carried &= record.payload not in unread
        self.feed_lost('broken')

    def execute_fetch(self, at: int = 0) -> None:
        fetch = self.fetches[at]
        fetch.executed = True
        if self.redis.reachable:
            fetch.values = {
                name: self.redis.keys[name] for name in fetch.names if name in self.redis.keys
            }

    def answer_fetch(self, at: int = 0) -> None:
        fetch = self.fetches.pop(at)
        if not fetch.executed:
            fetch.values = {
                name: self.redis.keys[name] for name in fetch.names if name in self.redis.keys
            }
        fetch.done(fetch.values)

    def fail_fetch(self, at: int = 0) -> None:
        self.fetches.pop(at).done(None)

    # Steps of the site's database

    def answer_look_up(self) -> None:
        """The database has answered for the batch that was asked for first."""
        look_up = self.look_ups.pop(0)
        look_up.done(self.without_rights & set(look_up.some))

    # Steps of a websocket

    def handshake(
        self,
        channels: list[bytes] | None = None,
        patterns: list[bytes] | None = None,
        *,
        limits: Limits = QUIET,
        echo: bool = False,
        publishes: list[bytes] | None = None,
        persist: bool = False,
        parses: bool = False,
        access: str | None = None,
    ) -> Client:
        """A request has come and its subscriptions are asked for."""
        self.touch()
        recipient = Recipient(limits, self.exchange.agenda, name=f'{len(self.clients)}', echo=echo)
        client = Client(recipient)
        client.publishes, client.persist = publishes or [], persist
        recipient.subscriber = client
        recipient.parses = parses
        recipient.access = access
        self.clients.append(client)
        self.enter(recipient)
        self.subscribe(client, channels or [], patterns or [], client.acknowledge)
        return client

    def _acknowledged(
        self, client: Client, names: list[bytes], done: Callable[[bool], object], success: bool
    ) -> None:
        client.waiting -= 1
        if success:
            client.heard_from.update(dict.fromkeys(names, len(self.redis.log)))
        done(success)

    def subscribe(
        self,
        client: Client,
        channels: list[bytes],
        patterns: list[bytes] | None = None,
        done: Callable[[bool], object] = bool,
    ) -> None:
        client.waiting += 1
        names = [*channels, *(patterns or [])]
        acknowledged = functools.partial(self._acknowledged, client, names, done)
        self.exchange.subscribe(client.recipient, channels, patterns or [], acknowledged)
        self.work_off()

    def unsubscribe(
        self, client: Client, channels: list[bytes], patterns: list[bytes] | None = None
    ) -> None:
        self.exchange.unsubscribe(client.recipient, channels, patterns or [])
        for name in [*channels, *(patterns or [])]:
            client.heard_from.pop(name, None)
        self.work_off()

    def begin(
        self, client: Client, *, persisted: bool = True, fetch: bool = False, rest: bytes = b''
    ) -> None:
        """The handshake has succeeded; persisted: a job reads the persisted messages, fetch: the
        driver does for all at once.
        """
        client.started = True
        client.recipient.transport = client.transport
        self.start(client.recipient, HEAD, rest, persisted=persisted, fetch=fetch)

    def open(
        self,
        channels: list[bytes] | None = None,
        patterns: list[bytes] | None = None,
        *,
        persisted: bool = True,
        limits: Limits = QUIET,
        echo: bool = False,
        publishes: list[bytes] | None = None,
        persist: bool = False,
        parses: bool = False,
        access: str | None = None,
    ) -> Client:
        """A websocket that has joined."""
        client = self.handshake(
            channels,
            patterns,
            limits=limits,
            echo=echo,
            publishes=publishes,
            persist=persist,
            parses=parses,
            access=access,
        )
        self.settle()
        assert client.answer, client.answer
        self.begin(client, persisted=persisted)
        self.settle()
        assert client.recipient.joining is None
        return client

    def send_text(self, client: Client, *texts: bytes) -> None:
        self.receive_data(client.recipient, b''.join(masked(Opcode.TEXT, text) for text in texts))

    def send_close(self, client: Client, code: int = 1000) -> None:
        self.receive_data(client.recipient, masked(Opcode.CLOSE, Close(code, '').serialize()))

    def send_eof(self, client: Client) -> None:
        self.receive_data(client.recipient, b'')

    def handle(self, client: Client) -> Handle:
        return Handle(client.recipient, self.receive_entry)

    def resume(self, client: Client, room: int | None = None) -> None:
        """The client takes so many more bytes; None for all."""
        client.transport.room = room
        if client.recipient.blocked and client.recipient.transport is not None:
            self.writable(client.recipient)

    # Steps of the site's code

    def begin_job(self, client: Client) -> None:
        """The job has its effect: it reads, sends or publishes."""
        running = self.jobs[client]
        assert not running.begun
        running.begun = True
        job, recipient = running.job, client.recipient
        client.calls.append(job)
        if job.kind is JobKind.PERSISTED:
            handle = self.handle(client)
            client.looked_at = len(self.redis.log)
            for name in list(recipient.channels):
                if name in self.redis.keys and not handle.closed:
                    handle.send_persisted(name, self.redis.keys[name])
        elif job.kind is JobKind.PUBLISH:
            assert isinstance(job.message, bytes)
            self.publish_from(client, job.message)
        elif job.kind is JobKind.PARSE:
            assert isinstance(job.message, Published)
            running.result.replies.append((job.message.payload, None))

    def publish_from(self, client: Client, payload: bytes) -> None:
        own_copies = client.recipient.own_copies
        if not client.publishes:
            own_copies.published_nowhere()
            return
        own_copies.publishing(client.publishes, payload)
        for channel in client.publishes:
            self.redis.publish(channel, payload, persist=client.persist, sender=client)

    def end_job(self, client: Client, outcome: Outcome = Outcome.DONE) -> None:
        """The job's call returns, or raises."""
        running = self.jobs.pop(client)
        running.result.outcome = outcome
        self.job_done(client.recipient, running.job, running.result)

    def run(self, client: Client) -> None:
        """The job runs from its beginning to its end."""
        if not self.jobs[client].begun:
            self.begin_job(client)
        self.end_job(client)

    def fail(self, client: Client, outcome: Outcome = Outcome.FAILED) -> None:
        """The job fails before it has any effect."""
        self.jobs[client].begun = True
        client.calls.append(self.jobs[client].job)
        self.end_job(client, outcome)

    # All steps

    def settle(self, *, jobs: bool = True) -> None:
        """Until nothing moves any more at this moment of time; jobs: whether the site's code
        runs too.
        """
        for _ in range(10_000):
            if not self._move(jobs):
                return
        raise AssertionError('the world does not come to rest')

    def _move(self, jobs: bool) -> bool:
        self.work_off()
        if self.connecting:
            self.connect()
            return True
        if self.feed is not None and (self.feed.in_flight or self.feed.replies):
            self.execute(1 << 30)
            self.read()
            return True
        if self.fetches:
            self.execute_fetch()
            self.answer_fetch()
            return True
        if self.look_ups:
            self.answer_look_up()
            return True
        if jobs and self.jobs:
            self.run(next(iter(self.jobs)))
            return True
        return False

    def advance(self, seconds: float, *, jobs: bool = True) -> None:
        """Let time pass, from one deadline to the next."""
        until = self.time + seconds
        for _ in range(10_000):
            deadline = self.deadline()
            if deadline is None or deadline > until:
                self.time = until
                self.touch()
                return
            self.time = max(self.time, deadline)
            self.tick()
            self.settle(jobs=jobs)
        raise AssertionError('a deadline does not pass')

    def assert_empty(self) -> None:
        """Nobody is left: no table holds anything, and Redis is asked for nothing."""
        assert not self.exchange.recipients
        assert self.exchange.channel_count == 0
        assert not self.jobs
        if self.exchange.feed.state is FeedState.UP:
            assert self.feed is not None
            assert not self.feed.channels
            assert not self.feed.patterns
        for client in self.clients:
            assert client.recipient.phase is Phase.GONE
            assert client.transport.dropped
            assert client.kinds.count(JobKind.RELEASE) == 1
            assert client.kinds[-1] is JobKind.RELEASE


def matches(pattern: bytes, channel: bytes) -> bool:
    """Redis' own matching, as far as the tests use it: `*` alone."""
    return fnmatch.fnmatchcase(channel.decode('latin-1'), pattern.decode('latin-1'))


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame from a client."""
    return Frame(opcode, data, fin).serialize(mask=True)
