"""Runs the cases of test_hosts.py and prints them as a table of hosts by cases: python -m
tests.tools.table

What stands in a cell is how the test CASE[HOST] ended; a cell without a test is empty.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from tests.processes.hosts import HOSTS, REFUSING

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CASES = 'tests/servers/test_hosts.py'
ARGUMENTS = ('-q', '-p', 'no:cacheprovider', '-p', 'no:randomly', '--tb=short', CASES)

WORDS = {'passed': 'ok', 'failed': 'FAIL', 'skipped': 'skip'}
WIDTH = 5
"""Of a column."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended on a host.

    Attributes:
        kind: 'passed', 'failed' or 'skipped'.
        message: the first line of why it failed or was skipped.
    """

    host: str
    case: str
    kind: str
    message: str


def run() -> list[Outcome]:
    """Run the cases."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / 'report.xml'
        command = [sys.executable, '-m', 'pytest', *ARGUMENTS, f'--junitxml={report}']
        subprocess.run(command, cwd=REPOSITORY, env=os.environ, stdout=sys.stderr, check=False)
        if not report.exists():
            return []
        return [outcome_of(case) for case in ElementTree.parse(report).iter('testcase')]


def outcome_of(case: ElementTree.Element) -> Outcome:
    """What pytest reports of one test."""
    name, _, host = case.get('name', '').rstrip(']').partition('[')
    for tag, kind in (('error', 'failed'), ('failure', 'failed'), ('skipped', 'skipped')):
        element = case.find(tag)
        if element is not None:
            return Outcome(host, name, kind, (element.get('message') or '?').splitlines()[0])
    return Outcome(host, name, 'passed', '')


def table(outcomes: list[Outcome]) -> str:
    """The table, its cases in the order of the file."""
    cells = {(outcome.host, outcome.case): outcome for outcome in outcomes}
    cases = re.findall(r'^def (test_\w+)', (REPOSITORY / CASES).read_text('utf-8'), re.MULTILINE)
    hosts = [*HOSTS, *REFUSING]
    first = max(map(len, hosts)) + 1
    lines = [
        f'{"":<{first}}' + ''.join(f'{number:<{WIDTH}}' for number in range(1, len(cases) + 1))
    ]
    for host in hosts:
        words = [WORDS[cells[host, case].kind] if (host, case) in cells else '' for case in cases]
        lines.append(f'{host:<{first}}' + ''.join(f'{word:<{WIDTH}}' for word in words))
    legend = [f'{number:>3}  {case}' for number, case in enumerate(cases, 1)]
    return '\n'.join(line.rstrip() for line in [*lines, '', *legend])


def main() -> int:
    """Print the table; gives the exit status."""
    outcomes = run()
    print(f'\nA cell is the test CASE[HOST] of {CASES}\n\n{table(outcomes)}\n')
    for outcome in outcomes:
        if outcome.kind != 'passed':
            print(
                f'{WORDS[outcome.kind]:<{WIDTH}}{outcome.case}[{outcome.host}]: '
                f'{outcome.message[:150]}'
            )
    kinds = [outcome.kind for outcome in outcomes]
    print(', '.join(f'{kinds.count(kind)} {kind}' for kind in WORDS))
    return 0 if outcomes and 'failed' not in kinds else 1


if __name__ == '__main__':
    sys.exit(main())
