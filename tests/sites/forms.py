"""The forms in which a site is tested (site.py): their names, and which test is left out where."""

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ['FORMS', 'forms']

FORMS = ('broker', 'thread-memory', 'gunicorn-redis')


def forms(**without: str) -> Callable[[Any], Any]:
    """A test of a site in all forms but these.

    Args:
        without: why not, by the form's name with '_' for '-'.
    """
    reasons = {name.replace('_', '-'): reason for name, reason in without.items()}
    assert set(reasons) < set(FORMS), f'{sorted(reasons)} are not among {FORMS}'

    def mark(test: Any) -> Any:
        for form, reason in reasons.items():
            test = pytest.mark.not_in_form(form, reason)(test)
        return pytest.mark.parametrize(
            'site', [form for form in FORMS if form not in reasons], indirect=True
        )(test)

    return mark
