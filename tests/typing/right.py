"""What type checkers accept, and what they make of it: never run, read by tests.tools.checkers."""

from collections.abc import Callable, Iterator
from typing import Any, assert_type
from uuid import UUID

import redis
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from ws4redis.loop import current_loop
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.status import Status
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, FakeWebSocket, WebSocketClient


def audiences(
    request: HttpRequest,
    user: User,
    users: QuerySet[User],
    own: AbstractBaseUser,
    group: Group,
    groups: QuerySet[Group],
    names: set[str],
    identifier: UUID,
    key: str,
    untyped: Any,
) -> None:
    """Every kind of entry, in every kind of iterable."""
    RedisPublisher()
    RedisPublisher('news', True)
    RedisPublisher(facility='news', broadcast=True, request=request)
    RedisPublisher(facility='news', users=[user, own, 'john', 7, identifier, SELF], request=request)
    RedisPublisher(facility='news', users=SELF, request=request)
    RedisPublisher(facility='news', users=(request.user,))
    RedisPublisher(facility='news', users=[AnonymousUser()])
    RedisPublisher(facility='news', users=users.filter(is_staff=True))
    RedisPublisher(facility='news', users=(each.username for each in users))
    RedisPublisher(facility='news', users=users.values_list('username', flat=True))
    RedisPublisher(facility='news', users=[request.user])
    RedisPublisher(facility='news', groups=[group, gettext_lazy('editors')])
    RedisPublisher(facility='news', groups=groups)
    RedisPublisher(facility='news', groups=user.groups.all())
    RedisPublisher(facility='news', groups=names, sessions=[key])
    RedisPublisher(facility='news', users=untyped, groups=None, sessions=())
    # Deprecated, and a warning says so.
    RedisPublisher(facility='news', users=True, groups='editors', request=request)


def publisher(one: RedisPublisher, request: HttpRequest) -> None:
    """Messages and answers."""
    assert_type(one.publish_message('text'), None)
    one.publish_message(b'bytes', expire=1.5)
    one.publish_message(bytearray(b'bytes'), 10)
    one.publish_message(RedisMessage('text'))
    one.publish_message(gettext_lazy('text'), on_commit=True)
    one.publish_message(json={'state': ['new', 1]}, expire=5, on_commit='replica')
    one.publish_message(json=None)
    one.pipeline_publish_message('text', transaction=False)
    one.pipeline_publish_message(json=[1], on_commit=True)
    RedisPublisher(facility='news', broadcast=True, on_commit=True)
    RedisPublisher(facility='news', broadcast=True, on_commit='replica')
    assert_type(one.fetch_message(request, 'news'), bytes | None)
    assert_type(one.fetch_message(request, 'news', audience='user'), bytes | None)


async def publisher_in_an_asynchronous_view(one: RedisPublisher, request: HttpRequest) -> None:
    """The twins."""
    assert_type(await one.apublish_message('text', expire=1), None)
    await one.apublish_message(json={'a': 1}, on_commit=True)
    assert_type(await one.afetch_message(request, 'news', audience='user'), bytes | None)


class LabStore(RedisStore):
    """One more audience, with the arguments that it likes."""

    def _get_message_channels(
        self,
        request: HttpRequest | None = None,
        facility: str | None = None,
        lab: str | None = None,
        **audiences: Any,
    ) -> list[str]:
        channels = super()._get_message_channels(request, facility, **audiences)
        if lab:
            channels.append(f'{self.get_prefix()}lab:{lab}:{facility}')
        return channels


class LabPublisher(RedisPublisher, LabStore):
    """Says what it takes."""

    def __init__(self, facility: str, *, lab: str, **audiences: Any) -> None:
        audiences['lab'] = lab
        super().__init__(facility, **audiences)
        assert_type(self._publishers, set[str])
        self._publishers.add('more')


class BroadcastPublisher(RedisPublisher):
    """Knows fewer audiences than ours."""

    def _get_message_channels(
        self, request: Any, facility: str, broadcast: bool = False
    ) -> list[str]:
        return [f'all:{facility}'] if broadcast else []


class LabSubscriber(RedisSubscriber, LabStore):
    """Uses what a subscriber has."""

    subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-lab']
    publish_channels = RedisSubscriber.publish_channels + ['publish-lab']

    _expire = 60

    def __init__(self, connection: redis.Redis) -> None:
        super().__init__(connection)
        self.seen: list[bytes] = []

    def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        for name in self._get_message_channels(request, 'results', lab=request.GET['lab']):
            self._subscription.subscribe(name)
            self._publishers.add(name)
        self._subscription.psubscribe('lab:*')
        self.seen += self._subscription.channels

    def send_persisted_messages(self, websocket: Any) -> None:
        websocket.send('welcome')
        super().send_persisted_messages(websocket)

    def parse_response(self) -> str | None:
        reply = super().parse_response()
        return None if reply[-1].startswith(b'#') else str(reply[-1])

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        assert isinstance(message, RedisMessage)
        assert_type(message.binary, bool | None)
        super().publish_message(message, expire)

    def release(self) -> None:
        assert_type(self._connection, redis.Redis)
        assert_type(self._publishers, set[str])
        super().release()


class OwnConnection(RedisSubscriber):
    """Listens with a pub/sub object of its own, on its own channels."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        self._connection = redis.Redis()
        self._publishers = {'one', 'two'}
        # redis-py has no types here.
        self._subscription = self._connection.pubsub()  # type: ignore[no-untyped-call]
        self._subscription.subscribe('one')

    def get_file_descriptor(self) -> int:
        return int(self._subscription.connection._sock.fileno())


def own_audiences(store: LabStore, request: HttpRequest) -> None:
    """Publishers of a site's own."""
    LabPublisher('results', lab='north').publish_message('42')
    LabPublisher(facility='results', lab='north', users=['john'])
    BroadcastPublisher(facility='news', broadcast=True)
    assert_type(store._get_message_channels(request, 'results', lab='north'), list[str])


def persisted(subscriber: RedisSubscriber) -> None:
    """What sends persisted messages."""
    subscriber.send_persisted_messages(FakeWebSocket())
    subscriber.publish_message('text')


def figures() -> None:
    """The figures of the loop."""
    found = current_loop().status()
    assert_type(found, Status)
    assert_type(found['websockets'], int)
    assert_type(found['redis'], bool)
    assert_type(found['redis_gap_seconds'], float)
    assert_type(found['closed'], dict[int, int])


async def asynchronous_test(user: User) -> None:
    """The twins of the kit."""
    async with Broker() as broker:
        assert_type(broker, Broker)
        page = await broker.aconnect('orders', subscribe='user', user=user)
        assert_type(page, WebSocketClient)
        assert_type(await page.asend('text'), None)
        assert_type(await page.areceive(), str | bytes)
        assert_type(await page.aclose(1000, 'enough'), None)
        assert_type(await broker.aadvance(1.5), None)
        assert_type(await broker.asettle(), None)


def fixture() -> Iterator[Callable[..., WebSocketClient]]:
    """A test of its own may hand connect() on."""
    with Broker() as broker:
        assert_type(broker.connect('orders'), WebSocketClient)
        yield broker.connect
