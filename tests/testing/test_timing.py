"""Time that passes: in which steps, and what it does to keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
import time_machine

from ws4redis.testing import Broker
from ws4redis.testing.clock import Clock
from ws4redis.testing.timing import EXACT_STEPS, Advance, age

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """One that is due again and again."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self.clock = clock
        self.interval = interval
        self.due = clock.now() + interval
        self.runs: list[float] = []

    def settle(self) -> None:
        """Run it if it is due."""
        if self.clock.now() >= self.due:
            self.runs.append(self.clock.now())
            self.due = self.clock.now() + self.interval


def advance(
    interval: float, seconds: float, expire: Callable[[int], None] = lambda milliseconds: None
) -> Timer:
    """Let time pass beside one timer."""
    clock = Clock()
    timer = Timer(clock, interval)
    Advance(clock, lambda: timer.due, timer.settle, expire, None).to(clock.now() + seconds)
    return timer


def test_each_timer_runs_at_its_time() -> None:
    timer = advance(10, 35)
    assert [round(run - timer.runs[0]) for run in timer.runs] == [0, 10, 20]


def test_timer_that_would_run_a_million_times_is_coalesced() -> None:
    assert EXACT_STEPS < len(advance(1, 1_000_000).runs) <= 2 * EXACT_STEPS + 2


def test_keys_grow_older_by_the_sum_of_all_steps() -> None:
    steps: list[int] = []
    advance(0.0123, 0.5, steps.append)
    assert len(steps) > 30
    assert 499 <= sum(steps) <= 500


@pytest.fixture(params=['memory', 'server'])
def store(request: pytest.FixtureRequest) -> redis.Redis:
    """A store in memory, and a real one."""
    if request.param == 'memory':
        with Broker() as broker:
            return broker.redis
    return redis.Redis.from_url(request.getfixturevalue('redis_url'))


def test_age_shortens_what_is_left(store: redis.Redis) -> None:
    store.set('short', 'x', px=1000)
    store.set('long', 'x', px=5000)
    store.set('for ever', 'x')
    age(store, ['short', 'long', 'for ever', 'missing'], 1000)
    left: Any = store.pttl('long')
    assert 3900 < left <= 4000
    assert [store.exists('short'), store.exists('for ever'), store.pttl('for ever')] == [0, 1, -1]


@pytest.mark.parametrize('tick', [False, True])
def test_what_somebody_else_moves_a_server_notices_too(
    request: pytest.FixtureRequest, tick: bool
) -> None:
    """A clock tool moves time.time() of this process, not that of a redis-server."""
    request.getfixturevalue('redis_url')
    with (
        time_machine.travel('2026-01-01T00:00:00Z', tick=tick) as traveller,
        Broker('server') as broker,
    ):
        client = broker.connect('news', subscribe='broadcast')
        broker.publish('hello', facility='news', broadcast=True, expire=60)
        traveller.shift(59)
        broker.settle()
        assert 0.5 < (broker.ttl(facility='news', broadcast=True) or 0) <= 1
        traveller.shift(1)
        broker.settle()
        assert broker.persisted(facility='news', broadcast=True) is None
        broker.publish('later', facility='news', broadcast=True, expire=60)
        broker.advance(59)
        assert 0.5 < (broker.ttl(facility='news', broadcast=True) or 0) <= 1
        broker.advance(1)
        assert broker.persisted(facility='news', broadcast=True) is None
        assert client.receive_all() == ['hello', 'later']
