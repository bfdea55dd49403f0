"""The contract in memory gives the same results whatever else is active, and nothing in it
waits.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.no_waiting_plugin import SURROUNDINGS, no_waiting
from ws4redis.testing.contract.cases import CASES

ROOT = Path(__file__).resolve().parent.parent.parent
CONTRACT = (
    'tests/testing/contract/test_cases.py',
    '-k',
    'test_case_holds and fakeredis and not tcp',
)


def run(*arguments: str, surroundings: str = '') -> str:
    """Run tests in a process of their own; gives what pytest has printed."""
    environment = {**os.environ, 'WS4REDIS_SURROUNDINGS': surroundings}
    options = ('-q', '-W', 'error', '-p', 'no:cacheprovider', '-p', 'tests.no_waiting_plugin')
    command = [sys.executable, '-m', 'pytest', *options, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize('surroundings', [name for name in SURROUNDINGS if name])
def test_contract_holds_in_other_surroundings(surroundings: str) -> None:
    assert f'{len(CASES)} passed' in run(*CONTRACT, surroundings=surroundings)


@pytest.mark.parametrize('arguments', [('-n', '2'), ('--disable-socket',), ('-p', 'randomly')])
def test_contract_holds_beside_other_plugins(arguments: tuple[str, ...]) -> None:
    plugin = {'-n': 'xdist', '--disable-socket': 'pytest_socket', '-p': 'pytest_randomly'}[
        arguments[0]
    ]
    pytest.importorskip(plugin)
    assert f'{len(CASES)} passed' in run(*CONTRACT, *arguments)


def test_rest_of_the_kit_waits_for_nothing_in_memory() -> None:
    files = [
        f'tests/testing/{name}.py'
        for name in (
            'test_broker',
            'test_client',
            'test_driver',
            'test_faults',
            'test_publications',
            'explain/test_published',
            'explain/test_received',
        )
    ]
    # A real server is waited for, and so are threads and greenlets that a test itself has started
    # to be named, and coroutines.
    without = (
        'not server and not url and not redis and not thread and not greenlet and not '
        'finished and not coroutine'
    )
    passed = re.search(r'(\d+) passed', run(*files, '-k', without, surroundings='no-waiting'))
    assert passed is not None and int(passed[1]) > 200


def test_what_waits_is_seen() -> None:
    import threading
    import time

    with no_waiting():
        for wait in (lambda: time.sleep(0), lambda: threading.Event().wait(0)):
            with pytest.raises(AssertionError, match='something waits'):
                wait()
