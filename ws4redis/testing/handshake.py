"""From connect()'s arguments to a handshake with the real application: address, cookies,
environ.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ws4redis import settings
from ws4redis.core.query import query_names
from ws4redis.handshake import HANDSHAKE, Handshake
from ws4redis.identity import MEMBEROF
from ws4redis.testing.browser_end import Joined, MemoryEnd
from ws4redis.testing.driver import MemoryHandshake
from ws4redis.wsgi_server import WebsocketWSGIServer

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase
    from django.test import AsyncClient, Client

__all__ = [
    'HOST',
    'SAME',
    'Application',
    'HasUsername',
    'address',
    'check_identity',
    'cookies_of',
    'environ_of',
    'name_of',
    'uri_of',
]

HOST = 'testserver'


class HasUsername(Protocol):
    """A user object, whatever its class."""

    def get_username(self) -> str: ...


class _Same:
    def __repr__(self) -> str:
        return 'SAME'


SAME: Any = _Same()
"""The origin of the site itself, as a browser sends it from one of its pages."""


class Application(WebsocketWSGIServer):
    """The real application, which tells the client what became of its request.

    A forced user takes the place of session and database.
    """

    def process_request(self, request: Any) -> None:
        handshake = _of(request)
        if handshake.forced is None:
            super().process_request(request)
        else:
            request.user, groups = handshake.forced
            request.session = _ForcedSession(groups)
        handshake.client.session = getattr(request, 'session', None)

    def process_subscriptions(self, request: Any) -> tuple[list[str], bool]:
        asked, echo = super().process_subscriptions(request)
        _of(request).client.joined = Joined(asked=list(asked), echo=echo)
        return asked, echo

    def _find_channels(self, handshake: Handshake) -> None:
        super()._find_channels(handshake)
        client = _of(handshake.request).client
        client.joined = Joined(
            asked=client.joined.asked,
            allowed=list(handshake.channels),
            policy=_policy(),
            echo=handshake.echo,
        )

    def _close_connections(self) -> None:
        """They are the test's own."""


def _of(request: Any) -> MemoryHandshake:
    handshake: MemoryHandshake = request.environ[HANDSHAKE]
    return handshake


def _policy() -> str:
    value = settings.WS4REDIS_ALLOWED_CHANNELS
    if value is None or isinstance(value, str):
        return value or 'None: publishing needs a user'
    return f'{getattr(value, "__module__", "?")}.{getattr(value, "__qualname__", repr(value))}'


class _ForcedSession(dict[str, Any]):
    session_key = None

    def __init__(self, groups: Sequence[str] | None) -> None:
        super().__init__({MEMBEROF: list(groups)} if groups else {})


def address(
    url_or_facility: str,
    subscribe: str | Sequence[str],
    publish: str | Sequence[str],
    echo: bool,
    possible: Callable[[], list[str]],
) -> tuple[str, str]:
    """Path and query string of a websocket.

    Args:
        possible: gives the names that there are, such as 'subscribe-user'; asked only if names are
            given.

    Raises:
        ValueError: an unknown channel name.
    """
    if url_or_facility.startswith('/'):
        parts = urlsplit(url_or_facility)
        path, names = parts.path, [parts.query] if parts.query else []
        for verb, values in parse_qs(parts.query, keep_blank_values=True).items():
            if verb in ('subscribe', 'publish'):
                raise ValueError(
                    f"'?{verb}={values[0]}' asks for nothing: a query string has names, "
                    f"'?{verb}-{values[0]}'"
                )
    else:
        path, names = settings.WEBSOCKET_URL + quote(url_or_facility), []
    return path, '&'.join([*names, *query_names(subscribe, publish, echo, possible)])


def uri_of(path: str, query: str) -> str:
    """What a browser has in its address."""
    return f'ws://{HOST}{path}' + (f'?{query}' if query else '')


def check_identity(
    user: HasUsername | None,
    force_user: HasUsername | None,
    groups: object,
    session: object,
    client: object,
) -> None:
    """Refuse arguments of connect() that contradict each other, or are of another type.

    Raises:
        TypeError, ValueError: they do.
    """
    if user is not None and force_user is not None:
        raise ValueError('user and force_user are given: one of them says who it is')
    for name, value in (('user', user), ('force_user', force_user)):
        if value is not None and not hasattr(value, 'get_username'):
            raise TypeError(f'{name} is {type(value).__name__}: it takes a user object')
    if user is not None and getattr(user, 'pk', None) is None:
        raise ValueError(
            'user is not saved: save it, or give it as force_user=, which needs no database'
        )
    if force_user is not None and (session is not None or client is not None):
        raise ValueError(
            'force_user stands for session and cookies: give either it, or client= or session='
        )
    if session is not None and (user is not None or groups is not None or client is not None):
        raise ValueError('session says who it is: user=, groups= and client= are left out then')
    if session is not None and not isinstance(session, str) and not hasattr(session, 'session_key'):
        raise TypeError(
            f'session is {type(session).__name__}: it takes a session key or a session object'
        )
    if client is not None and not hasattr(client, 'cookies'):
        raise TypeError(f'client is {type(client).__name__}: it takes a django.test.Client')


def cookies_of(
    user: HasUsername | None,
    groups: Sequence[str] | None,
    session: 'str | SessionBase | None',
    client: 'Client | AsyncClient | None',
) -> dict[str, str]:
    """The cookies of a user who is logged in, of a session, or of a django.test.Client."""
    from django.conf import settings as django_settings

    name = django_settings.SESSION_COOKIE_NAME
    if client is None and (user is not None or (groups is not None and session is None)):
        return {name: _new_session(user, groups)}
    if client is not None:
        if user is not None:
            client.force_login(_account(user))
        if groups is not None:
            stored = client.session
            stored[MEMBEROF] = list(groups)
            stored.save()
            client.cookies[name] = str(stored.session_key)
        return {key: morsel.value for key, morsel in client.cookies.items()}
    if session is not None:
        return {name: session if isinstance(session, str) else str(session.session_key)}
    return {}


def _account(user: HasUsername) -> Any:
    """A user of whatever model the site has, for functions of Django that name one."""
    return user


def _new_session(user: HasUsername | None, groups: Sequence[str] | None) -> str:
    """The key of a new session, with what Client.force_login() would write into it."""
    from django.conf import settings as django_settings
    from django.contrib.auth import load_backend, login
    from django.http import HttpRequest

    request: Any = HttpRequest()
    request.session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    if user is not None:
        # A Client would first make an anonymous session and then another: three times as many
        # queries.
        backends = django_settings.AUTHENTICATION_BACKENDS
        login(
            request,
            _account(user),
            next(path for path in backends if hasattr(load_backend(path), 'get_user')),
        )
    if groups is not None:
        request.session[MEMBEROF] = list(groups)
    request.session.save()
    return str(request.session.session_key)


def environ_of(
    websocket: MemoryEnd,
    path: str,
    query: str,
    cookies: dict[str, str],
    headers: Mapping[str, str],
    origin: str | None,
    forced: tuple[Any, Sequence[str] | None] | None = None,
) -> dict[str, Any]:
    """The WSGI environ of its handshake; forced are user and group names without session and
    database.
    """
    environ: dict[str, Any] = {
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'PATH_INFO': unquote(path, 'latin-1'),
        'QUERY_STRING': query,
        'SERVER_NAME': HOST,
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'REMOTE_ADDR': '127.0.0.1',
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO(),
        'wsgi.errors': StringIO(),
        'wsgi.multithread': False,
        'wsgi.multiprocess': False,
        'wsgi.run_once': False,
        HANDSHAKE: MemoryHandshake(websocket, forced),
    }
    sent = dict(websocket.request().headers.raw_items())
    if origin is not None:
        sent['Origin'] = f'http://{HOST}' if origin is SAME else str(origin)
    if cookies:
        sent['Cookie'] = '; '.join(f'{key}={value}' for key, value in cookies.items())
    for key, value in {**sent, **headers}.items():
        environ['HTTP_' + key.upper().replace('-', '_')] = value
    return environ


def name_of(user: HasUsername | None) -> str:
    """What failures call a user's client."""
    return str(user.get_username()) if user is not None else ''
