"""Turns on the faults of tests/faults one by one and sees that the tests find each of them: python
-m tests.tools.mutants

For a switch every test of the fault's row in test_regressions.py has to fail, by an assertion or an
exception that the switch names. For a mutation a case of the contract has to fail, for one of the
browser's client a case of tests/js. A fault that breaks everything would prove nothing: nearly all
tests of the other rows, and of what existing projects rely on, have to pass; most cases have to
hold. Each run has the tests that can say so, and no others.

    python -m tests.tools.mutants contract    the mutations alone
    python -m tests.tools.mutants script      those of the browser's client alone
    python -m tests.tools.mutants F4 F24      these alone
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults.broken import MUTATIONS, SWITCHES
from tests.faults.script import SCRIPT_MUTATIONS
from tests.processes.node import CASES, STATIC, classic, run_node, without

REPOSITORY = Path(__file__).resolve().parent.parent.parent

ARGUMENTS = (
    *('-q', '--tb=short', '--show-capture=no'),
    *('-p', 'no:cacheprovider', '-p', 'no:randomly', '-p', 'tests.faults.broken'),
)

ROWS = (*ARGUMENTS, 'tests/test_regressions.py', 'tests/test_compatibility.py')
"""What was wrong in release 0.6.0, and what existing projects rely on."""

CONTRACT = (*ARGUMENTS, '--tb=line', 'tests/testing/contract/test_cases.py')
"""The contract in memory, on fakeredis."""

CASE = re.compile(r'test_case_holds\[(\w+)-fakeredis\]')

SLOW = ' or '.join(f'row_F{number}_' for number in (5, 14, 17, 18, 23))
"""Those that open a thousand websockets or start processes: left out while another fault is
turned on.
"""

IN_MEMORY = 'not thread-memory and not gunicorn-redis'
"""Of what is tested in three forms the one that starts nothing."""

PROCESSES = len(os.sched_getaffinity(0))
SECONDS = 300.0
"""For one run, which takes 5 on an idle machine."""

MOST_SHOWN = 5
"""Cases in a line of the table."""

MOST_CAUGHT = 0.7
"""The share of cases that may find a mutation: one that breaks more is no single fault."""

OTHERS = 0.9
"""The share of other tests that has to pass with a fault turned on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended.

    Attributes:
        name: with its parameters.
        row: the fault that it is about, as 'F1'; empty for a test outside test_regressions.py.
        kind: 'passed', 'failed', 'skipped', or 'error' in a fixture or at import.
        message: the first line of why it failed or was skipped.
    """

    name: str
    row: str
    kind: str
    message: str

    def shows(self, raises: tuple[str, ...]) -> bool:
        """Whether it failed in its own words, or by one of these exceptions."""
        return self.kind == 'failed' and self.message.startswith(
            ('assert ', 'AssertionError', 'Failed: ', *raises)
        )


def run(name: str) -> list[Outcome]:
    """Run the tests of all rows with this fault turned on; with none if the name is empty."""
    chosen = f'{IN_MEMORY} and (row_{name}_ or not ({SLOW}))' if name else IN_MEMORY
    return run_with(name, *ROWS, '-k', chosen)


def run_contract(name: str) -> list[Outcome]:
    """Run the contract with this mutation turned on; with none if the name is empty."""
    return run_with(name, *CONTRACT, '-k', 'test_case_holds and fakeredis and not tcp')


def run_with(name: str, *arguments: str) -> list[Outcome]:
    """Run pytest with these arguments and this fault turned on."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / 'report.xml'
        environment = {
            **os.environ,
            'WS4REDIS_BROKEN': name,
            'HYPOTHESIS_STORAGE_DIRECTORY': directory,
        }
        command = [sys.executable, '-m', 'pytest', *arguments, f'--junitxml={report}']
        try:
            done = subprocess.run(
                command,
                cwd=REPOSITORY,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [Outcome('the run', name, 'error', f'not done after {SECONDS:.0f} s')]
        cases = ElementTree.parse(report).iter('testcase') if report.exists() else ()
        said = (done.stdout + done.stderr).strip().splitlines() or ['it has said nothing']
        return [outcome_of(case) for case in cases] or [Outcome('the run', name, 'error', said[-1])]


def outcome_of(case: ElementTree.Element) -> Outcome:
    """What pytest reports of one test."""
    name = case.get('name', '')
    row = ''
    if case.get('classname') == 'tests.test_regressions':
        row = next((found.get('value', '') for found in case.iterfind('.//property')), '')
    for tag, kind in (('error', 'error'), ('failure', 'failed'), ('skipped', 'skipped')):
        element = case.find(tag)
        if element is not None:
            return Outcome(name, row, kind, (element.get('message') or '?').splitlines()[0])
    return Outcome(name, row, 'passed', '')


def judge(name: str, outcomes: list[Outcome]) -> str:
    """Print the rows of one fault; gives 'passed', 'failed' or 'skipped'."""
    own = [outcome for outcome in outcomes if outcome.row == name]
    others = [outcome for outcome in outcomes if outcome.row != name and outcome.kind != 'skipped']
    passed = sum(outcome.kind == 'passed' for outcome in others)
    verdicts = []
    for outcome in own:
        fails = outcome.shows(SWITCHES[name].raises)
        verdicts.append('skipped' if outcome.kind == 'skipped' else 'passed' if fails else 'failed')
        print_row(
            name, outcome, 'yes' if fails else outcome.kind.upper(), f'{passed}/{len(others)}'
        )
    if not own:
        print(f'{name:<6} has no test of its own')
    if passed < OTHERS * len(others):
        print(
            f'{name:<6} breaks {len(others) - passed} of {len(others)} other tests: it is more '
            f'than the fault'
        )
    if not own or 'failed' in verdicts or passed < OTHERS * len(others):
        return 'failed'
    return 'skipped' if 'passed' not in verdicts else 'passed'


def print_row(name: str, outcome: Outcome, verdict: str, others: str) -> None:
    """One line of the table."""
    print(
        (
            f'{name:<6} {outcome.name.removeprefix("test_")[:76]:<76} {verdict:<8} {others:<10} '
            f'{outcome.message[:100]}'
        ).rstrip()
    )


def judge_unbroken(outcomes: list[Outcome]) -> bool:
    """Whether there are tests of rows, and every test passes, if nothing is broken."""
    failed = [outcome for outcome in outcomes if outcome.kind in ('failed', 'error')]
    print(
        f'Nothing broken: {len(outcomes) - len(failed)} of {len(outcomes)} tests pass or are '
        f'skipped'
    )
    for outcome in failed:
        print(f'  {outcome.name}: {outcome.message[:100]}')
    return any(outcome.row for outcome in outcomes) and not failed


def judge_contract(name: str, outcomes: list[Outcome]) -> bool:
    """Print which cases caught a mutation; whether any did, and not all."""
    cases = {found[1]: outcome for outcome in outcomes if (found := CASE.search(outcome.name))}
    caught = [case for case, outcome in cases.items() if outcome.kind in ('failed', 'error')]
    verdict = 'NONE' if not caught else f'{len(caught)}/{len(cases)}'
    shown = ', '.join(caught[:MOST_SHOWN]) + (' ...' if len(caught) > MOST_SHOWN else '')
    print(f'{name:<40} {verdict:<8} {shown}'.rstrip())
    if not cases:
        print(f'{"":<40} {outcomes[-1].message[:100] if outcomes else "no case was run"}')
    return 0 < len(caught) <= MOST_CAUGHT * len(cases)


def main_contract(names: list[str]) -> bool:
    """Run the contract with each of these mutations; whether each was found, and nothing without
    one.
    """
    print('The contract: which of its cases find which mutation, in memory on fakeredis')
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = pool.map(run_contract, ['', *names])
        unbroken = [outcome for outcome in next(runs) if CASE.search(outcome.name)]
        failing = [outcome.name for outcome in unbroken if outcome.kind != 'passed']
        print(
            (
                f'Nothing broken: {len(unbroken) - len(failing)} of {len(unbroken)} cases hold '
                f'{" ".join(failing)}'
            ).rstrip()
        )
        print(f'\n{"mutation":<40} {"found by":<8} cases')
        verdicts = [
            judge_contract(name, outcomes) for name, outcomes in zip(names, runs, strict=True)
        ]
    print(f'\n{verdicts.count(True)} found, {verdicts.count(False)} not')
    return bool(unbroken) and not failing and all(verdicts)


def main_switches(names: list[str]) -> bool:
    """Run the suite with each of these switches; whether each was found."""
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = pool.map(run, ['', *names])
        sound = judge_unbroken(next(runs))
        print(f'\n{"fault":<6} {"its tests":<76} {"fails":<8} {"others":<10} with')
        verdicts = [judge(name, outcomes) for name, outcomes in zip(names, runs, strict=True)]
    skipped = verdicts.count('skipped')
    print(
        f'\n{verdicts.count("passed")} passed, {verdicts.count("failed")} failed'
        + (f', {skipped} skipped' if skipped else '')
    )
    return sound and 'failed' not in verdicts


def run_script(node: str, name: str) -> list[Outcome]:
    """Run the cases of the browser's client with this mutation of it; with none if the name is
    empty.
    """
    with tempfile.TemporaryDirectory() as directory:
        module = (STATIC / 'ws4redis.esm.js').read_text('utf-8')
        if name:
            module = without(module, SCRIPT_MUTATIONS[name])
        (Path(directory) / 'ws4redis.esm.js').write_text(module, 'utf-8')
        (Path(directory) / 'ws4redis.js').write_text(classic(module), 'utf-8')
        done = run_node(
            node, '--test', '--test-reporter=tap', *map(str, CASES), static=Path(directory)
        )
    found = re.findall(
        r'^ *(not ok|ok) \d+ - (.+ \((?:script|module)\))$', done.stdout, re.MULTILINE
    )
    return [
        Outcome(case, '', 'passed' if verdict == 'ok' else 'failed', '') for verdict, case in found
    ]


def judge_script(name: str, outcomes: list[Outcome]) -> bool:
    """Print which cases caught a mutation; whether any did in each of the two files, and not
    all.
    """
    caught = [outcome.name for outcome in outcomes if outcome.kind == 'failed']
    in_both = all(any(case.endswith(form) for case in caught) for form in ('(script)', '(module)'))
    verdict = f'{len(caught)}/{len(outcomes)}' if in_both else 'NONE'
    print(f'{name:<40} {verdict:<8} {caught[0] if caught else ""}'.rstrip())
    return in_both and len(caught) <= MOST_CAUGHT * len(outcomes)


def main_script(names: list[str]) -> bool:
    """Run the client's cases with each of these mutations; whether each was found, and nothing
    without one.
    """
    print("The browser's client: which of its cases find which mutation, under Node.js")
    node = shutil.which('node')
    if node is None:
        print('skipped: there is no node on PATH')
        return 'node' not in os.environ.get('WS4REDIS_REQUIRE', '').split(',')
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = pool.map(partial(run_script, node), ['', *names])
        unbroken = next(runs)
        failing = [outcome.name for outcome in unbroken if outcome.kind != 'passed']
        print(
            (
                f'Nothing broken: {len(unbroken) - len(failing)} of {len(unbroken)} cases pass '
                f'{" ".join(failing)}'
            ).rstrip()
        )
        print(f'\n{"mutation":<40} {"found by":<8} the first of them')
        verdicts = [
            judge_script(name, outcomes) for name, outcomes in zip(names, runs, strict=True)
        ]
    print(f'\n{verdicts.count(True)} found, {verdicts.count(False)} not')
    return bool(unbroken) and not failing and all(verdicts)


def main(arguments: list[str]) -> int:
    """Run everything, the contract or the client alone, or the faults that are named; gives the
    exit status.
    """
    known = {'contract', 'script', *SWITCHES, *MUTATIONS, *SCRIPT_MUTATIONS}
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f'there is no fault {" ".join(unknown)}')
        return 2
    everything = not arguments
    switches = [name for name in SWITCHES if everything or name in arguments]
    mutations = [
        name for name in MUTATIONS if everything or 'contract' in arguments or name in arguments
    ]
    scripts = [
        name
        for name in SCRIPT_MUTATIONS
        if everything or 'script' in arguments or name in arguments
    ]
    parts = ((main_switches, switches), (main_contract, mutations), (main_script, scripts))
    found = [main(names) for main, names in parts if names]
    return 0 if all(found) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
