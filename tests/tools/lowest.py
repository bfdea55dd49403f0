"""Prints the lower bounds of setup.py as constraints for pip, each as the only version: python
-m tests.tools.lowest
"""

import ast
from pathlib import Path
from typing import Final

__all__ = ['constraints', 'requirements']

SETUP: Final = Path(__file__).resolve().parent.parent.parent / 'setup.py'


def requirements(source: str) -> list[str]:
    """What this setup.py requires, with all of its extras."""
    found = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ('RUNTIME', 'EXTRAS')
    }
    return [
        *found['RUNTIME'],
        *(requirement for extra in found['EXTRAS'].values() for requirement in extra),
    ]


def constraints(required: list[str]) -> list[str]:
    """The lowest version of each, and no other.

    Raises:
        ValueError: one has no lower bound.
    """
    lowest = {}
    for requirement in required:
        name, bound, version = requirement.partition('>=')
        if not bound:
            raise ValueError(f'{requirement} has no lower bound')
        # A constraint takes no extras.
        lowest[name.partition('[')[0]] = version
    return [f'{name}=={version}' for name, version in sorted(lowest.items())]


if __name__ == '__main__':
    print('\n'.join(constraints(requirements(SETUP.read_text('utf-8')))))
