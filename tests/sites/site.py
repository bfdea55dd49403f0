"""One site in three forms, so that a test of what a project relies on is written once and holds in
all of them.

    broker          everything in the test's process and thread: a Broker
    thread-memory   the unpatched form: the loop in a thread of its own, on memory://, its clients
                    over TCP
    gunicorn-redis  the production form: gunicorn's gevent worker, a process of its own, and a
                    redis-server (tests/sites/production)

What a test reads is complete in each: in memory nothing is ever under way, a LiveServer knows when
nothing moves, and gunicorn is asked by pings of every client and by a message through Redis that
has passed it.
"""

import contextlib
import http.client
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import redis
from django.test import Client as DjangoClient

from tests.processes.serving import GUARD
from tests.sites.production import inside
from tests.subscribers import overrides
from ws4redis.testing import Broker
from ws4redis.testing.live.server import LiveServer

__all__ = ['LISTEN', 'NOT_GIVEN', 'InBroker', 'InThread', 'Site', 'request']

LISTEN = '/ws/news?subscribe-broadcast'

NOT_GIVEN: Any = object()


# What every form has


class Site(ABC):
    """Redis, the websocket loop, the database and the browsers of one test.

    Attributes:
        form: of tests.sites.forms.FORMS.
        redis: a client of its Redis, as other programs have one.
    """

    form: ClassVar[str]
    redis: 'redis.Redis'

    @abstractmethod
    def connect(
        self,
        url: str = LISTEN,
        subscriber: Any = None,
        *,
        allowed_channels: Any = NOT_GIVEN,
        session: str | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Any:
        """Open a websocket.

        Args:
            subscriber: the class that WS4REDIS_SUBSCRIBER names; None leaves the setting as it is.
            allowed_channels: as WS4REDIS_ALLOWED_CHANNELS.
            session: the key that log_in() gave.

        Raises:
            HandshakeRejected: the server refuses.
        """

    @abstractmethod
    def send_together(self, client: Any, *texts: str) -> None:
        """Let a client send several messages before anything else happens."""

    @abstractmethod
    def _settle(self) -> None:
        """Until everything that was published or sent has arrived, and every call of the site's
        code has ended.
        """

    @abstractmethod
    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function where the site's database is."""

    @abstractmethod
    def page(self, path: str) -> str:
        """What Django answers to a GET."""

    @abstractmethod
    def said(self) -> str:
        """What this test has made it log."""

    @abstractmethod
    def end(self) -> None:
        """End it in order, as who runs servers does."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing to the next test."""

    @property
    @abstractmethod
    def published(self) -> list[tuple[str, str]]:
        """Channel and text of every PUBLISH so far."""

    @abstractmethod
    def _errors(self) -> list[str]:
        """The errors that this test has made it log."""

    def __init__(self) -> None:
        self.ended = False
        self._seen_errors = 0

    def settle(self) -> None:
        """Until everything that was published or sent has arrived, and every call of the site's
        code has ended.
        """
        if not self.ended:
            self._settle()

    def create_user(self, name: str, *groups: str) -> None:
        """A user, in new groups of these names."""
        self.run(inside.create_user, name, groups)

    def log_in(self, name: str, groups: Sequence[str] | None = None) -> str:
        """Log a user in; gives the session's key. groups: what the project writes into the
        session.
        """
        return str(self.run(inside.log_in, name, groups))

    def publish(self, *texts: str | bytes, channel: str = 'broadcast:news') -> None:
        """Publish as another program does."""
        for text in texts:
            self.redis.publish(channel, text)

    def persisted(self, name: str) -> bytes | None:
        """What is stored under this name."""
        self.settle()
        found: Any = self.redis.get(name)
        return None if found is None else bytes(found)

    def ttl(self, name: str) -> float:
        """Seconds that it still lives."""
        self.settle()
        milliseconds: int = self.redis.pttl(name)
        return milliseconds / 1000

    def notes(self) -> list[str]:
        """What subscribers have noted."""
        self.settle()
        found: list[Any] = self.redis.lrange(overrides.NOTES, 0, -1)
        return [text.decode() for text in found]

    def assert_listeners(self, name: str, count: int) -> None:
        """So many processes listen on this channel: one or none."""
        self.settle()
        assert self._listeners(name) == count

    def _listeners(self, name: str) -> int:
        [(_, count)] = self.redis.pubsub_numsub(name)
        return int(count)

    def errors(self) -> list[str]:
        """The errors that it has logged since this was last asked."""
        self.settle()
        found = self._errors()
        new = found[self._seen_errors :]
        self._seen_errors = len(found)
        return new


# In the test's process


class InBroker(Site):
    """A Broker."""

    form = 'broker'

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__()
        self._caplog = caplog
        self._stack = contextlib.ExitStack()
        self.broker = self._stack.enter_context(Broker(raise_server_exceptions=False))
        self.redis = self.broker.redis
        self.world: Broker | LiveServer = self.broker

    def connect(
        self,
        url: str = LISTEN,
        subscriber: Any = None,
        *,
        allowed_channels: Any = NOT_GIVEN,
        session: str | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Any:
        keywords: dict[str, Any] = (
            {} if allowed_channels is NOT_GIVEN else {'allowed_channels': allowed_channels}
        )
        return self.world.connect(
            url,
            subscriber=subscriber,
            session=session,
            headers=headers,
            subprotocols=subprotocols,
            **keywords,
        )

    def send_together(self, client: Any, *texts: str) -> None:
        for text in texts:
            client._end.protocol.send_text(text.encode())
        client._end.flush()

    def _settle(self) -> None:
        self.world.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.world.advance(seconds)

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Redis is away inside the block."""
        return self.world.outage()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def page(self, path: str) -> str:
        return DjangoClient().get(path).content.decode()

    def said(self) -> str:
        self.settle()
        return '\n'.join(record.getMessage() for record in self._caplog.get_records('call'))

    def _errors(self) -> list[str]:
        return [
            record.getMessage()
            for record in self._caplog.get_records('call')
            if record.levelname == 'ERROR'
        ]

    @property
    def published(self) -> list[tuple[str, str]]:
        self.settle()
        return [(publication.channel, publication.text) for publication in self.broker.published]

    def end(self) -> None:
        self.ended = True
        self._stack.close()

    def close(self) -> None:
        self.end()


class InThread(InBroker):
    """A LiveServer on a broker's memory."""

    form = 'thread-memory'

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__(caplog)
        self.live = self._stack.enter_context(LiveServer(self.broker, static=False))
        self.world = self.live

    def page(self, path: str) -> str:
        return request(self.live.port, 'GET', path)


def request(port: int, method: str, path: str, body: str | None = None) -> str:
    """Send a request to a server on the loopback, and give the text of its answer."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=GUARD)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, f'{path}: {answer.status}\n{text}'
        return text
    finally:
        connection.close()
