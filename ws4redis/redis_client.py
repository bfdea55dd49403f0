"""Redis clients, made from WS4REDIS_CONNECTION: a dict, a URL, or memory://. All of them pass
through the gate of their server.
"""

import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import redis
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE
from redis.connection import AbstractConnection, BlockingConnectionPool, ConnectionPool
from redis.retry import Retry

from ws4redis import settings
from ws4redis.core.text import as_bytes
from ws4redis.gate import Gate, gated_class
from ws4redis.memory import check_use, memory_arguments, warn_of_one_process
from ws4redis.schemes import SCHEMES, SERVERS, is_memory
from ws4redis.seam import seam

if TYPE_CHECKING:
    from fakeredis import FakeServer

__all__ = [
    'RedisServer',
    'active_server',
    'bring_back',
    'check_client',
    'connection_arguments',
    'persisted_values',
    'raw_values',
    'take_away',
]

POOL_SIZE: Final = 50
"""Connections of this process's clients; a command takes its one for a fraction of a
millisecond.
"""


class _Once(Retry):
    """No second attempt. It never changes, so the copy that redis-py makes for each connection
    may be itself.
    """

    def __deepcopy__(self, memo: dict[int, object]) -> '_Once':
        return self


_NOT_KEPT: Final = ('retry_on_', 'maint_', 'maintenance_', 'oss_', 'orig_', 'himport_')


def connection_arguments(value: str | dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The connection class of redis-py and its arguments, from a URL or a dict of the arguments of
    redis.Redis.

    Raises:
        ImproperlyConfigured: the value cannot work.
    """
    if isinstance(value, str):
        return _arguments_of_url(value)
    if not isinstance(value, dict):
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION is {type(value).__name__}: it takes a URL or a dict'
        )
    try:
        pool = redis.Redis(**value).connection_pool
    except TypeError as exc:
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION has an argument that redis.Redis does not take: {exc}'
        ) from exc
    return pool.connection_class, dict(pool.connection_kwargs)


def _arguments_of_url(url: str) -> tuple[Any, dict[str, Any]]:
    _check_url(url)
    try:
        pool = ConnectionPool.from_url(url)
    except ValueError as exc:
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION is no URL that redis-py takes: {exc}'
        ) from exc
    try:
        # redis-py hands on whatever the query string has, and would fail with the first connection.
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as exc:
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION has an argument that redis-py does not take: {exc}'
        ) from exc
    return pool.connection_class, dict(pool.connection_kwargs)


def _check_url(url: str) -> None:
    if not url.startswith(SERVERS):
        scheme, found, _ = url.partition('://')
        begins = f'begins with {scheme + found!r}' if found else 'has no scheme'
        raise ImproperlyConfigured(
            f'WS4REDIS_CONNECTION {begins}: it begins with {", ".join(SCHEMES)}'
        )
    if not _is_readable(url):
        raise ImproperlyConfigured(
            'WS4REDIS_CONNECTION is no URL: special characters in its password are written as %XX'
        )


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
        namespace: what stands before each name that our classes make there, the prefix included.
    """

    namespace = ''

    def __init__(self, value: str | dict[str, Any], memory: 'FakeServer | None' = None) -> None:
        self.gate = Gate()
        self.in_memory = is_memory(value)
        if self.in_memory:
            connection_class, arguments = memory_arguments(memory)
        else:
            connection_class, arguments = connection_arguments(value)
            connection_class = gated_class(connection_class)
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


def persisted_values(client: 'redis.Redis', names: list[bytes]) -> dict[bytes, bytes]:
    """The persisted messages of these channels, those that there are."""
    values = raw_values(client, names) if names else []
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def raw_values(client: 'redis.Redis', names: list[bytes]) -> list[bytes | None]:
    """The persisted messages of these channels, None for one that has none; bytes, whatever the
    client makes of its answers.
    """
    pool = getattr(client, 'connection_pool', None)
    values: Any
    # MGET passes over keys of another type, which are no persisted messages.
    if getattr(pool, 'connection_kwargs', {}).get('decode_responses'):
        values = client.execute_command('MGET', *names, **{NEVER_DECODE: []})
    else:
        values = client.mget(names)
    return [as_bytes(value) if isinstance(value, str) else value for value in values]


def check_client(client: object) -> None:
    """Refuse a client whose answers have to be awaited.

    Raises:
        TypeError: it is one of redis.asyncio.
    """
    if inspect.iscoroutinefunction(getattr(type(client), 'execute_command', None)):
        raise TypeError(
            f'connection is {type(client).__module__}.{type(client).__qualname__}, an asyncio '
            f'client: it takes a redis.Redis; apublish_message() and afetch_message() are there '
            f'to be awaited'
        )


_configured: tuple[int, Any, RedisServer] | None = None
_locks: dict[int, threading.Lock] = {}


def active_server() -> RedisServer:
    """The server that clients of this process reach now: that of WS4REDIS_CONNECTION, or the one
    that takes its place.

    Raises:
        ImproperlyConfigured: the setting cannot work, or memory:// is used where it would lose
            messages.
    """
    return seam.find_server() or _server_of_the_settings()


def _server_of_the_settings() -> RedisServer:
    global _configured
    value = settings.WS4REDIS_CONNECTION
    if is_memory(value):
        check_use(value)
    configured = _configured
    if configured is None or configured[:2] != (os.getpid(), value):
        # First uses may come at once: all of them get the same server.
        with _locks.setdefault(os.getpid(), threading.Lock()):
            configured = _configured
            if configured is None or configured[:2] != (os.getpid(), value):
                if is_memory(value):
                    warn_of_one_process()
                _configured = configured = (os.getpid(), value, RedisServer(value))
    return configured[2]


def take_away() -> None:
    """Take memory:// out of the reach of everything in this process, for a site that rehearses it.

    Connections are cut and new ones refused, so that publishers raise, and the loop waits until
    bring_back(). What is stored stays.

    Raises:
        RuntimeError: DEBUG is off, or this process uses a Redis server: that one is not ours to
            take away.
        ImproperlyConfigured: as active_server(); so it is in a shell, where no websockets are.
    """
    _set_out_of_reach(True)


def bring_back() -> None:
    """End what take_away() has begun: the loop comes back as it does when a Redis server restarts.

    Raises:
        RuntimeError, ImproperlyConfigured: as take_away().
    """
    _set_out_of_reach(False)


def _set_out_of_reach(away: bool) -> None:
    server = active_server()
    if not django_settings.DEBUG or not server.in_memory:
        raise RuntimeError(
            'take_away() and bring_back() are for memory:// under DEBUG; a Redis server is '
            'stopped where it was started'
        )
    server.gate.closed = away
    # Whoever listens finds the gate closed, or open again.
    server.gate.passed()
