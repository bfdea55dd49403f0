"""Every row of what projects rely on, and of what was wrong, has a test; the list of rows says
which.
"""

import re
import subprocess
import sys
from pathlib import Path

from tests.tools.rows import ASIDE, REPOSITORY, ROWS, Test, files, missing, table


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


def test_rows_are_those_of_the_reference() -> None:
    assert len(ROWS) == 23 + 11 + 12 + 24
    assert not set(ROWS) & set(ASIDE)


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
