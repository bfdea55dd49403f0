"""Every row of what projects rely on, and of what was wrong, has a test; the list of rows says
which.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.tools.rows import (
    ASIDE,
    LINE,
    PAGE,
    REPOSITORY,
    ROWS,
    Test,
    files,
    missing,
    rows_of,
    table,
)


def test_every_row_has_a_test_and_the_list_says_which() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'tests.tools.rows'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    cells = {
        found[1]: found[2]
        for found in re.finditer(r'^([UOCF]\d+) *(.*)$', done.stdout, re.MULTILINE)
    }
    assert list(cells) == [*ROWS, *ASIDE]
    for row in ROWS:
        path, _, name = cells[row].split()[0].partition('::')
        source = (REPOSITORY / path).read_text('utf-8')
        assert f'def {name}(' in source
        assert f"@pytest.mark.row('{row}')" in source


def test_rows_are_those_of_the_page() -> None:
    counts = Counter(row[0] for row in [*ROWS, *ASIDE])
    assert counts == {'U': 24, 'O': 12, 'C': 12, 'F': 24}
    assert set(ASIDE) == {'U20', 'O11'}


def test_page_names_each_row_once_and_in_order() -> None:
    names = [name for name, _, _ in LINE.findall(PAGE.read_text('utf-8'))]
    kinds = dict.fromkeys(name[0] for name in names)
    for kind in kinds:
        numbers = [int(name[1:]) for name in names if name[0] == kind]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), kind
    assert list(kinds) == ['U', 'O', 'C', 'F', 'T']


def test_every_line_of_a_table_is_a_row() -> None:
    lines = [line for line in PAGE.read_text('utf-8').splitlines() if line.startswith('|')]
    heads = [line for line in lines if line.startswith(('| | ', '|---'))]
    assert len(LINE.findall(PAGE.read_text('utf-8'))) == len(lines) - len(heads)


def test_mark_names_a_row_of_the_page() -> None:
    names = {name for name, _, _ in LINE.findall(PAGE.read_text('utf-8'))}
    marks = {
        (path.name, row)
        for path in (REPOSITORY / 'tests').rglob('test_*.py')
        for row in re.findall(
            r"^\s*@pytest\.mark\.row\('(\w+)'\)", path.read_text('utf-8'), re.MULTILINE
        )
    }
    assert marks
    assert [mark for mark in sorted(marks) if mark[1] not in names] == []


CODE = re.compile(r'(?<![%\w-])[UOCFTD]\d{1,2}\b')
"""The name of a row; not the escape of a byte in a URL."""

KEYS = {
    *('compatibility.md', 'rows.py', 'test_rows.py', 'mutants.py', 'test_mutants.py'),
    *('broken.py', 'release060.py', 'verbatim.py'),
}
"""The page, what reads it, and the faults that are turned on by these names; and what stands as it
was written for release 0.6.0.
"""


def test_row_is_named_by_its_mark_and_nowhere_else() -> None:
    found = [
        f'{path.relative_to(REPOSITORY)}:{number}: {line.strip()}'
        for folder in ('ws4redis', 'tests', 'docs', 'sandbox', 'benchmarks')
        for path in sorted((REPOSITORY / folder).rglob('*'))
        if path.suffix in ('.py', '.md', '.js', '.mjs', '.html')
        and path.name not in KEYS
        and 'projects' not in path.parts
        for number, line in enumerate(path.read_text('utf-8').splitlines(), 1)
        if CODE.search(line) and not line.lstrip().startswith('@pytest.mark.row(')
    ]
    assert found == []


def test_page_says_which_rows_there_are_and_why_one_is_aside() -> None:
    page = """
| | What holds | Why |
|---|---|---|
| U1 | It works. | Somebody needs it. |
| U2 | So does this. | aside: not built |
| T1 | A rule of the kit. | It is one. |
"""
    assert rows_of(page) == (['U1'], {'U2': 'not built'})


def test_row_without_a_test_has_an_empty_cell_and_is_named() -> None:
    tests = [Test('tests/test_any.py::test_something', row) for row in ROWS if row != 'C2']
    assert missing(tests) == ['C2']
    lines = table(tests).splitlines()
    assert 'C2' in lines
    assert 'C1   tests/test_any.py::test_something' in lines


def test_test_is_shown_with_its_forms_and_why_it_lacks_one() -> None:
    test = Test(
        'tests/test_any.py::test_x',
        'U2',
        4,
        ['broker', 'thread-memory'],
        {'gunicorn-redis': 'a reason'},
    )
    assert str(test) == 'tests/test_any.py::test_x [broker] [thread-memory] x 2'
    assert '         not [gunicorn-redis]: a reason' in table([test]).splitlines()


def test_files_with_rows_are_found_wherever_they_are() -> None:
    names = {Path(path).name for path in files()}
    assert {
        'test_compatibility.py',
        'test_overrides.py',
        'test_regressions.py',
        'test_context_processors.py',
    } <= names


def test_what_cannot_be_collected_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'test_broken.py').write_text('import no_such_module')
    program = f'from tests.tools.rows import collect; collect({str(tmp_path)!r})'
    command = [sys.executable, '-c', program]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert 'RuntimeError: pytest has ended with' in done.stderr
