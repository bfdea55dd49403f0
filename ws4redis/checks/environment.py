"""System checks of what surrounds the settings: apps, middleware, gevent, processes, Redis.

None of those that every command of manage.py runs connects to anything: an image is built, and a
file collected, where there is no Redis. The check that asks Redis, whose answer may take a second,
and the one about the policy belong to `manage.py check --deploy`.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from ws4redis import settings
from ws4redis.redis_client import RedisServer
from ws4redis.schemes import is_memory

if TYPE_CHECKING:
    from django.apps import AppConfig

__all__ = [
    'CHECKS',
    'check_apps',
    'check_deployment',
    'check_order',
    'check_patching',
    'check_processes',
]

SESSION_MODELS = (
    'django.contrib.sessions.backends.db',
    'django.contrib.sessions.backends.cached_db',
)

MIDDLEWARE = (
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
)

OUR_RUNSERVER = 'ws4redis.management.commands.runserver'
DJANGO_RUNSERVER = 'django.core.management.commands.runserver'

STEPS = ('handle', 'run', 'inner_run', 'get_handler')
"""The methods of Django's runserver that lead to WSGI_APPLICATION, each from the one before."""

CONNECT_TIME = 1.0
"""Seconds that Redis has for its answer; a thousand times what it takes within a data centre."""


def check_order() -> Iterator[CheckMessage]:
    """Whose runserver it is: that of the app that comes first. Another one serves websockets if it
    is derived from ours, or hands requests to WSGI_APPLICATION and that has them.
    """
    app = get_commands()['runserver']
    if not apps.is_installed('ws4redis') or app == 'ws4redis':
        return
    command = _loaded(app)
    if command is None or _goes_on_to(OUR_RUNSERVER, command):
        return
    asks_wsgi = _goes_on_to(DJANGO_RUNSERVER, command)
    if asks_wsgi and django_settings.WSGI_APPLICATION == 'ws4redis.django_runserver.application':
        return
    unless = ' unless WSGI_APPLICATION has them' if asks_wsgi else ''
    yield Warning(
        f"'ws4redis' is behind '{app}' in INSTALLED_APPS.",
        hint=f"runserver is that app's own then, without websockets{unless}: put 'ws4redis' first.",
        id='ws4redis.W005',
    )


def _loaded(app: str) -> BaseCommand | None:
    try:
        return load_command_class(app, 'runserver')
    except Exception:
        # Whoever calls it is told by Django.
        return None


def _goes_on_to(module: str, command: BaseCommand) -> bool:
    """Whether the command is derived from that module's, and whatever it overrides on the way to
    the application goes on to that with super().
    """
    for kind in type(command).__mro__:
        if kind.__module__ == module:
            return True
        if any(name in vars(kind) and not _calls_super(vars(kind)[name]) for name in STEPS):
            return False
    return False


def _calls_super(method: object) -> bool:
    code = getattr(inspect.unwrap(method), '__code__', None) if callable(method) else None
    return code is not None and 'super' in code.co_names


def check_apps() -> Iterator[CheckMessage]:
    """What the handshake needs to find session and user, unless the site finds them by itself."""
    if settings.WS4REDIS_PROCESS_REQUEST is not None:
        return
    wanted = ['django.contrib.auth']
    if django_settings.SESSION_ENGINE in SESSION_MODELS:
        wanted.append('django.contrib.sessions')
    missing = [name for name in wanted if not apps.is_installed(name)]
    for name in missing:
        yield Error(
            f"INSTALLED_APPS has no '{name}'.",
            hint=f"Every handshake fails: put '{name}' there, or let WS4REDIS_PROCESS_REQUEST "
            f'find session and user.',
            id='ws4redis.E016',
        )
    if not missing:
        yield from _check_middleware()


def _check_middleware() -> Iterator[CheckMessage]:
    for name in MIDDLEWARE:
        if not any(_derives(entry, import_string(name)) for entry in django_settings.MIDDLEWARE):
            yield Warning(
                f'MIDDLEWARE has no {name.rpartition(".")[2]}.',
                hint=f'Nobody logs in without it, so every websocket is anonymous: put '
                f"'{name}' there.",
                id='ws4redis.W006',
            )


def _derives(name: str, wanted: type) -> bool:
    try:
        found = import_string(name)
    except Exception:
        # Django says so itself.
        return False
    return isinstance(found, type) and issubclass(found, wanted)


def check_patching() -> Iterator[CheckMessage]:
    """What gevent has made of this process; nothing where it has not been imported."""
    gevent, monkey = sys.modules.get('gevent'), sys.modules.get('gevent.monkey')
    if gevent is None:
        return
    if monkey is None or not (
        monkey.is_module_patched('threading') and monkey.is_module_patched('socket')
    ):
        if isinstance(gevent.getcurrent(), gevent.Greenlet):
            yield Warning(
                'This server runs requests in greenlets, and gevent has not patched the process.',
                hint='Whatever waits holds up every other request: call '
                'gevent.monkey.patch_all() before anything is imported, '
                'or start uWSGI with --gevent-early-monkey-patch.',
                id='ws4redis.W007',
            )
    elif _has_native_local():
        yield Warning(
            'gevent has patched this process after Django was imported.',
            hint='Greenlets get at the database connections of each other: call '
            'gevent.monkey.patch_all() before anything is '
            'imported; with --preload of gunicorn that is in gunicorn.conf.py.',
            id='ws4redis.W008',
        )


def _has_native_local() -> bool:
    """Whether Django keeps its database connections by native thread, of which greenlets have
    one together.
    """
    import threading

    from django.db import connections

    storage = getattr(getattr(connections, '_connections', None), '_storage', None)
    return storage is not None and not isinstance(storage, threading.local)


def check_processes(several: bool) -> Iterator[CheckMessage]:
    """Whether memory:// serves more than the one process that it belongs to.

    Args:
        several: whether the WSGI server has more than one.
    """
    if several and is_memory(settings.WS4REDIS_CONNECTION):
        yield Warning(
            'WS4REDIS_CONNECTION is memory://, and the server has several processes.',
            hint='What one of them publishes reaches no websocket of another: name a Redis '
            'server, or start one process.',
            id='ws4redis.W009',
        )


def check_deployment(
    app_configs: 'Sequence[AppConfig] | None', **kwargs: object
) -> list[CheckMessage]:
    """What `manage.py check --deploy` asks for besides."""
    return [*_check_redis(), *_check_policy()]


def _check_redis() -> Iterator[CheckMessage]:
    try:
        server = RedisServer(settings.WS4REDIS_CONNECTION)
    except ImproperlyConfigured:
        # Another check's.
        return
    try:
        server.ask(CONNECT_TIME)
    except (redis.RedisError, OSError) as exc:
        yield Warning(
            f'Redis does not answer: {exc}',
            hint='Look whether it runs where WS4REDIS_CONNECTION says. Websockets are refused '
            'with 503 until it does.',
            id='ws4redis.W010',
        )


def _check_policy() -> Iterator[CheckMessage]:
    if settings.WS4REDIS_ALLOWED_CHANNELS is None:
        yield Warning(
            'WS4REDIS_ALLOWED_CHANNELS is not set.',
            hint='Anybody may subscribe to every facility, and whoever is logged in publish. '
            'Name your rule, or one of '
            "ws4redis.policies: 'ws4redis.policies.default' says that this is meant.",
            id='ws4redis.W011',
        )


CHECKS: Final[tuple[Callable[[], Iterator[CheckMessage]], ...]] = (
    check_order,
    check_apps,
    check_patching,
)
"""In the order in which their findings are shown."""
