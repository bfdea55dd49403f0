"""The pytest plugin: its fixtures. It imports pytest alone; the rest is loaded when a test asks for a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ws4redis.testing.broker import Broker
    from ws4redis.testing.live import LiveServer

__all__ = ['pytest_runtest_teardown', 'ws4redis', 'ws4redis_live_server']

_BROKER: pytest.StashKey[Broker] = pytest.StashKey()


@pytest.fixture
def ws4redis(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A Broker: publish, connect and assert without a Redis server, a socket or a sleep."""
    from ws4redis.testing.broker import Broker

    with Broker() as broker:
        request.node.stash[_BROKER] = broker
        yield broker


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Close the clients that are open while the other fixtures, the database among them, are still there."""
    broker = item.stash.get(_BROKER, None)
    if broker is not None:
        del item.stash[_BROKER]
        broker.close_clients()


@pytest.fixture
def ws4redis_live_server(transactional_db: None, ws4redis: Broker) -> Iterator[LiveServer]:
    """A LiveServer: pages and websockets on a real port, for browser tests, on the test's Broker and database."""
    from ws4redis.testing.live import LiveServer

    with LiveServer(ws4redis) as live:
        yield live
