"""The sandbox starts as its README says. It has settings of its own, so each command runs in its
own process.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.conftest import require
from tests.processes.sandbox import Sandbox
from tests.processes.serving import ROOT
from ws4redis.testing.redis_process import find_redis_server

OWN_TESTS = 92
"""Tests in sandbox/tests, each parameter counted."""

ALONE = ('-p', 'no:randomly')
BESIDE = {
    'xdist': ('-n', '2'),
    'pytest_socket': ('--disable-socket', '--allow-unix-socket'),
    'pytest_randomly': (),
}
"""Plugins that are common, those that are installed; pytest-randomly shuffles without being
asked.
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """The sandbox on a new database."""
    return Sandbox(tmp_path / 'sandbox.sqlite3')


def test_checks_find_nothing(sandbox: Sandbox) -> None:
    assert 'System check identified no issues (0 silenced).' in sandbox.manage(
        'check', '--fail-level', 'WARNING'
    )


def test_database_is_made_and_users_are_loaded_any_number_of_times(sandbox: Sandbox) -> None:
    sandbox.manage('migrate')
    loaded = sandbox.manage('load_users')
    assert 'john, mary' in loaded
    assert sandbox.manage('load_users') == loaded


def test_pages_find_the_script_of_ws4redis(sandbox: Sandbox) -> None:
    assert str(ROOT / 'ws4redis/static/js/ws4redis.js') in sandbox.manage(
        'findstatic', 'js/ws4redis.js'
    )


def test_pages_publish_what_their_forms_are_given(sandbox: Sandbox) -> None:
    output = sandbox.manage('test', 'chatserver')
    assert '\nOK\n' in output and 'Ran 0 tests' not in output


@pytest.mark.parametrize('redis', ['memory', 'server'])
@pytest.mark.parametrize('beside', [False, True])
def test_its_own_tests_pass(sandbox: Sandbox, redis: str, beside: bool) -> None:
    if redis == 'server':
        require(
            'redis',
            find_redis_server(),
            'put redis-server on PATH (Debian: apt-get install redis-server)',
        )
    others = (
        [argument for name, given in BESIDE.items() if find_spec(name) for argument in given]
        if beside
        else ALONE
    )
    assert f'{OWN_TESTS} passed in' in sandbox.test(f'--ws4redis={redis}', *others)


def test_message_crosses_the_running_site(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.manage('migrate')
    with (
        sandbox.serve(tmp_path / 'log') as server,
        connect(f'ws://{server.host}/ws/lobby?subscribe-broadcast') as listener,
        connect(f'ws://{server.host}/ws/lobby?publish-broadcast') as sender,
    ):
        sender.send('hello')
        assert listener.recv(timeout=10) == 'hello'
