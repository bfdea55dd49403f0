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
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

__all__ = ['HasThread', 'OwnThread', 'names_twin', 'twin_of']

__unittest = True

Arguments = ParamSpec('Arguments')
Found = TypeVar('Found')


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
                    f'{twin[1:]}() uses the database, which Django refuses while an event '
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


class HasThread(Protocol):
    """What has asynchronous twins: it knows the thread of its test."""

    @property
    def _thread(self) -> OwnThread: ...


Owner = TypeVar('Owner')


def twin_of(
    call: Callable[Concatenate[Owner, Arguments], Found],
) -> Callable[
    [Callable[..., object]],
    Callable[Concatenate[Owner, Arguments], Coroutine[Any, Any, Found]],
]:
    """A method that does what another one does, off the event loop.

    It has that one's parameters, for type checkers and help() too, so that they stand in one place;
    the function that is decorated gives its name and its docstring.
    """

    def decorate(
        named: Callable[..., object],
    ) -> Callable[Concatenate[Owner, Arguments], Coroutine[Any, Any, Found]]:
        @functools.wraps(call)
        async def twin(owner: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Found:
            __tracebackhide__ = True
            found: Callable[Arguments, Found] = getattr(owner, call.__name__)
            return await cast(HasThread, owner)._thread.call(found, *args, **kwargs)

        twin.__name__, twin.__qualname__ = named.__name__, named.__qualname__
        twin.__doc__ = named.__doc__
        return twin

    return decorate
