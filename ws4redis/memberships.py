"""The groups of a session: written at login, with what they were then; withdrawn at logout."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out

from ws4redis.access import AT_LOGIN
from ws4redis.identity import MEMBEROF
from ws4redis.signalling import withdraw_rights

__all__ = ['connect_receivers', 'store_groups', 'withdraw_session']


def store_groups(sender: Any, user: Any, request: Any, **kwargs: Any) -> None:
    """At login: write the names of the user's groups into the session, where a project may add
    its own.
    """
    if not hasattr(user, 'groups') or not hasattr(request, 'session'):
        return
    names = list(user.groups.values_list('name', flat=True))
    request.session[MEMBEROF] = names
    request.session[AT_LOGIN] = names


def withdraw_session(sender: Any, request: Any, **kwargs: Any) -> None:
    """At logout: the session's websockets end."""
    session_key = getattr(getattr(request, 'session', None), 'session_key', None)
    if session_key:
        withdraw_rights(session_key)


def connect_receivers() -> None:
    """Listen to Django's login and logout."""
    user_logged_in.connect(store_groups, dispatch_uid='ws4redis.store_groups')
    user_logged_out.connect(withdraw_session, dispatch_uid='ws4redis.withdraw_session')
