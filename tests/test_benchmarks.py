"""The measuring programs: what they take for a fault, and that they run."""

import re
import shutil
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from benchmarks.sequence import Faults, compare, read_numbers
from tests.conftest import require

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ('got', 'faults'),
    [
        ([0, 1, 2, 3], Faults()),
        ([0, 1, 3], Faults(lost=1)),
        ([], Faults(lost=4)),
        ([0, 1, 1, 2, 3], Faults(repeated=1)),
        ([0, 1, 2, 3, 0, 1, 2, 3], Faults(repeated=4)),
        ([0, 2, 1, 3], Faults(disordered=1)),
        ([3, 0, 1, 2], Faults(disordered=3)),
        ([0, 1, 2, 3, 9], Faults(repeated=1)),
        ([0, 0, 3, 2], Faults(lost=1, repeated=1, disordered=1)),
    ],
)
def test_each_kind_of_fault_is_counted(got: list[int], faults: Faults) -> None:
    """Of 0, 1, 2, 3."""
    assert compare(got, 4) == faults


def test_sequences_are_read_websocket_by_websocket(tmp_path: Path) -> None:
    """As load.c writes them: count, then so many numbers."""
    path = tmp_path / 'numbers'
    path.write_bytes(array('I', [2, 7, 8, 0, 1, 9]).tobytes())
    assert [list(numbers) for numbers in read_numbers(path, 3)] == [[7, 8], [], [9]]


@pytest.mark.parametrize('form', ['gevent', 'gthread'])
def test_sequence_program_finds_no_fault(redis_url: str, form: str) -> None:
    """A tiny run over TCP, all parts of it real."""
    require('cc', shutil.which('cc'), 'Debian: apt-get install gcc libc6-dev')
    command = [sys.executable, '-m', 'benchmarks.sequence', '--form', form, '--websockets', '20', '--messages', '30']
    done = subprocess.run([*command, '--redis', redis_url], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'20 websockets opened, 0 refused; 30 messages published, 600 frames received', done.stdout)
    assert 'lost 0, repeated 0, out of order 0, closed 0' in done.stdout


def test_missing_compiler_is_told_in_a_sentence() -> None:
    """Before anything is started."""
    command = [sys.executable, '-m', 'benchmarks.sequence', '--redis', 'redis://127.0.0.1:1/0']
    done = subprocess.run(command, cwd=ROOT, env={'PATH': ''}, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert 'need a C compiler' in done.stderr and 'Traceback' not in done.stderr
