"""Who makes a request: its user, the groups and the key of its session; what SELF means in it."""

import logging
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from ws4redis.core.audience import Audience, SelfType, audience_names, entry_name, username_of
from ws4redis.core.channel import check_name
from ws4redis.exceptions import ChannelNameError

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = [
    'MEMBEROF',
    'anonymous_user',
    'entry_names',
    'is_authenticated',
    'own_names',
    'stored_groups',
]

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
        return _username(user) if is_authenticated(user) else []
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


def _username(user: Any) -> list[str]:
    if not callable(getattr(user, 'get_username', None)):
        logger.warning('left out a channel: %s has no get_username()', type(user).__name__)
        return []
    return [username_of(user)]


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


class _Nobody:
    """Django's AnonymousUser is among the models of django.contrib.auth, which can be imported only
    where that app is installed.
    """

    pk = id = None
    username = ''
    is_anonymous = True
    is_authenticated = is_active = is_staff = is_superuser = False

    def __str__(self) -> str:
        return 'AnonymousUser'

    def get_username(self) -> str:
        return self.username


def anonymous_user() -> Any:
    """Nobody: Django's AnonymousUser, or one like it where django.contrib.auth is not installed."""
    if not apps.is_installed('django.contrib.auth'):
        return _Nobody()
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()


def stored_groups(user: object) -> list[str] | None:
    """The names of the groups that the database has for a user; None if what the user has for
    `groups` is not the Group of django.contrib.auth.
    """
    if not apps.is_installed('django.contrib.auth'):
        return None
    from django.contrib.auth.models import Group

    groups: Any = getattr(user, 'groups', None)
    if not (
        isinstance(groups, (BaseManager, QuerySet)) and issubclass(groups.model or object, Group)
    ):
        return None
    return list(groups.all().values_list('name', flat=True))
