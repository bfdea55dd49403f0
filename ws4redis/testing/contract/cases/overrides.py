"""What sites override: channels, audiences, what is sent on joining, whole classes."""

from typing import TYPE_CHECKING, Any

import redis
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisStore
from ws4redis.subscriber import RedisSubscriber, WebSocketHandle, facility_of
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import (
    NEWS,
    channel,
    elsewhere,
    hear,
    listeners,
    logged_in,
    refusal,
    somebody,
    talk,
    tell,
    unlikely,
)

__all__ = [
    'check_another_client_in_place',
    'check_channels_of_its_own',
    'check_messages_by_pattern',
    'check_methods_count_not_classes',
    'check_one_more_audience',
    'check_one_more_channel',
    'check_persisted_messages_of_its_own',
    'check_release_comes_once',
    'check_request_may_be_kept',
]


def check_one_more_channel(site: Site) -> None:
    """A subscriber may listen on channels of its own, from the beginning or later."""
    extra, more = unlikely(), unlikely()

    class Extra(RedisSubscriber):
        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe(extra)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self._subscription.subscribe(more)

    client = hear(site, subscriber=Extra)
    site.redis.publish(more, 'too early')
    site.redis.publish(extra, 'extra')
    tell(site, 'news')
    client.send('more, please')
    site.redis.publish(more, 'more')
    assert client.receive_all() == ['extra', 'news', 'more']


def check_channels_of_its_own(site: Site) -> None:
    """A subscriber may decide on all of its channels, with a look into the database."""
    lab = unlikely()

    class Whole(RedisSubscriber):
        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            from django.contrib.auth.models import Group

            if facility_of(request) == 'secret':
                raise PermissionDenied
            self._publishers = set()
            self._subscription = self._connection.pubsub()
            for group in Group.objects.order_by('name'):
                self._publishers.add(f'{lab}:{group.name}')
                self._subscription.subscribe(f'{lab}:{group.name}')

    somebody('john', 'physics', 'chemistry')
    client = site.connect('news', subscriber=Whole)
    other = site.connect('news', subscriber=Whole)
    site.redis.publish(f'{lab}:physics', 'p')
    site.redis.publish(f'{lab}:biology', 'b')
    assert client.receive_all() == other.receive_all() == ['p']
    client.send('mine')
    assert other.receive_all() == ['mine'] * 2
    client.assert_nothing_received()
    site.redis.delete(f'{lab}:physics', f'{lab}:chemistry')
    assert refusal(site, 'secret', subscriber=Whole).status_code == 403


def check_one_more_audience(site: Site) -> None:
    """A store of the site's own adds an audience to publisher and subscriber."""

    class LabStore(RedisStore):
        def _get_message_channels(
            self, *arguments: Any, server: bool = False, **audiences: Any
        ) -> list[str]:
            channels = super()._get_message_channels(*arguments, **audiences)
            return [*channels, f'{self.get_prefix()}server:{arguments[1]}'] if server else channels

    class LabPublisher(RedisPublisher, LabStore):
        if TYPE_CHECKING:

            def __init__(self, facility: str, server: bool, broadcast: bool = False) -> None: ...

    class LabSubscriber(RedisSubscriber, LabStore):
        subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-server']
        publish_channels = [*RedisSubscriber.publish_channels, 'publish-server']

        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            if 'subscribe-server' in channels:
                self._subscription.subscribe(
                    *self._get_message_channels(request, facility_of(request), server=True)
                )

    lab = site.connect('/ws/news?subscribe-server&subscribe-broadcast', subscriber=LabSubscriber)
    plain = hear(site)
    LabPublisher(facility='news', server=True).publish_message('to servers')
    site.settle()
    LabPublisher(facility='news', server=True, broadcast=True).publish_message('to both')
    assert lab.receive_all() == ['to servers', 'to both', 'to both']
    assert plain.receive_all() == ['to both']


def check_persisted_messages_of_its_own(site: Site) -> None:
    """Either spelling of send_persisted_messages() may send what it likes, before any live
    message.
    """
    history = unlikely()

    class Sends(RedisSubscriber):
        def send_persisted_messages(self, websocket: WebSocketHandle) -> None:
            [name] = self._subscription.channels
            assert isinstance(name, bytes)
            for message in self._connection.lrange(history, 0, -1):
                websocket.send(message)
            self._connection.publish(name, 'live')

    class OldSpelling(RedisSubscriber):
        def send_persited_messages(self, websocket: WebSocketHandle) -> None:
            websocket.send('welcome')
            super().send_persited_messages(websocket)

    site.redis.rpush(history, 'one', 'two')
    tell(site, 'persisted', expire=60)
    assert hear(site, subscriber=Sends).receive_all() == ['one', 'two', 'live']
    assert hear(site, subscriber=OldSpelling).receive_all() == ['welcome', 'persisted']
    site.redis.delete(history)


def check_release_comes_once(site: Site) -> None:
    """release() comes once, however the websocket ends, and may tell the others; nothing
    depends on super().
    """
    released: list[str] = []

    class Goodbye(RedisSubscriber):
        def release(self) -> None:
            released.append('released')
            for name in self._subscription.channels:
                self._connection.publish(name, 'gone')

    class Failing(Goodbye):
        def release(self) -> None:
            super().release()
            raise RuntimeError('s3cret')

    other = hear(site)
    for subscriber in (Goodbye, Failing):
        for end in ('close', 'drop'):
            client = hear(site, subscriber=subscriber)
            getattr(client, end)()
            assert other.receive_all() == ['gone']
    site.advance(30)
    assert released == ['released'] * 4
    assert other.open
    other.close()
    assert listeners(site, channel()) == 0


def check_messages_by_pattern(site: Site) -> None:
    """Who listens by patterns gets what matches, and once what matches twice or comes by
    name too.
    """
    lab = unlikely()

    class Patterns(RedisSubscriber):
        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe(f'{lab}:1')
            self._subscription.psubscribe(f'{lab}:*', f'{lab}:?')

    client = hear(site, subscriber=Patterns)
    for number in (1, 2, 30):
        site.redis.publish(f'{lab}:{number}', str(number))
    site.redis.publish(lab, 'no match')
    tell(site, 'news')
    assert client.receive_all() == ['1', '2', '30', 'news']


def check_another_client_in_place(site: Site) -> None:
    """With a client of its own that nobody watches it publishes and joins, and live messages
    do not come.
    """
    clients: list[Any] = []

    class Another(RedisSubscriber):
        def __init__(self, connection: redis.Redis) -> None:
            clients.append(elsewhere(site))
            super().__init__(clients[-1])

        def get_file_descriptor(self) -> int | None:
            return None

    other = hear(site)
    tell(site, 'persisted', expire=600)
    client = talk(site, subscriber=Another)
    assert client.receive_all() == ['persisted']
    client.send('hello')
    assert site.persisted(**NEWS) == b'hello'
    tell(site, 'live')
    assert other.received[-1] == 'live'
    client.assert_nothing_received()
    assert client.open
    client.close()
    clients[-1].close()


def check_methods_count_not_classes(site: Site) -> None:
    """A class that derives from nothing of ours serves a websocket, with the methods that it
    has.
    """

    class Nothing:
        subscription_channels = ['subscribe-broadcast']
        publish_channels = ['publish-broadcast']

        def __init__(self, connection: redis.Redis) -> None:
            self._connection = connection
            self._subscription: Any = None
            self._publishers: set[str] = set()

        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            self._publishers = {channel()}
            self._subscription = self._connection.pubsub()
            self._subscription.subscribe(channel())

    tell(site, 'persisted', expire=60)
    client, other = talk(site, subscriber=Nothing), hear(site)
    assert client.receive_all() == other.receive_all() == ['persisted']
    tell(site, 'live')
    client.send('mine')
    assert client.receive_all() == ['live']
    assert other.receive_all() == ['live', 'mine']
    client.close()
    other.close()
    assert listeners(site, channel()) == 0


def check_request_may_be_kept(site: Site) -> None:
    """A subscriber that keeps its request finds user, session and headers on it as long as
    the websocket is open.
    """
    seen: list[Any] = []

    class Keeping(RedisSubscriber):
        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            self.request = request
            super().set_pubsub_channels(request, channels)

        def note(self) -> None:
            request = self.request
            seen.append(
                (
                    request.user.get_username(),
                    request.session.session_key,
                    request.headers['X-Tenant'],
                    request.path,
                )
            )

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.note()

        def release(self) -> None:
            self.note()
            super().release()

    browser = logged_in(somebody('john'))
    client = site.connect('news', client=browser, headers={'X-Tenant': 'lab'}, subscriber=Keeping)
    client.send('hello')
    client.close()
    site.settle()
    assert seen == [('john', browser.session.session_key, 'lab', '/ws/news')] * 2
