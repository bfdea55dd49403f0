"""The twins for asynchronous tests: calls that drive the site's code, off the event loop.

The site's callbacks and overrides are synchronous and may use the database, which Django refuses in
a thread with a running event loop. The twins run the same call by
sync_to_async(thread_sensitive=True). Which thread that is depends on who runs the event loop:

    how the test is run              the twins run in         the test's transaction
    async_to_sync(test)(), and       the test's thread        is theirs: use the database as
    Django's own async test                                   you like
    methods, which do that
    asyncio.run(test()),             a thread of asgiref's    is not: a twin raises RuntimeError
    pytest-asyncio, anyio                                     while one is open in the test's
                                                              thread; transactional_db works, and
                                                              tests without a database do

Assertions and reads stay synchronous. They settle too, so let `await asettle()` come before them
where the site's code still has something to do that uses the database.
"""

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

__all__ = ['AsyncBroker', 'AsyncClient', 'OwnThread', 'names_twin', 'twin']

__unittest = True

Arguments = ParamSpec('Arguments')
Found = TypeVar('Found')
Owner = TypeVar('Owner', bound='AsyncBroker')


def names_twin(twin: str) -> Callable[[Callable[Arguments, Found]], Callable[Arguments, Found]]:
    """Where Django refuses the database since an event loop is running, let the error name the
    twin to await.
    """

    def decorate(call: Callable[Arguments, Found]) -> Callable[Arguments, Found]:
        @functools.wraps(call)
        def named(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Found:
            __tracebackhide__ = True
            try:
                return call(*args, **kwargs)
            except SynchronousOnlyOperation as exc:
                raise SynchronousOnlyOperation(
                    f'{call.__name__}() uses the database, which Django refuses while an event '
                    f'loop is running: await {twin}()'
                ) from exc

        return named

    return decorate


class OwnThread:
    """The thread of a test and its database connections; made there, before the event loop runs."""

    def __init__(self) -> None:
        self._id = threading.get_ident()
        self._name = threading.current_thread().name
        self._connections = connections.all()

    async def call(
        self,
        function: Callable[Arguments, Found],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Found:
        """What the function gives, run by sync_to_async.

        Raises:
            RuntimeError: that is another thread, and the test's transaction is open in this one.
        """
        __tracebackhide__ = True

        def checked() -> Found:
            __tracebackhide__ = True
            if threading.get_ident() != self._id and any(
                connection.in_atomic_block for connection in self._connections
            ):
                raise RuntimeError(
                    f"the test's database transaction is open in {self._name}, and asynchronous "
                    f'calls run in '
                    f'{threading.current_thread().name}, which does not see it: run the test by '
                    f'async_to_sync, as the async '
                    'test methods of django.test.TestCase are, or take transactional_db '
                    '(TransactionTestCase)'
                )
            return function(*args, **kwargs)

        return await sync_to_async(checked, thread_sensitive=True)()


class AsyncBroker(ABC):
    """What a Broker offers to asynchronous tests; `async with Broker()` begins and ends it off the
    event loop too.

    Attributes:
        thread: where it was begun.
    """

    thread: OwnThread

    async def __aenter__(self) -> Self:
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, exc_type: object, *exc_info: object) -> None:
        await self.thread.call(self.__exit__, exc_type, *exc_info)

    async def aadvance(self, seconds: float | timedelta) -> None:
        """As advance()."""
        __tracebackhide__ = True
        await self.thread.call(self.advance, seconds)

    async def asettle(self) -> None:
        """As settle()."""
        __tracebackhide__ = True
        await self.thread.call(self.settle)

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, exc_type: object, *exc_info: object) -> None: ...

    @abstractmethod
    def advance(self, seconds: float | timedelta) -> None: ...

    @abstractmethod
    def settle(self) -> None: ...


def twin(
    method: Callable[Concatenate[Owner, Arguments], Found],
) -> Callable[Concatenate[Owner, Arguments], Coroutine[Any, Any, Found]]:
    """The twin of a broker's method, which takes and gives the same."""

    async def call(self: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Found:
        __tracebackhide__ = True
        # A subclass may have a method of its own.
        own: Callable[Arguments, Found] = getattr(self, method.__name__)
        return await self.thread.call(own, *args, **kwargs)

    functools.update_wrapper(call, method)
    call.__name__ = f'a{method.__name__}'
    call.__doc__ = f'As {method.__name__}().'
    return call


class AsyncClient(ABC):
    """What a WebSocketClient offers to asynchronous tests."""

    async def asend(self, message: str | bytes) -> None:
        """As send()."""
        __tracebackhide__ = True
        await self.broker.thread.call(self.send, message)

    async def areceive(self) -> str | bytes:
        """As receive()."""
        __tracebackhide__ = True
        return await self.broker.thread.call(self.receive)

    async def aclose(self, code: int = 1000, reason: str = '') -> None:
        """As close()."""
        __tracebackhide__ = True
        await self.broker.thread.call(self.close, code, reason)

    @property
    @abstractmethod
    def broker(self) -> AsyncBroker: ...

    @abstractmethod
    def send(self, message: str | bytes) -> None: ...

    @abstractmethod
    def receive(self) -> str | bytes: ...

    @abstractmethod
    def close(self, code: int = 1000, reason: str = '') -> None: ...
