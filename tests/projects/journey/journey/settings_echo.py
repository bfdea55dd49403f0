"""The site as one that gives everything back, messages of up to 16 MiB and as many as come."""

from journey.settings import *  # noqa: F403

WS4REDIS_SUBSCRIBER = 'journey.echo.Echo'
WS4REDIS_MAX_MESSAGE_SIZE = 1 << 24
# One that leaves while the next arrives.
WS4REDIS_MAX_PENDING = 1 << 25
WS4REDIS_MESSAGE_RATE = None
