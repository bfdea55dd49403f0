"""Subscribers and callbacks that one test each looks through; the patterns of existing projects
are in overrides.py.
"""

from __future__ import annotations

import builtins
import os
from typing import Any

import fakeredis
import redis
from django.core.exceptions import PermissionDenied

from tests.subscribers.overrides import NOTES, ExtraChannel, FromRedisStore, Noting
from ws4redis.exceptions import NothingToRead, WebSocketError
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF
from ws4redis.subscriber import RedisSubscriber

# The contract


class NotesItsMaking(Noting):
    """With what it is made."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments)
        self.note(f'{len(arguments)} and {len(keywords)}, {isinstance(arguments[0], redis.Redis)}')


class NotesItsConnection(Noting):
    """What its connection is, and can do."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self.note(f'{id(self._connection)}')
        self.note(
            f'{isinstance(self._connection, redis.Redis)}, '
            f'{type(self._connection.pubsub()).__name__}'
        )
        self._connection.hset('hash', 'field', 'value')


class NotesItsSubscription(Noting):
    """What its subscription has of redis-py's object, and what not."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        subscription: Any = self._subscription
        subscription.subscribe('one', b'two')
        subscription.psubscribe('lab:*', 'shop:*')
        subscription.unsubscribe('two')
        subscription.punsubscribe('shop:*')
        self.note(
            f'{sorted(subscription.channels)}, {sorted(subscription.patterns)}, '
            f'{subscription.subscribed}'
        )
        self.note(f'{subscription.connection}, {self._connection.pubsub() is subscription}')
        calls: list[Any] = [
            lambda: subscription.subscribe(one=print),
            lambda: subscription.run_in_thread(0.1),
        ]
        for wrong in calls:
            try:
                wrong()
            except (TypeError, AttributeError) as exc:
                self.note(type(exc).__name__)

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self._subscription.unsubscribe()
        self._subscription.punsubscribe()

    def parse_response(self) -> Any:
        found = self._subscription.get_message()
        self.note(f'{found}')
        self.note(f'{self._subscription.get_message()}')
        return found['data']

    def release(self) -> None:
        self._subscription.reset()
        self._subscription.close()


class OwnDescriptor(RedisSubscriber):
    """A descriptor of its own, at which nothing ever comes."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.ends = os.pipe()

    def get_file_descriptor(self) -> int | None:
        return self.ends[0]

    def release(self) -> None:
        for end in self.ends:
            os.close(end)


class LooksAtRedis(Noting):
    """Whether anything is subscribed before set_pubsub_channels has ended."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.subscribe('extra')
        self.note(f'{self._connection.pubsub_numsub("broadcast:news", "extra")}')


class GoesOn(RedisSubscriber):
    """Publishes where no Redis is, and goes on."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        away = fakeredis.FakeServer()
        away.connected = False
        self._connection = fakeredis.FakeRedis(server=away, protocol=2)
        try:
            super().publish_message(message, expire)
        except redis.ConnectionError:
            return
        raise RuntimeError('it was published')


class AsksForMore(Noting):
    """Asks for a message when there is none."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        try:
            self.note(f'{self.parse_response()}')
        except NothingToRead as exc:
            self.note(f'{type(exc).__name__}, {isinstance(exc, Exception)}')


class MessagesAlone(ExtraChannel):
    """Is given nothing but messages."""

    def parse_response(self) -> Any:
        reply = super().parse_response()
        assert reply[0] == b'message'
        return reply


class NotesItsDescriptor(Noting):
    """What the base class gives."""

    def get_file_descriptor(self) -> int | None:
        descriptor = super().get_file_descriptor()
        self.note(f'{descriptor}')
        return descriptor


class NotesACopiedDescriptor(FromRedisStore):
    """What an expression gives that was copied from release 0.6.0."""

    def get_file_descriptor(self) -> int | None:
        descriptor = super().get_file_descriptor()
        self._connection.rpush(NOTES, f'{descriptor}')
        return descriptor


class KeepsItsWebsocket(Noting):
    """Sends by the websocket that it was given, then and later."""

    def send_persisted_messages(self, websocket: Any) -> None:
        self.websocket = websocket
        websocket.send('text')
        websocket.send(b'bytes that are text')
        websocket.send('binary', binary=True)
        websocket.send(b'\xff')

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self.websocket.send('later')
        self.note(f'closed: {self.websocket.closed}')

    def release(self) -> None:
        self.note(f'closed: {self.websocket.closed}')
        try:
            self.websocket.send('too late')
        except WebSocketError as exc:
            self.note(f'{exc}')


class SendsOneOfThree(RedisSubscriber):
    """Sends what is published three times meanwhile."""

    def send_persisted_messages(self, websocket: Any) -> None:
        for _ in range(3):
            self._connection.publish('broadcast:news', 'same')
        websocket.send('same')


class PublishesBefore(RedisSubscriber):
    """Another message becomes the persisted one before the base class looks."""

    def send_persisted_messages(self, websocket: Any) -> None:
        RedisPublisher(facility='news', broadcast=True).publish_message('new')
        super().send_persisted_messages(websocket)


class PublishesElsewhere(ExtraChannel):
    """A text that is persisted in one channel is published in the other."""

    def send_persisted_messages(self, websocket: Any) -> None:
        self._connection.publish('extra', 'equal by chance')
        super().send_persisted_messages(websocket)


class NotesMessages(Noting):
    """What publish_message is given."""

    def publish_message(self, message: Any, expire: float | None = None) -> Any:
        self.note(f'{type(message).__name__} {message!r}')
        return 'ignored'


class RaisesWhatItIsTold(RedisSubscriber):
    """Raises the exception of redis-py, or the built-in one, that the client names; publishes
    what is no such name.
    """

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        name = message.decode()
        exception = getattr(redis, name, None) or getattr(builtins, name, None)
        if exception is not None:
            raise exception('a secret')
        super().publish_message(message, expire)


class LooksAround(Noting):
    """Reads and leaves its subscription in release."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.subscribe('extra')
        self._subscription.psubscribe('lab:*')

    def release(self) -> None:
        self.note(f'{[list(self._subscription.channels), list(self._subscription.patterns)]}')
        self._subscription.unsubscribe(b'extra')
        self.note(f'{list(self._subscription.channels)}')
        super().release()
        self.note(f'{self._subscription.subscribed}')


class ByTenant(Noting):
    """A channel by what stands on the request."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        tenant = getattr(request, 'tenant', 'nobody')
        self.note(tenant)
        self._subscription.subscribe(f'tenant:{tenant}')


class AssignsPublishers(Noting):
    """Publishes elsewhere than it had been told to."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self.note(f'{self._publishers}')
        self._publishers = {'raw'}
        super().publish_message(message, expire)


class KeepsAPublisher(RedisSubscriber):
    """Has made a publisher for the request's user, and uses it later."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self.publisher = RedisPublisher(facility='news', users=[SELF], request=request)

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self.publisher.publish_message(message, expire)


# What compatibility.md has of the subscriber


class NotesItself(Noting):
    """Its methods and attributes, and what they are."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        for name in message.decode().split():
            self.note(f'{name} {callable(getattr(self, name))}')
        self.note(
            f'{self._publishers}, {list(self._subscription.channels)}, {self._expire}, '
            f'{self.get_prefix()!r}'
        )
        self.note(f'{self._get_message_channels(request=None, facility="chat", users=["john"])}')


class BroadcastAlone(RedisSubscriber):
    """Knows one name to subscribe, and none to publish."""

    subscription_channels = ['subscribe-broadcast']
    publish_channels: list[str] = []


class DisconnectHook(Noting):
    """release() as a disconnect hook, of handshakes that fail too."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        if request.GET.get('fail'):
            raise PermissionDenied

    def release(self) -> None:
        self.note('released')


class NineSeconds(RedisSubscriber):
    """Has an expiry of its own."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._expire = 9


class OldUser:
    """A user class of a site's own, from the days when is_authenticated was a method."""

    def is_authenticated(self) -> bool:
        return True

    def get_username(self) -> str:
        return 'old'


class OldSession:
    """What a site puts in the place of a session."""

    session_key = 'old-key'

    def get(self, name: str, default: Any = None) -> Any:
        return ['veterans'] if name == 'ws4redis:memberof' else default


def set_user_and_session(request: Any) -> None:
    """As WS4REDIS_PROCESS_REQUEST."""
    request.user = OldUser()
    request.session = OldSession()


def set_user_alone(request: Any) -> None:
    """As WS4REDIS_PROCESS_REQUEST of a site that knows no sessions."""
    request.user = OldUser()


def decide_for_each(request: Any, channels: list[str]) -> dict[str, bool]:
    """Answer with a mapping, which is no list."""
    return dict.fromkeys(channels, False)


def broadcast_alone(request: Any, channels: list[str]) -> set[str]:
    """As WS4REDIS_ALLOWED_CHANNELS: its answer replaces what was asked for."""
    return {'subscribe-broadcast'}


def deny(request: Any, channels: list[str]) -> list[str]:
    """As WS4REDIS_ALLOWED_CHANNELS."""
    raise PermissionDenied


class NotesEverything(Noting):
    """Notes the order of all calls."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.note('made')

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        self.note(f'set_pubsub_channels {channels}')
        super().set_pubsub_channels(request, channels)

    def send_persisted_messages(self, websocket: Any) -> None:
        self.note('send_persisted_messages')
        super().send_persisted_messages(websocket)

    def parse_response(self) -> Any:
        reply = super().parse_response()
        self.note(f'parse_response {reply[-1].decode()}')
        return reply

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self.note(f'publish_message {message.decode()}')
        super().publish_message(message, expire)

    def release(self) -> None:
        self.note('release')
        super().release()


class ForgetsSubscription(RedisSubscriber):
    """Releases without freeing anything."""

    def release(self) -> None:
        self._subscription = None  # type: ignore[assignment]


class PublishesAround(RedisSubscriber):
    """What it publishes is its own copy only if it goes through publish_message() of the store."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        if message == b'around':
            self._connection.publish(next(iter(self._publishers)), message)
        else:
            super().publish_message(message, expire)
