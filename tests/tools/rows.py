"""Prints every row of what existing projects rely on and of what release 0.6.0 did wrong, with its
tests: python -m tests.tools.rows

docs/compatibility.md says which rows there are, and why one is aside: without a test of its own. A
test is a row's by its mark, @pytest.mark.row('U7'), wherever it stands; pytest says which there
are. A row without one shows an empty cell, and the exit status is 1.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = [
    'ASIDE',
    'LINE',
    'PAGE',
    'ROWS',
    'Test',
    'collect',
    'files',
    'missing',
    'rows_of',
    'table',
]

REPOSITORY = Path(__file__).resolve().parent.parent.parent

PAGE = REPOSITORY / 'docs/compatibility.md'

LINE = re.compile(r'^\| ([A-Z]\d+) \| (.+) \| (.+) \|$', re.MULTILINE)
"""A row on the page: its name, what holds, and why, or why it is aside."""

KINDS = 'UOCF'
"""The rows that are listed; those of the test kit, T, are held by its whole suite."""


def rows_of(page: str) -> tuple[list[str], dict[str, str]]:
    """The rows that have tests of their own, and those aside, each with the reason."""
    reasons = {name: why for name, _, why in LINE.findall(page) if name[0] in KINDS}
    aside = {
        name: why.removeprefix('aside: ')
        for name, why in reasons.items()
        if why.startswith('aside: ')
    }
    return [name for name in reasons if name not in aside], aside


ROWS, ASIDE = rows_of(PAGE.read_text('utf-8'))

MARK = re.compile(r"^\s*@pytest\.mark\.row\('", re.MULTILINE)


@dataclass
class Test:
    """A test function.

    Attributes:
        path: as pytest takes it, without parameters.
        row: the row that it is about, as 'U7'; None for another test.
        count: how often it runs, with different parameters.
        forms: those of a site, if it has one.
        without: form and reason, of those that it leaves out.
    """

    __test__ = False

    path: str
    row: str | None = None
    count: int = 0
    forms: list[str] = field(default_factory=list)
    without: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        forms = ''.join(f' [{form}]' for form in self.forms)
        times = self.count // (len(self.forms) or 1)
        return f'{self.path}{forms}' + (f' x {times}' if times > 1 else '')


class _Collector:
    """Pytest's plugin."""

    def __init__(self) -> None:
        self.tests: dict[str, Test] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            path, _, _ = item.nodeid.partition('[')
            mark = item.get_closest_marker('row')
            row = mark.args[0] if mark is not None else None
            test = self.tests.setdefault(path, Test(path, row))
            test.count += 1
            form = item.callspec.params.get('site') if hasattr(item, 'callspec') else None
            if form is not None and form not in test.forms:
                test.forms.append(form)
            test.without.update(mark.args for mark in item.iter_markers('not_in_form'))


def files() -> list[str]:
    """The test files in which a row is named."""
    paths = sorted((REPOSITORY / 'tests').rglob('test_*.py'))
    return [str(path) for path in paths if MARK.search(path.read_text('utf-8'))]


def collect(*paths: str) -> list[Test]:
    """The tests that pytest finds in these files.

    Raises:
        RuntimeError: it cannot collect them.
    """
    collector = _Collector()
    with redirect_stdout(sys.stderr):
        arguments = [
            '--collect-only',
            '--quiet',
            '--quiet',
            '--no-summary',
            '-p',
            'no:cacheprovider',
            *paths,
        ]
        # Pytest would rewrite this package's assertions, and finds it imported.
        arguments += [
            '-W',
            'ignore::pytest.PytestAssertRewriteWarning',
            '--rootdir',
            str(REPOSITORY),
        ]
        status = pytest.main(arguments, plugins=[collector])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f'pytest has ended with {status}')
    return list(collector.tests.values())


def missing(tests: Iterable[Test]) -> list[str]:
    """The rows that have no test."""
    found = {test.row for test in tests}
    return [row for row in ROWS if row not in found]


def table(tests: Iterable[Test]) -> str:
    """All rows, each with its tests."""
    tests = list(tests)
    return '\n'.join(line.rstrip() for row in [*ROWS, *ASIDE] for line in _lines(row, tests))


def _lines(row: str, tests: list[Test]) -> Iterator[str]:
    own = [test for test in tests if test.row == row]
    if row in ASIDE:
        yield f'{row:<5}aside: {ASIDE[row]}'
    elif not own:
        yield row
    for number, test in enumerate(own):
        yield f'{"" if number else row:<5}{test}'
        for form, reason in test.without.items():
            yield f'{"":<9}not [{form}]: {reason}'


def main() -> int:
    """Print the rows; gives the exit status."""
    tests = collect(*files())
    print(table(tests))
    own = [test for test in tests if test.row in ROWS]
    without = missing(tests)
    print(f'\n{len(ROWS)} rows, {len(own)} tests that run {sum(test.count for test in own)} times')
    print(f'without a test: {", ".join(without) or "none"}')
    return 1 if without else 0


if __name__ == '__main__':
    sys.exit(main())
