"""RedisPublisher: how Django's side sends messages to websockets, and reads the persisted ones."""

import difflib
from typing import TYPE_CHECKING, Any, Literal, Never, TypeAlias, overload

from redis import StrictRedis

from ws4redis.core.audience import Audience, SelfType, audience_names, entry_name
from ws4redis.core.channel import check_facility
from ws4redis.core.text import Message, as_bytes
from ws4redis.identity import own_names
from ws4redis.publishing import OnCommit, check_on_commit, in_thread
from ws4redis.redis_client import active_server, raw_values
from ws4redis.redis_store import SELF, RedisStore

if TYPE_CHECKING:
    import redis
    from django.http import HttpRequest
    from redis.connection import ConnectionPool

    redis_connection_pool: ConnectionPool
    """The connections of this process's clients, of the server in force when it is looked at."""

__all__ = ['AudienceName', 'RedisPublisher', 'StrictRedis', 'redis_connection_pool']

_AUDIENCES = ('session', 'user', 'group', 'broadcast')

AudienceName: TypeAlias = Literal['any', 'session', 'user', 'group', 'broadcast']
"""Where fetch_message() looks; 'any' takes the first that has one, in this order."""


class RedisPublisher(RedisStore):
    """Publishes messages for an audience of one facility.

    SELF is resolved here, names, prefix and settings when a message is published. Without arguments
    it is good for fetch_message() only.

    Args:
        facility: as in the websocket's URL.
        broadcast: everybody who listens on the facility.
        users: users (objects or usernames), SELF for the request's user.
        groups: groups (objects or names), SELF for all groups of the request's user.
        sessions: session keys, SELF for the request's session. Beside other entries SELF is left
            out where the request has no such identity.
        request: the request that SELF means.
        connection: the redis.Redis to use; None takes the one of WS4REDIS_CONNECTION.
        on_commit: what publish_message() does if it is not told: True publishes when the
            transaction of the default database is committed, a str when that of the database of
            this alias is, at once outside a transaction; False always at once.
        **audiences: audiences of a site's own, handed to its _get_message_channels(). To type
            checkers there are none: a class that has some declares an __init__() with them.

    Raises:
        ChannelNameError (a ValueError): a name that makes no channel, or a facility with a control
            character.
        ValueError: SELF without a request, or SELF alone where the request has no such user or
            session.
        TypeError: an audience, an entry of one, or on_commit of another type; an asyncio client as
            connection; or an unknown keyword.
    """

    # A double may leave __init__() out.
    _facility: str | None = None

    if TYPE_CHECKING:

        @overload
        def publish_message(
            self,
            message: Message,
            expire: float | None = None,
            *,
            on_commit: OnCommit | None = None,
        ) -> None: ...
        @overload
        def publish_message(
            self,
            *,
            json: object,
            expire: float | None = None,
            on_commit: OnCommit | None = None,
        ) -> None: ...
        def publish_message(self, *arguments: Any, **keywords: Any) -> None: ...

    def __init__(
        self,
        facility: str | None = None,
        broadcast: bool = False,
        users: Audience = (),
        groups: Audience = (),
        sessions: Audience = (),
        request: 'HttpRequest | None' = None,
        connection: 'redis.Redis | None' = None,
        *,
        on_commit: OnCommit = False,
        **audiences: Never,
    ) -> None:
        if audiences and type(self)._get_message_channels is RedisStore._get_message_channels:
            raise TypeError(_unknown(next(iter(audiences))))
        check_facility(facility)
        super().__init__(connection)
        check_on_commit(on_commit)
        self._on_commit = on_commit
        self._names_nobody = (
            not broadcast
            and not audiences
            and all(given == () for given in (users, groups, sessions))
        )
        self._request = request
        self._facility = facility
        self._audiences = {
            'broadcast': broadcast,
            'groups': _resolve('group', groups, request),
            'users': _resolve('user', users, request),
            'sessions': _resolve('session', sessions, request),
            **audiences,
        }
        if facility is None and any(self._audiences.values()):
            raise ValueError(
                'facility is missing: RedisPublisher(facility=..., ...) says on which one to '
                'publish'
            )

    def _own_channels(self) -> list[str]:
        if self._facility is None:
            return []
        # Only what was asked for is handed on: a site's own method need not know all of ours.
        audiences = {name: value for name, value in self._audiences.items() if value}
        return self._get_message_channels(self._request, self._facility, **audiences)

    def fetch_message(
        self, request: 'HttpRequest | None', facility: str, audience: AudienceName = 'any'
    ) -> bytes | None:
        """The persisted message that this request's session, user or groups, or everybody, would
        get on joining.

        Args:
            request: whose session, user and groups are looked at.
            facility: as in the URL.
            audience: 'session', 'user', 'group' or 'broadcast'; 'any' looks in this order and takes
                the first found.

        Raises:
            ValueError: an unknown audience.
        """
        if audience != 'any' and audience not in _AUDIENCES:
            raise ValueError(
                f"audience is {audience!r}: it takes 'any', {', '.join(map(repr, _AUDIENCES))}"
            )
        wanted = _AUDIENCES if audience == 'any' else (audience,)
        channels: list[str] = []
        for name in wanted:
            keywords: dict[str, Any] = (
                {'broadcast': True} if name == 'broadcast' else {f'{name}s': [SELF]}
            )
            channels.extend(self._get_message_channels(request, facility, **keywords))
        if not channels:
            return None
        values = raw_values(self._connection, [as_bytes(channel) for channel in channels])
        return next((value for value in values if value is not None), None)

    async def afetch_message(
        self, request: 'HttpRequest | None', facility: str, audience: AudienceName = 'any'
    ) -> bytes | None:
        """As fetch_message(), for asynchronous views."""
        return await in_thread(self.fetch_message)(request, facility, audience)


def _unknown(name: str) -> str:
    known = (
        *('facility', 'broadcast', 'users', 'groups', 'sessions', 'request', 'connection'),
        'on_commit',
    )
    close = difflib.get_close_matches(name, known, n=1)
    hint = (
        f'did you mean {close[0]}=?'
        if close
        else 'an audience of your own takes a _get_message_channels() that knows it'
    )
    return f'RedisPublisher() takes no {name}=: {hint}'


def _resolve(kind: str, audience: Audience, request: 'HttpRequest | None') -> list[str]:
    names: list[str] = []
    entries = audience_names(kind, audience)
    for entry in entries:
        found = own_names(kind, request) if isinstance(entry, SelfType) else [entry]
        names.extend(entry_name(kind, name) for name in found)
    # Being in no group is no error.
    if entries and not names and kind != 'group':
        raise ValueError(
            f'{kind}s contains SELF, but the request has no {kind}: it is anonymous or was '
            f'never saved'
        )
    return names


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == 'redis_connection_pool':
            return active_server().pool
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
