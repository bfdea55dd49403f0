"""RedisMessage and RedisStore: what publisher and subscriber have in common; SELF."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

import redis

from ws4redis import settings
from ws4redis.core.audience import SELF, Audience
from ws4redis.core.channel import channel_names, check_facility, prefix_of
from ws4redis.core.echo import OwnCopies
from ws4redis.core.heartbeat import is_heartbeat
from ws4redis.core.replies import published
from ws4redis.core.text import Message, message_bytes
from ws4redis.identity import entry_names
from ws4redis.limits import current_heartbeat
from ws4redis.publishing import NOT_GIVEN, OnCommit, publish, publish_in_thread
from ws4redis.redis_client import active_server, check_client
from ws4redis.seam import seam

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ['SELF', 'Message', 'RedisMessage', 'RedisStore']

_Found = TypeVar('_Found')


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


class _Shared(Generic[_Found]):
    def __init__(self, look_up: Callable[[], _Found]) -> None:
        self.look_up = look_up

    def __get__(self, instance: object, owner: type | None = None) -> _Found:
        return self.look_up()


def _shared(look_up: Callable[[], _Found]) -> _Found:
    """An attribute that is looked up each time, until an object has one of its own: settings and
    servers change in tests.
    """
    return cast('_Found', _Shared(look_up))


class _Look(NamedTuple):
    """What a look at `_publishers` has given.

    Attributes:
        names: the set itself, which may have been changed since.
        own: those names that the object had put into it.
        added: those that the site had.
    """

    names: set[str]
    own: frozenset[str]
    added: frozenset[str]


class _Publishers:
    """The channels of an object: a set that is its alone, to which names may be added.

    Its own ones are named anew at each look, since prefix and settings may change. What is assigned
    stays, and so does the set of somebody who takes an own name out of it.
    """

    def __get__(
        self, instance: 'RedisStore | None', owner: type | None = None
    ) -> set[str] | frozenset[str]:
        if instance is None:
            return frozenset()
        kept = vars(instance)
        if '_publishers' in kept:
            assigned: set[str] = kept['_publishers']
            return assigned
        before: _Look = kept.get('_look') or _Look(set(), frozenset(), frozenset())
        if not before.own <= before.names:
            kept['_publishers'] = before.names
            return before.names
        own = frozenset(instance._own_channels())
        added = frozenset(before.names - before.own | before.names & before.added)
        # Another set, never the old one changed: other threads may be going through that.
        names = before.names if before.names == own | added else {*own, *added}
        kept['_look'] = _Look(names, own, added)
        return names

    def __set__(self, instance: 'RedisStore', names: set[str]) -> None:
        kept = vars(instance)
        # `|=` assigns the set that it has changed.
        if '_look' not in kept or kept['_look'].names is not names:
            kept['_publishers'] = names

    def __delete__(self, instance: 'RedisStore') -> None:
        del vars(instance)['_publishers']


def _in_any_form(names: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Hide the arguments from type checkers: an override may have those that it likes."""
    return names


class RedisStore:
    """Names of channels, publishing and persisting.

    Args:
        connection: the redis.Redis to use; None takes the shared pool of WS4REDIS_CONNECTION, when
            it is needed.

    Raises:
        TypeError: the connection is an asyncio client.

    Attributes:
        _connection: the client that publishes, asks and subscribes.
        _publishers: the set of the channels to which publish_message() goes; names may be added,
            or another set assigned.
        _expire: seconds that a message is persisted if publish_message() is not told;
            WS4REDIS_EXPIRE.
    """

    _connection: 'redis.Redis' = _shared(lambda: active_server().client)
    _expire: float | None = _shared(lambda: settings.WS4REDIS_EXPIRE)
    _publishers: set[str] = cast('set[str]', _Publishers())
    _own_copies: OwnCopies | None = None
    _on_commit: OnCommit = False

    def __init__(self, connection: 'redis.Redis | None' = None) -> None:
        if connection is not None:
            check_client(connection)
            self._connection = connection
        shared = type(self)._publishers
        if isinstance(shared, set):
            # Of a site's class: what one object adds is no channel of the others.
            self._publishers = set(shared)

    def _own_channels(self) -> list[str]:
        """The channels that this object names by itself."""
        return []

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
            ChannelNameError: a name that makes no channel was given explicitly, or the facility has
                a control character.
            ValueError: there is no facility, or SELF without a request.
            TypeError: an audience, or an entry of one, is of another type.
        """
        if facility is None:
            raise ValueError('facility is missing: a channel belongs to a facility')
        check_facility(facility)
        names = {
            kind: entry_names(kind, audience, request)
            for kind, audience in (('group', groups), ('user', users), ('session', sessions))
        }
        return channel_names(self.get_prefix(), facility, broadcast=bool(broadcast), **names)

    if TYPE_CHECKING:
        # An override may know these two arguments alone, as those of release 0.6.0 do.
        def publish_message(self, message: Message, expire: float | None = None) -> None: ...
    else:

        def publish_message(
            self,
            message: Message = NOT_GIVEN,
            expire: float | None = None,
            *,
            json: object = NOT_GIVEN,
            on_commit: OnCommit | None = None,
        ) -> None:
            """Publish a message to every channel of this object, in one round trip.

            Args:
                message: str, bytes, bytearray, RedisMessage or lazy text; None (a RedisMessage of
                    the heartbeat) publishes nothing, with a RuntimeWarning once for each line of
                    code.
                expire: seconds that the message stays in Redis for those who come later; None takes
                    WS4REDIS_EXPIRE, 0 or less stores nothing and leaves an older message where it
                    is.
                json: an object instead of a message, published as DjangoJSONEncoder writes it.
                on_commit: True publishes when the transaction of the default database is committed,
                    a str when that of the database of this alias is, at once outside a transaction,
                    and never what is rolled back; False at once. None does as this object was told.
                    The message is the one of the call; names, prefix and settings are those of the
                    commit, and errors come as from a callback of transaction.on_commit().

            Raises:
                TypeError: the message, expire or on_commit is of another type; not exactly one of
                    message and json is given.
                ValueError: expire is no finite number, or more than 10**12 seconds.
                redis.ConnectionError, redis.TimeoutError: Redis is away; the message was published
                    at most once.
                django.utils.connection.ConnectionDoesNotExist: there is no such database.
            """
            publish(self, message, expire, json=json, on_commit=on_commit)

    def pipeline_publish_message(
        self,
        message: Message = NOT_GIVEN,
        expire: float | None = None,
        transaction: bool = True,
        *,
        json: object = NOT_GIVEN,
        on_commit: OnCommit | None = None,
    ) -> None:
        """As publish_message(); transaction=False stores and publishes without making each
        channel's pair atomic.
        """
        publish(self, message, expire, json=json, on_commit=on_commit, atomic=transaction)

    async def apublish_message(
        self,
        message: Message = NOT_GIVEN,
        expire: float | None = None,
        *,
        json: object = NOT_GIVEN,
        on_commit: OnCommit | None = None,
    ) -> None:
        """As publish_message(), for asynchronous views."""
        # An override need not know what was not given.
        given: dict[str, object] = {} if json is NOT_GIVEN else {'json': json}
        if on_commit is not None:
            given['on_commit'] = on_commit
        waits = self._on_commit if on_commit is None else on_commit
        if message is not NOT_GIVEN:
            given['message'] = message
        await publish_in_thread(
            self.publish_message, expire, given, with_database=waits is not False
        )
