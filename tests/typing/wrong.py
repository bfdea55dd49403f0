"""What type checkers refuse, and nothing else: never run, read by tests.tools.checkers.

Each line that ends in this comment has an error, and no other has one.
"""

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from ws4redis.loop import current_loop
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisStore
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, WebSocketClient


def audiences(user: User, things: list[object], request: HttpRequest) -> None:
    """What is no audience."""
    RedisPublisher(facility='news', users=5)  # wrong
    RedisPublisher(facility='news', users=user)  # wrong
    RedisPublisher(facility='news', users=[object()])  # wrong
    RedisPublisher(facility='news', users=things)  # wrong
    RedisPublisher(facility='news', users=[b'john'])  # wrong
    RedisPublisher(facility='news', users=[('john',)])  # wrong
    RedisPublisher(facility='news', users=[1.5])  # wrong
    RedisPublisher(facility='news', users=[{'username': 'john'}])  # wrong
    RedisPublisher(facility='news', users=request.user)  # wrong
    RedisPublisher(facility='news', users=[None])  # wrong
    RedisPublisher(facility='news', users=[['john']])  # wrong
    RedisPublisher(facility='news', groups=[object()])  # wrong
    RedisPublisher(facility='news', sessions=[request.session.session_key])  # wrong
    RedisPublisher(facility='news', sessions=[request.session])  # wrong
    RedisPublisher(facility=7)  # wrong
    RedisPublisher(facility='news', broadcast='yes')  # wrong
    RedisPublisher(facility='news', request='request')  # wrong


def keywords() -> None:
    """What nobody knows."""
    RedisPublisher(facility='news', usres=['a'])  # wrong
    RedisPublisher(facility='news', tenant='acme')  # wrong


def messages(publisher: RedisPublisher, store: RedisStore, request: HttpRequest) -> None:
    """What is no message."""
    publisher.publish_message({'a': 1})  # wrong
    publisher.publish_message(7)  # wrong
    publisher.publish_message('text', expire='soon')  # wrong
    publisher.publish_message('text', json={'a': 1})  # wrong
    publisher.publish_message(expire=1)  # wrong
    publisher.publish_message('text', on_commit=7)  # wrong
    publisher.publish_message(json={'a': 1}, on_comit=True)  # wrong
    RedisPublisher(facility='news', broadcast=True, on_commit=7)  # wrong
    store.pipeline_publish_message(['text'])  # wrong
    publisher.fetch_message(request, 'news', audience='usr')  # wrong
    publisher.fetch_message(request, audience='user')  # wrong


async def asynchronous(publisher: RedisPublisher, request: HttpRequest) -> None:
    """The same of the twins."""
    await publisher.apublish_message({'a': 1})  # wrong
    await publisher.apublish_message('text', expires=1)  # wrong
    await publisher.afetch_message(request, 'news', audience='usr')  # wrong


async def asynchronous_test(broker: Broker, page: WebSocketClient) -> None:
    """The twins of the kit."""
    await broker.aconnect('orders', subscribes='user')  # wrong
    await broker.aconnect(7)  # wrong
    await broker.aadvance('soon')  # wrong
    await broker.asettle(1)  # wrong
    await page.asend({'a': 1})  # wrong
    await page.areceive(1)  # wrong
    await page.aclose('enough')  # wrong


def synchronous_test(broker: Broker, page: WebSocketClient) -> None:
    """What a misspelt keyword would let pass for ever."""
    broker.assert_not_published(facility='news', user=['john'])  # wrong
    broker.assert_published('hi', facilty='news')  # wrong
    broker.publish('hi', facility='news', users=[object()])  # wrong
    broker.connect('news', force_user='john')  # wrong
    page.assert_not_received(text='hi')  # wrong


class LabPublisher(RedisPublisher):
    """Says what it takes."""

    def __init__(self, facility: str, *, lab: str, **audiences: Any) -> None:
        audiences['lab'] = lab
        super().__init__(facility, **audiences)
        self._publishers.append('more')  # wrong


class Subscriber(RedisSubscriber):
    """Takes its attributes for what they are not."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.subscribes('extra')  # wrong
        self._publishers.append('extra')  # wrong
        self._connection.publishes('extra', 'hello')  # wrong
        self._expire = 'soon'  # wrong
        self._subscription = 7  # wrong

    def send_persisted_messages(self, websocket: int) -> None:  # wrong
        pass


def own_audiences() -> None:
    """A publisher of a site's own."""
    LabPublisher('results', lab=7)  # wrong
    LabPublisher('results')  # wrong


def figures() -> None:
    """Figures that there are not."""
    found = current_loop().status()
    found['sockets']  # wrong
    found['closed']['1001']  # wrong
