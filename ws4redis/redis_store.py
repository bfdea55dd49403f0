"""RedisMessage and RedisStore: what publisher and subscriber have in common; SELF."""

import logging
import math
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar, cast

import redis
from asgiref.sync import sync_to_async

from ws4redis import settings
from ws4redis.core.audience import SELF, Audience, SelfType, audience_names, entry_name
from ws4redis.core.channel import channel_names, check_name, prefix_of
from ws4redis.core.echo import OwnCopies
from ws4redis.core.heartbeat import is_heartbeat
from ws4redis.core.replies import published
from ws4redis.core.text import as_bytes, message_bytes
from ws4redis.exceptions import ChannelNameError
from ws4redis.redis_client import active_server
from ws4redis.seam import seam

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ['SELF', 'Message', 'RedisMessage', 'RedisStore']

logger = logging.getLogger('ws4redis.redis_store')

MEMBEROF = 'ws4redis:memberof'
"""Where a session has the names of its user's groups."""

LONGEST = 10**12
"""Seconds that a message may be kept: beyond its clock's range Redis refuses SET only in EXEC,
and the PUBLISH still goes out.
"""


def current_heartbeat() -> bytes | None:
    """The heartbeat as the settings have it now; None for none."""
    text = settings.WS4REDIS_HEARTBEAT
    return as_bytes(text) if text else None


Arguments = ParamSpec('Arguments')
Found = TypeVar('Found')


class RedisMessage(bytes):
    """A message, as bytes.

    Args:
        value: str, bytes or bytearray; or the list that redis-py's parse_response() gives, of which
            the payload counts.

    Returns:
        None instead of a message for the heartbeat text and for a list that holds no message
        (release 0.6.0's way).

    Raises:
        TypeError: the value is something else.

    Attributes:
        binary: whether a browser sent it as a binary message; None if it comes from somewhere else.
    """

    binary: bool | None = None

    def __new__(cls, value: object) -> 'RedisMessage | None':  # type: ignore[misc]
        if isinstance(value, (list, tuple)):
            message = published(value)
            return None if message is None else cls(message.payload)
        payload = message_bytes(
            value, 'it takes str, bytes, bytearray or a reply of parse_response()'
        )
        return None if is_heartbeat(payload, current_heartbeat()) else super().__new__(cls, payload)


Message: TypeAlias = str | bytes | bytearray | None
"""What publish_message() takes; None is a RedisMessage of the heartbeat."""


class _Shared(Generic[Found]):
    def __init__(self, look_up: Callable[[], Found]) -> None:
        self.look_up = look_up

    def __get__(self, instance: object, owner: type | None = None) -> Found:
        return self.look_up()


def _shared(look_up: Callable[[], Found]) -> Found:
    """An attribute that is looked up each time, until an object has one of its own: settings and
    servers change in tests.
    """
    return cast('Found', _Shared(look_up))


def _in_any_form(names: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Hide the arguments from type checkers: an override may have those that it likes."""
    return names


class RedisStore:
    """Names of channels, publishing and persisting.

    Args:
        connection: the redis.Redis to use; None takes the shared pool of WS4REDIS_CONNECTION, when
            it is needed.

    Attributes:
        _connection: the client that publishes, asks and subscribes.
        _publishers: names of the channels to which publish_message() goes.
        _expire: seconds that a message is persisted if publish_message() is not told;
            WS4REDIS_EXPIRE.
    """

    _connection: 'redis.Redis' = _shared(lambda: active_server().client)
    _expire: float | None = _shared(lambda: settings.WS4REDIS_EXPIRE)
    _publishers: Any = ()
    _own_copies: OwnCopies | None = None

    def __init__(self, connection: 'redis.Redis | None' = None) -> None:
        if connection is not None:
            self._connection = connection

    @staticmethod
    def get_prefix() -> str:
        """What stands before each channel name: 'PREFIX:' or ''."""
        return seam.namespace + prefix_of(settings.WS4REDIS_PREFIX)

    @_in_any_form
    def _get_message_channels(
        self,
        request: 'HttpRequest | None' = None,
        facility: str | None = None,
        broadcast: bool = False,
        groups: Audience = (),
        users: Audience = (),
        sessions: Audience = (),
    ) -> list[str]:
        """The names of the channels of one facility; a site may override it to add audiences of its
        own.

        Args:
            request: whom SELF means; a name of its that makes no channel is left out and logged.
            facility: as in the URL.
            broadcast: whether the broadcast channel is among them.
            groups, users, sessions: names and objects, SELF among them.

        Raises:
            ChannelNameError: a name that makes no channel was given explicitly.
            ValueError: there is no facility, or SELF without a request.
            TypeError: an audience is of another type.
        """
        if facility is None:
            raise ValueError('facility is missing: a channel belongs to a facility')
        names = {
            kind: _entry_names(kind, audience, request)
            for kind, audience in (('group', groups), ('user', users), ('session', sessions))
        }
        return channel_names(self.get_prefix(), facility, broadcast=bool(broadcast), **names)

    def publish_message(self, message: Message, expire: float | None = None) -> None:
        """Publish a message to every channel of this object, in one round trip.

        Args:
            message: str, bytes, bytearray or RedisMessage; None (a RedisMessage of the heartbeat)
                publishes nothing.
            expire: seconds that the message stays in Redis for those who come later; None takes
                WS4REDIS_EXPIRE, 0 or less stores nothing and leaves an older message where it is.

        Raises:
            TypeError: the message or expire is of another type.
            ValueError: expire is no finite number, or more than 10**12 seconds.
            redis.ConnectionError, redis.TimeoutError: Redis is away; the message was published at
            most once.
        """
        publish(self, message, expire, atomic=True)

    def pipeline_publish_message(
        self, message: Message, expire: float | None = None, transaction: bool = True
    ) -> None:
        """As publish_message(); transaction=False stores and publishes without making each
        channel's pair atomic.
        """
        publish(self, message, expire, atomic=transaction)

    async def apublish_message(self, message: Message, expire: float | None = None) -> None:
        """As publish_message(), for asynchronous views."""
        await in_thread(self.publish_message)(message, expire)


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
    channels = [as_bytes(name) for name in getattr(store, '_publishers', ())]
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


def _entry_names(kind: str, audience: Audience, request: 'HttpRequest | None') -> list[str]:
    names = []
    for entry in audience_names(kind, audience):
        if isinstance(entry, SelfType):
            names.extend(_usable(kind, own_names(kind, request)))
        else:
            names.append(entry_name(kind, entry))
    return names


def _usable(kind: str, names: list[str]) -> list[str]:
    usable = []
    for name in names:
        try:
            usable.append(check_name(kind, name))
        except ChannelNameError as exc:
            logger.warning('left out a channel: %s', exc)
    return usable


def own_names(kind: str, request: 'HttpRequest | None') -> list[str]:
    """What SELF means in this request: its user, the groups in its session, its session key; empty
    if it has none.

    Raises:
        ValueError: there is no request.
    """
    if request is None:
        raise ValueError(f'{kind}s contains SELF: that needs request=, whose {kind}s are meant')
    if kind == 'user':
        user: Any = getattr(request, 'user', None)
        return [str(user.get_username())] if is_authenticated(user) else []
    session = getattr(request, 'session', None)
    if session is None:
        return []
    # This look drops a key that the session's store does not know.
    groups = session.get(MEMBEROF) or ()
    if kind == 'group':
        return [str(name) for name in groups]
    return (
        [str(session.session_key)]
        if session.session_key and not _is_cookie_session(session)
        else []
    )


def _is_cookie_session(session: object) -> bool:
    # With signed_cookies the key is the cookie's content, and any text passes for one.
    return any(
        base.__module__ == 'django.contrib.sessions.backends.signed_cookies'
        for base in type(session).__mro__
    )


def is_authenticated(user: object) -> bool:
    """Whether this is somebody; is_authenticated may be a bool or, on a site's own user class,
    callable.
    """
    value = getattr(user, 'is_authenticated', False)
    return bool(value() if callable(value) else value)
