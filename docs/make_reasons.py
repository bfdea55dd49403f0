"""Writes the table of codes in docs/testing.md from ws4redis/testing/explain/codes.py:
python docs/make_reasons.py
"""

from pathlib import Path
from typing import Any

from ws4redis.testing.explain.codes import by_code
from ws4redis.testing.explain.reasons import Row

__all__ = ['PAGE', 'page']

PAGE = Path(__file__).resolve().parent / 'testing.md'

HEAD = '| code | first line |\n|---|---|\n'


def page() -> str:
    """The text of the page, with the table as it has to be."""
    before, _, after = PAGE.read_text('utf-8').partition(HEAD)
    _, _, behind = after.partition('\n\n')
    return before + HEAD + ''.join(map(line, by_code().items())) + '\n' + behind


def line(entry: tuple[str, list[Row[Any]]]) -> str:
    """A line of the table."""
    code, rows = entry
    shown = list(dict.fromkeys(text for row in rows for text in row.shown()))
    first = shown[0].partition(': ')[0] + ': '
    # What all begin with is said once.
    texts = [shown[0], *(text.removeprefix(first) for text in shown[1:])]
    *others, last = [f'`{text}`' for text in texts]
    sentences = f'{", ".join(others)} or {last}' if others else last
    return f'| `{code}` | {sentences}{rows[0].where} |\n'


if __name__ == '__main__':
    PAGE.write_text(page(), 'utf-8')
