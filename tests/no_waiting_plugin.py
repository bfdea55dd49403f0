"""A plugin for runs of the suite in other surroundings: nothing may wait, or a clock tool is active
in each test.

WS4REDIS_SURROUNDINGS=no-waiting python -m pytest -p tests.no_waiting_plugin
tests/testing/contract/test_cases.py
"""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import gevent
import pytest

__all__ = ['SURROUNDINGS']


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever waits, or looks at a descriptor, fails."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError('something waits')

    places = (
        (time, 'sleep'),
        (threading.Event, 'wait'),
        (select, 'select'),
        (select, 'poll'),
        (gevent, 'sleep'),
    )
    with ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(mock.patch.object(owner, name, refuse))
        stack.enter_context(mock.patch.object(select, 'epoll', refuse))
        yield


def time_machine_active() -> AbstractContextManager[Any]:
    """time-machine, its clock ticking."""
    import time_machine

    return time_machine.travel(time.time())


def freezegun_active() -> AbstractContextManager[Any]:
    """freezegun, its clock standing."""
    import freezegun

    active: AbstractContextManager[Any] = freezegun.freeze_time()
    return active


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    '': nullcontext,
    'no-waiting': no_waiting,
    'time-machine': time_machine_active,
    'freezegun': freezegun_active,
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Each test runs in the surroundings that WS4REDIS_SURROUNDINGS names."""
    with SURROUNDINGS[os.environ.get('WS4REDIS_SURROUNDINGS', '')]():
        return (yield)
