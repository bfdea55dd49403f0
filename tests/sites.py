"""One site in three forms, so that a test of what a project relies on is written once and holds in all of them.

    broker          everything in the test's process and thread: a Broker
    thread-memory   the unpatched form: the loop in a thread of its own, on memory://, its clients over TCP
    gunicorn-redis  the production form: gunicorn's gevent worker, a process of its own, and a redis-server

What a test reads is complete in each: in memory nothing is ever under way, a LiveServer knows when nothing moves, and gunicorn
is asked by pings of every client and by a message through Redis that has passed it.
"""

import contextlib
import http.client
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client as DjangoClient
from django.test.utils import override_settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from tests import loop_process, overrides
from tests.production import inside
from tests.servers import processes
from tests.servers.processes import ROOT, ServerProcess, eventually
from ws4redis import settings
from ws4redis.testing import Broker, HandshakeRejected
from ws4redis.testing.live import LiveServer

__all__ = ['InBroker', 'InGunicorn', 'InThread', 'Production', 'Site', 'open_site']

LISTEN = '/ws/news?subscribe-broadcast'

WITNESS = 'tests:broadcast:witness'
"""The channel of a websocket that hears what passes through gunicorn's process; no pattern of a test matches it."""

NOT_GIVEN: Any = object()


# What every form has


class Site(ABC):
    """Redis, the websocket loop, the database and the browsers of one test.

    Attributes:
        form: of tests.forms.FORMS.
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
        """Until everything that was published or sent has arrived, and every call of the site's code has ended."""

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
        """Until everything that was published or sent has arrived, and every call of the site's code has ended."""
        if not self.ended:
            self._settle()

    def create_user(self, name: str, *groups: str) -> None:
        """A user, in new groups of these names."""
        self.run(inside.create_user, name, groups)

    def log_in(self, name: str, groups: Sequence[str] | None = None) -> str:
        """Log a user in; gives the session's key. groups: what the project writes into the session."""
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
        eventually(lambda: self._listeners(name) == count, f'{self._listeners(name)} listen on {name!r}, not {count}')

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
        keywords: dict[str, Any] = {} if allowed_channels is NOT_GIVEN else {'allowed_channels': allowed_channels}
        return self.world.connect(
            url, subscriber=subscriber, session=session, headers=headers, subprotocols=subprotocols, **keywords
        )

    def send_together(self, client: Any, *texts: str) -> None:
        for text in texts:
            client._protocol.send_text(text.encode())
        client._flush()

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
        return [record.getMessage() for record in self._caplog.get_records('call') if record.levelname == 'ERROR']

    @property
    def published(self) -> list[tuple[str, str]]:
        self.settle()
        return [(publication.channel, publication.text) for publication in self.broker.published]

    def end(self) -> None:
        self.ended = True
        self._stack.close()


class InThread(InBroker):
    """A LiveServer on a broker's memory."""

    form = 'thread-memory'

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__(caplog)
        self.live = self._stack.enter_context(LiveServer(self.broker, static=False))
        self.world = self.live

    def page(self, path: str) -> str:
        return _request(self.live.port, 'GET', path)


# In a process of its own


@dataclass(frozen=True)
class _Deployment(processes.Site):
    """tests/production with a database file and a Redis.

    Attributes:
        other_url: of the Redis of subscribers that bring a client of their own.
    """

    other_url: str = ''

    @property
    def environ(self) -> dict[str, str]:
        return {
            **super().environ,
            'PYTHONPATH': str(ROOT),
            'DJANGO_SETTINGS_MODULE': 'tests.production.settings',
            'OVERRIDES_OTHER_URL': self.other_url,
        }


class Production:
    """Gunicorn with its gevent worker, started when a test wants it and it does not run.

    Args:
        url: of its Redis.
        other_url: of the Redis of subscribers that bring a client of their own.
        directory: an empty one, for its database and its log.
    """

    def __init__(self, url: str, other_url: str, directory: Path) -> None:
        self.url = url
        self._directory = directory
        self._site = _Deployment(
            directory / 'db.sqlite3', url, application='tests.production.wsgi:application', project=ROOT, other_url=other_url
        )
        self._running: ServerProcess | None = None

    def server(self) -> ServerProcess:
        """Its server, running."""
        if self._running is None:
            server = ServerProcess(self._site, 'gunicorn-gevent', self._directory / 'log')
            self._running = server.__enter__()
        return self._running

    def end(self) -> None:
        """End it, as who runs servers does."""
        if self._running is not None:
            server, self._running = self._running, None
            try:
                server.begin_to_end()
                assert server.wait() == 0, server.said()
            finally:
                server.__exit__()


class InGunicorn(Site):
    """Gunicorn's process: it has the settings of ours that this test has."""

    form = 'gunicorn-redis'

    def __init__(self, production: Production) -> None:
        super().__init__()
        self._production = production
        self._server = production.server()
        self._log_begins = len(self._server.said())
        self._settings: dict[str, Any] = {}
        self._clients: list[RemoteClient] = []
        self._markers = self._numbers = 0
        self.redis = redis.Redis.from_url(production.url, protocol=2)
        self._record = self.redis.pubsub(ignore_subscribe_messages=True)
        self._record.psubscribe('*')
        self._published: list[tuple[str, str]] = []
        self.run(inside.begin_anew)
        eventually(lambda: self.run(inside.figures)['websockets'] == 0, 'the websockets of the test before are still there')
        self.run(inside.use_settings, {'WS4REDIS_PREFIX': 'tests'})
        self._witness = RemoteClient(self, '/ws/witness?subscribe-broadcast')
        self.run(inside.use_settings, {})
        assert self._listeners(WITNESS) == 1

    @property
    def port(self) -> int:
        """Where it listens on the loopback."""
        return self._server.port

    def connect(
        self,
        url: str = LISTEN,
        subscriber: Any = None,
        *,
        allowed_channels: Any = NOT_GIVEN,
        session: str | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> 'RemoteClient':
        own: dict[str, Any] = {} if subscriber is None else {'WS4REDIS_SUBSCRIBER': subscriber}
        if allowed_channels is not NOT_GIVEN:
            own['WS4REDIS_ALLOWED_CHANNELS'] = allowed_channels
        with override_settings(**own):
            self._pass_on_settings()
        cookie = {'Cookie': f'{django_settings.SESSION_COOKIE_NAME}={session}'} if session else {}
        client = RemoteClient(self, url, {**cookie, **(headers or {})}, subprotocols)
        self._clients.append(client)
        self.settle()
        return client

    def _pass_on_settings(self) -> None:
        values = {
            name: _dotted(getattr(django_settings, name))
            for name in settings.SETTINGS
            if name != 'WS4REDIS_CONNECTION' and hasattr(django_settings, name)
        }
        if values != self._settings:
            self.run(inside.use_settings, values)
            self._settings = values

    def send_together(self, client: 'RemoteClient', *texts: str) -> None:
        client.sock.sendall(b''.join(map(loop_process.frame, texts)))

    def _settle(self) -> None:
        before: Any = None
        while (now := self._pass_through()) != before:
            before = now

    def _pass_through(self) -> dict[str, Any]:
        """Once to the clients' ends of everything that moves; figures that are the same again if nothing has moved since."""
        for client in self._clients:
            client.pass_through()
        self._markers += 1
        self.redis.publish(WITNESS, str(self._markers))
        while self._witness.receive() != str(self._markers):
            pass
        figures: dict[str, Any] = eventually(self._quiet, 'calls of the site, or websockets that join or leave, take too long')
        for client in self._clients:
            client.pass_through()
        return figures

    def _quiet(self) -> dict[str, Any] | None:
        """What has happened so far, unless something is under way."""
        figures = self.run(inside.figures)
        there = 1 + sum(not client.ended for client in self._clients)
        if figures['joining'] or figures['running_jobs'] or figures['websockets'] > there:
            return None
        moved = {name: figures[name] for name in ('opened', 'messages_received', 'job_failures', 'closed')}
        return moved | {name: figures[name] - self._markers for name in ('messages_from_redis', 'messages_sent')}

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        called = {'function': f'{function.__module__}.{function.__qualname__}', 'arguments': arguments}
        return json.loads(_request(self.port, 'POST', '/call/', json.dumps(called)))['answer']

    def page(self, path: str) -> str:
        return _request(self.port, 'GET', path)

    def said(self) -> str:
        self.settle()
        return self._said()

    def _said(self) -> str:
        return self._server.said()[self._log_begins :]

    def _errors(self) -> list[str]:
        return [line for line in self._said().splitlines() if line.startswith('ERROR ')]

    @property
    def published(self) -> list[tuple[str, str]]:
        self.settle()
        self._numbers += 1
        self._record.ping(str(self._numbers))
        while (message := self._record.get_message(timeout=processes.GUARD)) is None or message['type'] != 'pong':
            if message is not None and message['channel'].decode() != WITNESS:
                self._published.append((message['channel'].decode(), message['data'].decode()))
        return list(self._published)

    def end(self) -> None:
        self.ended = True
        self._server.begin_to_end()
        for client in (*self._clients, self._witness):
            client.wait_until_closed()
        self._production.end()

    def close(self) -> None:
        """Leave it to the next test."""
        for client in (*self._clients, self._witness):
            client.sock.close()
        self.ended = True
        self._record.close()
        self.redis.close()


class RemoteClient(loop_process.Browser):
    """A browser's websocket over TCP; what it reads is complete, as WebSocketClient has it."""

    def __init__(
        self, site: InGunicorn, url: str, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> None:
        self._site = site
        self._heartbeat = settings.WS4REDIS_HEARTBEAT
        self.ended = False
        self.heartbeats = 0
        self._pongs = self._pings = 0
        self._begun: list[Frame] = []
        try:
            super().__init__(site.port, url, headers=headers, subprotocols=subprotocols)
        except loop_process.Refused as exc:
            raise HandshakeRejected(exc.status, exc.headers, exc.body, 'in the log of gunicorn') from exc

    def _read(self) -> bool:
        going_on = super()._read()
        if not going_on:
            self.ended = True
            self.sock.close()
        return going_on

    def _take(self, event: Frame) -> None:
        if event.opcode is Opcode.PONG:
            self._pongs += 1
        elif event.opcode is Opcode.TEXT and self._heartbeat and bytes(event.data) == self._heartbeat.encode():
            self.heartbeats += 1
        else:
            super()._take(event)

    def pass_through(self) -> None:
        """Until the server has worked off what was sent before, and what it has written has come; or to the end."""
        if self.ended:
            return
        self._begin_to_wait()
        if self._protocol.state is State.OPEN:
            self._pings += 1
            self.sock.sendall(Frame(Opcode.PING, b'%d' % self._pings).serialize(mask=True))
        while not self.ended and (self._pongs < self._pings or self._protocol.state is not State.OPEN):
            self._read()

    def send(self, message: str | bytes) -> None:
        super().send(message)
        self.pass_through()

    def wait_for_heartbeat(self) -> None:
        """Read until one comes that was not there yet."""
        before = self.heartbeats
        self._begin_to_wait()
        while self.heartbeats == before:
            assert self._read(), 'closed by the server'

    def receive_json(self) -> Any:
        """The next message, from JSON."""
        return json.loads(self.receive())

    def receive_all(self) -> list[str | bytes]:
        """All messages that were not read yet."""
        self._site.settle()
        messages, self._inbox = self._inbox, []
        return messages

    def assert_nothing_received(self) -> None:
        """Nothing is unread."""
        messages = self.receive_all()
        assert messages == []

    def close(self, code: int = 1000) -> int:
        code = super().close(code)
        self._site.settle()
        return code

    def drop(self) -> None:
        super().drop()
        self.ended = True
        self._site.settle()

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""
        self._settle()
        return not self.ended

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is open."""
        self._settle()
        return self._close[0] if self._close is not None else 1006 if self.ended else None

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""
        self._settle()
        return self._close[1] if self._close is not None else None

    def _settle(self) -> None:
        if not self.ended:
            self._site.settle()

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server took."""
        return self._protocol.subprotocol


def _request(port: int, method: str, path: str, body: str | None = None) -> str:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=processes.GUARD)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, f'{path}: {answer.status}\n{text}'
        return text
    finally:
        connection.close()


def _dotted(value: Any) -> Any:
    """A class or function by its name, for another process."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return value
    name = f'{value.__module__}.{value.__qualname__}'
    assert '<locals>' not in name, f'{name} has no name in another process'
    return name


@contextlib.contextmanager
def open_site(form: str, caplog: pytest.LogCaptureFixture, production: Callable[[], Production]) -> Iterator[Site]:
    """A site of this form.

    Args:
        production: asked for in the form that needs it alone.
    """
    if form == InGunicorn.form:
        site = InGunicorn(production())
        with override_settings(WS4REDIS_CONNECTION=site._production.url), contextlib.closing(site):
            yield site
        return
    local = InThread(caplog) if form == InThread.form else InBroker(caplog)
    with contextlib.ExitStack() as stack:
        stack.callback(local.end)
        yield local
