"""The measuring programs: what they take for a fault, and that they run."""

import re
import shutil
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from benchmarks import testing
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
    command = [
        sys.executable,
        '-m',
        'benchmarks.sequence',
        '--form',
        form,
        '--websockets',
        '20',
        '--messages',
        '30',
    ]
    done = subprocess.run(
        [*command, '--redis', redis_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r'20 websockets opened, 0 refused; 30 messages published, 600 frames received', done.stdout
    )
    assert 'lost 0, repeated 0, out of order 0, closed 0' in done.stdout


def test_missing_compiler_is_told_in_a_sentence() -> None:
    """Before anything is started."""
    command = [sys.executable, '-m', 'benchmarks.sequence', '--redis', 'redis://127.0.0.1:1/0']
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={'PATH': ''},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert 'need a C compiler' in done.stderr and 'Traceback' not in done.stderr


QUICK = {testing.ANONYMOUS: [(2.0, 1.0)] * 3, testing.LOGIN: [(4.0, 1.0)] * 3}
CHANNELS = {testing.POSITIVE: [(2.0, 1.0)] * 3, testing.NEGATIVE: [(60.0, 1.0)] * 3}
CHEAP = {'ws4redis': 1.6, 'pytest-django': 1.6, 'an empty one': 0.1}


@pytest.mark.parametrize(
    ('times', 'imports', 'sentences'),
    [
        (QUICK | CHANNELS, CHEAP, []),
        (QUICK, CHEAP, []),
        (QUICK | {testing.ANONYMOUS: [(2.1, 1.0)] * 3}, CHEAP, ['a test takes 2.10 ms']),
        (
            QUICK | {testing.LOGIN: [(9.0, 1.0), (4.1, 1.0), (4.0, 1.0)]},
            CHEAP,
            ['a test with a login takes 4.10 ms'],
        ),
        (QUICK, CHEAP | {'ws4redis': 1.7}, ['the plugin takes 1.60 ms more']),
        (
            QUICK | CHANNELS | {testing.POSITIVE: [(1.9, 1.0)] * 3},
            CHEAP,
            ['Channels without it takes 0.95 times'],
        ),
        (
            QUICK | CHANNELS | {testing.NEGATIVE: [(58.0, 1.0)] * 3},
            CHEAP,
            ['Channels with receive_nothing() takes 29.0 times'],
        ),
    ],
)
def test_reach_that_is_missed_is_named(
    times: testing.Times, imports: dict[str, float], sentences: list[str]
) -> None:
    found = testing.missed(times, imports)
    assert len(found) == len(sentences)
    assert all(sentence.startswith(begin) for sentence, begin in zip(found, sentences, strict=True))


def run_testing(*arguments: str) -> str:
    """Tiny numbers; what it has printed."""
    command = [
        sys.executable,
        '-m',
        'benchmarks.testing',
        '--rounds',
        '2',
        '--tests',
        '3',
        '--imports',
        '1',
        *arguments,
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_testing_program_times_our_tests() -> None:
    """The ratio of the first is one by definition."""
    output = run_testing('--ours-only')
    assert re.search(r'^ws4redis +\d+\.\d\d +\d+\.\d\d +1\.00$', output, re.MULTILINE)
    assert re.search(r'^ws4redis, with a login +\d+\.\d\d', output, re.MULTILINE)
    assert re.search(r'^pytest-django +\d+\.\d\d +\d+\.\d\d$', output, re.MULTILINE)
    assert 'Channels' not in output


def test_testing_program_times_channels_beside() -> None:
    """Where `make bench-testing` has installed it."""
    require(
        'bench-testing',
        testing.is_made(testing.ENVIRONMENT),
        'make bench-testing installs Channels once',
    )
    output = run_testing('--slow-tests', '2')
    waited = re.search(r'^Channels, with receive_nothing\(\) +(\d+\.\d\d)', output, re.MULTILINE)
    assert waited and float(waited[1]) > 100


def test_test_that_fails_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = tmp_path / 'broken'
    suite.mkdir()
    (suite / 'pytest.ini').write_text('[pytest]\n')
    (suite / 'test_broken.py').write_text('def test_broken(number): assert number < 6\n')
    monkeypatch.setattr(testing, 'SUITES', tmp_path)
    broken = testing.Suite('a broken one', 'broken', 'test_broken', ())
    with pytest.raises(SystemExit, match='a broken one: the tests did not pass'):
        testing.measure(sys.executable, broken, 3)
    assert min(testing.measure(sys.executable, broken, 1)) > 0
