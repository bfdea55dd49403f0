"""Sizes of files, functions, classes and names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.tools.figures import Figures, any_share, figures, files, length, p90, parameters

SOURCE = '''"""Two lines
of it."""
from typing import Any

class First:
    def one(self, a: Any, b: "Any" = 1, *args: Any, c: int, **kwargs: Any) -> Any:
        """Said in
        two lines."""
        return a

    async def two(cls): ...

class Second:
    def three(self, a: list[Any]) -> None:
        pass
'''


def function(source: str) -> ast.FunctionDef:
    """The only one of this source."""
    [found] = ast.parse(source).body
    assert isinstance(found, ast.FunctionDef)
    return found


@pytest.fixture
def found(tmp_path: Path) -> Figures:
    source, tests = tmp_path / 'source.py', tmp_path / 'test_it.py'
    source.write_text(SOURCE, 'utf-8')
    tests.write_text(
        'def test_one(): ...\n'
        'class TestIt:\n    async def test_three(self): ...\n'
        'def helper(): ...\n',
        'utf-8',
    )
    return figures([source], [tests])


def test_every_size_is_counted(found: Figures) -> None:
    assert found.files == [15]
    assert sorted(found.functions) == [1, 2, 2]
    assert found.classes == [7, 3]
    assert (len(found.columns), max(found.columns)) == (15, 82)
    assert found.methods == (2, 'First')
    assert sorted(found.tests) == [8, 10]


def test_parameters_that_are_plain_any_are_counted(found: Figures) -> None:
    assert (found.plain, found.parameters) == (4, 6)
    assert any_share(found) == pytest.approx(66.7, abs=0.1)


def test_docstring_is_no_part_of_a_function() -> None:
    assert length(function('def f():\n    """One."""\n    return 1\n')) == 2
    assert length(function('def f():\n    return """One."""\n')) == 2


def test_only_the_first_parameter_may_be_self() -> None:
    assert [each.arg for each in parameters(function('def f(self, a, /, b, *, c): ...'))] == [
        'a',
        'b',
        'c',
    ]
    assert [each.arg for each in parameters(function('def f(a, self): ...'))] == ['a', 'self']


@pytest.mark.parametrize(
    ('numbers', 'expected'),
    [([], 0), ([7], 7), (range(1, 11), 9), (range(1, 101), 90), ([1, 2, 3], 3)],
)
def test_p90_is_what_nine_of_ten_do_not_exceed(numbers: list[int], expected: int) -> None:
    assert p90(numbers) == expected


def test_files_are_those_of_the_package_or_all() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    package, everything = files(root, everything=False), files(root, everything=True)
    assert root / 'ws4redis/publisher.py' in package
    assert Path(__file__) in everything
    assert set(package) < set(everything)
