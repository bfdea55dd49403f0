"""The twins for asynchronous tests: which thread they run in, what they refuse, and that an
asynchronous view publishes.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import gevent
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, SynchronousOnlyOperation
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, TestCase
from django.urls import path

from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected, WebSocketClient
from ws4redis.testing.asynchronous import OwnThread

Test = Callable[[], Coroutine[Any, Any, Any]]


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def by_asyncio(test: Test) -> Any:
    """As pytest-asyncio and anyio run a test: the event loop in the test's own thread."""
    return asyncio.run(test())


def by_django(test: Test) -> Any:
    """As Django runs async test methods: the event loop in another thread, while the test's own
    waits for calls.
    """
    return async_to_sync(test)()


RUNNERS = pytest.mark.parametrize('run', [by_asyncio, by_django])


class CountsGroups(RedisSubscriber):
    """An override that uses the database, and tells in which thread."""

    threads: list[str] = []

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self.count()

    def parse_response(self) -> Any:
        super().parse_response()
        return self.count()

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        super().publish_message(self.count(), expire)

    def release(self) -> None:
        self.count()
        super().release()

    def count(self) -> str:
        self.threads.append(threading.current_thread().name)
        return f'{Group.objects.count()} groups'


@pytest.fixture(autouse=True)
def no_threads() -> None:
    CountsGroups.threads.clear()


@RUNNERS
def test_twins_do_what_the_calls_do(broker: Broker, settings: Any, run: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'

    async def test() -> None:
        client = await broker.aconnect(
            'news',
            subscribe='broadcast',
            publish='broadcast',
            echo=True,
            allowed_channels=allow_all,
        )
        assert isinstance(client, WebSocketClient)
        await client.asend('hello')
        assert await client.areceive() == 'hello'
        await RedisPublisher(facility='news', broadcast=True).apublish_message('from a view', 60)
        await broker.asettle()
        assert client.unread == 1
        assert await client.areceive() == 'from a view'
        client.assert_nothing_received()
        before = broker.now
        await broker.aadvance(61)
        assert broker.now - before >= 61
        assert client.heartbeats
        assert broker.persisted(facility='news', broadcast=True) is None
        await client.aclose(4001, 'done')
        assert (client.closed, client.close_code, client.close_reason) == (True, 4001, 'done')

    run(test)


@pytest.mark.parametrize(
    ('cls', 'name'),
    [
        *((Broker, name) for name in ('connect', 'advance', 'settle')),
        *((WebSocketClient, name) for name in ('send', 'receive', 'close')),
        *((RedisPublisher, name) for name in ('publish_message', 'fetch_message')),
    ],
)
def test_twin_takes_and_gives_what_its_original_does(cls: type, name: str) -> None:
    original, twin = (inspect.signature(getattr(cls, prefix + name)) for prefix in ('', 'a'))
    assert twin.parameters == original.parameters
    assert twin.return_annotation == original.return_annotation
    assert inspect.iscoroutinefunction(getattr(cls, f'a{name}'))


def test_twin_calls_the_method_of_a_subclass() -> None:
    class Renaming(Broker):
        def connect(self, *args: Any, **kwargs: Any) -> WebSocketClient:
            return super().connect(*args, **{**kwargs, 'name': 'renamed'})

    async def test() -> None:
        async with Renaming() as broker:
            assert (await broker.aconnect('news', subscribe='broadcast')).name == 'renamed'

    asyncio.run(test())


@RUNNERS
def test_what_a_call_raises_comes_out_of_its_twin(broker: Broker, run: Any) -> None:
    class Refusing(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            raise PermissionDenied

    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            raise ZeroDivisionError

    async def test() -> None:
        with pytest.raises(HandshakeRejected):
            await broker.aconnect('news', subscriber=Refusing)
        with pytest.raises(ValueError, match='takes'):
            await broker.aconnect('news', subscribe='nobody')
        with pytest.raises(TypeError, match='unexpected keyword'):
            await broker.aconnect('news', subscribes='broadcast')  # type: ignore[call-arg]
        client = await broker.aconnect('news', subscriber=Failing)
        with pytest.raises(ZeroDivisionError):
            await client.asend('hello')
        with pytest.raises(AssertionError):
            await client.areceive()
        with pytest.raises(ValueError, match='takes seconds from 0 on'):
            await broker.aadvance(-1)

    run(test)


def test_calls_that_use_no_database_work_in_an_event_loop_too(broker: Broker) -> None:
    async def test() -> None:
        client = broker.connect('news', subscribe='broadcast', force_user=User(username='john'))
        broker.publish('hello', facility='news', broadcast=True)
        assert client.receive() == 'hello'

    by_asyncio(test)


@pytest.mark.row('T14')
@RUNNERS
def test_connect_in_an_event_loop_names_aconnect(
    broker: Broker, transactional_db: None, run: Any
) -> None:
    john = User.objects.create(username='john')

    async def test() -> None:
        with pytest.raises(
            SynchronousOnlyOperation, match=r'connect\(\) uses the database.*await aconnect\(\)'
        ):
            broker.connect('news', user=john)
        with pytest.raises(SynchronousOnlyOperation, match=r'await aconnect\(\)'):
            broker.connect('news', groups=['staff'])
        with pytest.raises(SynchronousOnlyOperation, match=r'await aconnect\(\)'):
            broker.connect('news', subscriber=CountsGroups)
        assert (await broker.aconnect('news', subscribe='user', user=john)).channels == [
            'user:john:news'
        ]

    run(test)


@pytest.mark.parametrize(
    ('call', 'twin'),
    [
        (lambda broker, client: client.send('hello'), 'asend'),
        (lambda broker, client: broker.settle(), 'asettle'),
        (lambda broker, client: broker.advance(1), 'aadvance'),
        (lambda broker, client: client.receive(), 'areceive'),
        (lambda broker, client: client.close(), 'aclose'),
        (lambda broker, client: client.assert_nothing_received(), 'asettle'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_call_whose_override_uses_the_database_names_its_twin(
    broker: Broker, transactional_db: None, call: Any, twin: str
) -> None:
    async def test() -> None:
        client = await broker.aconnect('news', subscribe='broadcast', subscriber=CountsGroups)
        broker.redis.publish('broadcast:news', 'hello')
        with pytest.raises(SynchronousOnlyOperation, match=rf'uses the database.*await {twin}\(\)'):
            call(broker, client)

    by_asyncio(test)
    broker._engine.driver.errors.clear()


def test_under_async_to_sync_the_sites_code_runs_in_the_tests_thread_and_transaction(
    broker: Broker, db: None
) -> None:
    Group.objects.create(name='staff')
    john = User.objects.create(username='john')

    async def test() -> None:
        client = await broker.aconnect(
            'news',
            subscribe='user',
            publish='user',
            echo=True,
            user=john,
            subscriber=CountsGroups,
            allowed_channels=allow_all,
        )
        await client.asend('how many?')
        assert await client.areceive() == '1 groups'
        await client.aclose()

    by_django(test)
    assert CountsGroups.threads == [threading.current_thread().name] * 4


def test_under_asyncio_run_it_runs_in_another_thread_that_sees_what_is_committed(
    broker: Broker, transactional_db: None
) -> None:
    Group.objects.create(name='staff')

    async def test() -> None:
        client = await broker.aconnect(
            'news', publish='broadcast', subscriber=CountsGroups, allowed_channels=allow_all
        )
        await client.asend('how many?')
        assert [publication.text for publication in broker.published] == ['1 groups']
        await client.aclose()

    by_asyncio(test)
    assert threading.current_thread().name not in CountsGroups.threads
    assert len(set(CountsGroups.threads)) == 1


def test_twin_refuses_to_leave_the_transaction_of_the_test(broker: Broker, db: None) -> None:
    async def test() -> None:
        client = broker.connect('news', force_user=User(username='john'))
        for call in (
            broker.aconnect('news'),
            broker.asettle(),
            broker.aadvance(1),
            client.asend('hello'),
            client.areceive(),
            client.aclose(),
        ):
            with pytest.raises(
                RuntimeError,
                match=f'transaction is open in {threading.current_thread().name}.*async_to_sync',
            ):
                await call
        assert client.open

    by_asyncio(test)


def test_fixture_that_comes_before_the_database_refuses_too(
    request: pytest.FixtureRequest, broker: Broker
) -> None:
    request.getfixturevalue('db')
    with pytest.raises(RuntimeError, match='transaction is open'):
        by_asyncio(broker.asettle)


@RUNNERS
def test_broker_may_begin_and_end_in_the_event_loop(transactional_db: None, run: Any) -> None:
    Group.objects.create(name='staff')

    async def test() -> None:
        async with Broker() as broker:
            await broker.aconnect('news', subscriber=CountsGroups)

    run(test)
    assert len(CountsGroups.threads) == 2
    assert len(set(CountsGroups.threads)) == 1


def test_broker_that_begins_in_the_event_loop_knows_what_waited_in_the_tests_thread_before() -> (
    None
):
    waiting = gevent.spawn_later(60, print)

    async def test() -> None:
        async with Broker() as broker:
            await broker.aconnect('news', subscribe='broadcast')
            await broker.asettle()

    try:
        by_django(test)
        assert not waiting.dead
    finally:
        waiting.kill()


def test_connections_of_a_thread_are_known_before_they_are_used() -> None:
    found: list[bool] = []

    def look() -> None:
        thread = OwnThread()
        found.append(connections['default'] in thread._connections)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [True]


def test_end_in_the_event_loop_raises_what_nobody_has_collected() -> None:
    class Failing(RedisSubscriber):
        def release(self) -> None:
            raise ZeroDivisionError

    async def test() -> None:
        async with Broker() as broker:
            await broker.aconnect('news', subscriber=Failing)

    with pytest.raises(ZeroDivisionError):
        by_asyncio(test)


# An asynchronous view


async def tell(request: HttpRequest) -> HttpResponse:
    """A view as sites have it."""
    count = await Group.objects.acount()
    await RedisPublisher(facility='news', broadcast=True).apublish_message(f'{count} groups', 60)
    found = await RedisPublisher().afetch_message(request, 'news', 'broadcast')
    return HttpResponse(found)


urlpatterns = [path('tell', tell)]


def test_asynchronous_view_publishes(broker: Broker, db: None, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    Group.objects.create(name='staff')

    async def test() -> None:
        client = await broker.aconnect('news', subscribe='broadcast', subscriber=CountsGroups)
        response = await AsyncClient().get('/tell')
        assert response.content == b'1 groups'
        assert await client.areceive() == '1 groups'
        broker.assert_published('1 groups', facility='news', broadcast=True, expire=60)
        await client.aclose()

    by_django(test)


class DjangoTests(TestCase):
    """Django's own way: setUp is synchronous, an async test method runs below async_to_sync."""

    def setUp(self) -> None:
        self.broker = self.enterContext(Broker())
        self.john = User.objects.create(username='john')

    async def test_async_method_uses_the_database_as_it_likes(self) -> None:
        await Group.objects.acreate(name='staff')
        client = await self.broker.aconnect(
            'news', subscribe='user', user=self.john, subscriber=CountsGroups
        )
        await RedisPublisher(facility='news', users=[self.john]).apublish_message('hello')
        self.assertEqual(await client.areceive(), '1 groups')
        await client.aclose()
