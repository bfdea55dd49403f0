"""Who may listen and publish where, asked at each handshake (WS4REDIS_ALLOWED_CHANNELS)."""

from collections.abc import Iterable

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

__all__ = ['OPEN_FACILITY', 'allowed_channels']

OPEN_FACILITY = 'lobby'
FACILITY_OF_USERS = 'orders'


def allowed_channels(request: HttpRequest, channels: Iterable[str]) -> list[str]:
    """Give what was asked for; outside the open facility only logged-in users publish.

    Args:
        request: the handshake, with its session and user.
        channels: the names asked for in the query string, such as 'subscribe-user' and 'publish-broadcast'.

    Raises:
        PermissionDenied: a stranger asks for the orders.
    """
    if request.path_info == settings.WEBSOCKET_URL + OPEN_FACILITY or request.user.is_authenticated:
        return list(channels)
    if request.path_info == settings.WEBSOCKET_URL + FACILITY_OF_USERS:
        raise PermissionDenied('orders are for those who have logged in')
    return [channel for channel in channels if not channel.startswith('publish-')]
