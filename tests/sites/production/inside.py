"""What a test does where the site is: in its own process, or in gunicorn's."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.test.utils import override_settings

from ws4redis.loop import current_loop

_in_force = ExitStack()


def create_group(name: str) -> None:
    """A group."""
    Group.objects.create(name=name)


def create_user(name: str, groups: Sequence[str] = ()) -> None:
    """A user, in new groups of these names."""
    user = User.objects.create(username=name)
    user.groups.set(Group.objects.create(name=group) for group in groups)


def rename_user(name: str, new_name: str) -> None:
    """The user gets another name."""
    User.objects.filter(username=name).update(username=new_name)


def log_in(name: str, groups: Sequence[str] | None = None) -> str:
    """Log a user in; gives the session's key.

    Args:
        groups: what the project writes into the session itself; None leaves what the login has
            written.
    """
    client = Client()
    client.force_login(User.objects.get(username=name))
    session = client.session
    if groups is not None:
        session['ws4redis:memberof'] = list(groups)
        session.save()
    return str(session.session_key)


# Of gunicorn's process alone


def begin_anew() -> None:
    """Forget everybody."""
    for model in (User, Group, Session):
        model.objects.all().delete()


def use_settings(values: Mapping[str, Any]) -> None:
    """These count from now on, instead of those that were given before."""
    _in_force.close()
    _in_force.enter_context(override_settings(**values))


def figures() -> dict[str, Any]:
    """What the loop tells of itself, and how many websockets have not been given their persisted
    messages yet.
    """
    loop = current_loop()
    joining = sum(
        recipient.joining is not None and recipient.is_open
        for recipient in loop.exchange.recipients
    )
    return {**loop.status(), 'joining': joining}


def nature() -> dict[str, Any]:
    """What the loop runs in, and on."""
    loop = current_loop()
    modules = [
        base.__module__.partition('.')[0] for base in loop.server.pool.connection_class.__mro__
    ]
    library = next(module for module in modules if module != 'ws4redis')
    return {'patched': loop.hub.patched, 'pid': os.getpid(), 'library': library}
