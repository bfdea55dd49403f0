"""FakeRedisStore, FakeRedisPublisher, FakeRedisSubscriber: the real classes on a server in
memory, for a test of one class.
"""

import time
from collections.abc import Sequence
from typing import Any

import redis
from django.http import HttpRequest
from redis.client import Pipeline

from ws4redis.core.text import as_bytes
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer, active_server
from ws4redis.redis_store import RedisStore
from ws4redis.schemes import MEMORY
from ws4redis.seam import seam
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscription import ExchangeRedis
from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver
from ws4redis.testing.fakes.alone import Alone
from ws4redis.testing.publications import (
    Circumstances,
    Publication,
    facility_of,
    source,
)

__all__ = ['FakeRedisPublisher', 'FakeRedisStore', 'FakeRedisSubscriber']


class _Recording:
    """Notes what goes through one client, once Redis has carried it out."""

    def __init__(self) -> None:
        self.published: list[Publication] = []

    def note(self, commands: Sequence[tuple[Any, ...]]) -> None:
        """These commands were carried out, in this order."""
        stored: dict[bytes, float] = {}
        for command in commands:
            word = str(command[0]).upper()
            if word == 'SET' and len(command) == 5:
                stored[as_bytes(command[1])] = command[4] / 1000
            elif word == 'PUBLISH':
                channel = as_bytes(command[1])
                name = channel.decode('utf-8', 'replace').removeprefix(seam.namespace)
                message, expire, number = (
                    as_bytes(command[2]),
                    stored.pop(channel, 0),
                    len(self.published) + 1,
                )
                circumstances = Circumstances(number, time.time())
                self.published.append(
                    Publication(name, facility_of(name), message, expire, source(), circumstances)
                )


class _RecordedPipeline(Pipeline):
    recording: _Recording

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands = [arguments for arguments, _ in self.command_stack]
        replies: list[Any] = super().execute(raise_on_error)
        self.recording.note(commands)
        return replies


class _RecordedRedis(redis.Redis):
    """A client that notes what it publishes."""

    recording: _Recording

    def execute_command(self, *args: Any, **options: Any) -> Any:
        reply: Any = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        self.recording.note([args])
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: object = None) -> Any:
        pipeline = _RecordedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.recording = self.recording
        return pipeline


class _RecordedExchangeRedis(_RecordedRedis, ExchangeRedis):
    """The same for subscribers."""


class _OnServer(RedisStore):
    """A store with a server in the place of Redis."""

    _recording: _Recording
    _server: RedisServer

    def _find_server(self, server: RedisServer | None) -> RedisServer:
        self._recording = _Recording()
        if server is None:
            server = active_server() if seam.in_force else RedisServer(MEMORY)
        self._server = server
        return server

    def _client(self, server: RedisServer | None) -> _RecordedRedis:
        client = _RecordedRedis(connection_pool=self._find_server(server).pool)
        client.recording = self._recording
        return client

    @property
    def server(self) -> RedisServer:
        """Its server, for another fake that is to share it."""
        return self._server

    @property
    def redis(self) -> 'redis.Redis':
        """A client of its server, to look at keys or to publish as another program does."""
        return self._server.client

    @property
    def published(self) -> list[Publication]:
        """What this object has published, in order, one for each channel; what failed is not
        among it.
        """
        return list(self._recording.published)


class FakeRedisStore(_OnServer):
    """A RedisStore on a server in memory; `_publishers` says to which channels it publishes.

    Which server: the one of `server`; inside a Broker that broker's; else one of its own, that
    nothing else sees. Nothing is patched and nothing stays behind: the server goes with the last
    object that has it. This holds for all three fakes.

    Args:
        server: the `server` of another fake, so that the two share keys and channels.
    """

    def __init__(self, *, server: RedisServer | None = None) -> None:
        super().__init__(self._client(server))


class FakeRedisPublisher(_OnServer, RedisPublisher):
    """A RedisPublisher on a server in memory (which one: see FakeRedisStore).

        publisher = FakeRedisPublisher(facility='news', users=['john'])
        tell_about(order, publisher)
        assert [publication.text for publication in publisher.published] == ['new order']

    For a publisher class of a site's own put it in front:
    `class FakeLabPublisher(FakeRedisPublisher, LabPublisher)`.

    Args:
        *args, **kwargs: as RedisPublisher takes them, but for `connection`.
        server: the `server` of another fake, so that the two share keys and channels.
    """

    def __init__(self, *args: Any, server: RedisServer | None = None, **kwargs: Any) -> None:
        if 'connection' in kwargs:
            raise TypeError(
                'connection is what a fake replaces: server= takes the server of another fake'
            )
        super().__init__(*args, **kwargs)
        self._connection = self._client(server)


class FakeRedisSubscriber(_OnServer, RedisSubscriber):
    """A RedisSubscriber on a server in memory (which one: see FakeRedisStore), without a websocket.

        publisher = FakeRedisPublisher(facility='news', broadcast=True)
        subscriber = FakeRedisSubscriber(server=publisher.server)
        subscriber.set_pubsub_channels(request, ['subscribe-broadcast'])
        publisher.publish_message('hello')
        assert subscriber.parse_response() == [b'message', b'broadcast:news', b'hello']

    Each parse_response() gives one message that has arrived, in order, and raises NothingToRead
    after the last; nothing ever waits. What it publishes itself does not come back. release() ends
    it. For a subscriber class of a site's own put it in front:
    `class FakeTenantSubscriber(FakeRedisSubscriber, TenantSubscriber)`; inside a Broker
    make_subscriber() does without.

    Args:
        server: the `server` of another fake, so that the two share keys and channels.
    """

    def __init__(self, *, server: RedisServer | None = None) -> None:
        # A driver of its own: to Redis this is another process, also inside a Broker.
        self._driver = MemoryDriver(self._find_server(server), Clock())
        connection = _RecordedExchangeRedis(self._server.client, self._driver)
        connection.recording = self._recording
        super().__init__(connection)
        self._alone = Alone(self._driver, self, ended=self._driver.stop)

    def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
        """As RedisSubscriber's; when it returns, Redis has acknowledged the channels.

        Args:
            request: has path_info, and whoever SELF means: user, session.
            channels: names of subscription_channels and publish_channels.
        """
        super().set_pubsub_channels(request, channels)
        self._alone.join()
