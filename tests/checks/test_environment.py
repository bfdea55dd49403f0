"""System checks of apps, middleware, gevent, processes and Redis."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage
from django.core.checks.registry import registry

from tests.loop.process import GUARD
from ws4redis.checks import check_all, environment
from ws4redis.checks.environment import check_deployment, check_patching, check_processes
from ws4redis.testing.redis_process import RedisProcess

if TYPE_CHECKING:
    from pytest_django import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
SESSIONS, AUTH = environment.MIDDLEWARE
POLICY = 'ws4redis.policies.default'


class OwnSessions(SessionMiddleware):
    """A site's own."""


class OwnUsers(AuthenticationMiddleware):
    """A site's own."""


def middleware_of_a_function(get_response: Any) -> Any:
    return get_response


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else will."""
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        yield held.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and answers nothing."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server.getsockname()[1]


def ids(messages: Iterable[CheckMessage]) -> list[str]:
    """The ids, once it is clear that each message is a sentence with a repair."""
    found = []
    for message in messages:
        assert message.hint and message.hint.endswith('.'), message
        found.append(str(message.id).removeprefix('ws4redis.'))
    return found


# Apps and middleware


@pytest.mark.parametrize(
    ('first', 'found'), [('ws4redis', []), ('django.contrib.staticfiles', ['W005'])]
)
def test_runserver_of_staticfiles_is_told(settings: Settings, first: str, found: list[str]) -> None:
    rest = [name for name in settings.INSTALLED_APPS if name != first]
    settings.INSTALLED_APPS = [first, *rest]
    assert ids(check_all(None)) == found


def test_runserver_of_staticfiles_serves_the_websockets_of_wsgi_application(
    settings: Settings,
) -> None:
    rest = [name for name in settings.INSTALLED_APPS if name != 'django.contrib.staticfiles']
    settings.INSTALLED_APPS = ['django.contrib.staticfiles', *rest]
    settings.WSGI_APPLICATION = 'ws4redis.django_runserver.application'
    assert check_all(None) == []


def test_site_without_staticfiles_has_no_order(settings: Settings) -> None:
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != 'django.contrib.staticfiles'
    ]
    assert check_all(None) == []


DJANGO = 'from django.core.management.commands.runserver import Command as Theirs'
STATIC = 'from django.contrib.staticfiles.management.commands.runserver import Command as Theirs'
OURS = 'from ws4redis.management.commands.runserver import Command as Theirs'
BASE = 'from django.core.management.base import BaseCommand as Theirs'
NOTHING = "default_port = '8001'"
WRAPPING = """def get_handler(self, *args, **options):
        return super().get_handler(*args, **options)
    def inner_run(self, *args, **options):
        super().inner_run(*args, **options)"""
ITS_OWN = """def inner_run(self, *args, **options):
        serve(settings.ASGI_APPLICATION)"""
HANDLER = 'get_handler = staticmethod(print)'


@pytest.mark.parametrize(
    ('theirs', 'body', 'found', 'found_with_application'),
    [
        (DJANGO, NOTHING, ['W005'], []),
        (STATIC, NOTHING, ['W005'], []),
        (STATIC, WRAPPING, ['W005'], []),
        (OURS, NOTHING, [], []),
        (OURS, WRAPPING, [], []),
        # As daphne's, which asks ASGI_APPLICATION.
        (DJANGO, ITS_OWN, ['W005'], ['W005']),
        (STATIC, ITS_OWN, ['W005'], ['W005']),
        (OURS, ITS_OWN, ['W005'], ['W005']),
        (DJANGO, HANDLER, ['W005'], ['W005']),
        (BASE, NOTHING, ['W005'], ['W005']),
        # Nobody serves with it.
        ('import nowhere.at_all', 'pass', [], []),
    ],
)
def test_runserver_of_another_app_is_told_unless_it_serves_websockets(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    theirs: str,
    body: str,
    found: list[str],
    found_with_application: list[str],
) -> None:
    name = tmp_path.name
    commands = tmp_path / name / 'management/commands'
    commands.mkdir(parents=True)
    for folder in (commands, commands.parent, commands.parent.parent):
        (folder / '__init__.py').touch()
    base = 'Theirs' if ' as ' in theirs else 'object'
    (commands / 'runserver.py').write_text(f'{theirs}\n\nclass Command({base}):\n    {body}\n')
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, name]
    assert check_all(None) == []
    settings.INSTALLED_APPS = [name, *settings.INSTALLED_APPS[:-1]]
    messages = check_all(None)
    assert ids(messages) == found
    assert all(f"behind '{name}'" in message.msg for message in messages)
    settings.WSGI_APPLICATION = 'ws4redis.django_runserver.application'
    assert ids(check_all(None)) == found_with_application


def test_hint_speaks_of_wsgi_application_where_that_is_served(settings: Settings) -> None:
    rest = [name for name in settings.INSTALLED_APPS if name != 'django.contrib.staticfiles']
    settings.INSTALLED_APPS = ['django.contrib.staticfiles', *rest]
    (message,) = check_all(None)
    assert message.hint is not None and 'unless WSGI_APPLICATION has them' in message.hint


def test_runserver_is_nobodys_concern_where_the_app_is_not_installed(settings: Settings) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != 'ws4redis']
    assert check_all(None) == []


@pytest.mark.parametrize('name', ['django.contrib.auth', 'django.contrib.sessions'])
def test_app_that_the_handshake_needs_is_named(settings: Settings, name: str) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != name]
    (message,) = check_all(None)
    assert (ids([message]), message.is_serious()) == (['E016'], True)
    assert name in message.msg


def test_sessions_that_are_no_models_need_no_app(settings: Settings) -> None:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != 'django.contrib.sessions'
    ]
    settings.SESSION_ENGINE = 'django.contrib.sessions.backends.cache'
    assert check_all(None) == []


@pytest.mark.parametrize(
    ('left', 'missing'), [(SESSIONS, ['AuthenticationMiddleware']), (AUTH, ['SessionMiddleware'])]
)
def test_middleware_that_is_missing_is_named(
    settings: Settings, left: str, missing: list[str]
) -> None:
    settings.MIDDLEWARE = ['nowhere.Middleware', f'{__name__}.middleware_of_a_function', left]
    found = check_all(None)
    assert ids(found) == ['W006']
    assert [message.msg for message in found] == [f'MIDDLEWARE has no {name}.' for name in missing]


def test_middleware_may_be_the_sites_own(settings: Settings) -> None:
    settings.MIDDLEWARE = [f'{__name__}.OwnSessions', f'{__name__}.OwnUsers']
    assert check_all(None) == []


def test_site_that_finds_its_users_by_itself_needs_neither(settings: Settings) -> None:
    settings.MIDDLEWARE = []
    settings.INSTALLED_APPS = ['ws4redis', 'django.contrib.contenttypes']
    settings.WS4REDIS_PROCESS_REQUEST = 'ws4redis.access.process_request'
    assert check_all(None) == []


# gevent and processes


def test_greenlets_in_a_process_that_is_not_patched_are_told() -> None:
    assert check_all(None) == []
    assert ids(gevent.spawn(lambda: list(check_patching())).get()) == ['W007']


LOOKING = """
import sys
if 'first' in sys.argv:
    from gevent import monkey
    monkey.patch_all()
import django
django.setup()
from ws4redis.checks import check_all
if 'last' in sys.argv:
    from gevent import monkey
    monkey.patch_all()
print(*(message.id for message in check_all(None)))
if 'never' in sys.argv:
    print(*sorted({'gevent', 'fakeredis'} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ('when', 'said'), [('first', '\n'), ('last', 'ws4redis.W008\n'), ('never', '\n\n')]
)
def test_patching_behind_django_is_told(when: str, said: str) -> None:
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'DJANGO_SETTINGS_MODULE': 'tests.settings',
    }
    looking = [sys.executable, '-W', 'ignore', '-c', LOOKING, when]
    looked = subprocess.run(
        looking, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (looked.stdout, looked.stderr) == (said, '')


@pytest.mark.parametrize(
    ('value', 'several', 'found'),
    [
        ('memory://?allow=1', True, ['W009']),
        ('memory://?allow=1', False, []),
        ('redis://localhost', True, []),
        ({'host': 'localhost'}, True, []),
    ],
)
def test_several_processes_on_memory_are_told(
    settings: Settings, value: Any, several: bool, found: list[str]
) -> None:
    settings.WS4REDIS_CONNECTION = value
    assert ids(check_processes(several)) == found


# For deployment


def test_deployment_has_checks_of_its_own() -> None:
    ordinary: list[object] = list(registry.get_checks())
    all_: list[object] = list(registry.get_checks(include_deployment_checks=True))
    assert check_deployment not in ordinary
    assert check_deployment in all_


def test_redis_that_answers_is_silent(settings: Settings, redis_process: RedisProcess) -> None:
    settings.WS4REDIS_CONNECTION = redis_process.url
    settings.WS4REDIS_ALLOWED_CHANNELS = POLICY
    assert check_deployment(None) == []
    client = redis_process.client()
    assert client.info('clients')['connected_clients'] == 1
    client.config_set('requirepass', 's3cret')
    client.close()
    (message,) = check_deployment(None)
    assert ids([message]) == ['W010']
    assert 'uthentication' in message.msg


def test_redis_that_is_not_there_is_told(settings: Settings, closed_port: int) -> None:
    settings.WS4REDIS_CONNECTION = f'redis://:s3cret@127.0.0.1:{closed_port}/0'
    settings.WS4REDIS_ALLOWED_CHANNELS = POLICY
    (message,) = check_deployment(None)
    assert ids([message]) == ['W010']
    assert 's3cret' not in message.msg


def test_redis_that_says_nothing_holds_the_check_up_for_its_time_only(
    settings: Settings, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, 'CONNECT_TIME', 0.05)
    settings.WS4REDIS_CONNECTION = f'redis://127.0.0.1:{silent_port}/0?socket_timeout=600'
    settings.WS4REDIS_ALLOWED_CHANNELS = POLICY
    began = time.monotonic()
    assert ids(check_deployment(None)) == ['W010']
    assert time.monotonic() - began < GUARD


def test_memory_answers_and_a_connection_that_cannot_work_is_told_elsewhere(
    settings: Settings,
) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = POLICY
    for value in ('memory://', 'http://localhost'):
        settings.WS4REDIS_CONNECTION = value
        assert check_deployment(None) == []


def test_site_without_a_policy_is_told(settings: Settings) -> None:
    settings.WS4REDIS_CONNECTION = 'memory://'
    assert ids(check_deployment(None)) == ['W011']


def test_every_id_is_tried_here() -> None:
    source = Path(environment.__file__).read_text('utf-8')
    written = set(re.findall(r"'ws4redis\.([EW]\d{3})'", source))
    assert written == {'W005', 'E016', 'W006', 'W007', 'W008', 'W009', 'W010', 'W011'}
