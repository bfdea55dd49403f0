"""What publish_message() does: SET and PUBLISH for each channel, in one round trip; at once, or
after a commit.
"""

import json as json_module
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple, ParamSpec, TypeAlias, TypeVar

import redis
from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from ws4redis import settings
from ws4redis.core.echo import OwnCopies
from ws4redis.core.text import Message, as_bytes, message_bytes
from ws4redis.redis_client import active_server
from ws4redis.seam import seam

__all__ = [
    'NOT_GIVEN',
    'AfterCommit',
    'Caller',
    'OnCommit',
    'as_json',
    'check_on_commit',
    'in_thread',
    'publish',
    'publish_in_thread',
]

logger = logging.getLogger('ws4redis.publishing')

LONGEST: Final = 10**12
"""Seconds that a message may be kept: beyond its clock's range Redis refuses SET only in EXEC,
and the PUBLISH still goes out.
"""

NOT_GIVEN: Final[Any] = ...
"""Stands for an argument of which None is a value."""

OnCommit: TypeAlias = bool | str
"""Whether a message waits for the commit of a database: True means the default one, a str the one
of this alias.
"""

Caller: TypeAlias = tuple[CodeType, int]
"""What has called, and its line."""

PACKAGE: Final = os.path.dirname(__file__) + os.sep

Arguments = ParamSpec('Arguments')
Found = TypeVar('Found')


def publish(
    store: object,
    message: Message,
    expire: float | None,
    *,
    json: object = NOT_GIVEN,
    on_commit: OnCommit | None = None,
    atomic: bool = True,
) -> None:
    """What publish_message() does, for any object that has the attributes of a RedisStore or
    some of them.
    """
    if json is not NOT_GIVEN:
        if message is not NOT_GIVEN:
            raise TypeError('message and json are given: one of them is what is published')
        message = as_json(json)
    elif message is NOT_GIVEN:
        raise TypeError('nothing to publish: it takes a message, or an object as json=')
    seconds = _seconds_of(store, expire)
    if on_commit is None:
        on_commit = getattr(store, '_on_commit', False)
    if message is None:
        _warn_of_none()
        return
    payload = message_bytes(message, 'publish_message takes str, bytes, bytearray or RedisMessage')
    if on_commit is not False:
        check_on_commit(on_commit)
        alias = DEFAULT_DB_ALIAS if on_commit is True else on_commit
        if _in_transaction(alias):
            waiting = AfterCommit(store, payload, expire, atomic, _callers())
            transaction.on_commit(waiting, using=alias)
            return
    _publish(store, payload, seconds, atomic)


def as_json(value: object) -> str:
    """JSON text; dates, decimals, lazy text and the like as Django writes them."""
    return json_module.dumps(value, cls=DjangoJSONEncoder)


def check_on_commit(on_commit: object) -> None:
    """Refuse what says of no database whether to wait for it.

    Raises:
        TypeError: it is neither a bool nor a str.
    """
    if not isinstance(on_commit, (bool, str)):
        raise TypeError(
            f'on_commit is {type(on_commit).__name__}: it takes True, False or the alias of a '
            f'database'
        )


@dataclass(frozen=True, slots=True, eq=False)
class AfterCommit:
    """What Django calls when the transaction has been committed.

    Attributes:
        callers: of publish_message(), the innermost first.
    """

    store: object
    payload: bytes
    expire: float | None
    atomic: bool
    callers: tuple[Caller, ...]

    def __call__(self) -> None:
        try:
            _publish(self.store, self.payload, _seconds_of(self.store, self.expire), self.atomic)
        except Exception as exc:
            # The traceback begins where the transaction has ended.
            for code, line in self.callers:
                if not code.co_filename.startswith(PACKAGE):
                    exc.add_note(f'published with on_commit at {code.co_filename}:{line}')
                    break
            raise


def _callers() -> tuple[Caller, ...]:
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def _in_transaction(alias: str) -> bool:
    # Django's own on_commit() would connect to the database to find out that there is none.
    connection = connections[alias]
    if connection.in_atomic_block:
        return True
    if connection.connection is None:
        return not connection.settings_dict['AUTOCOMMIT']
    return not connection.autocommit


def _publish(store: object, payload: bytes, seconds: float, atomic: bool) -> None:
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


class _Line(NamedTuple):
    """A line of the site's code, and where Python keeps what it has warned of there."""

    path: str
    line: int
    module: str
    registry: dict[Any, Any]


_remembered: ContextVar[_Line | None] = ContextVar('who awaits a publication', default=None)


def _caller() -> _Line:
    frame: FrameType = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return _Line(
        frame.f_code.co_filename,
        frame.f_lineno,
        frame.f_globals.get('__name__', '__main__'),
        frame.f_globals.setdefault('__warningregistry__', {}),
    )


def _warn_of_none() -> None:
    path, line, module, registry = _remembered.get() or _caller()
    warnings.warn_explicit(
        'published nothing: the message is None, which is what RedisMessage makes of the heartbeat',
        RuntimeWarning,
        path,
        line,
        module,
        registry,
    )


def in_thread(
    function: Callable[Arguments, Found], *, with_database: bool = False
) -> Callable[Arguments, Coroutine[Any, Any, Found]]:
    """The function as a coroutine function, run in a thread.

    Args:
        with_database: whether it has to be the thread that has the caller's transaction.
    """
    # Under a Broker thread-sensitive: below async_to_sync, as in Django's test client, that is the
    # test's own thread and database connection; below a bare asyncio.run() it is another.
    return sync_to_async(function, thread_sensitive=with_database or seam.in_force)


def _seconds_of(store: object, expire: float | None) -> float:
    return _seconds(
        getattr(store, '_expire', settings.WS4REDIS_EXPIRE) if expire is None else expire
    )


async def publish_in_thread(
    publish_message: Callable[..., None],
    expire: float | None,
    given: Mapping[str, Any],
    *,
    with_database: bool,
) -> None:
    """The method as a coroutine: what it warns of is said of the line that awaits it.

    Args:
        given: the arguments that were given, but for expire: an override need not know the others.
        with_database: whether it has to be the thread that has the caller's transaction.
    """
    call = in_thread(publish_message, with_database=with_database)
    arguments = dict(given)
    # Looked at here, since the thread does not know who waits for it.
    token = _remembered.set(_caller() if arguments.get('message', '') is None else None)
    try:
        if 'message' in arguments:
            await call(arguments.pop('message'), expire, **arguments)
        else:
            await call(expire=expire, **arguments)
    finally:
        _remembered.reset(token)


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
