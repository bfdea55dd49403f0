"""Two users in one page: each pane of the board has a session of its own, and its websocket says
which pane it is of.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user, login, logout
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from ws4redis.subscriber import facility_of

__all__ = ['FACILITY', 'PANES', 'leave', 'pane_request', 'panes_of', 'process_request']

FACILITY = 'board'

PANES = ('john', 'mary')
"""Whose panes they are: john's is on the left."""

IN_SESSION = 'panes'
BACKEND = 'django.contrib.auth.backends.ModelBackend'


def panes_of(request: HttpRequest) -> dict[str, str]:
    """The session keys of the panes, by the user's name; what is missing is logged in.

    Only this visitor's own session has them, so that nobody gets at the panes of others.

    Raises:
        User.DoesNotExist: `manage.py load_users` has not run.
    """
    known = request.session.get(IN_SESSION, {})
    panes = {name: known.get(name) if _is_in(known.get(name)) else _log_in(name) for name in PANES}
    if panes != known:
        request.session[IN_SESSION] = panes
    return panes


def pane_request(request: HttpRequest, name: str) -> HttpRequest:
    """A request as the pane's user would send it; of nobody, if this visitor has no such pane."""
    key = request.session.get(IN_SESSION, {}).get(name)
    return _request_in(SessionStore(key))


def leave(request: HttpRequest, name: str) -> None:
    """Log the pane's user out: its websockets are closed with 1008."""
    logout(pane_request(request, name))


def process_request(request: Any) -> None:
    """Who opens a websocket (WS4REDIS_PROCESS_REQUEST): the visitor, or with `?pane=john` the one
    in that pane.

    Nobody has given a password for a pane, so it counts on the board alone.
    """
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    if 'pane' in request.GET and facility_of(request) == FACILITY:
        request.session = SessionStore(request.session.get(IN_SESSION, {}).get(request.GET['pane']))
    request.user = get_user(request)


def _request_in(session: Any) -> HttpRequest:
    request = HttpRequest()
    request.session = session
    request.user = get_user(request)
    return request


def _is_in(key: str | None) -> bool:
    return _request_in(SessionStore(key)).user.is_authenticated


def _log_in(name: str) -> str:
    request = _request_in(SessionStore())
    login(request, User.objects.get(username=name), BACKEND)
    request.session.save()
    return str(request.session.session_key)
