"""What the tests of failures have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """Everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker() as broker:
        yield broker
