"""The limits follow the settings, and are one object as long as these stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ws4redis.limits import current_heartbeat, current_limits

if TYPE_CHECKING:
    from pytest_django import Settings


def test_limits_follow_the_settings(settings: Settings) -> None:
    settings.WS4REDIS_MAX_MESSAGE_SIZE = 100
    settings.WS4REDIS_MAX_PENDING = 200
    settings.WS4REDIS_MESSAGE_RATE = 3
    settings.WS4REDIS_HEARTBEAT = 'grün'
    settings.WS4REDIS_PING_INTERVAL = None
    settings.WS4REDIS_PING_TIMEOUT = 5
    limits = current_limits()
    assert (limits.max_message_size, limits.max_pending) == (100, 200)
    assert (limits.message_rate, limits.message_burst) == (3, 6)
    assert limits.heartbeat == 'grün'.encode()
    assert (limits.ping_interval, limits.ping_timeout) == (None, 5)


@pytest.mark.parametrize('heartbeat', [None, ''])
def test_empty_heartbeat_is_none(settings: Settings, heartbeat: str | None) -> None:
    settings.WS4REDIS_HEARTBEAT = heartbeat
    assert current_limits().heartbeat is None


def test_no_rate_is_no_limit(settings: Settings) -> None:
    settings.WS4REDIS_MESSAGE_RATE = None
    assert current_limits().message_rate is None


def test_websockets_share_one_object_of_limits(settings: Settings) -> None:
    assert current_limits() is current_limits()
    settings.WS4REDIS_MAX_PENDING = 200
    assert current_limits() is current_limits()


def test_heartbeat_is_bytes(settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'grün'
    assert current_heartbeat() == 'grün'.encode()
