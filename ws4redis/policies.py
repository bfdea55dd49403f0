"""Ready-made answers for WS4REDIS_ALLOWED_CHANNELS: who may listen, and who may publish from the
browser.
"""

from typing import Any

from django.core.exceptions import PermissionDenied

from ws4redis.identity import is_authenticated

__all__ = ['allow_all', 'authenticated_only', 'default', 'subscribe_only']


def allow_all(request: Any, channels: list[str]) -> list[str]:
    """Everything that is asked for, as release 0.6.0 did without a callback: anybody may
    publish.
    """
    return list(channels)


def subscribe_only(request: Any, channels: list[str]) -> list[str]:
    """Browsers listen and never publish."""
    return [name for name in channels if not name.startswith('publish-')]


def authenticated_only(request: Any, channels: list[str]) -> list[str]:
    """Everything for logged-in users, nothing for others: they get 403."""
    if not is_authenticated(getattr(request, 'user', None)):
        raise PermissionDenied('not logged in')
    return list(channels)


def default(request: Any, channels: list[str]) -> list[str]:
    """What counts without a callback: subscribing as asked, publishing only for logged-in users."""
    if is_authenticated(getattr(request, 'user', None)):
        return list(channels)
    return subscribe_only(request, channels)
