"""Holding types against the checkers: what is expected, what is found, what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.checkers import Error, by_basedpyright, by_mypy, marked, surprises

SOURCE = """first: int = 1
second: int = 'two'  # wrong
third: int = 'three'
# wrong is no mark where more follows it
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'source.py'
    path.write_text(SOURCE, 'utf-8')
    return path


def test_line_is_marked_by_its_last_words(source: Path) -> None:
    assert marked([source]) == {(source, 2)}


@pytest.mark.parametrize('check', [by_mypy, by_basedpyright])
def test_checker_says_where_its_errors_are(check: Callable[..., list[Error]], source: Path) -> None:
    errors = check([source], directory=source.parent)
    assert [(error.path, error.line) for error in errors] == [(source, 2), (source, 3)]
    assert all('int' in error.text for error in errors)


def test_error_that_is_not_expected_is_told(source: Path) -> None:
    errors = [Error(source, 2, 'expected'), Error(source, 3, 'not expected')]
    assert surprises(errors, {(source, 2)}) == [f'{source}:3: not expected']


def test_error_that_is_not_found_is_told(source: Path) -> None:
    assert surprises([], {(source, 2)}) == [f'{source}:2: no error is found here']


def test_nothing_is_said_of_what_is_as_expected(source: Path) -> None:
    assert surprises([Error(source, 2, 'twice'), Error(source, 2, 'the same')], {(source, 2)}) == []
