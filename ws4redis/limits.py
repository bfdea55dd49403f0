"""The limits and the heartbeat, as the settings have them now."""

from ws4redis import settings
from ws4redis.core.limits import Limits
from ws4redis.core.text import as_bytes

__all__ = ['current_heartbeat', 'current_limits']


def current_heartbeat() -> bytes | None:
    """The heartbeat as the settings have it now; None for none."""
    text = settings.WS4REDIS_HEARTBEAT
    return as_bytes(text) if text else None


_limits = Limits()


def current_limits() -> Limits:
    """The limits as the settings have them now; one object as long as they do not change."""
    global _limits
    rate = settings.WS4REDIS_MESSAGE_RATE
    limits = Limits(
        max_message_size=settings.WS4REDIS_MAX_MESSAGE_SIZE,
        max_pending=settings.WS4REDIS_MAX_PENDING,
        message_rate=rate,
        message_burst=2 * rate if rate is not None else 0,
        heartbeat=current_heartbeat(),
        ping_interval=settings.WS4REDIS_PING_INTERVAL,
        ping_timeout=settings.WS4REDIS_PING_TIMEOUT,
    )
    if limits != _limits:
        _limits = limits
    return _limits
