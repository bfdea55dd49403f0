"""How it is tested: the code of each page beside its tests, as they are in the files."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

__all__ = ['CHAPTERS', 'SANDBOX', 'sources']

SANDBOX = Path(__file__).resolve().parent.parent

CHAPTERS = (
    ('Live board', 'tour/board.py', 'tests/test_board.py'),
    ('Persist and expire', 'tour/persist.py', 'tests/test_persist.py'),
    ('A long task', 'tour/progress.py', 'tests/test_progress.py'),
    ('Operations', 'tour/operations.py', 'tests/test_operations.py'),
    ('Orders: a subscriber of the site’s own', 'orders/tenants.py', 'tests/test_site.py'),
)


def sources(request: HttpRequest) -> HttpResponse:
    """The page."""
    chapters = [
        {
            'title': title,
            'code': {'path': code, 'text': (SANDBOX / code).read_text('utf-8')},
            'tests': {'path': tests, 'text': (SANDBOX / tests).read_text('utf-8')},
        }
        for title, code, tests in CHAPTERS
    ]
    return render(request, 'tour/sources.html', {'chapters': chapters})
