"""What publish_message() does: SET and PUBLISH for each channel, in one round trip."""

import logging
import math
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, ParamSpec, TypeVar

import redis
from asgiref.sync import sync_to_async

from ws4redis import settings
from ws4redis.core.echo import OwnCopies
from ws4redis.core.text import Message, as_bytes, message_bytes
from ws4redis.redis_client import active_server
from ws4redis.seam import seam

__all__ = ['in_thread', 'publish']

logger = logging.getLogger('ws4redis.publishing')

LONGEST: Final = 10**12
"""Seconds that a message may be kept: beyond its clock's range Redis refuses SET only in EXEC,
and the PUBLISH still goes out.
"""

Arguments = ParamSpec('Arguments')
Found = TypeVar('Found')


def publish(store: object, message: Message, expire: float | None, *, atomic: bool) -> None:
    """What publish_message() does, for any object that has the attributes of a RedisStore or
    some of them.
    """
    seconds = _seconds(
        getattr(store, '_expire', settings.WS4REDIS_EXPIRE) if expire is None else expire
    )
    if message is None:
        return
    payload = message_bytes(message, 'publish_message takes str, bytes, bytearray or RedisMessage')
    names = getattr(store, '_publishers', ())
    channels = [as_bytes(name) for name in names]
    if isinstance(names, (set, frozenset)):
        channels.sort()
    own_copies: OwnCopies | None = getattr(store, '_own_copies', None)
    if not channels:
        if own_copies is not None:
            own_copies.published_nowhere()
        elif getattr(store, '_names_nobody', False):
            logger.warning(
                'published to nobody: the publisher of %r names no audience (broadcast=True, '
                'users=, groups=, sessions=)',
                getattr(store, '_facility', None),
            )
        return
    connection = getattr(store, '_connection', None) or active_server().client
    if own_copies is None:
        _execute(connection, channels, payload, seconds, atomic, own_copies)
        return
    own_copies.publishing(channels, payload)
    try:
        _execute(connection, channels, payload, seconds, atomic, own_copies)
    except BaseException:
        own_copies.failed(channels, payload)
        raise


def in_thread(
    function: Callable[Arguments, Found],
) -> Callable[Arguments, Coroutine[Any, Any, Found]]:
    """The function as a coroutine function, run in a thread."""
    # Under a Broker thread-sensitive: below async_to_sync, as in Django's test client, that is the
    # test's own thread and database connection; below a bare asyncio.run() it is another.
    return sync_to_async(function, thread_sensitive=seam.in_force)


def _seconds(expire: object) -> float:
    if expire is None:
        return 0
    if isinstance(expire, bool) or not isinstance(expire, (int, float)):
        raise TypeError(
            f'expire is {type(expire).__name__}: it takes a number of seconds, 0 to store nothing'
        )
    if not math.isfinite(expire):
        raise ValueError(f'expire is {expire}: it takes a finite number of seconds')
    if expire > LONGEST:
        raise ValueError(f'expire is {expire}: Redis keeps nothing longer than {LONGEST} seconds')
    return expire


def _execute(
    connection: 'redis.Redis',
    channels: Iterable[bytes],
    payload: bytes,
    seconds: float,
    atomic: bool,
    own_copies: OwnCopies | None,
) -> None:
    gate = getattr(connection.connection_pool, 'connection_kwargs', {}).get('ws4redis_gate')
    # redis-py has no pipeline of several transactions, so MULTI and EXEC are commands like others
    # here.
    pipeline = connection.pipeline(transaction=False)
    for channel in channels:
        seam.publishing(gate, channel, payload, seconds, own_copies)
        if seconds <= 0:
            pipeline.execute_command('PUBLISH', channel, payload)
            continue
        if atomic:
            pipeline.execute_command('MULTI')
        pipeline.execute_command('SET', channel, payload, 'PX', max(1, round(seconds * 1000)))
        pipeline.execute_command('PUBLISH', channel, payload)
        if atomic:
            pipeline.execute_command('EXEC')
    for reply in pipeline.execute(raise_on_error=True):
        for part in reply if isinstance(reply, list) else ():
            if isinstance(part, redis.RedisError):
                raise part
