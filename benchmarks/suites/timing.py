"""A pytest plugin, the same for all suites: runs a test many times, and writes down what each
time took.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

__all__: list[str] = []

NAMES = ('repeat', 'warm-up', 'times')


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often, how many of these do not count, and the file to write."""
    for name in NAMES:
        parser.addoption(f'--{name}')


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test takes the number of its turn."""
    options = metafunc.config.option
    metafunc.parametrize('number', range(int(options.repeat) + int(options.warm_up)))


def pytest_configure(config: pytest.Config) -> None:
    """The list of what each turn took: seconds on the clock, and of this process's CPU time."""
    config.stash[_TIMES] = []


_TIMES: pytest.StashKey[list[tuple[float, float]]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """All of a test: its fixtures, the test, their ends and the reports."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = yield
    item.config.stash[_TIMES].append((time.perf_counter() - clock, time.process_time() - cpu))
    return found


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write down what counts, if every turn has passed."""
    options = session.config.option
    times = session.config.stash[_TIMES][int(options.warm_up) :]
    if exitstatus == 0:
        Path(options.times).write_text(
            json.dumps([list(sums) for sums in zip(*times, strict=True)]), 'utf-8'
        )
