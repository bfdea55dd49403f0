"""Prints the sizes of ws4redis/, of every Python file with --all: python -m tests.tools.figures

Each row says how many there are, and their sizes in lines; columns are the characters of each line.
A function is counted from its def to its end without its docstring, a class as a whole. A parameter
that is plain Any says nothing of what it takes; self and cls are no parameters. The names of tests
are those in tests/ and sandbox/, in characters.
"""

import argparse
import ast
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ['Figures', 'any_share', 'figures', 'files', 'length', 'p90', 'parameters']

ROOT: Final = Path(__file__).resolve().parent.parent.parent

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Figures:
    """The sizes of some files.

    Attributes:
        files, functions, classes: how many lines each has.
        columns: how many characters each line has.
        methods: how many the class has that has most, and its name.
        parameters, plain: how many parameters there are, and how many of them are plain Any.
        tests: how many characters the name of each test has.
    """

    files: list[int]
    functions: list[int]
    classes: list[int]
    columns: list[int]
    methods: tuple[int, str]
    parameters: int
    plain: int
    tests: list[int]


def files(root: Path, everything: bool) -> list[Path]:
    """The Python files of the package alone, or of the whole checkout."""
    rooms = ('ws4redis', 'tests', 'sandbox', 'benchmarks', 'docs') if everything else ('ws4redis',)
    found = [path for room in rooms for path in sorted((root / room).rglob('*.py'))]
    return [*found, root / 'setup.py'] if everything else found


def p90(numbers: Iterable[int]) -> int:
    """The number that nine of ten do not exceed; 0 if there are none."""
    ordered = sorted(numbers)
    return ordered[(len(ordered) * 9 + 9) // 10 - 1] if ordered else 0


def median(numbers: Iterable[int]) -> int:
    """The one in the middle; 0 if there are none."""
    return statistics.median_low([*numbers] or [0])


def length(function: Function) -> int:
    """Its lines from def to the end, without its docstring."""
    first = function.body[0]
    last = function.end_lineno or function.lineno
    lines = last - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def parameters(function: Function) -> Iterator[ast.arg]:
    """Its parameters, but for self and cls."""
    taken = function.args
    named = [*taken.posonlyargs, *taken.args]
    yield from named[1:] if named and named[0].arg in ('self', 'cls') else named
    yield from taken.kwonlyargs
    yield from (each for each in (taken.vararg, taken.kwarg) if each is not None)


def _is_plain_any(parameter: ast.arg) -> bool:
    return parameter.annotation is not None and ast.unparse(parameter.annotation) in (
        'Any',
        'typing.Any',
        "'Any'",
    )


def any_share(found: Figures) -> float:
    """How many of hundred parameters are plain Any."""
    return 100 * found.plain / max(1, found.parameters)


def figures(paths: Iterable[Path], tests: Iterable[Path]) -> Figures:
    """The sizes of these files; the names of tests are those of others."""
    sources = [path.read_text('utf-8') for path in paths]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    functions = [node for node in nodes if isinstance(node, Function)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    taken = [parameter for function in functions for parameter in parameters(function)]
    return Figures(
        files=[len(source.splitlines()) for source in sources],
        functions=[length(function) for function in functions],
        classes=[(node.end_lineno or node.lineno) - node.lineno + 1 for node in classes],
        columns=[len(line) for source in sources for line in source.splitlines()],
        methods=max(
            (
                (sum(isinstance(each, Function) for each in node.body), node.name)
                for node in classes
            ),
            default=(0, ''),
        ),
        parameters=len(taken),
        plain=sum(map(_is_plain_any, taken)),
        tests=[len(name) for path in tests for name in _names_of_tests(path)],
    )


def _names_of_tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, Function) and node.name.startswith('test_'):
            yield node.name


def _row(name: str, numbers: list[int]) -> str:
    return (
        f'{name:10} {len(numbers):6,}   median {median(numbers):4,}   p90 {p90(numbers):5,}   '
        f'longest {max(numbers, default=0):6,}'
    )


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(prog='python -m tests.tools.figures')
    parser.add_argument('--all', action='store_true', help='every Python file, not ws4redis/ alone')
    parser.add_argument('--root', type=Path, default=ROOT, help='another checkout')
    arguments = parser.parse_args()
    tests = [
        path
        for path in files(arguments.root, everything=True)
        if path.relative_to(arguments.root).parts[0] in ('tests', 'sandbox')
    ]
    found = figures(files(arguments.root, arguments.all), tests)
    print(_row('files', found.files))
    print(_row('functions', found.functions))
    print(_row('classes', found.classes))
    print(_row('columns', found.columns))
    print('methods    {:6,}   in {}, the class that has most'.format(*found.methods))
    print(
        f'plain Any  {any_share(found):5.1f} %   {found.plain:,} of {found.parameters:,} parameters'
    )
    print(_row('test names', found.tests))


if __name__ == '__main__':
    main()
