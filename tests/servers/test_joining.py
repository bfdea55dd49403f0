"""Joins race publishes over TCP: nothing is lost, repeated or out of order, whenever a client
comes.

A thread publishes numbered messages without a pause, each persisted. All have eight digits, so each
is a frame of the same ten bytes, and what a client gets has to be a piece of one long row of bytes:
from its first message to its last. And that first one must not come too late: from the 101 on a
client gets everything.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.journey import Deployment, ServerProcess
from tests.processes.serving import GUARD
from tests.servers.browser import UPGRADE, request_head
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer

FRAME = b'\x81\x08%08d'
FRAME_SIZE = 10
MOST = 100_000
ROW = b''.join(FRAME % number for number in range(MOST))
"""All that can be published, as a client gets it."""

END = b'\x81\x08the end!'

PING, PONG = b'\x89\x00', b'\x8a\x80\x00\x00\x00\x00'
"""On a busy machine a client stays longer than WS4REDIS_PING_INTERVAL. These bytes are nowhere
in ROW.
"""

SHORT_VISITS, VISITORS, FACILITIES = 1000, 40, 8
"""Joins, how many there are at a time, and on how many facilities: so few on each that channels
are given up and taken again.
"""

STAYING, CROWD = 1000, 50
"""Joins that stay until the end, and how many of them come at once."""

WINDOW = 16
"""Messages on their way to those who stay: more than one batch, and no more than a thousand
clients can be sent.
"""


class Publisher(threading.Thread):
    """Publishes 0, 1, 2 ... on each facility in turn, until it is told to end.

    Args:
        paced: whether it goes no more than WINDOW messages ahead of what heard() was told last.

    Attributes:
        completed: for each facility the last number whose publish_message() has returned.
    """

    def __init__(self, redis_url: str, facilities: list[str], *, paced: bool = False) -> None:
        super().__init__(name='publisher')
        self._credit = threading.Semaphore(WINDOW if paced else MOST)
        self._heard = 0
        self.server = RedisServer(redis_url)
        self.completed = dict.fromkeys(facilities, -1)
        self.told_to_end = threading.Event()
        self._publishers = {
            facility: RedisPublisher(
                facility=facility, broadcast=True, connection=self.server.client
            )
            for facility in facilities
        }

    def publish(self, message: bytes) -> None:
        """Publish on every facility."""
        for facility, publisher in self._publishers.items():
            publisher.publish_message(message)
            if message != b'the end!':
                self.completed[facility] = int(message)

    def run(self) -> None:
        for number in range(MOST):
            self._credit.acquire()
            if self.told_to_end.is_set():
                break
            self.publish(b'%08d' % number)
        self.publish(b'the end!')

    def heard(self, number: int) -> None:
        """A client has got this message."""
        if number > self._heard:
            self._credit.release(number - self._heard)
            self._heard = number

    def end(self) -> None:
        """Let it publish its last message."""
        self.told_to_end.set()
        self._credit.release()

    def __enter__(self) -> 'Publisher':
        # The first is there before the first client, so that every client has something to begin
        # with.
        self.publish(b'%08d' % 0)
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()
        self.join()
        self.server.close()


class Visitor(asyncio.Protocol):
    """One client, which compares every byte that it gets with what it has to be.

    Args:
        request: the upgrade request.
        completed: gives the last number whose publishing is done.
        progress: called with the last number that has come.
        most: messages after which it leaves; None: it stays until the end.

    Attributes:
        joined: set by the first message.
        left: result: what was wrong, '' if nothing was.
    """

    def __init__(
        self,
        request: bytes,
        completed: Callable[[], int],
        progress: Callable[[int], None],
        most: int | None,
    ) -> None:
        self.request = request
        self.completed = completed
        self.progress = progress
        self.accepted_at = -1
        self.most = most
        loop = asyncio.get_running_loop()
        self.joined: asyncio.Future[None] = loop.create_future()
        self.left: asyncio.Future[str] = loop.create_future()
        self.first = -1
        self._at = 0
        self._buffer = b''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.accepted_at < 0:
            head, separator, rest = self._buffer.partition(b'\r\n\r\n')
            if not separator:
                return
            if not head.startswith(b'HTTP/1.1 101 '):
                self.leave(f'refused: {head!r} {rest!r}')
                return
            self._buffer = rest
            self.accepted_at = self.completed()
        self._answer_pings()
        self._compare()

    def _answer_pings(self) -> None:
        if count := self._buffer.count(PING):
            self._buffer = self._buffer.replace(PING, b'')
            self.transport.write(PONG * count)

    def _compare(self) -> None:
        whole = len(self._buffer) // FRAME_SIZE * FRAME_SIZE
        frames, self._buffer = self._buffer[:whole], self._buffer[whole:]
        if not frames or self.left.done():
            return
        if self.first < 0:
            if not frames[2:FRAME_SIZE].isdigit():
                self.leave(f'{frames[:FRAME_SIZE]!r} came first')
                return
            self.first = int(frames[2:FRAME_SIZE])
            self._at = self.first * FRAME_SIZE
            self.joined.set_result(None)
            # One more may have been on its way, and been replaced as the persisted one by the next.
            if self.first > self.accepted_at + 2:
                self.leave(
                    f'{self.first} came first, but {self.accepted_at} was the last one before '
                    f'the 101'
                )
                return
        ended = frames.endswith(END)
        numbers = frames.removesuffix(END)
        expected = ROW[self._at : self._at + len(numbers)]
        if numbers != expected:
            self.leave(self._difference(numbers, expected))
            return
        self._at += len(numbers)
        self.progress(self._at // FRAME_SIZE - 1)
        if ended or (self.most is not None and self.received >= self.most):
            self.leave('')

    @property
    def received(self) -> int:
        """How many messages have come."""
        return self._at // FRAME_SIZE - self.first

    def _difference(self, came: bytes, expected: bytes) -> str:
        at = next(
            index
            for index, pair in enumerate(zip(came, expected, strict=True))
            if pair[0] != pair[1]
        )
        at -= at % FRAME_SIZE
        wanted, got = (text[at : at + 2 * FRAME_SIZE] for text in (expected, came))
        return (
            f'{got!r} came instead of {wanted!r}, {self.received + at // FRAME_SIZE} messages '
            f'after {self.first}'
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave(f'closed after {self.received} messages with {self._buffer!r}')

    def leave(self, problem: str) -> None:
        """Say what was wrong, and go without a word as browsers do."""
        if not self.left.done():
            self.left.set_result(problem)
            self.transport.abort()
        if not self.joined.done():
            self.joined.set_result(None)


class Visits:
    """Visits of one server while a publisher publishes; problems: what was wrong."""

    def __init__(self, server: ServerProcess, publisher: Publisher) -> None:
        self.server = server
        self.publisher = publisher
        self.problems: list[str] = []

    async def begin(self, facility: str, most: int | None) -> Visitor:
        """Connect, and give the client."""
        request = request_head(self.server, f'/ws/{facility}?subscribe-broadcast', UPGRADE)
        completed = self.publisher.completed
        loop = asyncio.get_running_loop()

        def visitor() -> Visitor:
            return Visitor(request, lambda: completed[facility], self.publisher.heard, most)

        return (await loop.create_connection(visitor, '127.0.0.1', self.server.port))[1]

    async def end(self, visitor: Visitor) -> None:
        """Wait until the client has what it came for."""
        try:
            problem = await asyncio.wait_for(asyncio.shield(visitor.left), GUARD)
        except TimeoutError:
            problem = f'got nothing more after {visitor.received} messages from {visitor.first} on'
            visitor.leave(problem)
        if problem:
            self.problems.append(problem)

    async def short_visits(self) -> None:
        """Many clients at a time come, hear up to 16 messages and leave."""
        numbers = iter(range(SHORT_VISITS))

        async def visit_again() -> None:
            for number in numbers:
                await self.end(await self.begin(f'churn-{number % FACILITIES}', 1 + number % 16))

        await asyncio.gather(*(visit_again() for _ in range(VISITORS)))

    async def long_visits(self) -> None:
        """Crowds of clients come, and stay until the last message."""
        staying = []
        for _ in range(STAYING // CROWD):
            some = await asyncio.gather(*(self.begin('stay', None) for _ in range(CROWD)))
            await asyncio.wait([visitor.joined for visitor in some], timeout=GUARD)
            staying += some
        self.publisher.end()
        await asyncio.gather(*(self.end(visitor) for visitor in staying))


@pytest.fixture(params=['gunicorn-gevent', 'gunicorn-gthread'])
def host(
    request: pytest.FixtureRequest, shared_site: Deployment, tmp_path: Path
) -> Iterator[ServerProcess]:
    """Both forms of the loop: in the main hub, and in a thread of its own."""
    options = ('--worker-connections', '4000')
    with ServerProcess(shared_site, request.param, tmp_path / 'server.log', options) as server:
        yield server


def test_joining_and_leaving_loses_and_repeats_nothing(host: ServerProcess, redis_url: str) -> None:
    with Publisher(redis_url, [f'churn-{number}' for number in range(FACILITIES)]) as publisher:
        visits = Visits(host, publisher)
        asyncio.run(visits.short_visits())
    assert visits.problems == []
    assert 'Traceback' not in host.said()


def test_joining_and_staying_loses_and_repeats_nothing(host: ServerProcess, redis_url: str) -> None:
    with Publisher(redis_url, ['stay'], paced=True) as publisher:
        visits = Visits(host, publisher)
        asyncio.run(visits.long_visits())
    assert visits.problems == []
    assert 'Traceback' not in host.said()
