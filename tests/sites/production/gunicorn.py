"""The production form of a test's site: gunicorn's gevent worker on a redis-server, and its
clients over TCP.
"""

import inspect
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings as django_settings
from django.test.utils import override_settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from tests.loop import process
from tests.processes.journey import Deployment, ServerProcess
from tests.processes.serving import GUARD, ROOT, eventually
from tests.sites.production import inside
from tests.sites.site import LISTEN, NOT_GIVEN, Site, request
from ws4redis import settings
from ws4redis.testing import HandshakeRejected

__all__ = ['InGunicorn', 'Production', 'RemoteClient', 'dotted']

WITNESS = 'tests:broadcast:witness'
"""The channel of a websocket that hears what passes through gunicorn's process; no pattern of a
test matches it.
"""

LISTENS = 10.0
"""Seconds after which Redis has not heard of a channel, or still hears of one."""


@dataclass(frozen=True)
class _Deployment(Deployment):
    """tests/sites/production with a database file and a Redis.

    Attributes:
        other_url: of the Redis of subscribers that bring a client of their own.
        key: what whoever reaches into the process has to know.
    """

    other_url: str = ''
    key: str = ''

    @property
    def environ(self) -> dict[str, str]:
        return {
            **super().environ,
            'PYTHONPATH': str(ROOT),
            'DJANGO_SETTINGS_MODULE': 'tests.sites.production.settings',
            'OVERRIDES_OTHER_URL': self.other_url,
            'OVERRIDES_KEY': self.key,
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
        self.key = secrets.token_hex()
        self._directory = directory
        self._deployment = _Deployment(
            directory / 'db.sqlite3',
            url,
            application='tests.sites.production.wsgi:application',
            project=ROOT,
            other_url=other_url,
            key=self.key,
        )
        self._running: ServerProcess | None = None

    def server(self) -> ServerProcess:
        """Its server, running."""
        if self._running is None:
            server = ServerProcess(self._deployment, 'gunicorn-gevent', self._directory / 'log')
            self._running = server.__enter__()
        return self._running

    def end(self) -> None:
        """End it, as who runs servers does."""
        if self._running is not None:
            server, self._running = self._running, None
            try:
                assert server.stop() == 0, server.said()
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
        self._witness: RemoteClient | None = None
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self.run(inside.begin_anew)
        eventually(
            lambda: self.run(inside.figures)['websockets'] == 0,
            'the websockets of the test before are still there',
        )
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
            name: dotted(getattr(django_settings, name))
            for name in settings.SETTINGS
            if name != 'WS4REDIS_CONNECTION' and hasattr(django_settings, name)
        }
        if values != self._settings:
            self.run(inside.use_settings, values)
            self._settings = values

    def send_together(self, client: 'RemoteClient', *texts: str) -> None:
        client.sock.sendall(b''.join(map(process.frame, texts)))

    def _settle(self) -> None:
        before: Any = None
        while (now := self._pass_through()) != before:
            before = now

    def _pass_through(self) -> dict[str, Any]:
        """Once to the clients' ends of everything that moves; figures that are the same again if
        nothing has moved since.
        """
        for client in self._clients:
            client.pass_through()
        self._markers += 1
        self.redis.publish(WITNESS, str(self._markers))
        assert self._witness is not None
        self._witness.receive_all_until(str(self._markers))
        figures: dict[str, Any] = eventually(
            self._quiet, 'calls of the site, or websockets that join or leave, take too long'
        )
        for client in self._clients:
            client.pass_through()
        return figures

    def _quiet(self) -> dict[str, Any] | None:
        """What has happened so far, unless something is under way."""
        figures = self.run(inside.figures)
        there = 1 + sum(not client.ended for client in self._clients)
        if figures['joining'] or figures['running_jobs'] or figures['websockets'] > there:
            return None
        moved = {
            name: figures[name]
            for name in ('opened', 'messages_received', 'job_failures', 'closed')
        }
        return moved | {
            name: figures[name] - self._markers for name in ('messages_from_redis', 'messages_sent')
        }

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        name = f'{function.__module__}.{function.__qualname__}'
        called = {'key': self._production.key, 'function': name, 'arguments': arguments}
        return json.loads(request(self.port, 'POST', '/call/', json.dumps(called)))['answer']

    def page(self, path: str) -> str:
        return request(self.port, 'GET', path)

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
        while (message := self._record.get_message(timeout=GUARD)) is None or message[
            'type'
        ] != 'pong':
            if message is not None and message['channel'].decode() != WITNESS:
                self._published.append((message['channel'].decode(), message['data'].decode()))
        return list(self._published)

    def assert_listeners(self, name: str, count: int) -> None:
        self.settle()
        # What it has sent on its own connection last may come to Redis behind this question.
        eventually(
            lambda: self._listeners(name) == count, f'not {count} listen on {name!r}', LISTENS
        )

    def end(self) -> None:
        self.ended = True
        self._server.begin_to_end()
        for client in self._all_clients():
            client.wait_until_closed()
        self._production.end()

    def _all_clients(self) -> 'list[RemoteClient]':
        return self._clients if self._witness is None else [*self._clients, self._witness]

    def close(self) -> None:
        for client in self._all_clients():
            client.sock.close()
        self.ended = True
        self._record.close()
        self.redis.close()


class RemoteClient(process.SocketClient):
    """A browser's websocket over TCP; what it reads is complete, as WebSocketClient has it."""

    def __init__(
        self,
        site: InGunicorn,
        url: str,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> None:
        self._site = site
        self._heartbeat = settings.WS4REDIS_HEARTBEAT
        self.ended = False
        self.heartbeats = 0
        self._pongs = self._pings = 0
        self._begun: list[Frame] = []
        try:
            super().__init__(site.port, url, headers=headers, subprotocols=subprotocols)
        except process.Refused as exc:
            raise HandshakeRejected(
                exc.status, exc.headers, exc.body, 'in the log of gunicorn'
            ) from exc

    def _read(self) -> bool:
        going_on = super()._read()
        if not going_on:
            self.ended = True
            self.sock.close()
        return going_on

    def _take(self, event: Frame) -> None:
        if event.opcode is Opcode.PONG:
            self._pongs += 1
        elif (
            event.opcode is Opcode.TEXT
            and self._heartbeat
            and bytes(event.data) == self._heartbeat.encode()
        ):
            self.heartbeats += 1
        else:
            super()._take(event)

    def pass_through(self) -> None:
        """Until the server has worked off what was sent before, and what it has written has
        come; or to the end.
        """
        if self.ended:
            return
        self._begin_to_wait()
        if self._protocol.state is State.OPEN:
            self._pings += 1
            self.sock.sendall(Frame(Opcode.PING, b'%d' % self._pings).serialize(mask=True))
        while not self.ended and (
            self._pongs < self._pings or self._protocol.state is not State.OPEN
        ):
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
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """
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


def dotted(value: Any) -> Any:
    """A class or function by its name, for another process."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return value
    name = f'{value.__module__}.{value.__qualname__}'
    assert '<locals>' not in name, f'{name} has no name in another process'
    return name
