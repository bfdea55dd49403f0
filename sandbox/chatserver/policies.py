"""Who may listen and publish where, asked at each handshake (WS4REDIS_ALLOWED_CHANNELS)."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from ws4redis.subscriber import facility_of

__all__ = ['OPEN_FACILITY', 'allowed_channels']

OPEN_FACILITY = 'lobby'
FACILITY_OF_USERS = 'orders'

FACILITIES_OF_VIEWS = ('board', 'load', 'operations', 'persist', 'progress')
"""Those of the tour, whose pages show what the site itself has to say."""


def allowed_channels(request: HttpRequest, channels: Iterable[str]) -> list[str]:
    """Give what was asked for; outside the open facility only logged-in users publish, and on the
    tour's nobody but views.

    Args:
        request: the handshake, with its session and user.
        channels: the names asked for in the query string, such as 'subscribe-user' and
            'publish-broadcast'.

    Raises:
        PermissionDenied: a stranger asks for the orders.
    """
    facility = facility_of(request)
    if facility not in FACILITIES_OF_VIEWS and (
        facility == OPEN_FACILITY or request.user.is_authenticated
    ):
        return list(channels)
    if facility == FACILITY_OF_USERS:
        raise PermissionDenied('orders are for those who have logged in')
    return [channel for channel in channels if not channel.startswith('publish-')]
