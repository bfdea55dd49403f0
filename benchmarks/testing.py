"""What a test costs, beside Channels' communicator; and what the pytest plugin costs those who do
not use it.

    python -m benchmarks.testing [--rounds 5] [--tests 200] [--slow-tests 20] [--imports 21]
    [--check] [--ours-only]

The scenario is the same in both: two clients connect, something is published, one client receives
it, the other must have got nothing; ours is there once more with a user who is made and logged in
in the database. Channels' own negative assertion, receive_nothing(), is left at its default and
measured with and without.

The time of a test is all of pytest_runtest_protocol: fixtures, the test, their ends, the reports,
measured by the same plugin (benchmarks/suites/timing.py) in each suite, without the first tests of
a run, which import and make the database. The suites take turns, each in a pytest of its own, so
that a busy machine is equally busy for all: compare the ratios. Beside the clock's time stands the
process's CPU time, which what else runs disturbs less, and which says nothing of waiting.

Both live in one virtual environment, .venv-bench, made from benchmarks/testing-requirements.txt,
and neither loads the other's plugin: pytest loads those that a suite names and no other.
--ours-only takes the interpreter that runs this, and leaves Channels out. --check ends with 1 if a
reach is missed.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.server import machine

__all__ = ['ENVIRONMENT', 'Suite', 'Times', 'is_made', 'main', 'measure', 'missed']

ROOT: Final = Path(__file__).resolve().parent.parent
SUITES: Final = ROOT / 'benchmarks' / 'suites'
REQUIREMENTS: Final = ROOT / 'benchmarks' / 'testing-requirements.txt'
ENVIRONMENT: Final = ROOT / '.venv-bench'

MARK: Final = 'requirements'
"""The file that says from which requirements the environment was made."""

WARM_UP: Final = 5
"""Tests of a run that do not count."""

PLUGIN: Final = 'ws4redis.testing.plugin'


@dataclass(frozen=True)
class Suite:
    """One test of one kit.

    Attributes:
        title: as the table has it.
        directory: of benchmarks/suites.
        test: its name.
        plugins: arguments that load its plugins; no other is loaded.
        slow: whether --slow-tests says how often it is run.
    """

    title: str
    directory: str
    test: str
    plugins: tuple[str, ...]
    slow: bool = False


OURS: Final = ('-p', 'django', '-p', PLUGIN)
THEIRS: Final = ('-p', 'django', '-p', 'asyncio')

ANONYMOUS: Final = Suite('ws4redis', 'ws4redis', 'test_anonymous', OURS)
LOGIN: Final = Suite('ws4redis, with a login', 'ws4redis', 'test_login', OURS)
POSITIVE: Final = Suite('Channels, without receive_nothing()', 'channels', 'test_positive', THEIRS)
NEGATIVE: Final = Suite(
    'Channels, with receive_nothing()', 'channels', 'test_negative', THEIRS, slow=True
)

IMPORTS: Final = {
    'ws4redis': f'import {PLUGIN}, ws4redis.testing.guard',
    'pytest-django': 'import pytest_django.plugin',
    'an empty one': 'import empty_plugin',
}
"""What a run imports before it knows whether a test wants it; the guard is loaded by
pytest_configure().
"""

IMPORT_TIMER: Final = """
import time, sys
import pytest
begin = time.perf_counter()
{statement}
print((time.perf_counter() - begin) * 1000)
"""

NOT_OURS: Final = ('DJANGO_SETTINGS_MODULE', 'PYTEST_ADDOPTS', 'PYTHONDONTWRITEBYTECODE')
"""Variables that the measured processes do not inherit: without bytecode an import would compile
each time.
"""

Times = dict[Suite, list[tuple[float, float]]]


def is_made(directory: Path) -> bool:
    """Whether the virtual environment has what is required now."""
    mark = directory / MARK
    return mark.exists() and mark.read_text('utf-8') == _required()


def _required() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def python_of(directory: Path) -> str:
    """The interpreter of the virtual environment, which is made, or made anew after its
    requirements have changed.

    Raises:
        SystemExit: pip cannot install them.
    """
    python = directory / 'bin' / 'python'
    if not is_made(directory):
        print(f'installing {REQUIREMENTS.relative_to(ROOT)} in {directory.name}', flush=True)
        venv.create(directory, with_pip=True, clear=True)
        install = [
            str(python),
            '-m',
            'pip',
            'install',
            '--quiet',
            '--disable-pip-version-check',
            '-r',
            str(REQUIREMENTS),
        ]
        if subprocess.run(install, check=False).returncode:
            sys.exit(
                f'pip could not install {REQUIREMENTS.relative_to(ROOT)}; --ours-only needs '
                f'nothing but this interpreter.'
            )
        (directory / MARK).write_text(_required(), 'utf-8')
    return str(python)


def environment() -> dict[str, str]:
    """Of the measured processes: the package from this checkout, no settings of the caller's, no
    plugin that nobody names.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    return {**inherited, 'PYTHONPATH': str(ROOT), 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'}


def measure(python: str, suite: Suite, tests: int) -> tuple[float, float]:
    """Milliseconds a test, by the clock and of CPU time: the means of one run.

    Raises:
        SystemExit: a test failed.
    """
    with tempfile.TemporaryDirectory(prefix='ws4redis-benchmarks-') as directory:
        times = Path(directory) / 'times'
        command = [
            python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
            '-p', 'benchmarks.suites.timing', *suite.plugins, f'--repeat={tests}',
            f'--warm-up={WARM_UP}', f'--times={times}', '-k', suite.test,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=SUITES / suite.directory,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not times.exists():
            sys.exit(f'{suite.title}: the tests did not pass\n{done.stdout}{done.stderr}')
        clock, cpu = json.loads(times.read_text('utf-8'))
    return statistics.fmean(clock) * 1000, statistics.fmean(cpu) * 1000


def measure_imports(python: str, rounds: int) -> dict[str, float]:
    """Milliseconds to import each plugin into a process that has imported pytest: the medians."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory(prefix='ws4redis-benchmarks-') as directory:
        (Path(directory) / 'empty_plugin.py').write_text('"""Nothing."""\n', 'utf-8')
        environ = environment()
        environ['PYTHONPATH'] += os.pathsep + directory
        # The first time writes the bytecode.
        for _ in range(rounds + 1):
            for name, statement in IMPORTS.items():
                command = [python, '-c', IMPORT_TIMER.format(statement=statement)]
                done = subprocess.run(
                    command, env=environ, capture_output=True, text=True, check=True
                )
                found[name].append(float(done.stdout))
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def ratio(times: Times, over: Suite, under: Suite) -> float:
    """The median of the rounds' ratios, by the clock."""
    return statistics.median(
        one[0] / other[0] for one, other in zip(times[over], times[under], strict=True)
    )


def missed(times: Times, imports: dict[str, float]) -> list[str]:
    """The reaches that these figures miss, each in a sentence."""
    anonymous, login = (
        statistics.median(clock for clock, _ in times[suite]) for suite in (ANONYMOUS, LOGIN)
    )
    plugin = imports['ws4redis'] - imports['an empty one']
    found = [
        (anonymous <= 2, f'a test takes {anonymous:.2f} ms, at most 2 are wanted'),
        (login <= 4, f'a test with a login takes {login:.2f} ms, at most 4 are wanted'),
        (
            plugin <= 1.5,
            f'the plugin takes {plugin:.2f} ms more than an empty one, at most 1.5 are wanted',
        ),
    ]
    if POSITIVE in times:
        negative, positive = ratio(times, NEGATIVE, ANONYMOUS), ratio(times, POSITIVE, ANONYMOUS)
        found += [
            (
                negative >= 30,
                f'Channels with receive_nothing() takes {negative:.1f} times as long, at least '
                f'30 are wanted',
            ),
            (
                positive >= 1,
                f'Channels without it takes {positive:.2f} times as long, at least 1 is wanted',
            ),
        ]
    return [sentence for reached, sentence in found if not reached]


def table(times: Times, imports: dict[str, float]) -> str:
    """The medians of all rounds."""
    lines = [f'{"a test":36} {"ms":>8} {"CPU ms":>8} {"times ours":>11}']
    for suite in times:
        clock, cpu = (statistics.median(part) for part in zip(*times[suite], strict=True))
        lines.append(
            f'{suite.title:36} {clock:8.2f} {cpu:8.2f} {ratio(times, suite, ANONYMOUS):11.2f}'
        )
    lines.append(f'{"importing the plugin":36} {"ms":>8} {"more":>8}')
    for name, median in imports.items():
        lines.append(f'{name:36} {median:8.2f} {median - imports["an empty one"]:8.2f}')
    return '\n'.join(lines)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.testing', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--tests', type=int, default=200, help='a run')
    parser.add_argument(
        '--slow-tests', type=int, default=20, help='a run, where each waits for 0.1 s'
    )
    parser.add_argument(
        '--imports', type=int, default=21, help='of each plugin, each in a process of its own'
    )
    parser.add_argument('--check', action='store_true', help='end with 1 if a reach is missed')
    parser.add_argument(
        '--ours-only', action='store_true', help='with this interpreter, without Channels'
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = parse_arguments(arguments)
    python = sys.executable if options.ours_only else python_of(ENVIRONMENT)
    suites = [ANONYMOUS, LOGIN] if options.ours_only else [ANONYMOUS, LOGIN, POSITIVE, NEGATIVE]
    print(machine())
    times: Times = {suite: [] for suite in suites}
    for number in range(1, options.rounds + 1):
        for suite in suites:
            times[suite].append(
                measure(python, suite, options.slow_tests if suite.slow else options.tests)
            )
        print(
            f'round {number}: '
            + '; '.join(f'{suite.title} {times[suite][-1][0]:.2f} ms' for suite in suites),
            flush=True,
        )
    imports = measure_imports(python, options.imports)
    print(table(times, imports))
    sentences = missed(times, imports)
    for sentence in sentences:
        print(f'MISSED: {sentence}')
    return 1 if sentences and options.check else 0


if __name__ == '__main__':
    sys.exit(main())
