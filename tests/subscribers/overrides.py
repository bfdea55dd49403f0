"""Subscribers as existing projects write them: one class for each pattern of test_overrides.py, for
every driver.

Each can be named in WS4REDIS_SUBSCRIBER, in another process too. What happened is noted in Redis,
in the list NOTES, where any test can read it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import fakeredis
import gevent
import redis
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied

from ws4redis import settings
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.subscriber import RedisSubscriber

NOTES = 'notes'

OTHER_SERVER = fakeredis.FakeServer()
"""The server of subscribers that bring a client of their own, unless OVERRIDES_OTHER_URL names a
real one.
"""


def other_client() -> redis.Redis:
    """A client of the other server."""
    url = os.environ.get('OVERRIDES_OTHER_URL')
    return (
        redis.Redis.from_url(url, protocol=2)
        if url
        else fakeredis.FakeRedis(server=OTHER_SERVER, protocol=2)
    )


def facility_of(request: Any) -> str:
    """As release 0.6.0 had it."""
    return str(request.path_info.replace(settings.WEBSOCKET_URL, '', 1))


class Noting(RedisSubscriber):
    """Notes what is called, and when it has ended."""

    def note(self, text: str) -> None:
        """Append to the notes."""
        self._connection.rpush(NOTES, text)


def tenant_middleware(get_response: Any) -> Any:
    """A middleware of the site's own, which runs for its pages alone."""

    def middleware(request: Any) -> Any:
        request.tenant = 'of the middleware'
        return get_response(request)

    return middleware


def set_tenant(request: Any) -> None:
    """As WS4REDIS_PROCESS_REQUEST: what a middleware would put on the request."""
    request.tenant = 'lab'


# Channels of its own


class ExtraChannel(RedisSubscriber):
    """One more channel from the beginning, another when the client asks for it."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.subscribe('extra')

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        if message == b'more':
            self._subscription.subscribe('more')
        else:
            super().publish_message(message, expire)


# The whole method replaced


class WholeReplacement(RedisSubscriber):
    """Channels of its own, by the groups in the database."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        facility = facility_of(request)
        if facility == 'secret':
            raise PermissionDenied('nobody may')
        names = [f'lab:{group.name}:{facility}' for group in Group.objects.order_by('name')]
        self._publishers = set()
        self._subscription = self._connection.pubsub()
        for name in names:
            self._publishers.add(name)
            self._subscription.subscribe(name)


class FailsToSubscribe(RedisSubscriber):
    """An error in set_pubsub_channels, once half of it is done."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        raise RuntimeError('a bug of the site')


# One more audience


class LabStore(RedisStore):
    """One more audience: server."""

    def _get_message_channels(
        self,
        request: Any = None,
        facility: str = '{facility}',
        broadcast: bool = False,
        groups: Any = (),
        users: Any = (),
        sessions: Any = (),
        server: bool = False,
    ) -> list[str]:
        channels = super()._get_message_channels(
            request, facility, broadcast, groups, users, sessions
        )
        if server:
            channels.append(f'{self.get_prefix()}server:{facility}')
        return channels


class LabPublisher(RedisPublisher, LabStore):
    """RedisPublisher(facility='x', server=True)."""

    if TYPE_CHECKING:

        def __init__(self, facility: str, server: bool = False, **audiences: Any) -> None: ...


class LabSubscriber(RedisSubscriber, LabStore):
    """subscribe-server and publish-server."""

    subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-server']
    publish_channels = [*RedisSubscriber.publish_channels, 'publish-server']

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        facility = facility_of(request)
        for name in self._get_message_channels(
            request=request, facility=facility, server='publish-server' in channels
        ):
            self._publishers.add(name)
        for name in self._get_message_channels(
            request=request, facility=facility, server='subscribe-server' in channels
        ):
            self._subscription.subscribe(name)


class FewAudiences(RedisSubscriber):
    """Its names know neither sessions nor groups: they are handed on only if they were asked
    for.
    """

    subscription_channels = ['subscribe-broadcast']
    publish_channels: list[str] = []

    def _get_message_channels(
        self, request: Any, facility: str, broadcast: bool = False
    ) -> list[str]:
        return [f'all:{facility}'] if broadcast else []


# Where a browser's message arrives


class JsonCommands(Noting):
    """The place where a browser's message arrives."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        self.facility = facility_of(request)
        self.request = request
        super().set_pubsub_channels(request, channels)

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        assert isinstance(message, RedisMessage)
        command = json.loads(message)
        getattr(self, f'do_{command.pop("do")}')(**command)

    def do_answer(self, text: str) -> None:
        RedisPublisher(facility=self.facility, broadcast=True).publish_message(
            json.dumps({'answer': text})
        )

    def do_answer_me(self, text: str) -> None:
        RedisPublisher(facility=self.facility, users=[SELF], request=self.request).publish_message(
            text
        )

    def do_count_groups(self) -> None:
        self.note(f'{Group.objects.count()} groups')

    def do_pass_on(self, text: str) -> None:
        super().publish_message(text)

    def do_swallow(self) -> None:
        self.note('swallowed')

    def do_spawn(self, text: str) -> None:
        gevent.spawn(self.do_answer, text)

    def do_fail(self) -> None:
        raise RuntimeError('a bug of the site: redis://:s3cret@db.internal')


# Persisted messages


class SendsList(RedisSubscriber):
    """The last messages of each channel, from a list in Redis."""

    def send_persisted_messages(self, websocket: Any) -> None:
        for name in self._subscription.channels:
            assert isinstance(name, bytes)
            for text in self._connection.lrange(b'history:' + name, 0, -1):
                websocket.send(text)


class SendsListOldSpelling(RedisSubscriber):
    """As SendsList, overriding the misspelt name."""

    def send_persited_messages(self, websocket: Any) -> None:
        SendsList.send_persisted_messages(self, websocket)  # type: ignore[arg-type]


class SendsOneMore(RedisSubscriber):
    """A greeting, then what the base class sends."""

    def send_persisted_messages(self, websocket: Any) -> None:
        websocket.send('welcome')
        super().send_persisted_messages(websocket)


class SendsOneMoreOldSpelling(RedisSubscriber):
    """As SendsOneMore, in the misspelt name, calling the one in whose place it stands."""

    def send_persited_messages(self, websocket: Any) -> None:
        websocket.send('welcome')
        super().send_persited_messages(websocket)


class Refuses(RedisSubscriber):
    """Closes as soon as it is open."""

    def send_persisted_messages(self, websocket: Any) -> None:
        websocket.send('not today')
        websocket.close(4001, 'closed for holidays')
        assert websocket.closed


class PublishesWhileJoining(RedisSubscriber):
    """Something is published while the persisted messages are being sent."""

    def send_persisted_messages(self, websocket: Any) -> None:
        for name in self._subscription.channels:
            self._connection.publish(name, 'live')
        websocket.send('persisted')


class FailsWhileJoining(RedisSubscriber):
    """An error in send_persisted_messages."""

    def send_persisted_messages(self, websocket: Any) -> None:
        raise RuntimeError('a bug of the site')


# release()


class SaysGoodbye(Noting):
    """Tells the others, without super().release()."""

    def release(self) -> None:
        self.note('released')
        for name in self._subscription.channels:
            self._connection.publish(name, 'gone')


class SaysGoodbyeWithSuper(SaysGoodbye):
    """Tells the others, and frees by itself."""

    def release(self) -> None:
        names = list(self._subscription.channels)
        RedisSubscriber.release(self)
        self.note('released')
        for name in names:
            self._connection.publish(name, 'gone')


class SaysGoodbyeThoughClosed(SaysGoodbye, FailsWhileJoining):
    """The server closes it, at once."""


class TellsListeners(Noting):
    """The number of listeners, as PUBSUB NUMSUB has it."""

    def release(self) -> None:
        numbers: list[tuple[Any, int]] = self._connection.pubsub_numsub(
            *self._subscription.channels
        )
        for name, number in numbers:
            self.note(f'{name.decode()}: {number}')
        super().release()


class FailsToRelease(Noting):
    """An error in release."""

    def release(self) -> None:
        self.note('released')
        raise RuntimeError('a bug of the site')


# parse_response()


class Filters(RedisSubscriber):
    """Passes over what begins with '#'."""

    def parse_response(self) -> Any:
        reply = super().parse_response()
        return None if reply[-1].startswith(b'#') else reply


class ReadsOn(RedisSubscriber):
    """As Filters, reading on until something is wanted."""

    def parse_response(self) -> Any:
        while True:
            reply = super().parse_response()
            if not reply[-1].startswith(b'#'):
                return reply


class Rewrites(RedisSubscriber):
    """Changes the list that redis-py gives."""

    def parse_response(self) -> Any:
        reply = super().parse_response()
        reply[-1] = reply[-1].upper()
        return reply


class ReturnsWhatItLikes(RedisSubscriber):
    """Returns str, bytes, bytearray or RedisMessage, by the message's first letter."""

    def parse_response(self) -> Any:
        data = super().parse_response()[-1]
        types: dict[bytes, Any] = {
            b's': str,
            b'b': bytes,
            b'a': bytearray,
            b'm': RedisMessage,
            b'e': lambda text: '',
        }
        text = data.decode()
        return text if data[:1] == b's' else types[data[:1]](data)


class PassesOn(RedisSubscriber):
    """Changes nothing: the path of an override must give the same frames as the short one."""

    def parse_response(self) -> Any:
        return super().parse_response()


class Patterns(RedisSubscriber):
    """Listens by a pattern, and says by which one a message came."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.psubscribe('lab:*')

    def parse_response(self) -> Any:
        reply = super().parse_response()
        return b' '.join(reply)


class QuietPatterns(RedisSubscriber):
    """Listens by name and by patterns that match the same channel."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.psubscribe('broadcast:*', '*:news')


class FailsToParse(RedisSubscriber):
    """An error in parse_response."""

    def parse_response(self) -> Any:
        super().parse_response()
        raise RuntimeError('a bug of the site')


# Another client in place


class OtherClient(RedisSubscriber):
    """Another client in place; nobody watches it."""

    def __init__(self, connection: Any) -> None:
        super().__init__(other_client())

    def get_file_descriptor(self) -> int | None:
        return None


class ServesItself(RedisSubscriber):
    """Another client in place, and its own descriptor."""

    def __init__(self, connection: Any) -> None:
        super().__init__(other_client())

    def get_file_descriptor(self) -> int | None:
        connection: Any = self._subscription.connection
        return connection and connection._sock and int(connection._sock.fileno())


# Classes of another kind


class FromRedisStore(RedisStore):
    """Derives from RedisStore alone, and has the documented methods."""

    subscription_channels = ['subscribe-broadcast']
    publish_channels = ['publish-broadcast']

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._subscription: Any = None

    def parse_response(self) -> Any:
        return self._subscription.parse_response()

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        facility = facility_of(request)
        self._publishers = set()
        for key in self._get_message_channels(
            request=request, facility=facility, broadcast='publish-broadcast' in channels
        ):
            self._publishers.add(key)
        self._subscription = self._connection.pubsub()
        for key in self._get_message_channels(
            request=request, facility=facility, broadcast='subscribe-broadcast' in channels
        ):
            self._subscription.subscribe(key)

    def send_persited_messages(self, websocket: Any) -> None:
        for channel in self._subscription.channels:
            message = self._connection.get(channel)
            if message:
                websocket.send(message)

    def get_file_descriptor(self) -> int | None:
        connection: Any = self._subscription.connection
        return connection and int(connection._sock.fileno())

    def release(self) -> None:
        if self._subscription and self._subscription.subscribed:
            self._subscription.unsubscribe()
            self._subscription.reset()


class FromNothing:
    """Derives from nothing of ours, and has only what it needs."""

    subscription_channels = ['subscribe-broadcast']
    publish_channels = ['publish-broadcast']

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._subscription: Any = None
        self._publishers: set[str] = set()

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        name = f'broadcast:{facility_of(request)}'
        self._subscription = self._connection.pubsub()
        if 'subscribe-broadcast' in channels:
            self._subscription.subscribe(name)
        if 'publish-broadcast' in channels:
            self._publishers = {name}


# The request


class KeepsRequest(Noting):
    """Uses the request as long as the websocket is open."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        self.request = request
        super().set_pubsub_channels(request, channels)

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        self.note(
            f'{self.request.user.get_username()}: {message.decode()}, '
            f'{self.request.headers["User-Agent"]}'
        )

    def release(self) -> None:
        self.note(f'{self.request.user.get_username()} of {self.request.session.session_key} left')
        super().release()


# Test doubles written by hand


class HandWrittenDouble(RedisSubscriber):
    """A test double as projects have written it by hand."""

    def __init__(self, connection: Any) -> None:
        super().__init__(fakeredis.FakeStrictRedis(server=OTHER_SERVER, protocol=2))

    def get_file_descriptor(self) -> int | None:
        return None
