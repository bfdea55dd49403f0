"""Autobahn|Testsuite, which speaks RFC 6455 rightly and wrongly, against the echo site over TCP.

    python -m tests.tools.autobahn             runs it on each of HOSTS and prints the cases by
                                                 group and behaviour
    python -m tests.tools.autobahn --python    prints the Python 2.7 that would run it; ends with
                                                 1 if there is none

It runs on Python 2.7 only, and is installed from autobahn-requirements.txt in .venv-autobahn.
"""

import argparse
import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.processes.journey import Deployment, ServerProcess

__all__ = [
    'HOSTS',
    'REMEDY',
    'Behaviour',
    'Report',
    'find_python',
    'install',
    'read',
    'run',
    'table',
]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS: Final = Path(__file__).with_name('autobahn-requirements.txt')
ENVIRONMENT: Final = ROOT / '.venv-autobahn'
REPORTS: Final = ROOT / 'build' / 'autobahn'

HOSTS: Final = ('gunicorn-gevent', 'gunicorn-gthread')
"""One for each form of the loop: in the main hub, and in a thread."""

EXCLUDED: Final = ('12.*', '13.*')
"""Compression, with windows of any size: it is not negotiated."""

AGENT: Final = 'ws4redis'

REMEDY: Final = (
    'name a Python 2.7 that has pip in AUTOBAHN_PYTHON, or put one on PATH; '
    'autobahntestsuite runs on no other'
)

ASKED: Final = 30.0
"""Seconds after which an interpreter that was asked for its version does not work."""

INSTALLED: Final = 600.0
"""Seconds for pip to install everything, and to build one package."""

RUN: Final = 300.0
"""Seconds for all cases: ten times what they take beside other work on two cores."""

VERSION: Final = 'import sys, pip; sys.stdout.write("%d.%d" % sys.version_info[:2])'

# What is installed in a directory holds a package in parts (zope), which only site puts together.
START: Final = (
    'import site, sys; site.addsitedir(sys.argv.pop(1)); from '
    'autobahntestsuite.wstest import run; run()'
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server behaved in one case, in the words of the suite.

    Attributes:
        messages: of what it sent.
        close: of how the connection ended.
    """

    messages: str
    close: str


@dataclass(frozen=True)
class Report:
    """What a run has shown.

    Attributes:
        behaviours: by case.
        seconds: that the run took.
    """

    behaviours: Mapping[str, Behaviour]
    seconds: float

    def counts(self) -> dict[int, Counter[str]]:
        """How many cases of each group were of which behaviour."""
        counts: dict[int, Counter[str]] = {}
        for case in sorted(self.behaviours, key=_numbers):
            counts.setdefault(_numbers(case)[0], Counter())[self.behaviours[case].messages] += 1
        return counts

    def deviations(self) -> dict[str, Behaviour]:
        """The cases in which not everything was OK."""
        return {
            case: self.behaviours[case]
            for case in sorted(self.behaviours, key=_numbers)
            if self.behaviours[case] != Behaviour('OK', 'OK')
        }


def _numbers(case: str) -> tuple[int, ...]:
    return tuple(map(int, case.split('.')))


def find_python(environ: Mapping[str, str]) -> str | None:
    """The Python 2.7 that AUTOBAHN_PYTHON names; else the first on PATH, or of pyenv's versions,
    that runs and has pip.
    """
    named = environ.get('AUTOBAHN_PYTHON')
    candidates = [named] if named else _candidates(environ)
    return next((python for python in candidates if _works(python)), None)


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    path = environ.get('PATH', os.defpath)
    for name in ('python2.7', 'python2'):
        for directory in path.split(os.pathsep):
            found = shutil.which(name, path=directory)
            if found is not None:
                yield found
    root = environ.get('PYENV_ROOT') or _pyenv_root(shutil.which('pyenv', path=path))
    if root:
        yield from map(str, sorted(Path(root).glob('versions/2.7*/bin/python2.7'), reverse=True))


def _pyenv_root(pyenv: str | None) -> str:
    if pyenv is None:
        return ''
    return subprocess.run(
        [pyenv, 'root'], capture_output=True, text=True, timeout=ASKED, check=False
    ).stdout.strip()


def _works(python: str) -> bool:
    # What pyenv puts on PATH is there also where no version is chosen, and then only says so.
    try:
        said = subprocess.run(
            [python, '-c', VERSION], capture_output=True, text=True, timeout=ASKED, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said == '2.7'


def install(python: str, directory: Path = ENVIRONMENT) -> Path:
    """Install the suite, unless it is there; gives where it can be imported from.

    Raises:
        RuntimeError: pip cannot install it.
    """
    packages, mark = directory / 'packages', directory / 'requirements'
    required = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()
    with _alone(directory):
        if mark.exists() and mark.read_text('ascii') == required:
            return packages
        mark.unlink(missing_ok=True)
        shutil.rmtree(packages, ignore_errors=True)
        command = [
            python,
            '-s',
            '-m',
            'pip',
            'install',
            '--quiet',
            '--disable-pip-version-check',
            '--no-deps',
        ]
        done = subprocess.run(
            [*command, '--target', str(packages), '-r', str(REQUIREMENTS)],
            env=_environ(),
            capture_output=True,
            text=True,
            timeout=INSTALLED,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f'pip cannot install {REQUIREMENTS.name} for {python}:\n{done.stdout}{done.stderr}'
            )
        mark.write_text(required, 'ascii')
        return packages


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """While another process installs there, wait."""
    directory.mkdir(exist_ok=True)
    with (directory / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')}


def run(python: str, packages: Path, host: str, directory: Path) -> Report:
    """Run every case on this host.

    Args:
        python, packages: from find_python() and install().
        directory: where the server's log and the suite's own pages go; made, and emptied if it is
            there.

    Raises:
        RuntimeError: the suite failed.
        subprocess.TimeoutExpired: it did not end.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    site = Deployment(
        directory / 'db.sqlite3', 'memory://?allow=1', settings='journey.settings_echo'
    )
    with ServerProcess(site, host, directory / 'server.log') as server:
        specification = directory / 'fuzzingclient.json'
        specification.write_text(
            _specification(f'ws://127.0.0.1:{server.port}/ws/echo', directory), 'utf-8'
        )
        command = [
            python,
            '-s',
            '-W',
            'ignore',
            '-c',
            START,
            str(packages),
            '-m',
            'fuzzingclient',
            '-s',
            str(specification),
        ]
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=directory,
            env={**_environ(), 'PYTHONPATH': str(packages)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN,
            check=False,
        )
        seconds = time.monotonic() - began
    index = directory / 'index.json'
    if done.returncode or not index.exists():
        raise RuntimeError(
            f'the suite ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}'
        )
    return read(index, seconds)


def _specification(url: str, directory: Path) -> str:
    servers = [{'agent': AGENT, 'url': url}]
    return json.dumps(
        {
            'outdir': str(directory),
            'servers': servers,
            'cases': ['*'],
            'exclude-cases': EXCLUDED,
            'exclude-agent-cases': {},
        }
    )


def read(index: Path, seconds: float) -> Report:
    """Read the suite's index.json."""
    cases = json.loads(index.read_text('utf-8')).get(AGENT, {})
    return Report(
        {
            case: Behaviour(found['behavior'], found['behaviorClose'])
            for case, found in cases.items()
        },
        seconds,
    )


def table(report: Report) -> str:
    """The cases by group and behaviour, and those in which not everything was OK."""
    counts = report.counts()
    total = sum(counts.values(), Counter())
    kinds = sorted(total, key=lambda kind: (kind != 'OK', kind))
    widths = [max(len(kind), 5) + 2 for kind in kinds]

    def line(first: str, cells: Sequence[object]) -> str:
        return f'{first:<6}' + ''.join(
            f'{cell!s:>{width}}' for cell, width in zip(cells, widths, strict=True)
        )

    lines = [line('group', kinds)]
    lines += [
        line(str(group), [count[kind] or '' for kind in kinds]).rstrip()
        for group, count in counts.items()
    ]
    lines += [line('all', [total[kind] for kind in kinds]), '']
    lines += [
        f'{case}: {found.messages}, close: {found.close}'
        for case, found in report.deviations().items()
    ]
    return '\n'.join([*lines, f'{len(report.behaviours)} cases in {report.seconds:.0f} s'])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status: whether everything that can fail has not."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.tools.autobahn', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('hosts', nargs='*', default=HOSTS, help='the servers to run it on')
    parser.add_argument(
        '--python', action='store_true', help='print the Python 2.7 that would run it, and end'
    )
    options = parser.parse_args(arguments)
    python = find_python(os.environ)
    if python is None:
        print(f'autobahn is missing: {REMEDY}', file=sys.stderr)
        return 1
    if options.python:
        print(python)
        return 0
    packages = install(python)
    passed = True
    for host in options.hosts:
        # The server's log lies beside the report.
        with contextlib.redirect_stdout(io.StringIO()):
            report = run(python, packages, host, REPORTS / host)
        print(
            f'\n{host}\n\n{table(report)}; more in '
            f'{(REPORTS / host / "index.html").relative_to(ROOT)}',
            flush=True,
        )
        passed = (
            passed
            and bool(report.behaviours)
            and not any('FAILED' in kinds for kinds in report.counts().values())
        )
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
