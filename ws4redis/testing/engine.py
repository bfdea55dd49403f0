"""Engine: what runs in a Broker from its beginning to its end."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver
from ws4redis.testing.explain.threads import threads_now
from ws4redis.testing.explain.trace import Trace
from ws4redis.testing.handshake import Application
from ws4redis.testing.publications import Publication, Record, place, source
from ws4redis.testing.servers import BrokerServer, enter, leave
from ws4redis.testing.timing import Advance, age

if TYPE_CHECKING:
    import redis

__all__ = ['Engine']


class Engine:
    """Server, clock, driver and application of one Broker, and what it writes down for failures.

    Args:
        url: of the server, as a Broker takes it.
        settle: the Broker's, called after each step of time.

    Attributes:
        server: the Redis server, as clients reach it.
        namespace: what stands before each name that our classes make there.
        clock, trace, driver, application: the parts.
        record: of what is published.
        threads_before: the threads that ran when it began.
        lost: publications that a fault has taken, by number; of how many it was to take.
    """

    def __init__(self, url: str, settle: Callable[[], None]) -> None:
        self.threads_before = threads_now()
        self.clock = Clock()
        self.trace = Trace(self.clock.now)
        self.lost: dict[int, int] = {}
        self._losing = (0, 0)
        with contextlib.ExitStack() as ending:
            self._store = BrokerServer(url)
            self.server = self._store.server
            self.namespace = self._store.namespace
            ending.callback(self._store.close)
            ending.callback(leave, enter(self.server))
            self.driver = MemoryDriver(self.server, self.clock)
            self.record = Record(self.server, f'{self.namespace}*', self.clock.now, self._said)
            ending.callback(self.record.close)
            ending.callback(self.driver.stop)
            self._ending = ending.pop_all()
        self.application = Application(driver=self.driver)
        if self._store.shared:
            self.record.raw_name = self._raw_name_used
            self.driver.subscribed = self.record.hear
        self._time = Advance(
            self.clock,
            self.driver.deadline,
            settle,
            self._age,
            None if self.server.in_memory else self._server_time,
        )

    def end(self) -> None:
        """Close every websocket, and leave the server as it was found."""
        self.server.gate.closed = False
        self._ending.close()
        # It leads back here, and what no ring holds together is freed at once.
        del self._time

    def _said(self, publication: str) -> None:
        self.trace.note(f'published {publication}')

    def _raw_name_used(self, channel: bytes) -> None:
        self.trace.note(
            f'raw name {channel.decode("utf-8", "replace")} on a server that others use '
            f'({place(source() or "?")})'
        )

    def shown(self, channel: bytes) -> str:
        """A channel's name without this Broker's own prefix."""
        return channel.decode('utf-8', 'replace').removeprefix(self.namespace)

    # Time

    def settle(self) -> None:
        """Until everything that was published has arrived, every answer too, and no timer is
        due.
        """
        self._time.notice()
        if self.server.in_memory:
            # So that the trace has what others publish before those who get it.
            self.record.read()
        self.driver.settle()
        self.record.read()
        self._find_lost()

    def advance_to(self, target: float) -> None:
        """Let time pass until then, seconds since the epoch."""
        self._time.to(target)

    def _server_time(self) -> float:
        with self.behind_the_gate() as client:
            seconds, microseconds = client.time()
        return float(seconds + microseconds / 1e6)

    def _age(self, milliseconds: int) -> None:
        with self.behind_the_gate() as client:
            age(client, self._store.keys(), milliseconds)

    @contextlib.contextmanager
    def behind_the_gate(self) -> Iterator['redis.Redis']:
        """A client for the test's own looks at the server, in an outage too."""
        gate = self.server.gate
        closed, gate.closed = gate.closed, False
        try:
            yield self.server.client
        finally:
            gate.closed = closed

    # Faults

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Redis is away inside the block; behind it the feed is back, unless another outage goes
        on.
        """
        gate = self.server.gate
        before, gate.closed = gate.closed, True
        self.trace.note('outage() begins')
        self.driver.feed_lost('outage()')
        self.driver.settle()
        try:
            yield
        finally:
            gate.closed = before
            self.trace.note('outage() ends')
            if not before:
                self.driver.reconnect()

    def drop_subscribers(self) -> None:
        """Cut the pub/sub connection, and make the next one at once."""
        self.trace.note('drop_subscribers()')
        self.driver.cut('drop_subscribers()')

    def lose_publishes(self, n: int) -> None:
        """Lose the next messages that come from Redis."""
        self.driver.lose(n)
        self.trace.note(f'lose_publishes({n})')
        self._losing = n, len(self.record.publications)

    def _find_lost(self) -> None:
        """Which Publications the fault has taken: the driver knows channel and payload, in
        order.
        """
        asked, begin = self._losing
        for message in self.driver.lost[len(self.lost) :]:
            channel = self.shown(message.channel)
            for publication in self.record.publications[begin:]:
                if self._may_be(publication, channel, message.payload):
                    self.lost[publication._circumstances.number] = asked
                    self.trace.note(f'lose_publishes({asked}) took {publication}')
                    break

    def _may_be(self, publication: Publication, channel: str, payload: bytes) -> bool:
        return (
            publication._circumstances.number not in self.lost
            and publication.channel == channel
            and publication.message == payload
        )
