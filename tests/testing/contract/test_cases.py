"""The contract on every way: in memory and over TCP, on fakeredis and on a Redis server."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

from ws4redis.testing.contract import cases, certify, site, steps
from ws4redis.testing.contract.cases import CASES, SUBJECTS

WAYS = ['fakeredis', 'redis', 'fakeredis-tcp', 'redis-tcp']


@pytest.fixture
def way(request: pytest.FixtureRequest) -> certify.Way:
    """A way by its name; the server of those that need one is asked for only then."""
    url = request.getfixturevalue('redis_url') if request.param.startswith('redis') else ''
    return next(found for found in certify.ways(url) if found.name == request.param)


@pytest.mark.parametrize('way', WAYS, indirect=True)
@pytest.mark.parametrize('name', CASES)
def test_case_holds(name: str, way: certify.Way, transactional_db: None) -> None:
    certify.run(CASES[name], way)


def test_all_ways_are_tried() -> None:
    assert [way.name for way in certify.ways('redis://localhost')] == WAYS


def test_there_are_enough_cases_and_each_says_what_holds() -> None:
    assert len(CASES) >= 60
    for name, case in CASES.items():
        assert case.__doc__ and case.__doc__.strip().endswith('.'), name
        assert list(inspect.signature(case).parameters) == ['site'], name


@pytest.mark.parametrize('name', CASES)
def test_case_asserts_something(name: str) -> None:
    tree = ast.parse(inspect.getsource(CASES[name]))
    nodes = list(ast.walk(tree))
    assert any(
        isinstance(node, ast.Assert) or getattr(node, 'attr', '') == 'assert_nothing_received'
        for node in nodes
    )


def test_every_file_of_cases_is_part_of_the_contract() -> None:
    files = {path.stem for path in Path(cases.__file__).parent.glob('*.py')} - {'__init__'}
    assert {subject.__name__.rpartition('.')[2] for subject in SUBJECTS} == files
    assert sum(len(subject.__all__) for subject in SUBJECTS) == len(CASES)


@pytest.mark.parametrize('module', [site, steps, *SUBJECTS], ids=lambda module: module.__name__)
def test_contract_needs_no_test_framework(module: ModuleType) -> None:
    roots = {
        name.partition('.')[0]
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or '']
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert not roots & {'pytest', 'unittest', 'time', 'fakeredis'}


def test_failure_shows_what_was_compared() -> None:
    """pytest rewrites the asserts of every file of cases, as it does those of tests."""
    for subject in SUBJECTS:
        assert isinstance(subject.__loader__, AssertionRewritingHook), subject.__name__
