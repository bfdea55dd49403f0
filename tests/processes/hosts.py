"""The WSGI servers on which websockets are tested, and some on which there can be none: how each
is started.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import require

__all__ = ['HOSTS', 'OLD', 'REFUSING', 'Host', 'nginx_program', 'require_programs']

APPLICATION = 'journey.wsgi:application'
JOURNEY = Path(__file__).resolve().parent.parent / 'projects' / 'journey'
CERTIFICATE = Path(__file__).resolve().parent / 'certificate.pem'
"""For TLS on the loopback: a certificate that nobody trusts, with its key."""

Command = Callable[[str, str], list[str]]
"""Application, as MODULE:NAME, and address, as HOST:PORT."""


@dataclass(frozen=True)
class Host:
    """A WSGI server.

    Attributes:
        command: starts it.
        application: what it serves, as MODULE:NAME.
        workers: how many processes serve; 0: the one that was started.
        reloads: what makes it load the code again: 'hangup', the signal, or 'file', a change of
            one; None: nothing does.
        says_goodbye: whether a close frame reaches its websockets when it ends or reloads.
        nginx: whether that stands in front of it.
        scheme: https if TLS ends in it.
        interrupted: its exit status after SIGINT.
    """

    command: Command
    application: str = APPLICATION
    workers: int = 0
    reloads: str | None = None
    says_goodbye: bool = True
    nginx: bool = False
    scheme: str = 'http'
    interrupted: int = 0


def runserver(*options: str) -> Command:
    """Django's development server."""
    return lambda application, address: [
        sys.executable,
        'manage.py',
        'runserver',
        *options,
        address,
    ]


def script(name: str) -> Command:
    """A script of the project."""
    return lambda application, address: [sys.executable, name, address, application]


def gunicorn(worker_class: str, *options: str) -> Command:
    """gunicorn."""
    start = [
        sys.executable,
        '-m',
        'gunicorn',
        '--worker-class',
        worker_class,
        '--no-control-socket',
        '--graceful-timeout',
        '20',
    ]
    return lambda application, address: [*start, '--bind', address, *options, application]


def uwsgi(*options: str, socket: str = '--http-socket', suffix: str = '') -> Command:
    """uWSGI, as a service is started: with a master that ends on SIGTERM."""
    start = [_uwsgi_program() or 'uwsgi', '--home', sys.prefix, '--master', '--die-on-term']
    return lambda application, address: [
        *start,
        *options,
        socket,
        address + suffix,
        '--wsgi',
        application,
    ]


def uwsgi_060(socket: str, *options: str) -> Command:
    """uWSGI, as the documentation of release 0.6.0 starts it; the options name the module."""
    start = [_uwsgi_program() or 'uwsgi', '--virtualenv', sys.prefix, socket]
    return lambda application, address: [*start, address, *options]


def mod_wsgi() -> Command:
    """Apache with mod_wsgi in it."""
    start = [
        _system_program('apache2') or 'apache2',
        '-D',
        'FOREGROUND',
        '-f',
        str(JOURNEY / 'apache2.conf'),
    ]
    if os.geteuid() == 0:
        # Apache serves as another user then, who may read neither what root has installed nor what
        # the test has written.
        keep = ['--inh-caps', '+dac_override', '--ambient-caps', '+dac_override']
        start = [
            'setpriv',
            '--reuid',
            'www-data',
            '--regid',
            'www-data',
            '--clear-groups',
            *keep,
            *start,
        ]
    values = {
        'PYTHON_HOME': sys.prefix,
        'SCRIPT': JOURNEY / 'journey' / 'wsgi.py',
        'MOD_WSGI': _mod_wsgi_module(),
    }
    defines = [
        word for name, value in values.items() for word in ('-C', f'Define {name} "{value}"')
    ]
    return lambda application, address: [*start, *defines, '-C', f'Define ADDRESS {address}']


def nginx_program() -> str | None:
    """nginx."""
    return _system_program('nginx')


def _system_program(name: str) -> str | None:
    """A program that Debian puts where only root looks."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get('PATH', os.defpath), '/usr/sbin'])
    )


def _mod_wsgi_module() -> Path | None:
    """The module that pip has built for this Python."""
    spec = find_spec('mod_wsgi')
    locations = spec.submodule_search_locations if spec is not None else None
    return next(
        (
            module
            for location in locations or ()
            for module in Path(location).glob('server/mod_wsgi*.so')
        ),
        None,
    )


def _uwsgi_program() -> str | None:
    beside = Path(sys.executable).with_name('uwsgi')
    return str(beside) if beside.exists() else shutil.which('uwsgi')


@cache
def _uwsgi_works() -> bool:
    """Whether there is a uWSGI for this Python, with gevent in it."""
    program = _uwsgi_program()
    if program is None:
        return False
    options = ['--home', sys.prefix, '--gevent', '2', '--python-version']
    version = subprocess.run(
        [program, *options], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    return version.strip().startswith(f'{sys.version_info.major}.{sys.version_info.minor}.')


def require_programs(name: str) -> None:
    """Skip the test if the host of this name needs a program that is missing."""
    if name.startswith('uwsgi'):
        require(
            'uwsgi',
            _uwsgi_works(),
            'make .venv/installed-uwsgi, or pip install uwsgi (both need a C compiler)',
        )
    if name.startswith('nginx'):
        require('nginx', nginx_program(), 'put nginx on PATH (Debian: apt-get install nginx-light)')
    if name == 'mod_wsgi':
        found = _system_program('apache2') and _mod_wsgi_module()
        remedy = (
            'make .venv/installed-apache, or pip install mod_wsgi (Debian: apt-get install '
            'apache2-bin apache2-dev)'
        )
        require('mod_wsgi', found, remedy)


THREE = ('--workers', '3')
THREADS = ('--threads', '8')
GEVENT = ('--gevent', '1000', '--gevent-early-monkey-patch')
TLS = ('--certfile', str(CERTIFICATE), '--keyfile', str(CERTIFICATE))

HOSTS = {
    'runserver': Host(runserver('--noreload')),
    'runserver-autoreload': Host(runserver(), workers=1, reloads='file'),
    'pywsgi': Host(script('serve_pywsgi.py')),
    'gunicorn-gevent': Host(gunicorn('gevent'), workers=1, reloads='hangup'),
    'gunicorn-gevent-3': Host(gunicorn('gevent', *THREE), workers=3, reloads='hangup'),
    'gunicorn-gevent-3-preload': Host(
        gunicorn('gevent', *THREE, '--preload'),
        'wsgi_patched:application',
        workers=3,
        reloads='hangup',
    ),
    'gunicorn-gthread': Host(gunicorn('gthread', *THREADS), workers=1, reloads='hangup'),
    'gunicorn-gthread-3': Host(gunicorn('gthread', *THREADS, *THREE), workers=3, reloads='hangup'),
    'gunicorn-gthread-3-preload': Host(
        gunicorn('gthread', *THREADS, *THREE, '--preload'), workers=3, reloads='hangup'
    ),
    'nginx-gunicorn-gevent': Host(gunicorn('gevent'), workers=1, reloads='hangup', nginx=True),
    'uwsgi': Host(uwsgi(*GEVENT), workers=1, reloads='hangup'),
    # uWSGI ends its router first, whatever still comes from the workers.
    'uwsgi-router-3': Host(
        uwsgi(*GEVENT, '--http-websockets', '--processes', '3', socket='--http'),
        workers=3,
        reloads='hangup',
        says_goodbye=False,
    ),
    # Nothing is patched here: the recipe of release 0.6.0.
    'uwsgi-060': Host(
        uwsgi('--gevent', '1000'), 'wsgi_uwsgi060:application', workers=1, reloads='hangup'
    ),
}
"""Where websockets work."""

REFUSING = {
    'gunicorn-sync': Host(gunicorn('sync'), workers=1),
    'gunicorn-gevent-tls': Host(gunicorn('gevent', *TLS), workers=1, scheme='https'),
    'gunicorn-gthread-tls': Host(gunicorn('gthread', *THREADS, *TLS), workers=1, scheme='https'),
    'waitress': Host(script('serve_waitress.py')),
    'mod_wsgi': Host(mod_wsgi(), workers=1),
    'uwsgi-processes': Host(uwsgi(), workers=1),
    'uwsgi-router-alone': Host(uwsgi(*GEVENT, socket='--http'), workers=1),
    'uwsgi-tls': Host(
        uwsgi(*GEVENT, socket='--https-socket', suffix=f',{CERTIFICATE},{CERTIFICATE}'),
        workers=1,
        scheme='https',
    ),
}
"""Where they do not."""

OLD = {
    'runserver-of-060': Host(runserver(), workers=1),
    # Without a master uWSGI tells nobody that it has ended well, whatever it serves.
    'uwsgi-of-060': Host(
        uwsgi_060('--http', '--gevent', '100', '--http-websockets', '--module', 'wsgi'),
        says_goodbye=False,
        interrupted=17,
    ),
    'uwsgi-pages-of-060': Host(
        uwsgi_060(
            '--socket', '--buffer-size=32768', '--workers=5', '--master', '--module', 'wsgi_django'
        ),
        workers=5,
    ),
    'uwsgi-websockets-of-060': Host(
        uwsgi_060(
            '--http-socket',
            '--gevent',
            '1000',
            '--http-websockets',
            '--workers=2',
            '--master',
            '--module',
            'wsgi_websocket',
        ),
        workers=2,
    ),
}
"""As the documentation of release 0.6.0 starts them, for sites of that time."""
