"""memory://, a Redis inside this process: everything that knows how fakeredis works inside.

It belongs to one process. What another one publishes on a memory:// of its own reaches nobody, so
it may be used only where that cannot happen by mistake.
"""

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from ws4redis.core.replies import Reply
from ws4redis.gate import Gate, GatedMixin
from ws4redis.seam import seam

if TYPE_CHECKING:
    from fakeredis import FakeServer
    from redis.connection import AbstractConnection

__all__ = [
    'MemoryPump',
    'check_use',
    'memory_allowed',
    'memory_arguments',
    'serve_websockets',
    'warn_of_one_process',
]

logger = logging.getLogger('ws4redis.memory')

_serving: int | None = None


# When it may be used


def serve_websockets() -> None:
    """This process serves websockets, so that what it publishes on memory:// reaches somebody."""
    global _serving
    _serving = os.getpid()


def memory_allowed(value: str) -> bool:
    """Whether memory:// may be used: under DEBUG, in Django's test environment, or where the URL
    says so.
    """
    return (
        django_settings.DEBUG
        or seam.in_test_environment
        or parse_qs(urlsplit(value).query).get('allow') == ['1']
    )


def check_use(value: str) -> None:
    """Refuse memory:// where it would lose messages.

    Raises:
        ImproperlyConfigured: DEBUG is off, or this process serves no websockets.
    """
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


def warn_of_one_process() -> None:
    """Say in the log whose memory it is."""
    logger.warning(
        'memory:// belongs to this process alone (%s): nothing reaches or leaves others',
        os.getpid(),
    )


# Its connections


def memory_arguments(memory: 'FakeServer | None') -> tuple[Any, dict[str, Any]]:
    """The connection class and its arguments.

    Args:
        memory: the in-memory server to use; None makes one.

    Raises:
        ImproperlyConfigured: there is no fakeredis.
    """
    try:
        import fakeredis
    except ImportError as exc:
        raise ImproperlyConfigured(
            "memory:// needs fakeredis: python -m pip install 'django-websocket-redis[testing]'"
        ) from exc

    # Nobody reads in its CLIENT LIST which library it is: two commands less for each connection.
    return _connection_class(), {'server': memory or fakeredis.FakeServer(), 'driver_info': None}


@functools.cache
def _connection_class() -> Any:
    """The class, one for all servers: a test makes three of its connections."""
    import fakeredis

    class GatedFakeConnection(GatedMixin, fakeredis.FakeRedisConnection):  # type: ignore[misc]
        def _connect(self) -> Any:
            sock: Any = super()._connect()
            its_class: Any = type(sock)
            sock.__class__ = _quiet_class(its_class)
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
def _quiet_class(socket_class: Any) -> Any:
    class QuietSocket(socket_class):  # type: ignore[misc]
        def _keyspace_notifications(self, *args: object) -> None:
            # fakeredis always sends keyspace notifications, Redis only if this setting asks for
            # them.
            if self._server.config.get(b'notify-keyspace-events'):
                super()._keyspace_notifications(*args)

    return QuietSocket


# Its messages


class MemoryPump:
    """Pumps a connection of fakeredis, which has no descriptor: the gate of its server tells when
    something was published.

    Args:
        connection: redis-py's on fakeredis, connected.
        gate: where all commands of this process pass.
        call: runs a function in the hub, from whatever thread.
        receive, lost: as SocketPump's.
    """

    def __init__(
        self,
        connection: 'AbstractConnection',
        gate: Gate,
        call: Callable[[Callable[[], None]], None],
        receive: Callable[[list[Reply]], None],
        lost: Callable[[object], None],
    ) -> None:
        self._connection = connection
        self._gate = gate
        self._call = call
        self._receive = receive
        self._lost = lost
        self._called = False
        self._closed = False
        gate.listen(self._wake)

    def send(self, commands: list[tuple[bytes, ...]]) -> None:
        """Send these."""
        try:
            for command in commands:
                self._connection.send_command(*command, check_health=False)
        except redis.RedisError as exc:
            self._lost(exc)

    def _wake(self) -> None:
        if not self._called:
            self._called = True
            self._call(self._drain)

    def _drain(self) -> None:
        self._called = False
        if self._closed:
            return
        if self._gate.closed:
            self._lost('out of reach')
            return
        replies = []
        try:
            while self._connection.can_read(timeout=0):
                replies.append(self._connection.read_response(disable_decoding=True))
        except redis.RedisError as exc:
            self._lost(exc)
            return
        if replies:
            self._receive(replies)

    def close(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            self._gate.unlisten(self._wake)
            self._connection.disconnect()
