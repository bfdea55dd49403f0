"""Where the loop lives, in the form of a thread of its own; tests/test_loop.py has both forms in
processes of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ws4redis.hub import Alarm, Answer, Hub, StandStills, guarded

if TYPE_CHECKING:
    from pytest_django import Settings

GUARD = 20.0


@pytest.fixture
def turns() -> list[int]:
    """How many calls each turn has worked off."""
    return []


@pytest.fixture
def hub(turns: list[int]) -> Iterator[Hub]:
    def together(calls: Iterable[Callable[[], None]]) -> None:
        count = 0
        for call in calls:
            call()
            count += 1
        turns.append(count)

    hub = Hub(together)
    hub.start()
    yield hub
    if not hub.closed:
        hub.run(hub.close)
    hub.join()


def test_hub_of_a_process_that_is_not_patched_has_a_thread_of_its_own(hub: Hub) -> None:
    found: list[threading.Thread] = []
    hub.run(lambda: found.append(threading.current_thread()))
    assert not hub.patched
    assert found == [hub.thread]
    assert hub.thread is not threading.current_thread()


def test_calls_run_in_their_order(hub: Hub) -> None:
    done: list[int] = []
    for number in range(100):
        hub.call(partial(done.append, number))
    hub.run(lambda: None)
    assert done == list(range(100))


def test_calls_that_wait_are_worked_off_together(hub: Hub, turns: list[int]) -> None:
    waiting: list[bool] = []

    def three_more() -> None:
        for _ in range(3):
            hub.call(lambda: None)
        waiting.append(hub.has_calls)

    hub.run(three_more)
    hub.run(lambda: None)
    assert waiting == [True]
    assert max(turns) >= 3


@pytest.mark.parametrize('exception', [ValueError, SystemExit, KeyboardInterrupt])
def test_call_that_fails_is_logged_and_the_next_runs(
    hub: Hub, caplog: pytest.LogCaptureFixture, exception: type[BaseException]
) -> None:
    def failing() -> None:
        raise exception('a fault of ours')

    hub.call(failing)
    hub.run(failing)
    done: list[int] = []
    hub.run(lambda: done.append(1))
    assert done == [1]
    assert [record.getMessage() for record in caplog.records] == [
        'the websocket loop failed in failing',
        'the websocket loop failed in step',
    ]


def test_guarded_function_gets_its_arguments() -> None:
    got: list[Any] = []
    guarded(lambda *arguments: got.append(arguments))(1, 2)
    assert got == [(1, 2)]


def test_later_runs_once_when_its_time_has_come(hub: Hub) -> None:
    answer = Answer()
    times: list[int] = []

    def due() -> None:
        times.append(1)
        hub.later(0.0, lambda: answer.set(True))

    hub.call(lambda: hub.later(0.001, due))
    assert answer.wait(GUARD)
    assert times == [1]


def test_timer_of_later_is_closed_when_it_has_rung(hub: Hub) -> None:
    answer = Answer()
    closed: list[float] = []
    make = hub.loop.timer

    class Timer:
        def __init__(self, seconds: float) -> None:
            self._timer = make(seconds)
            self.start = self._timer.start

        def close(self) -> None:
            closed.append(1)
            self._timer.close()

    class Loop:
        timer = Timer

    def later() -> None:
        loop, hub.loop = hub.loop, Loop
        hub.later(0.001, lambda: answer.set(True))
        hub.loop = loop

    hub.call(later)
    assert answer.wait(GUARD)
    assert closed == [1]


def test_closed_hub_takes_no_calls_and_its_thread_ends(hub: Hub) -> None:
    hub.run(hub.close)
    hub.join()
    assert hub.thread is not None
    assert not hub.thread.is_alive()
    hub.call(lambda: None)
    assert not hub.has_calls


def test_answer_that_nobody_gives_is_false() -> None:
    answer = Answer()
    assert answer.wait(0) is False
    answer.set(True)
    assert answer.wait(0) is True


# The alarm


def test_alarm_rings_once_and_is_free_again(hub: Hub) -> None:
    answer = Answer()
    alarm = Alarm(hub, lambda: answer.set(True))
    assert alarm.at == float('inf')
    hub.run(lambda: alarm.set(5.0, 5.0))
    assert answer.wait(GUARD)
    assert alarm.at == float('inf')


def test_alarm_that_is_set_anew_rings_at_the_later_call_alone(hub: Hub) -> None:
    rung: list[float] = []
    answer = Answer()

    def ring() -> None:
        rung.append(1.0)
        answer.set(True)

    alarm = Alarm(hub, ring)

    def set_twice() -> None:
        alarm.set(3600.0, 0.0)
        alarm.set(1.0, 2.0)

    hub.run(set_twice)
    assert answer.wait(GUARD)
    hub.run(alarm.close)
    assert rung == [1.0]


def test_alarm_whose_function_fails_can_be_set_again(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    rung, answer = [0], Answer()

    def fail_once() -> None:
        rung[0] += 1
        if rung[0] == 1:
            hub.later(0.0, lambda: alarm.set(0.0, 0.0))
            raise SystemExit
        answer.set(True)

    alarm = Alarm(hub, fail_once)
    hub.run(lambda: alarm.set(0.0, 0.0))
    assert answer.wait(GUARD)
    assert 'the websocket loop failed in its timers' in caplog.text


# Standing still


def test_standing_still_is_said_with_the_classes_whose_code_ran(
    hub: Hub, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WS4REDIS_BLOCKED_WARNING = 0.0
    busy = [True]
    made: list[StandStills] = []
    hub.run(lambda: made.append(StandStills(hub.loop, lambda: busy[0])))
    [stand_stills] = made
    hub.run(lambda: None)
    assert caplog.text == ''

    hub.run(lambda: stand_stills.classes.update(Slow=None, Slower=None))
    hub.run(lambda: busy.__setitem__(0, False))
    assert 'the loop stood still for 0.0 s' in caplog.text
    assert 'while Slow, Slower ran' in caplog.text

    hub.run(lambda: None)
    hub.run(stand_stills.close)
    assert stand_stills.classes == {}
