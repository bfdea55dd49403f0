"""HubDriver: drives the exchange on a hub: clients by their descriptors, the site's code in
workers, Redis by a pump.
"""

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import redis

from ws4redis import access, settings
from ws4redis.core.agenda import Job
from ws4redis.core.exchange import Exchange, Gap
from ws4redis.core.feed import Feed
from ws4redis.core.frames import CloseCode
from ws4redis.core.handle import Handle
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.serving import ServingDriver
from ws4redis.hub import Alarm, Hub, StandStills
from ws4redis.memory import MemoryPump
from ws4redis.pump import SocketPump
from ws4redis.redis_client import RedisServer, persisted_values
from ws4redis.signalling import tell_gap
from ws4redis.subscription import control_channel
from ws4redis.transport import READ, DescriptorTransport
from ws4redis.workers import (
    GreenletWorkers,
    ThreadWorkers,
    close_database_connections,
    perform,
)

__all__ = ['HubDriver']

logger = logging.getLogger('ws4redis.hub_driver')

FETCHED: Final = 500
"""Channels in one MGET."""


class HubDriver(ServingDriver):
    """What the core asks for, on a hub.

    Args:
        server: the Redis that carries the messages.

    Attributes:
        hub: where all of it runs.
        running_jobs: calls of subscribers that have not ended.
        workers: who runs what waits.
    """

    def __init__(self, server: RedisServer) -> None:
        super().__init__(
            Exchange(Feed(random.random), control_channel()), lambda: settings.WS4REDIS_RECHECK
        )
        self.server = server
        self.hub = Hub(self.together)
        self.running_jobs = 0
        self.workers = (
            GreenletWorkers() if self.hub.patched else ThreadWorkers(settings.WS4REDIS_THREADS)
        )
        self._alarm = Alarm(self.hub, self.tick)
        self._stand_stills: StandStills | None = None
        self._pump: SocketPump | MemoryPump | None = None
        self._own: dict[Recipient, Any] = {}

    def _start_hub(self) -> None:
        self.hub.start()
        if self.hub.patched:
            self._stand_stills = StandStills(self.hub.loop, lambda: self.running_jobs > 0)

    def _close_hub(self) -> None:
        """In the hub: the end of everything that has been made there."""
        self.drop_feed()
        self.exchange.feed_lost(self.now())
        self._alarm.close()
        if self._stand_stills is not None:
            self._stand_stills.close()
        self.hub.close()

    # Time

    def now(self) -> float:
        return time.monotonic()

    def work_off(self) -> None:
        super().work_off()
        deadline = self.deadline()
        if deadline is not None and deadline < self._alarm.at:
            self._alarm.set(deadline, self.now())

    # Clients

    def write(self, recipient: Recipient, data: bytes) -> int:
        count: int = recipient.transport.send(data)
        return count

    def watch(self, recipient: Recipient) -> None:
        transport: DescriptorTransport = recipient.transport
        if recipient.reading != transport.watches_reading:
            if recipient.reading:
                transport.watch_reading(self._readable, recipient)
            else:
                transport.ignore_reading()
        if recipient.blocked == (transport.writing is None):
            if recipient.blocked:
                transport.watch_writing(self._writable, recipient)
            else:
                transport.ignore_writing()

    def half_close(self, recipient: Recipient) -> None:
        recipient.transport.half_close()

    def drop(self, recipient: Recipient) -> None:
        self._forget_own(recipient)
        recipient.transport.close()
        logger.info('%s: closed, %s', recipient, recipient.close_code)

    # gevent stops a watcher whose callback raised: that websocket would hang without a word.

    def _readable(self, recipient: Recipient) -> None:
        try:
            data = recipient.transport.receive()
            if data is not None:
                self.receive_data(recipient, data)
        except BaseException:
            self._close_failed(recipient)

    def _writable(self, recipient: Recipient) -> None:
        try:
            self.writable(recipient)
        except BaseException:
            self._close_failed(recipient)

    def _close_failed(self, recipient: Recipient) -> None:
        logger.exception('%s: the websocket loop failed', recipient)
        recipient.close(CloseCode.INTERNAL_ERROR)
        self.hub.call(self.work_off)

    # Subscribers that serve themselves

    def serve_again(self, recipient: Recipient, descriptor: int | None) -> None:
        self._forget_own(recipient)
        if descriptor is not None and recipient.phase is Phase.OPEN:
            watcher = self._own[recipient] = self.hub.loop.io(descriptor, READ)
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
        try:
            self.work_off()
        except BaseException:
            self._close_failed(recipient)

    # The site's code

    def run_job(self, recipient: Recipient, job: Job) -> None:
        self.running_jobs += 1
        self.workers.submit(partial(self._perform, recipient, job))

    def _perform(self, recipient: Recipient, job: Job) -> None:
        if self._stand_stills is not None:
            self._stand_stills.classes[type(recipient.subscriber).__name__] = None
        result = perform(recipient.subscriber, job, Handle(recipient, self._post))
        self.close_connections()
        self.hub.call(partial(self._job_ended, recipient, job, result))

    def _job_ended(self, recipient: Recipient, job: Job, result: Any) -> None:
        self.running_jobs -= 1
        self.job_done(recipient, job, result)

    def _post(self, recipient: Recipient, entry: Any) -> None:
        self.hub.call(partial(self.receive_entry, recipient, entry))

    def _in_worker(self, function: Callable[[], None]) -> None:
        """Run something of ours that waits, off the hub."""

        def run() -> None:
            try:
                function()
            finally:
                self.close_connections()

        self.workers.submit(run)

    def close_connections(self) -> None:
        """The database connections of this thread or greenlet, behind each call in it."""
        close_database_connections()

    def look_up(
        self, some: list[access.Access], done: Callable[[set[access.Access]], None]
    ) -> None:
        self._in_worker(partial(self._look_up, some, done))

    def _look_up(
        self, some: list[access.Access], done: Callable[[set[access.Access]], None]
    ) -> None:
        self.hub.call(partial(done, access.no_longer_allowed(some)))

    # Redis

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
            self.hub.call(partial(self.feed_lost, exc))
            return
        self.hub.call(partial(self._connected, connection))

    def _connected(self, connection: Any) -> None:
        if self.server.in_memory:
            self._pump = MemoryPump(
                connection, self.server.gate, self.hub.call, self.receive_replies, self.feed_lost
            )
        else:
            self._pump = SocketPump(self.hub, connection, self.receive_replies, self.feed_lost)
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
            self.hub.call(partial(done, None))
        else:
            self.hub.call(partial(done, found))

    def gap_ended(self, gap: Gap) -> None:
        def tell() -> None:
            for receiver, error in tell_gap(gap.seconds, gap.channels):
                logger.error('receiver %r of redis_gap failed', receiver, exc_info=error)

        self._in_worker(tell)
