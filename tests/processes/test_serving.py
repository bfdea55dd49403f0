"""The base of every process that serves."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes.serving import GUARD, ServingProcess

Run = Callable[..., ServingProcess]

ECHO = """
import sys
print('ready', file=sys.stderr, flush=True)
for line in sys.stdin:
    print('echo', line, end='', flush=True)
"""

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
signal.pause()
"""

LEADER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
print(child.pid, flush=True)
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a piece of Python until the end of the test."""
    with ExitStack() as stack:

        def run(code: str, **keywords: bool) -> ServingProcess:
            process = ServingProcess(tmp_path / 'log', **keywords)
            stack.callback(process.kill)
            process.launch([sys.executable, '-c', code], os.environ)
            return process

        yield run


def test_process_that_talks_answers_and_only_its_errors_are_logged(run: Run) -> None:
    process = run(ECHO, talks=True)
    process.write_line('hello')
    assert process.read_line() == 'echo hello'
    assert process.said() == 'ready\n'


def test_process_that_tells_nothing_in_time_is_killed(run: Run) -> None:
    process = run('import signal; signal.pause()', talks=True)
    with pytest.raises(AssertionError, match='told nothing for 0 s'):
        process.read_line(0.2)
    assert process.wait() == -9


def test_process_that_ends_before_it_serves_fails_with_what_it_said(run: Run) -> None:
    process = run("raise SystemExit('no such module')")
    with pytest.raises(AssertionError, match='(?s)no answer: it has ended with 1:.no such module'):
        process.until(lambda: None, 'no answer')


def test_log_goes_on_when_a_process_is_started_again(run: Run) -> None:
    process = run("print('first')")
    assert process.wait() == 0
    process.launch([sys.executable, '-c', "print('second')"], os.environ)
    assert process.wait() == 0
    assert (process.said(), process.said_now()) == ('first\nsecond\n', 'second\n')


def test_process_that_does_not_end_in_order_is_killed(run: Run) -> None:
    process = run(DEAF)
    process.until(process.said, 'not ready')
    ended = process.running
    with pytest.raises(subprocess.TimeoutExpired):
        process.stop(0.2)
    assert ended.returncode == -9
    process.kill()


def test_workers_of_a_leader_end_with_it_though_it_has_ended_before(run: Run) -> None:
    process = run(LEADER, leads=True)
    worker = int(process.until(process.said, 'no worker'))
    assert process.wait() == 0
    pidfd = os.pidfd_open(worker)
    try:
        process.kill()
        # It is no child of ours: its descriptor tells that it has ended.
        assert select.select([pidfd], [], [], GUARD)[0] == [pidfd]
    finally:
        os.close(pidfd)
    with pytest.raises(AssertionError, match='not running'):
        process.wait()
