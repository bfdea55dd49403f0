"""Broker: the real application, exchange and redis-py in one test, on a server of its own in memory."""

import contextlib
import json as json_module
import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from types import FrameType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import redis
from django.core.serializers.json import DjangoJSONEncoder
from django.test.utils import override_settings

from ws4redis import settings
from ws4redis.access import MEMBEROF
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer, use_server
from ws4redis.testing.client import HandshakeRejected, ProtocolClient, WebSocketClient, check_response
from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver, MemoryWire, thread_ids
from ws4redis.wsgi_server import WebsocketWSGIServer

__all__ = ['ANY', 'SAME', 'Broker', 'Publication']


class _Any:
    def __repr__(self) -> str:
        return 'ANY'


class _Same:
    def __repr__(self) -> str:
        return 'SAME'


ANY = _Any()
SAME = _Same()
"""The origin of the site itself, as a browser sends it from one of its pages."""

HOST = 'testserver'
PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
EXACT_STEPS = 64
"""Timers that advance() runs one by one; beyond that periodic ones are coalesced."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One PUBLISH on one channel.

    Attributes:
        channel, facility: names; facility is None for a channel that is none of ours.
        message: the payload.
        expire: seconds to live that it was stored with; 0 if it was not stored, None if another client published it.
        source: 'file:line' of who published; None if another client did.
    """

    channel: str
    facility: str | None
    message: bytes
    expire: float | None
    source: str | None

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.message.decode('utf-8')

    def json(self) -> Any:
        """The payload from JSON."""
        return json_module.loads(self.message)


class Broker:
    """Stands for Redis, the websocket loop and the browsers in one test; a context manager.

    Inside it every publisher of the process publishes here. All of it runs in the test's thread, on the test's database
    connection, and nothing ever waits.

    Args:
        url: 'memory://'.
        raise_server_exceptions: whether what the site's callbacks and overrides raise comes out of the call that drove it;
            False shows what a browser would see.
    """

    kernel_buffer = 1 << 18
    """Bytes that a client takes in although it has stopped reading, as a socket's buffers would."""

    def __init__(self, url: str = 'memory://', *, raise_server_exceptions: bool = True) -> None:
        if url != 'memory://':
            raise ValueError(f"url is {url!r}: a Broker takes 'memory://'")
        self.raise_server_exceptions = raise_server_exceptions
        self._clients: list[WebSocketClient] = []
        self._started = False

    # Life

    def __enter__(self) -> 'Broker':
        self._begin()
        self._before = use_server(self._server)
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        try:
            self._end()
        finally:
            use_server(self._before)
        if exc_type is None:
            self._raise_errors()

    def _begin(self) -> None:
        self.threads_before = thread_ids()
        self.clock = Clock()
        self._server = RedisServer('memory://')
        self.driver = MemoryDriver(self._server, self.clock)
        self._application = _Application(host=self.driver)
        self._published: list[Publication] = []
        self._notes: deque[tuple[bytes, bytes, float, str | None]] = deque()
        self._moved = 0.0
        self._shifted = 0
        self._server.gate.on_publish = self._note
        self._monitor: Any = redis.Redis(connection_pool=self._server.pool).pubsub()
        self._monitor.psubscribe('*')
        self._started = True

    def _end(self) -> None:
        self._server.gate.closed = False
        self.driver.stop()
        self._monitor.close()
        self._server.close()
        self._clients.clear()

    def close_clients(self) -> None:
        """Close every websocket, as a server does that ends."""
        self.driver.close_all()
        self.settle()

    def reset(self) -> None:
        """Begin anew: no websockets, no keys, nothing published."""
        self._end()
        self._begin()
        use_server(self._server)

    # Publishing

    def publish(
        self,
        message: Any = '',
        *,
        json: Any = ANY,
        facility: str,
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        expire: float | None = None,
    ) -> None:
        """Publish through a RedisPublisher.

        Args:
            message: str or bytes; json: an object instead of it.
            facility, users, groups, sessions, broadcast, expire: as RedisPublisher and publish_message() take them.
        """
        if json is not ANY:
            message = json_module.dumps(json, cls=DjangoJSONEncoder)
        publisher = RedisPublisher(facility=facility, users=users, groups=groups, sessions=sessions, broadcast=broadcast)
        publisher.publish_message(message, expire)
        self.settle()

    def _note(self, channel: bytes, payload: bytes, seconds: float) -> None:
        if not self._server.gate.closed:
            self._notes.append((channel, payload, max(0.0, seconds), _source()))

    @property
    def published(self) -> list[Publication]:
        """Every PUBLISH so far, whoever made it."""
        self._read_monitor()
        return list(self._published)

    def _read_monitor(self) -> None:
        while not self._server.gate.closed and self._monitor.connection.can_read(timeout=0):
            message = self._monitor.get_message()
            if message is not None and message['type'] == 'pmessage':
                self._published.append(self._publication(message['channel'], message['data']))

    def _publication(self, channel: bytes, payload: bytes) -> Publication:
        expire, source = None, None
        for note in self._notes:
            if note[:2] == (channel, payload):
                expire, source = note[2:]
                self._notes.remove(note)
                break
        name = channel.decode('utf-8', 'replace')
        return Publication(name, _facility(name), payload, expire, source)

    def persisted(
        self,
        *,
        facility: str = '',
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> bytes | None:
        """The persisted message of one channel; None if there is none.

        Args:
            facility, users, groups, sessions, broadcast: name one channel, as RedisPublisher takes them.
            channel: its raw name instead.
        """
        name = self._one_channel(channel, facility, users, groups, sessions, broadcast)
        with self._behind_the_gate() as store:
            value: bytes | None = store.get(name)
        return value

    def ttl(
        self,
        *,
        facility: str = '',
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> float | None:
        """Seconds that the persisted message of one channel still lives; None if there is none."""
        name = self._one_channel(channel, facility, users, groups, sessions, broadcast)
        with self._behind_the_gate() as store:
            left = store.pttl(name)
        return left / 1000 if left >= 0 else None

    def _one_channel(self, channel: str | None, facility: str, users: Any, groups: Any, sessions: Any, broadcast: bool) -> str:
        if channel is not None:
            return channel
        publisher = RedisPublisher(facility=facility, users=users, groups=groups, sessions=sessions, broadcast=broadcast)
        names = list(publisher._publishers)
        if len(names) != 1:
            raise ValueError(f'the audience names {len(names)} channels ({", ".join(names)}): name one')
        return str(names[0])

    @property
    def redis(self) -> 'redis.Redis':
        """A client of this broker's server."""
        return self._server.client

    # Connecting

    def connect(
        self,
        url_or_facility: str = '',
        *,
        subscribe: str | Sequence[str] = (),
        publish: str | Sequence[str] = (),
        echo: bool = False,
        user: Any = None,
        force_user: Any = None,
        groups: Sequence[str] | None = None,
        session: Any = None,
        client: Any = None,
        headers: Mapping[str, str] | None = None,
        origin: Any = SAME,
        subprotocols: Sequence[str] = (),
        subscriber: Any = None,
        allowed_channels: Any = ANY,
        name: str = '',
    ) -> WebSocketClient:
        """Open a websocket, through the real application.

        Args:
            url_or_facility: '/ws/chat?subscribe-user' with its query string, or the facility alone.
            subscribe, publish: names without 'subscribe-' and 'publish-', one or several.
            echo: whether it gets its own messages back.
            user: a saved user, who is logged in for it.
            force_user: any user object, without session or database.
            groups: group names for the session, as ws4redis:memberof.
            session: a session key, or a session object.
            client: a django.test.Client, whose cookies are sent.
            headers: more request headers.
            origin: its Origin header; None sends none.
            subprotocols: those to ask for.
            subscriber: a class instead of WS4REDIS_SUBSCRIBER.
            allowed_channels: a callable instead of WS4REDIS_ALLOWED_CHANNELS.
            name: what failures call it.

        Raises:
            HandshakeRejected: the server refuses.
            ValueError: an unknown channel name.
            Exception: what the site's code raised, with raise_server_exceptions.
        """
        overrides: dict[str, Any] = {}
        if subscriber is not None:
            overrides['WS4REDIS_SUBSCRIBER'] = subscriber
        if allowed_channels is not ANY:
            overrides['WS4REDIS_ALLOWED_CHANNELS'] = allowed_channels
        with override_settings(**overrides) if overrides else contextlib.nullcontext():
            path, query = self._address(url_or_facility, subscribe, publish, echo)
            cookies = _cookies(user, groups if force_user is None else None, session, client)
            heartbeat = settings.WS4REDIS_HEARTBEAT
            shown = name or _name_of(user or force_user) or f'client {len(self._clients) + 1}'
            uri = f'ws://{HOST}{path}' + (f'?{query}' if query else '')
            websocket = WebSocketClient(self, uri, shown, tuple(subprotocols), heartbeat.encode() if heartbeat else None)
            environ = _environ(websocket, path, query, cookies, headers or {}, origin)
            environ['ws4redis.testing.force'] = (force_user, groups) if force_user is not None else None
            self._handshake(websocket, environ)
        self._clients.append(websocket)
        self.settle()
        return websocket

    def _address(self, url_or_facility: str, subscribe: Any, publish: Any, echo: bool) -> tuple[str, str]:
        if url_or_facility.startswith('/'):
            parts = urlsplit(url_or_facility)
            path, names = parts.path, [parts.query] if parts.query else []
        else:
            path, names = settings.WEBSOCKET_URL + quote(url_or_facility), []
        for verb, asked in (('subscribe', subscribe), ('publish', publish)):
            for short in (asked,) if isinstance(asked, str) else asked:
                wanted = f'{verb}-{short}'
                if wanted not in self._application.possible_channels:
                    valid = [found.partition('-')[2] for found in self._application.possible_channels if found.startswith(verb)]
                    raise ValueError(f'{verb}={short!r} is no channel: it takes {", ".join(map(repr, valid))}')
                names.append(wanted)
        if echo:
            names.append('echo')
        return path, '&'.join(names)

    def _handshake(self, websocket: WebSocketClient, environ: dict[str, Any]) -> None:
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer[:] = [status, headers]
            return None

        try:
            body = b''.join(self._application(environ, start_response))
        except BrokenPipeError:
            check_response(websocket)
            self._raise_errors()
            return
        self._raise_errors()
        refusal = self.driver.refusal
        reason = refusal.reason if refusal is not None else ''
        raise HandshakeRejected(int(answer[0].split()[0]), dict(answer[1]), body, reason)

    @property
    def clients(self) -> list[WebSocketClient]:
        """Those that are still open on the server's side."""
        return list(self.driver.websockets)

    # Time and faults

    @property
    def now(self) -> float:
        """The broker's time, seconds since the epoch."""
        return self.clock.now()

    def settle(self) -> None:
        """Until everything that was published has arrived, every answer too, and no timer is due."""
        self.driver.settle()
        self._read_monitor()
        self._raise_errors()

    def take_from_client(self, client: WebSocketClient, data: bytes) -> None:
        """Bytes that a client has sent."""
        self.driver.take_from_client(client, data)

    def writable(self, recipient: Any) -> None:
        """A client reads again."""
        self.driver.writable(recipient)

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass, without waiting: timers run in their order, persisted messages expire.

        Raises:
            ValueError: the time is negative.
            RuntimeError: an open client's session would end by then, and no clock tool is active that moves Django's clock.
        """
        left = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if left < 0:
            raise ValueError(f'advance() takes seconds from 0 on, not {left}')
        self.settle()
        target = self.now + left
        self._check_sessions(target, self.clients)
        self._run_timers(target)
        if target - self.now > 2 * EXACT_STEPS:
            # Periodic timers do now what they would have done many times over.
            self._move(target - self.now - EXACT_STEPS)
            self.settle()
            self._run_timers(target)
        self._move(target - self.now)
        self.settle()

    def _check_sessions(self, target: float, clients: Sequence[ProtocolClient]) -> None:
        if self.clock.moves_django:
            return
        for client in clients:
            expires = client.session_expires
            if expires is not None and expires <= target:
                raise RuntimeError(
                    f"{client.name}'s session ends in {expires - self.now:.0f} s, and Django's clock does not move: "
                    'advance inside time_machine.travel() or freezegun.freeze_time(), or close this client first'
                )

    def _run_timers(self, target: float) -> None:
        for _ in range(EXACT_STEPS):
            deadline = self.driver.deadline()
            if deadline is None or deadline > target:
                return
            self._move(deadline - self.now)
            self.settle()

    def _move(self, seconds: float) -> None:
        if seconds <= 0:
            return
        # fakeredis counts by time.time(), which a clock tool moves by itself.
        moves_itself = self.clock.moves_django
        self.clock.move(seconds)
        self._moved += 0 if moves_itself else seconds
        # Of the sum, since a part of a millisecond for each of many timers would add up.
        shift = math.ceil(round(self._moved * 1000, 3)) - self._shifted
        self._shifted += shift
        with self._behind_the_gate() as store:
            for key in store.scan_iter(count=1000):
                at = store.pexpiretime(key)
                if 0 <= at <= time.time() * 1000 + shift:
                    store.delete(key)
                elif at >= 0 and shift:
                    store.pexpireat(key, at - shift)

    @contextlib.contextmanager
    def _behind_the_gate(self) -> Iterator[Any]:
        """The store, for the test's own looks at it, in an outage too."""
        gate = self._server.gate
        closed, gate.closed = gate.closed, False
        try:
            yield self.redis
        finally:
            gate.closed = closed

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Redis is away inside the block: connections are cut and new ones refused; at its end the feed is back."""
        self.settle()
        gate = self._server.gate
        gate.closed = True
        self.driver.feed_lost('outage()')
        self.driver.settle()
        try:
            yield
        finally:
            gate.closed = False
            self.driver.exchange.feed.retry_now()
            self.settle()

    def _raise_errors(self) -> None:
        errors, self.driver.errors = self.driver.errors, []
        if errors and self.raise_server_exceptions:
            raise errors[0]


class _Application(WebsocketWSGIServer):
    """The real application; a forced user takes the place of session and database."""

    def process_request(self, request: Any) -> None:
        forced = request.environ.get('ws4redis.testing.force')
        if forced is None:
            super().process_request(request)
        else:
            request.user, groups = forced
            request.session = _ForcedSession(groups)
        request.environ['ws4redis.testing.wire'].client.session = getattr(request, 'session', None)

    def _close_connections(self) -> None:
        """They are the test's own."""


class _ForcedSession(dict[str, Any]):
    session_key = None

    def __init__(self, groups: Sequence[str] | None) -> None:
        super().__init__({MEMBEROF: list(groups)} if groups else {})


def _cookies(user: Any, groups: Sequence[str] | None, session: Any, client: Any) -> dict[str, str]:
    from django.conf import settings as django_settings

    name = django_settings.SESSION_COOKIE_NAME
    if user is not None or (groups is not None and client is None and session is None):
        from django.test import Client

        client = client or Client()
        if user is not None:
            client.force_login(user)
        if groups is not None:
            stored = client.session
            stored[MEMBEROF] = list(groups)
            stored.save()
            client.cookies[name] = stored.session_key
    if client is not None:
        return {key: morsel.value for key, morsel in client.cookies.items()}
    if session is not None:
        return {name: session if isinstance(session, str) else session.session_key}
    return {}


def _environ(
    websocket: WebSocketClient, path: str, query: str, cookies: dict[str, str], headers: Mapping[str, str], origin: Any
) -> dict[str, Any]:
    environ: dict[str, Any] = {
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'PATH_INFO': unquote(path, 'latin-1'),
        'QUERY_STRING': query,
        'SERVER_NAME': HOST,
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'REMOTE_ADDR': '127.0.0.1',
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO(),
        'wsgi.errors': BytesIO(),
        'wsgi.multithread': False,
        'wsgi.multiprocess': False,
        'wsgi.run_once': False,
        'ws4redis.testing.wire': MemoryWire(websocket),
    }
    sent = dict(websocket.request().headers.raw_items())
    if origin is not None:
        sent['Origin'] = f'http://{HOST}' if origin is SAME else str(origin)
    if cookies:
        sent['Cookie'] = '; '.join(f'{key}={value}' for key, value in cookies.items())
    for key, value in {**sent, **headers}.items():
        environ['HTTP_' + key.upper().replace('-', '_')] = value
    return environ


def _name_of(user: Any) -> str:
    return str(user.get_username()) if user is not None else ''


def _facility(channel: str) -> str | None:
    prefix = f'{settings.WS4REDIS_PREFIX}:' if settings.WS4REDIS_PREFIX else ''
    kind, _, rest = channel.removeprefix(prefix).partition(':')
    if kind == 'broadcast':
        return rest
    return rest.partition(':')[2] if kind in ('user', 'group', 'session') else None


def _source() -> str | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f'{frame.f_code.co_filename}:{frame.f_lineno}' if frame is not None else None
