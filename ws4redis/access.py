"""Who may have a websocket: session and user, the site's callbacks; and whether they still may,
later.

Everything here fails closed: what cannot be decided is refused.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest
from django.utils.module_loading import import_string

from ws4redis import settings
from ws4redis.core.channel import printable
from ws4redis.core.wording import counted
from ws4redis.exceptions import ForbiddenError, HandshakeError, UnavailableError
from ws4redis.identity import MEMBEROF, anonymous_user, is_authenticated, stored_groups
from ws4redis.policies import default

__all__ = [
    'admit',
    'Access',
    'SessionData',
    'allowed_channels',
    'check_dotted_path',
    'current_groups',
    'describe',
    'drop_lost_groups',
    'names_for_log',
    'no_longer_allowed',
    'process_request',
    'refused',
    'still_allowed',
]

logger = logging.getLogger('ws4redis.access')


@dataclass(frozen=True, slots=True)
class Access:
    """As whom a websocket was opened, to look its rights up again.

    Attributes:
        user_key: the user's primary key; None if nobody was logged in, or the user is no model of
            Django's.
        session_key: None without a session.
        groups: the groups of the session on whose channels it may listen or publish.
    """

    user_key: Any
    session_key: str | None
    groups: tuple[str, ...]


class SessionData(Protocol):
    """What is read of a session: a site's own need have no more."""

    def get(self, key: str, /) -> Any:
        """What it has under this key; None if nothing."""


# Session and user


def admit(count: int) -> None:
    """Refuse a handshake in a process that has as many websockets as it may have.

    Raises:
        UnavailableError: it has.
    """
    most = settings.WS4REDIS_MAX_WEBSOCKETS
    if most is not None and count >= most:
        raise UnavailableError(
            'Try again later',
            reason=f'{counted(most, "websocket is", "websockets are")} open, '
            'which is WS4REDIS_MAX_WEBSOCKETS',
        )


def process_request(request: HttpRequest) -> None:
    """Put session and user on a request that no middleware has seen.

    Raises:
        HandshakeError: the site's callback refused, or failed; or the database or cache is away.
    """
    callback = _callback('WS4REDIS_PROCESS_REQUEST')
    try:
        if callback is not None:
            callback(request)
        else:
            _django_session_and_user(request)
        _complete(request)
    except Exception as exc:
        raise refused(exc, 'WS4REDIS_PROCESS_REQUEST') from exc


def _django_session_and_user(request: HttpRequest) -> None:
    from django.contrib.auth import get_user

    if not apps.is_installed('django.contrib.auth'):
        raise HandshakeError(
            'Internal server error',
            reason="INSTALLED_APPS has no 'django.contrib.auth', and WS4REDIS_PROCESS_REQUEST is "
            'not set',
            status=500,
        )
    request.session = _session(request.COOKIES.get(django_settings.SESSION_COOKIE_NAME))
    request.user = get_user(request)


def _session(key: str | None) -> Any:
    session = import_module(django_settings.SESSION_ENGINE).SessionStore(key)
    # The first look drops a key that the store does not know: no identity, no channel.
    session.get('_auth_user_id')
    return session


def _complete(request: HttpRequest) -> None:
    """What a callback has left out: nobody is AnonymousUser, never None."""
    user = getattr(request, 'user', None)
    # A lazy user is loaded by this: a database away must refuse the handshake, not make somebody
    # anonymous later.
    if user.__class__ is type(None):
        request.user = anonymous_user()


def _callback(name: str) -> Any:
    value = getattr(settings, name)
    if isinstance(value, str):
        try:
            value = import_string(value)
        except Exception as exc:
            raise HandshakeError(
                'Internal server error',
                reason=f'{name} is {value!r}, which cannot be imported: {exc}',
                status=500,
            ) from exc
    if value is not None and not callable(value):
        raise HandshakeError(
            'Internal server error',
            reason=f'{name} is {type(value).__name__}, no callable',
            status=500,
        )
    return value


_AWAY = (
    DatabaseError,
    redis.ConnectionError,
    redis.TimeoutError,
    InvalidCacheBackendError,
    ConnectionError,
    TimeoutError,
)


def refused(exc: BaseException, where: str) -> HandshakeError:
    """The refusal that follows from an exception in the site's code; unexpected ones are logged
    with their traceback.
    """
    if isinstance(exc, HandshakeError):
        return exc
    if isinstance(exc, PermissionDenied):
        return ForbiddenError('Forbidden', reason=f'{where}: {str(exc) or "PermissionDenied"}')
    if isinstance(exc, Http404):
        return HandshakeError('Not found', reason=f'{where}: {str(exc) or "Http404"}', status=404)
    if isinstance(exc, SuspiciousOperation):
        # As in a view: what the client sent is at fault, such as a query string of which Django
        # reads no further.
        return HandshakeError('Bad request', reason=f'{where}: {str(exc) or type(exc).__name__}')
    if isinstance(exc, _AWAY):
        return UnavailableError('Try again later', reason=f'{where}: {type(exc).__name__}: {exc}')
    logger.error('%s failed', where, exc_info=exc)
    return HandshakeError(
        'Internal server error', reason=f'{where}: {type(exc).__name__}', status=500
    )


# Channels


def allowed_channels(request: HttpRequest, channels: list[str], possible: list[str]) -> list[str]:
    """Those of the channels asked for that this request may have.

    Raises:
        HandshakeError: the callback refused, failed, or answered with a name that there is not.
    """
    callback = _callback('WS4REDIS_ALLOWED_CHANNELS')
    if callback is None:
        allowed = default(request, channels)
        left_out = [name for name in channels if name not in allowed]
        if left_out:
            logger.info(
                'anonymous request may not publish: left out %s; WS4REDIS_ALLOWED_CHANNELS can '
                'allow it',
                ', '.join(left_out),
            )
        return allowed
    try:
        answer = callback(request, list(channels))
        # A mapping's values say who may, and its keys alone would allow all of them.
        if answer is None or isinstance(answer, (str, bytes)) or hasattr(answer, 'keys'):
            raise TypeError(
                f'WS4REDIS_ALLOWED_CHANNELS returned {type(answer).__name__}: it returns a list '
                f'of names'
            )
        allowed = list(answer)
    except Exception as exc:
        raise refused(exc, 'WS4REDIS_ALLOWED_CHANNELS') from exc
    unknown = [name for name in allowed if name not in possible]
    if unknown:
        raise ForbiddenError(
            'Forbidden',
            reason=f'WS4REDIS_ALLOWED_CHANNELS returned {unknown!r}, which are no channels',
        )
    return allowed


def describe(request: HttpRequest, channels: Iterable[str]) -> Access:
    """As whom this websocket is opened."""
    session = getattr(request, 'session', None)
    user = getattr(request, 'user', None)
    groups: tuple[str, ...] = ()
    if session is not None and _names_groups(channels):
        groups = tuple(str(name) for name in session.get(MEMBEROF) or ())
    return Access(
        user_key=getattr(user, 'pk', None) if is_authenticated(user) else None,
        session_key=getattr(session, 'session_key', None),
        groups=groups,
    )


def still_allowed(access: Access) -> bool:
    """Whether who opened a websocket may still have it: the session lives, the user is active and
    in these groups.

    Raises:
        Exception: database or cache are away; then nothing is decided.
    """
    from django.contrib.auth import get_user

    if settings.WS4REDIS_PROCESS_REQUEST is not None or access.session_key is None:
        # Whose session this is only the site knows.
        return True
    request: Any = HttpRequest()
    request.session = _session(access.session_key)
    if request.session.session_key is None:
        return False
    user = get_user(request)
    if (user.pk if is_authenticated(user) else None) != access.user_key:
        return False
    return not access.groups or set(access.groups) <= set(current_groups(request.session, user))


def no_longer_allowed(some: Iterable[Access]) -> set[Access]:
    """Those of these who have lost their rights; one that cannot be looked up keeps them until
    the next time.
    """
    lost = set()
    for who in some:
        try:
            if not still_allowed(who):
                lost.add(who)
        except Exception as exc:
            logger.warning('cannot look up rights again: %s: %s', type(exc).__name__, exc)
    return lost


def drop_lost_groups(request: HttpRequest, channels: Iterable[str]) -> None:
    """Take those groups out of the request's session that its user has lost since login, if group
    channels are wanted.

    Raises:
        HandshakeError: the database is away.
    """
    session = getattr(request, 'session', None)
    if session is None or not _names_groups(channels) or not session.get(MEMBEROF):
        return
    try:
        groups = current_groups(session, request.user)
        # A site's own session need have no more than get().
        if len(groups) < len(session.get(MEMBEROF)):
            session[MEMBEROF] = groups
    except Exception as exc:
        raise refused(exc, 'groups') from exc


def _names_groups(channels: Iterable[str]) -> bool:
    return any(name.endswith('-group') for name in channels)


AT_LOGIN = 'ws4redis:groups'


def current_groups(session: SessionData, user: object) -> list[str]:
    """The group names of a session without those that came from the database at login and are not
    there any more.

    Names that a project wrote into the session by itself are its own business.
    """
    names = [str(name) for name in session.get(MEMBEROF) or ()]
    at_login = set(session.get(AT_LOGIN) or ()) & set(names)
    if at_login:
        at_login -= set(stored_groups(user) or ())
    return [name for name in names if name not in at_login]


def session_for_log(key: str | None) -> str:
    """A session key as logs show it."""
    return printable(f'session:{key}') if key else 'no session'


def names_for_log(who: Access, user: object, channels: Iterable[str]) -> str:
    """The names that a websocket has got, and which of them mean nobody: without such an
    identity there is no channel.
    """
    names = list(channels)
    there = {
        'user': is_authenticated(user),
        'group': bool(who.groups),
        'session': who.session_key is not None,
    }
    nobody = [name for name in names if not there.get(name.partition('-')[2], True)]
    return (', '.join(names) or 'no channels') + (
        f' (nobody: {", ".join(nobody)})' if nobody else ''
    )


def check_dotted_path(name: str) -> str | None:
    """What is wrong with a callable or dotted path in this setting; None if it can be called."""
    try:
        _callback(name)
    except HandshakeError as exc:
        return exc.reason
    return None
