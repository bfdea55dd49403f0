"""RedisSubscriber: what serves one websocket, and what a site overrides."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ws4redis import settings
from ws4redis.exceptions import WebSocketError
from ws4redis.redis_client import active_server
from ws4redis.redis_store import SELF, RedisStore
from ws4redis.subscription import own_connection

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = [
    'PubSub',
    'RedisSubscriber',
    'WebSocketHandle',
    'facility_of',
]


class PubSub(Protocol):
    """What a subscriber listens with: the pubsub() of its connection, or of a client of its own.

    Attributes:
        connection: None, or the connection of a redis-py PubSub.
    """

    connection: Any

    @property
    def channels(self) -> Mapping[bytes, Any]:
        """The channels, names as bytes."""

    @property
    def patterns(self) -> Mapping[bytes, Any]:
        """The patterns, as bytes."""

    @property
    def subscribed(self) -> bool:
        """Whether there is anything to listen on."""

    def subscribe(self, *names: str | bytes) -> object:
        """Listen on these channels; names are raw, no prefix is added."""

    def psubscribe(self, *patterns: str | bytes) -> object:
        """Listen on all channels that match one of these patterns."""

    def unsubscribe(self, *names: str | bytes) -> object:
        """Listen on these no longer; without arguments on no channel."""

    def punsubscribe(self, *patterns: str | bytes) -> object:
        """Listen by these patterns no longer; without arguments by none."""

    def parse_response(self) -> Any:
        """The next message as redis-py gives it; NothingToRead if there is none."""

    def get_message(self, ignore_subscribe_messages: bool = ..., timeout: float = ...) -> Any:
        """The next message as redis-py's dict; None if there is none."""

    def reset(self) -> None:
        """Listen on nothing any more."""

    def close(self) -> None:
        """As reset()."""


class WebSocketHandle(Protocol):
    """What a subscriber may do with its websocket."""

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages."""

    def send(self, message: str | bytes | bytearray, binary: bool | None = None) -> None:
        """Send a message; binary=None decides by its content."""

    def close(self, code: int = 1000, reason: str = '') -> None:
        """Close it with a code that may be sent (RFC 6455, 7.4) and at most 123 bytes of reason."""


class RedisSubscriber(RedisStore):
    """Serves one websocket; one object for each handshake, made with the connection as its only
    argument.

    A class of your own, named in WS4REDIS_SUBSCRIBER, overrides what it needs. Every method is
    called off the loop, one at a time and in order.

    Attributes:
        subscription_channels, publish_channels: the names that the query string may have.
        _publishers: names of the channels to which a browser's messages go.
        _subscription: what the websocket listens on; None before set_pubsub_channels().
    """

    subscription_channels: list[str] = [
        'subscribe-session',
        'subscribe-group',
        'subscribe-user',
        'subscribe-broadcast',
    ]
    publish_channels: list[str] = [
        'publish-session',
        'publish-group',
        'publish-user',
        'publish-broadcast',
    ]

    # Whoever overrides a method may count on it: set_pubsub_channels() comes first.
    _subscription: PubSub = None  # type: ignore[assignment]

    if TYPE_CHECKING:
        # What an override gets is a RedisMessage; what it hands on may be any message.
        def publish_message(self, message: Any, expire: float | None = None) -> None: ...

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        """Decide on which channels this websocket listens and publishes.

        Args:
            request: the handshake; it stays usable as long as the websocket is open.
            channels: the names of the query string that were asked for and allowed, `echo` not
                among them.

        Raises:
            PermissionDenied: from an override, refuses the websocket with 403.
        """
        facility = facility_of(request)
        self._publishers = set(
            self._get_message_channels(request, facility, **_audience('publish', channels))
        )
        self._subscription = self._connection.pubsub()
        for name in self._get_message_channels(
            request, facility, **_audience('subscribe', channels)
        ):
            self._subscription.subscribe(name)

    def send_persisted_messages(self, websocket: WebSocketHandle) -> None:
        """Send the persisted messages of the channels that this websocket listens on; called once,
        before live ones.

        Args:
            websocket: has send(message, binary=None), close(code, reason) and closed.
        """
        names = list(getattr(getattr(self, '_subscription', None), 'channels', ()))
        if not names:
            return
        connection = getattr(self, '_connection', None) or active_server().client
        send_persisted = getattr(websocket, 'send_persisted', None)
        values = connection.mget(names)
        # The browser may have left by now, or an override have closed the websocket: then nobody is
        # there to hear.
        with contextlib.suppress(WebSocketError):
            for name, value in zip(names, values, strict=True):
                if value is None:
                    continue
                if send_persisted is not None:
                    send_persisted(name, value)
                else:
                    websocket.send(value)

    def send_persited_messages(self, websocket: WebSocketHandle) -> None:
        """As send_persisted_messages(): the spelling of release 0.6.0, which may be overridden
        instead.
        """
        self.send_persisted_messages(websocket)

    def parse_response(self) -> Any:
        """The next message that has arrived, as the list that redis-py gives.

        Returns:
            What goes to the websocket: an override may return None (nothing), str, bytes, a
            RedisMessage or such a list.

        Raises:
            NothingToRead: no message has arrived.
        """
        return self._subscription.parse_response()

    def get_file_descriptor(self) -> int | None:
        """The descriptor to watch for messages; None if the exchange of this process brings them.

        With a redis-py PubSub of its own it is that connection's socket.
        """
        sock = getattr(own_connection(self), '_sock', None)
        # fakeredis invents numbers for its sockets.
        if sock is None or type(sock).__module__.startswith('fakeredis'):
            return None
        return int(sock.fileno())

    def release(self) -> None:
        """The websocket has ended: called exactly once for each subscriber, also if the
        handshake failed.
        """
        subscription = getattr(self, '_subscription', None)
        if subscription is not None and subscription.subscribed:
            subscription.unsubscribe()
            subscription.reset()


def _audience(verb: str, channels: list[str]) -> dict[str, Any]:
    # Only what was asked for is handed on: a site's own _get_message_channels() need not know all
    # of ours.
    audience: dict[str, Any] = {
        f'{kind}s': [SELF] for kind in ('user', 'group', 'session') if f'{verb}-{kind}' in channels
    }
    if f'{verb}-broadcast' in channels:
        audience['broadcast'] = True
    return audience


def facility_of(request: 'HttpRequest') -> str:
    """The facility of a handshake: what follows WEBSOCKET_URL in its decoded path."""
    path = str(request.path_info)
    return path.removeprefix(settings.WEBSOCKET_URL)
