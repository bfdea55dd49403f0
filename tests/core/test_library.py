"""A site's own package named websockets, in processes of its own, on every way in."""

from pathlib import Path

import pytest

from tests.processes.project import Project
from tests.processes.serving import free_port

SETTINGS = """
INSTALLED_APPS = [
    'ws4redis', 'django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions',
]
TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates'}]
WSGI_APPLICATION = 'wsgi.application'
WS4REDIS_CONNECTION = 'memory://'
DEBUG = True
"""

WSGI = """
from ws4redis.wsgi import get_wsgi_application
application = get_wsgi_application()
"""

OWN = {
    'a package': {'websockets/__init__.py': ''},
    'a module': {'websockets.py': ''},
    'an app': {
        'websockets/__init__.py': '',
        'websockets/protocol.py': 'class Protocol: pass',
        'websockets/exceptions.py': 'class ProtocolError(Exception): pass',
        'websockets/server.py': "raise SystemExit('this serves')",
    },
    'one that raises': {'websockets/__init__.py': "raise ValueError('no such room')"},
    'one that imports ours': {'websockets/__init__.py': 'import ws4redis.core.frames'},
    'a copy of its names': {'websockets/__init__.py': '', 'websockets/http11.py': ''},
}

START = 'import django; django.setup()\n'

WAYS = {
    'frames': ['-c', 'import ws4redis.core.frames'],
    'handshake': ['-c', 'import ws4redis.core.handshake'],
    'websocket': ['-c', 'import ws4redis.core.websocket'],
    'server': ['-c', f'{START}import ws4redis.wsgi_server'],
    'loop': ['-c', f'{START}import ws4redis.loop'],
    'setup': ['-c', START],
    'tags': [
        '-c',
        f'{START}from django.template import Template\nTemplate("{{% load ws4redis %}}")',
    ],
    'check': ['-m', 'django', 'check'],
    'migrate': ['-m', 'django', 'migrate'],
    'runserver': ['-m', 'django', 'runserver', '--noreload'],
    'gunicorn': ['-m', 'gunicorn', 'wsgi:application', '--bind'],
    'certify': ['-m', 'ws4redis.testing', 'certify', 'redis://127.0.0.1:1'],
    **{
        name: ['-c', f'from ws4redis.testing import {name}']
        for name in ('Broker', 'FakeRedisStore', 'FakeWebSocket', 'LiveClient', 'LiveServer')
    },
}
"""Each way in, by the arguments of Python."""


def what_is_said(tmp_path: Path, files: dict[str, str], way: str) -> str:
    """The last line of a process that takes this way on a site with these files."""
    arguments = WAYS[way]
    if way in ('runserver', 'gunicorn'):
        arguments = [*arguments, f'127.0.0.1:{free_port()}']
    process = Project(tmp_path, SETTINGS, {'wsgi.py': WSGI, **files}).python(*arguments)
    assert process.returncode != 0
    return process.stderr


@pytest.mark.parametrize('way', WAYS)
def test_every_way_in_says_what_hides_the_library(tmp_path: Path, way: str) -> None:
    said = what_is_said(tmp_path, OWN['a package'], way)
    path = tmp_path / 'websockets/__init__.py'
    assert (
        f'HiddenLibraryError: websockets is {path} of your project, not the library that ws4redis '
        'needs: ' in said
    ), said


@pytest.mark.parametrize('own', OWN)
def test_whatever_the_own_package_holds_it_is_named(tmp_path: Path, own: str) -> None:
    said = what_is_said(tmp_path, OWN[own], 'frames')
    path = tmp_path / next(iter(OWN[own]))
    last = said.splitlines()[-1]
    assert last.startswith(f'ws4redis.exceptions.HiddenLibraryError: websockets is {path} of your ')
    assert last.endswith('give what is there another name, since Python finds it first')


def test_error_is_one_of_settings_and_is_the_same_each_time(tmp_path: Path) -> None:
    project = Project(tmp_path, SETTINGS, OWN['a package'])
    process = project.python(
        '-c',
        """if True:
        from django.core.exceptions import ImproperlyConfigured
        for attempt in range(2):
            try:
                import ws4redis.core.frames
            except ImproperlyConfigured as exc:
                print(exc.path)
        """,
    )
    assert process.stdout.split() == [str(tmp_path / 'websockets/__init__.py')] * 2


def test_folder_without_code_hides_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, SETTINGS, {'websockets/page.html': ''})
    assert project.run('import ws4redis.core.frames') == ''


@pytest.mark.parametrize('what', ['http11', 'frames'])
def test_library_of_another_release_is_not_taken_for_a_package_of_the_site(
    tmp_path: Path, what: str
) -> None:
    code = f"""if True:
        import sys
        sys.modules['websockets.{what}'] = None
        import ws4redis.core.frames
    """
    process = Project(tmp_path, SETTINGS, {}).python('-c', code)
    assert process.stderr.splitlines()[-1].startswith('ModuleNotFoundError: import of websockets.')
