"""The contract on every way: in memory and over TCP, on fakeredis and on a Redis server."""

import ast
import inspect

import pytest

from ws4redis.testing.contract import cases, certify
from ws4redis.testing.contract.cases import CASES

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


def test_contract_needs_no_test_framework() -> None:
    roots = {
        name.partition('.')[0]
        for node in ast.walk(ast.parse(inspect.getsource(cases)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or '']
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert not roots & {'pytest', 'unittest', 'time', 'fakeredis'}
