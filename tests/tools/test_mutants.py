"""What make mutants concludes from what its runs have shown."""

from pathlib import Path

import pytest

from tests.tools.mutants import (
    CONTRACT,
    REPOSITORY,
    ROWS,
    Outcome,
    judge,
    judge_contract,
    judge_unbroken,
    run_with,
)

FOUND = Outcome('test_burst', 'F1', 'failed', "AssertionError: assert ['a'] == ['a', 'b']")
MISSED = Outcome('test_burst', 'F1', 'passed', '')
CRASHED = Outcome('test_burst', 'F1', 'failed', "TypeError: 'NoneType' object is not callable")
OTHERS = [Outcome(f'test_{number}', '', 'passed', '') for number in range(20)]
BROKEN = [Outcome(f'test_{number}', '', 'failed', 'assert False') for number in range(3)]


def case(name: str, kind: str) -> Outcome:
    """How a case of the contract ended."""
    return Outcome(f'test_case_holds[{name}-fakeredis]', '', kind, '')


@pytest.mark.parametrize(
    ('outcomes', 'verdict'),
    [
        pytest.param([FOUND, *OTHERS], 'passed', id='found'),
        pytest.param([FOUND, MISSED, *OTHERS], 'failed', id='one of its tests passes'),
        pytest.param([CRASHED, *OTHERS], 'failed', id='in other words'),
        pytest.param(OTHERS, 'failed', id='no test of its own'),
        pytest.param([FOUND, *BROKEN, *OTHERS], 'failed', id='breaks more than its row'),
        pytest.param([Outcome('the run', 'F1', 'error', 'no such file')], 'failed', id='no run'),
    ],
)
def test_fault_is_found_by_all_its_tests_and_by_few_others(
    outcomes: list[Outcome], verdict: str
) -> None:
    assert judge('F1', outcomes) == verdict


@pytest.mark.parametrize(
    ('outcomes', 'sound'),
    [
        pytest.param([MISSED, *OTHERS], True, id='all pass'),
        pytest.param([FOUND, *OTHERS], False, id='one of a row fails'),
        pytest.param([MISSED, BROKEN[0]], False, id='another one fails'),
        pytest.param([Outcome('the run', '', 'error', 'no such file')], False, id='no run'),
        pytest.param([], False, id='nothing'),
    ],
)
def test_nothing_may_fail_while_nothing_is_broken(outcomes: list[Outcome], sound: bool) -> None:
    assert judge_unbroken(outcomes) is sound


@pytest.mark.parametrize(
    ('kinds', 'found'),
    [
        (('failed', 'passed', 'passed'), True),
        (('passed', 'passed', 'passed'), False),
        (('failed', 'failed', 'failed'), False),
        ((), False),
    ],
)
def test_mutation_is_found_by_some_cases_and_not_by_all(
    kinds: tuple[str, ...], found: bool
) -> None:
    outcomes = [case(f'case_{number}', kind) for number, kind in enumerate(kinds)]
    assert judge_contract('some-mutation', outcomes) is found


def test_files_that_are_run_are_there() -> None:
    files = [argument for argument in (*ROWS, *CONTRACT) if argument.endswith('.py')]
    assert len(files) == 3
    assert [file for file in files if not (REPOSITORY / file).is_file()] == []


def test_run_that_finds_no_tests_says_why() -> None:
    missing = str(Path('tests') / 'test_that_is_not_there.py')
    [outcome] = run_with('', '-q', '-p', 'no:cacheprovider', missing)
    assert outcome.kind == 'error'
    assert missing in outcome.message
