"""Who makes a request: its user, the groups and the key of its session; what SELF means in it."""

import logging
from typing import TYPE_CHECKING, Any, Final

from ws4redis.core.audience import Audience, SelfType, audience_names, entry_name, username_of
from ws4redis.core.channel import check_name
from ws4redis.exceptions import ChannelNameError

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ['MEMBEROF', 'entry_names', 'is_authenticated', 'own_names']

logger = logging.getLogger('ws4redis.identity')

MEMBEROF: Final = 'ws4redis:memberof'
"""Where a session has the names of its user's groups."""


def entry_names(kind: str, audience: Audience, request: 'HttpRequest | None') -> list[str]:
    """The names of an audience's entries; one of the request's own that makes no channel is left
    out and logged.
    """
    names = []
    for entry in audience_names(kind, audience):
        if isinstance(entry, SelfType):
            names.extend(_usable(kind, own_names(kind, request)))
        else:
            names.append(entry_name(kind, entry))
    return names


def _usable(kind: str, names: list[str]) -> list[str]:
    usable = []
    for name in names:
        try:
            usable.append(check_name(kind, name))
        except ChannelNameError as exc:
            logger.warning('left out a channel: %s', exc)
    return usable


def own_names(kind: str, request: 'HttpRequest | None') -> list[str]:
    """What SELF means in this request: its user, the groups in its session, its session key; empty
    if it has none.

    Raises:
        ValueError: there is no request.
    """
    if request is None:
        raise ValueError(f'{kind}s contains SELF: that needs request=, whose {kind}s are meant')
    if kind == 'user':
        user: Any = getattr(request, 'user', None)
        return [username_of(user)] if is_authenticated(user) else []
    session = getattr(request, 'session', None)
    if session is None:
        return []
    # This look drops a key that the session's store does not know.
    groups = session.get(MEMBEROF) or ()
    if kind == 'group':
        return [str(name) for name in groups]
    return (
        [str(session.session_key)]
        if session.session_key and not _is_cookie_session(session)
        else []
    )


def _is_cookie_session(session: object) -> bool:
    # With signed_cookies the key is the cookie's content, and any text passes for one.
    return any(
        base.__module__ == 'django.contrib.sessions.backends.signed_cookies'
        for base in type(session).__mro__
    )


def is_authenticated(user: object) -> bool:
    """Whether this is somebody; is_authenticated may be a bool or, on a site's own user class,
    callable.
    """
    value = getattr(user, 'is_authenticated', False)
    return bool(value() if callable(value) else value)
