"""Faults to be turned on one at a time: `make mutants` sees that the tests find each of them.

    WS4REDIS_BROKEN=F1 python -m pytest -p tests.faults.broken tests/test_regressions.py
    WS4REDIS_BROKEN=joins-new-before-old python -m pytest -p tests.faults.broken
    tests/testing/contract/test_cases.py

SWITCHES are the faults of release 0.6.0, in release060.py. MUTATIONS are faults that somebody might
make one day, in publishing.py, delivering.py and ending.py. Those in the browser's client are in
script.py.
"""

import os

from tests.faults import delivering, ending, publishing, release060
from tests.faults.registry import MUTATIONS, SWITCHES

__all__ = ['MUTATIONS', 'SWITCHES', 'apply']

AREAS = (release060, publishing, delivering, ending)
"""Each enters its faults when it is imported."""


def apply(name: str) -> None:
    """Turn on the fault of this name; none if it is empty. Django's settings are named, it may
    be set up or not.
    """
    if name in MUTATIONS:
        MUTATIONS[name]()
    elif name:
        SWITCHES[name].turn_on()


def pytest_sessionstart() -> None:
    """Turn on what WS4REDIS_BROKEN names."""
    apply(os.environ.get('WS4REDIS_BROKEN', ''))
