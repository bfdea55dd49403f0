"""Holds the types of the package's door against mypy and basedpyright: python -m
tests.tools.checkers

Both read tests/typing as the code of a site: right.py has no error, and wrong.py has one in each
line that ends in `# wrong` and in no other. The examples of docs/overriding.md have none.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests.test_docs import write_project

__all__ = ['CHECKERS', 'Error', 'by_basedpyright', 'by_mypy', 'marked', 'surprises']

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TYPING: Final = ROOT / 'tests/typing'
PAGE: Final = ROOT / 'docs/overriding.md'
MARK: Final = re.compile(r'# wrong$')
MYPY_ERROR: Final = re.compile(r'^(.+?):(\d+): error: (.+)$', re.MULTILINE)


class Error(NamedTuple):
    """What a checker found."""

    path: Path
    line: int
    text: str


def run(*command: str, directory: Path) -> str:
    """What a checker says; it exits with 1 where it has found something.

    Raises:
        RuntimeError: it has not checked anything.
    """
    done = subprocess.run(
        [sys.executable, '-m', *command],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f'{" ".join(command)} ended with {done.returncode}:\n{done.stdout}')
    return done.stdout


def by_mypy(files: Iterable[Path], *options: str, directory: Path = ROOT) -> list[Error]:
    """The errors that mypy finds in these files, with no configuration but these options."""
    said = run(
        'mypy',
        '--config-file=',
        # The other options of make lint would make this cache worthless, and this run theirs.
        f'--cache-dir={directory / ".mypy_cache/checkers"}',
        '--follow-imports=silent',
        '--explicit-package-bases',
        *options,
        *map(str, files),
        directory=directory,
    )
    return [
        Error(directory / name, int(line), text) for name, line, text in MYPY_ERROR.findall(said)
    ]


def by_basedpyright(files: Iterable[Path], *options: str, directory: Path = ROOT) -> list[Error]:
    """The errors that basedpyright finds in these files; its warnings are matters of taste."""
    said = run(
        'basedpyright',
        '--outputjson',
        '--level=error',
        f'--pythonpath={sys.executable}',
        *options,
        *map(str, files),
        directory=directory,
    )
    return [
        Error(Path(each['file']), each['range']['start']['line'] + 1, each['message'])
        for each in json.loads(said)['generalDiagnostics']
    ]


CHECKERS: Final[dict[str, Callable[[Iterable[Path]], list[Error]]]] = {
    'mypy --strict': lambda files: by_mypy(files, '--strict'),
    'basedpyright': by_basedpyright,
}


def marked(files: Iterable[Path]) -> set[tuple[Path, int]]:
    """The lines in which an error is expected."""
    return {
        (path, number)
        for path in files
        for number, line in enumerate(path.read_text('utf-8').splitlines(), 1)
        if MARK.search(line)
    }


def surprises(errors: Iterable[Error], expected: set[tuple[Path, int]]) -> list[str]:
    """What was found and not expected, and the other way round."""
    errors = list(errors)
    found = {(error.path, error.line) for error in errors}
    return [
        *(
            f'{error.path}:{error.line}: {error.text}'
            for error in errors
            if (error.path, error.line) not in expected
        ),
        *(f'{path}:{line}: no error is found here' for path, line in sorted(expected - found)),
    ]


def of_page(page: Path) -> list[str]:
    """What the checkers say against the examples of a page, which are not annotated."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        files = [directory / own for own in write_project(page, directory) if own.endswith('.py')]
        # Stricter modes ask for annotations.
        configuration = {'typeCheckingMode': 'standard'}
        (directory / 'pyrightconfig.json').write_text(json.dumps(configuration), 'utf-8')
        (directory / 'ws4redis').symlink_to(ROOT / 'ws4redis')
        errors = by_mypy(files, '--check-untyped-defs', directory=directory)
        errors += by_basedpyright(files, directory=directory)
        return surprises(errors, set())


def main() -> int:
    """Print what is not as expected; 1 if there is anything."""
    files = sorted(TYPING.glob('*.py'))
    expected = marked(files)
    found = [
        f'{name}: {surprise}'
        for name, check in CHECKERS.items()
        for surprise in surprises(check(files), expected)
    ]
    found += of_page(PAGE)
    print(*found or [f'{len(expected)} wrong lines, found by each'], sep='\n')
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
