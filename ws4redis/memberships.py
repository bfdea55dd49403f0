"""The groups of a session: written at login, with what they were then; withdrawn at logout."""

import logging
from typing import TYPE_CHECKING

from django.contrib.auth.signals import user_logged_in, user_logged_out

from ws4redis.access import AT_LOGIN
from ws4redis.identity import MEMBEROF, stored_groups
from ws4redis.signalling import withdraw_rights

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ['connect_receivers', 'store_groups', 'withdraw_session']

logger = logging.getLogger('ws4redis.memberships')


def store_groups(sender: object, user: object, request: 'HttpRequest', **kwargs: object) -> None:
    """At login: write the names of the user's groups into the session, where a project may add
    its own. Whatever fails is logged: the login goes on.
    """
    try:
        _store(user, request)
    except Exception:
        logger.exception('at login: the groups of %s are not in its session', type(user).__name__)


def _store(user: object, request: 'HttpRequest') -> None:
    names = stored_groups(user) if hasattr(request, 'session') else None
    if names is not None:
        request.session[MEMBEROF] = names
        request.session[AT_LOGIN] = names


def withdraw_session(sender: object, request: 'HttpRequest', **kwargs: object) -> None:
    """At logout: the session's websockets end. Whatever fails is logged: the logout goes on."""
    try:
        session_key = getattr(getattr(request, 'session', None), 'session_key', None)
        if session_key:
            withdraw_rights(session_key)
    except Exception:
        logger.exception('at logout: the websockets of this session stay open')


def connect_receivers() -> None:
    """Listen to Django's login and logout."""
    user_logged_in.connect(store_groups, dispatch_uid='ws4redis.store_groups')
    user_logged_out.connect(withdraw_session, dispatch_uid='ws4redis.withdraw_session')
