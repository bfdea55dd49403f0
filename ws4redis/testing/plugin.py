"""The pytest plugin: its fixtures. It imports pytest alone; the rest is loaded when a test asks for a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ws4redis.testing.broker import Broker

__all__ = ['ws4redis']


@pytest.fixture
def ws4redis() -> Iterator[Broker]:
    """A Broker: publish, connect and assert without a Redis server, a socket or a sleep."""
    from ws4redis.testing.broker import Broker

    with Broker() as broker:
        yield broker
