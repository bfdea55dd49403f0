"""Who may listen and publish where, asked at each handshake (WS4REDIS_ALLOWED_CHANNELS)."""

from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest

__all__ = ['OPEN_FACILITY', 'allowed_channels']

OPEN_FACILITY = 'lobby'


def allowed_channels(request: HttpRequest, channels: Iterable[str]) -> list[str]:
    """Give what was asked for; outside the open facility only logged-in users publish.

    Args:
        request: the handshake, with its session and user.
        channels: the names asked for in the query string, such as 'subscribe-user' and 'publish-broadcast'.
    """
    if request.path_info == settings.WEBSOCKET_URL + OPEN_FACILITY or request.user.is_authenticated:
        return list(channels)
    return [channel for channel in channels if not channel.startswith('publish-')]
