"""The sandbox starts as its README says. It has settings of its own, so each command runs in its own process."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

import pytest
from websockets.sync.client import connect

from tests.conftest import PLUGIN, PLUGIN_INSTALLED, require
from ws4redis.testing.redis_process import find_redis_server

REPOSITORY = Path(__file__).resolve().parent.parent
SANDBOX_VARIABLES = ('DJANGO_SETTINGS_MODULE', 'REDIS_URL')
SERVES_AT_MOST = 60.0
OWN_TESTS = 92
"""Tests in sandbox/tests, each parameter counted."""

ALONE = ('-p', 'no:randomly')
BESIDE = {'xdist': ('-n', '2'), 'pytest_socket': ('--disable-socket', '--allow-unix-socket'), 'pytest_randomly': ()}
"""Plugins that are common, those that are installed; pytest-randomly shuffles without being asked."""


class Sandbox:
    """The sandbox with a database file of its own."""

    def __init__(self, database: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in SANDBOX_VARIABLES}
        self.environment = {**inherited, 'PYTHONPATH': str(REPOSITORY), 'SANDBOX_DATABASE': str(database)}

    def manage(self, *arguments: str) -> str:
        """Run manage.py, expect it to succeed without a warning and return what it said."""
        command = [sys.executable, '-W', 'error', 'sandbox/manage.py', *arguments]
        process = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout + process.stderr

    def test(self, *arguments: str) -> str:
        """Run its own tests by pytest, warnings as errors, and return the last line."""
        plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
        command = [sys.executable, '-W', 'error', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *plugin, *arguments, 'sandbox']
        process = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout.splitlines()[-1]

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Run the development server on a free port; gives its host and port."""
        command = [sys.executable, '-u', 'sandbox/manage.py', 'runserver', '--noreload', '127.0.0.1:0']
        with subprocess.Popen(
            command, cwd=REPOSITORY, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            # A server that never comes up, or never ends, must not hold up the suite.
            watchdog = Timer(SERVES_AT_MOST, process.kill)
            watchdog.start()
            try:
                yield listening_address(process)
            finally:
                process.terminate()
                process.wait()
                watchdog.cancel()


def listening_address(process: subprocess.Popen[str]) -> str:
    """Return host and port from the line that Django writes when it listens."""
    assert process.stdout is not None
    said = ''
    for line in process.stdout:
        said += line
        if found := re.search('development server at http://(.+)/', line):
            return found[1]
    raise AssertionError(f'the server ended before it listened:\n{said}')


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """The sandbox on a new database."""
    return Sandbox(tmp_path / 'sandbox.sqlite3')


def test_checks_find_nothing(sandbox: Sandbox) -> None:
    assert 'System check identified no issues (0 silenced).' in sandbox.manage('check', '--fail-level', 'WARNING')


def test_database_is_made_and_users_are_loaded_any_number_of_times(sandbox: Sandbox) -> None:
    sandbox.manage('migrate')
    loaded = sandbox.manage('load_users')
    assert 'john, mary' in loaded
    assert sandbox.manage('load_users') == loaded


def test_pages_find_the_script_of_ws4redis(sandbox: Sandbox) -> None:
    assert str(REPOSITORY / 'ws4redis/static/js/ws4redis.js') in sandbox.manage('findstatic', 'js/ws4redis.js')


def test_pages_publish_what_their_forms_are_given(sandbox: Sandbox) -> None:
    output = sandbox.manage('test', 'chatserver')
    assert '\nOK\n' in output and 'Ran 0 tests' not in output


@pytest.mark.parametrize('redis', ['memory', 'server'])
@pytest.mark.parametrize('beside', [False, True])
def test_its_own_tests_pass(sandbox: Sandbox, redis: str, beside: bool) -> None:
    if redis == 'server':
        require('redis', find_redis_server(), 'put redis-server on PATH (Debian: apt-get install redis-server)')
    others = [argument for name, given in BESIDE.items() if find_spec(name) for argument in given] if beside else ALONE
    assert f'{OWN_TESTS} passed in' in sandbox.test(f'--ws4redis={redis}', *others)


def test_message_crosses_the_running_site(sandbox: Sandbox) -> None:
    sandbox.manage('migrate')
    with (
        sandbox.serve() as address,
        connect(f'ws://{address}/ws/lobby?subscribe-broadcast') as listener,
        connect(f'ws://{address}/ws/lobby?publish-broadcast') as sender,
    ):
        sender.send('hello')
        assert listener.recv(timeout=10) == 'hello'
