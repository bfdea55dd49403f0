"""The pytest plugin: fixtures, mark, option, and failures that explain themselves.

It imports pytest, and two files of ours that import nothing; the rest is loaded when a test asks
for a fixture.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ws4redis.schemes import MEMORY, SCHEMES
from ws4redis.seam import seam

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ws4redis.testing.broker import Broker
    from ws4redis.testing.guard import Guard
    from ws4redis.testing.live.server import LiveServer

__all__ = ['ws4redis', 'ws4redis_live_server']

_BROKER: pytest.StashKey[Broker] = pytest.StashKey()
_GUARD: pytest.StashKey[Guard] = pytest.StashKey()
_PLACES = 'ws4redis_places'


def pytest_addoption(parser: pytest.Parser) -> None:
    """--ws4redis and ws4redis_unrequested."""
    group = parser.getgroup('ws4redis', 'websockets over Redis')
    group.addoption(
        '--ws4redis',
        default='memory',
        metavar='memory|server|URL',
        help='the Redis of the fixture ws4redis: in memory; a redis-server from PATH, one for '
        'each worker; or one that is in use '
        'otherwise, where all names get a prefix of the test',
    )
    parser.addini(
        'ws4redis_unrequested',
        'what becomes of what a test publishes without the fixture: memory, fail or real '
        '(WS4REDIS_CONNECTION)',
        default='memory',
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark, and the guard over what is published without the fixture."""
    config.addinivalue_line('markers', 'ws4redis: use the fixture ws4redis, without its object')
    from ws4redis.testing.guard import Guard

    option = config.getoption('--ws4redis')
    if option not in ('memory', 'server') and not option.startswith(SCHEMES):
        raise pytest.UsageError(
            f"--ws4redis is {option!r}: it takes memory, server or a server's URL "
            f'({", ".join(SCHEMES)})'
        )
    try:
        guard = Guard(config.getini('ws4redis_unrequested'), _relative)
    except ValueError as exc:
        raise pytest.UsageError(str(exc)) from exc
    config.stash[_GUARD] = guard
    seam.unrequested = guard


def pytest_unconfigure(config: pytest.Config) -> None:
    """Without tests there is nothing to guard."""
    if seam.unrequested is config.stash.get(_GUARD, None):
        seam.unrequested = None


def _relative(place: str) -> str:
    return place.removeprefix(os.getcwd() + os.sep)


@pytest.fixture
def ws4redis(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A Broker: publish, connect and assert without a Redis server, a socket or a sleep."""
    from ws4redis.testing.broker import Broker

    option = request.config.getoption('--ws4redis')
    with Broker(MEMORY if option == 'memory' else option) as broker:
        request.node.stash[_BROKER] = broker
        yield broker


@pytest.fixture
def ws4redis_live_server(transactional_db: None, ws4redis: Broker) -> Iterator[LiveServer]:
    """A LiveServer: pages and websockets on a real port, for browser tests, on the test's Broker
    and database.
    """
    from ws4redis.testing.live.server import LiveServer

    with LiveServer(ws4redis) as live:
        yield live


def pytest_itemcollected(item: pytest.Item) -> None:
    """The mark asks for the fixture."""
    mark = item.get_closest_marker('ws4redis')
    if mark is not None:
        if mark.args or mark.kwargs:
            raise pytest.UsageError(
                f'{item.nodeid}: the mark ws4redis takes no arguments; --ws4redis names a server'
            )
        names = getattr(item, 'fixturenames', None)
        if names is not None and 'ws4redis' not in names:
            # First, since other fixtures may publish.
            names.insert(0, 'ws4redis')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What an earlier test has published without the fixture is gone, and so is its Broker."""
    item.config.stash[_GUARD].begin(item.nodeid)
    _last_broker(forget=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Any:
    """Close the clients that are open while the other fixtures, the database among them, are
    still there.
    """
    broker = item.stash.get(_BROKER, None)
    failure: BaseException | None = None
    if broker is not None:
        del item.stash[_BROKER]
        try:
            broker._close_clients()
        except BaseException as exc:
            # The fixtures end all the same, or the next test would begin with this one's.
            failure = exc
    result = yield
    if failure is not None:
        raise failure
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A failing test shows what happened in its Broker."""
    report = yield
    broker = _last_broker() if report.when == 'call' and report.failed else None
    if broker is not None and broker._engine.trace:
        report.sections.append(('ws4redis: the last events', str(broker._engine.trace)))
    return report


def _last_broker(forget: bool = False) -> Broker | None:
    """The Broker that was begun last, by the fixture or by the test itself; it may have ended."""
    module = sys.modules.get('ws4redis.testing.broker')
    if module is None:
        return None
    last: Broker | None = module.Broker._last
    if forget:
        module.Broker._last = None
    return last


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """`assert mary.received == ['hi']` says why not."""
    module = type(left).__module__, type(right).__module__
    if not any(
        name in ('ws4redis.testing.client', 'ws4redis.testing.publications') for name in module
    ):
        return None
    from ws4redis.testing.explain.assertrepr import explain_comparison

    return explain_comparison(config, op, left, right)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands on which tests published without the fixture."""
    output = getattr(session.config, 'workeroutput', None)
    if output is not None:
        output[_PLACES] = session.config.stash[_GUARD].places


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """What a worker of xdist has handed on."""
    places = getattr(node, 'workeroutput', {}).get(_PLACES, [])
    node.config.stash[_GUARD].places.extend(places)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A line about tests that published without the fixture."""
    guard = config.stash.get(_GUARD, None)
    if guard is not None and guard.summary():
        terminalreporter.write_line(guard.summary())
