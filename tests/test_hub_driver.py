"""What the core asks for, done on a hub: in the thread of a LiveLoop, which is the loop of
production on a test's Redis.
"""

import threading
from collections.abc import Iterator

import pytest

from ws4redis import hub_driver
from ws4redis.access import Access
from ws4redis.hub_driver import HubDriver
from ws4redis.redis_client import RedisServer
from ws4redis.testing.live.loop import LiveLoop
from ws4redis.workers import ThreadWorkers

GUARD = 20.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer('memory://?allow=1')
    yield server
    server.close()


@pytest.fixture
def driver(server: RedisServer) -> Iterator[HubDriver]:
    loop = LiveLoop(server, {})
    loop.ensure_started()
    yield loop
    assert loop.close(GUARD)


def fetched(driver: HubDriver, names: list[bytes]) -> list[dict[bytes, bytes] | None]:
    """What fetch() gives for these channels."""
    answers: list[dict[bytes, bytes] | None] = []
    done = threading.Event()

    def take(values: dict[bytes, bytes] | None) -> None:
        answers.append(values)
        done.set()

    driver.hub.run(lambda: driver.fetch(names, take))
    assert done.wait(GUARD)
    return answers


def test_process_that_is_not_patched_has_threads_for_the_sites_code(driver: HubDriver) -> None:
    assert isinstance(driver.workers, ThreadWorkers)


def test_persisted_messages_are_read_in_pieces(
    driver: HubDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_driver, 'FETCHED', 2)
    values = {b'n%d' % number: b'%d' % number for number in range(5)}
    for name, value in values.items():
        driver.server.client.set(name, value)
    assert fetched(driver, [*values, b'none']) == [values]


def test_redis_that_is_away_gives_none(driver: HubDriver) -> None:
    driver.server.gate.closed = True
    assert fetched(driver, [b'news']) == [None]
    driver.server.gate.closed = False


def test_rights_are_looked_up_off_the_hub_and_told_in_it(driver: HubDriver) -> None:
    told: list[tuple[set[Access], bool]] = []
    done = threading.Event()

    def take(lost: set[Access]) -> None:
        told.append((lost, threading.current_thread() is driver.hub.thread))
        done.set()

    driver.hub.run(lambda: driver.look_up([], take))
    assert done.wait(GUARD)
    assert told == [(set(), True)]
