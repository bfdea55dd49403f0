"""Redis clients, made from WS4REDIS_CONNECTION: a dict, a URL, or memory://.

All of them pass through the gate of their server: there an outage can be made, and there the loop
learns that something was published on memory://, which has no descriptor to watch.
"""

import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.retry import Retry

import ws4redis as package
from ws4redis import settings

if TYPE_CHECKING:
    from fakeredis import FakeServer

__all__ = [
    'Gate',
    'RedisServer',
    'active_server',
    'connection_arguments',
    'memory_allowed',
    'namespace',
    'outage',
    'persisted_values',
    'runs_in_test',
    'serve_websockets',
    'use_server',
]

logger = logging.getLogger('ws4redis.redis_client')

MEMORY = 'memory://'
POOL_SIZE = 50
"""Connections of this process's clients; a command takes its one for a fraction of a
millisecond.
"""

SCHEMES = ('redis://', 'rediss://', 'unix://', MEMORY)


class Gate:
    """Where every client of this package passes on its way to one server.

    Attributes:
        closed: whether the server is out of reach, by outage().
        on_publish: called with channel, payload, seconds to live and sender before our publishers
            send it; for a test's broker.
    """

    def __init__(self) -> None:
        self.closed = False
        self._listeners: list[Callable[[], None]] = []
        self.on_publish: Callable[[bytes, bytes, float, Any], None] | None = None

    def check(self) -> None:
        """Raise redis.ConnectionError while the gate is closed."""
        if self.closed:
            raise redis.ConnectionError('Redis is out of reach: outage() closed the gate')

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after each command that went through."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no longer."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def passed(self) -> None:
        """A command went through."""
        for listener in tuple(self._listeners):
            listener()


class _Once(Retry):
    """No second attempt. It never changes, so the copy that redis-py makes for each connection
    may be itself.
    """

    def __deepcopy__(self, memo: Any) -> '_Once':
        return self


class _GatedMixin:
    """A connection of redis-py that passes through a gate."""

    ws4redis_gate: Gate

    def __init__(self, *, ws4redis_gate: Gate, **kwargs: Any) -> None:
        self.ws4redis_gate = ws4redis_gate
        super().__init__(**kwargs)

    def connect(self) -> None:
        self.ws4redis_gate.check()
        super().connect()  # type: ignore[misc]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self.ws4redis_gate.closed:
            self.disconnect()  # type: ignore[attr-defined]
        self.ws4redis_gate.check()
        super().send_packed_command(command, check_health)  # type: ignore[misc]
        self.ws4redis_gate.passed()


class _GatedConnection(_GatedMixin, Connection):
    pass


class _GatedSSLConnection(_GatedMixin, SSLConnection):
    pass


class _GatedUnixConnection(_GatedMixin, UnixDomainSocketConnection):
    pass


_NOT_KEPT = ('retry_on_', 'maint_', 'maintenance_', 'oss_', 'orig_', 'himport_')

_GATED: dict[Any, Any] = {
    Connection: _GatedConnection,
    SSLConnection: _GatedSSLConnection,
    UnixDomainSocketConnection: _GatedUnixConnection,
}


def connection_arguments(value: str | dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The connection class of redis-py and its arguments, from a URL or a dict of the arguments of
    redis.Redis.

    Raises:
        ImproperlyConfigured: the value cannot work.
    """
    if isinstance(value, str):
        if not value.startswith(SCHEMES[:3]):
            scheme, found, _ = value.partition('://')
            begins = f'begins with {scheme + found!r}' if found else 'has no scheme'
            raise ImproperlyConfigured(
                f'WS4REDIS_CONNECTION {begins}: it begins with {", ".join(SCHEMES)}'
            )
        if not _is_readable(value):
            raise ImproperlyConfigured(
                'WS4REDIS_CONNECTION is no URL: special characters in its password are '
                'written as %XX'
            )
        try:
            pool = ConnectionPool.from_url(value)
        except ValueError as exc:
            raise ImproperlyConfigured(
                f'WS4REDIS_CONNECTION is no URL that redis-py takes: {exc}'
            ) from exc
        try:
            # redis-py hands on whatever the query string has, and would fail with the first
            # connection.
            pool.connection_class(**pool.connection_kwargs)
        except TypeError as exc:
            raise ImproperlyConfigured(
                f'WS4REDIS_CONNECTION has an argument that redis-py does not take: {exc}'
            ) from exc
        return pool.connection_class, dict(pool.connection_kwargs)
    if not isinstance(value, dict):
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION is {type(value).__name__}: it takes a URL or a dict'
        )
    try:
        client = redis.Redis(**value)
    except TypeError as exc:
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION has an argument that redis.Redis does not take: {exc}'
        ) from exc
    return client.connection_pool.connection_class, dict(client.connection_pool.connection_kwargs)


def _is_readable(url: str) -> bool:
    try:
        # The ValueErrors of urllib quote what they cannot read, which may be a part of the
        # password.
        return urlsplit(url).port != -1
    except ValueError:
        return False


class RedisServer:
    """One Redis server, as the clients of this process reach it.

    Args:
        value: as WS4REDIS_CONNECTION.
        memory: the in-memory server to use for memory://; None makes one.

    Attributes:
        namespace: what stands before each name that our classes make, the prefix included; a test's
            own on a shared server.
    """

    namespace = ''

    def __init__(self, value: str | dict[str, Any], memory: 'FakeServer | None' = None) -> None:
        self.gate = Gate()
        self.in_memory = isinstance(value, str) and value.startswith(MEMORY)
        if self.in_memory:
            connection_class, arguments = _memory_arguments(memory)
        else:
            connection_class, arguments = connection_arguments(value)
            connection_class = _GATED.get(connection_class, connection_class)
        # What redis-py adds for RESP 3's maintenance notifications would refuse protocol 2.
        kept = {name: value for name, value in arguments.items() if not name.startswith(_NOT_KEPT)}
        self._arguments = kept | {
            'ws4redis_gate': self.gate,
            # Ten retries, redis-py's default, repeat a PUBLISH whose answer was lost.
            'retry': _Once(NoBackoff(), 0),
            'protocol': 2,
            'decode_responses': False,
        }
        self._connection_class = connection_class
        self._pool: ConnectionPool | None = None
        self._client: redis.Redis | None = None

    @property
    def timeout(self) -> float:
        """Seconds that an answer of the server may take."""
        return float(self._arguments.get('socket_timeout') or 5.0)

    @property
    def pool(self) -> ConnectionPool:
        """The connections of this process's clients, made when first asked for."""
        if self._pool is None and self.in_memory:
            # Its connections cost nothing, so there may be as many as there are threads.
            self._pool = ConnectionPool(
                connection_class=self._connection_class, max_connections=2**31, **self._arguments
            )
        elif self._pool is None:
            # One that waits: a thousand websockets that join at once ask for their persisted
            # messages at once.
            self._pool = BlockingConnectionPool(
                connection_class=self._connection_class,
                **{'max_connections': POOL_SIZE, 'timeout': self.timeout} | self._arguments,
            )
        return self._pool

    @property
    def client(self) -> 'redis.Redis':
        """The client of this process on the shared pool."""
        if self._client is None:
            self._client = redis.Redis(connection_pool=self.pool)
        return self._client

    def pubsub_connection(self) -> AbstractConnection:
        """A connection of its own, for the feed."""
        connection: AbstractConnection = self._connection_class(**self._arguments)
        return connection

    def ask(self, seconds: float) -> None:
        """Have Redis answer on a connection that is closed again.

        Args:
            seconds: that connecting, and each answer, may take.

        Raises:
            redis.RedisError, OSError: no answer, or a refusal.
        """
        limits = (
            {} if self.in_memory else {'socket_connect_timeout': seconds, 'socket_timeout': seconds}
        )
        connection: Any = self._connection_class(**self._arguments | limits)
        try:
            connection.connect()
            connection.send_command('PING')
            connection.read_response()
        finally:
            connection.disconnect()

    def close(self) -> None:
        """Close the pool's connections."""
        if self._pool is not None:
            self._pool.disconnect()
        self._pool = self._client = None


def _memory_arguments(memory: 'FakeServer | None') -> tuple[Any, dict[str, Any]]:
    try:
        import fakeredis
    except ImportError as exc:
        raise ImproperlyConfigured(
            "memory:// needs fakeredis: python -m pip install 'django-websocket-redis[testing]'"
        ) from exc

    # Nobody reads in its CLIENT LIST which library it is: two commands less for each connection.
    return _memory_connection(), {'server': memory or fakeredis.FakeServer(), 'driver_info': None}


@functools.cache
def _memory_connection() -> Any:
    """The class, one for all servers: a test makes three of its connections."""
    import fakeredis

    class GatedFakeConnection(_GatedMixin, fakeredis.FakeRedisConnection):  # type: ignore[misc]
        def _connect(self) -> Any:
            sock: Any = super()._connect()
            its_class: Any = type(sock)
            sock.__class__ = _quiet(its_class)
            return sock

        def arrived(self) -> Iterator[Any]:
            """The replies that have come: all, since a message is with its subscribers before
            PUBLISH returns.
            """
            self.connect()
            sock: Any = self._sock
            if sock._killed:
                self.disconnect()  # type: ignore[no-untyped-call]
                raise redis.ConnectionError('the connection was killed')
            while self.can_read():
                yield self.read_response(disable_decoding=True)

    return GatedFakeConnection


@functools.cache
def _quiet(socket_class: Any) -> Any:
    class QuietSocket(socket_class):  # type: ignore[misc]
        def _keyspace_notifications(self, *args: Any) -> None:
            # fakeredis always sends keyspace notifications, Redis only if this setting asks for
            # them.
            if self._server.config.get(b'notify-keyspace-events'):
                super()._keyspace_notifications(*args)

    return QuietSocket


def persisted_values(client: 'redis.Redis', names: list[bytes]) -> dict[bytes, bytes]:
    """The persisted messages of these channels, those that there are."""
    # MGET passes over keys of another type, which are no persisted messages.
    values: Any = client.mget(names) if names else []
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


_configured: tuple[int, Any, RedisServer] | None = None
_locks: dict[int, threading.Lock] = {}
_override: RedisServer | None = None
_serving: int | None = None


def serve_websockets() -> None:
    """This process serves websockets, so that what it publishes on memory:// reaches somebody."""
    global _serving
    _serving = os.getpid()


def use_server(server: RedisServer | None) -> RedisServer | None:
    """Let every client of this package go to this server; None goes back to the settings. Gives
    what was in force.
    """
    global _override
    before, _override = _override, server
    return before


def namespace() -> str:
    """What stands before each name that our classes make: empty, but for tests on a server that
    others use.
    """
    return _override.namespace if _override is not None else ''


def runs_in_test() -> bool:
    """Whether use_server() has put a test's server in force."""
    return _override is not None


def active_server() -> RedisServer:
    """The server that clients of this process reach now: a test's, or that of WS4REDIS_CONNECTION.

    Raises:
        ImproperlyConfigured: the setting cannot work, or memory:// is used where it would lose
            messages.
    """
    global _configured
    if _override is not None:
        return _override
    kept: RedisServer | None = package.unrequested() if package.unrequested is not None else None
    if kept is not None:
        return kept
    value = settings.WS4REDIS_CONNECTION
    if isinstance(value, str) and value.startswith(MEMORY):
        _check_memory(value)
    configured = _configured
    if configured is None or configured[:2] != (os.getpid(), value):
        # First uses may come at once: all of them get the same server.
        with _locks.setdefault(os.getpid(), threading.Lock()):
            configured = _configured
            if configured is None or configured[:2] != (os.getpid(), value):
                if isinstance(value, str) and value.startswith(MEMORY):
                    logger.warning(
                        'memory:// belongs to this process alone (%s): nothing reaches or '
                        'leaves others',
                        os.getpid(),
                    )
                _configured = configured = (os.getpid(), value, RedisServer(value))
    return configured[2]


def outage(away: bool) -> None:
    """Take memory:// out of the reach of everything in this process, or bring it back: for a site
    that rehearses it.

    Connections are cut and new ones refused, so that publishers raise, and the loop waits and comes
    back as it does when a Redis server restarts. What is stored stays.

    Args:
        away: whether it is out of reach from now on.

    Raises:
        RuntimeError: DEBUG is off, or this process uses a Redis server: that one is not ours to
            take away.
        ImproperlyConfigured: as active_server(); so it is in a shell, where no websockets are.
    """
    server = active_server()
    if not django_settings.DEBUG or not server.in_memory:
        raise RuntimeError(
            'outage() is for memory:// under DEBUG; a Redis server is stopped where it was started'
        )
    server.gate.closed = away
    # Whoever listens finds the gate closed.
    server.gate.passed()


def memory_allowed(value: str) -> bool:
    """Whether memory:// may be used: under DEBUG, in a test environment, or where the URL says
    so.
    """
    return (
        django_settings.DEBUG
        or _in_test_environment()
        or parse_qs(urlsplit(value).query).get('allow') == ['1']
    )


def _check_memory(value: str) -> None:
    if not memory_allowed(value):
        raise ImproperlyConfigured(
            'WS4REDIS_CONNECTION is memory://, which belongs to one process: with DEBUG off it '
            'takes memory://?allow=1'
        )
    if _serving != os.getpid():
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION is memory:// and process {os.getpid()} '
            f'({os.path.basename(sys.argv[0])}) serves no websockets: '
            'what it publishes would vanish. Publish where the websockets are, or use a '
            'Redis server'
            " (if this is runserver: put 'ws4redis' before 'django.contrib.staticfiles')"
        )


def _in_test_environment() -> bool:
    # LiveServerTestCase serves with DEBUG off; setup_test_environment() leaves its mark here.
    utils = sys.modules.get('django.test.utils')
    return utils is not None and hasattr(utils._TestState, 'saved_data')
