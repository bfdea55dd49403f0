"""The broker's time: time.time() and an offset of its own; a clock tool that is active is moved
instead.
"""

import time

import freezegun
import time_machine

from ws4redis.testing.clock import Clock

START = 1_700_000_000.0


def test_clock_shows_real_time_until_it_is_moved() -> None:
    before = time.time()
    now = Clock().now()
    assert before <= now <= time.time()


def test_clock_without_a_tool_moves_itself_alone() -> None:
    clock = Clock()
    assert not clock.moves_django
    clock.move(1000)
    clock.move(0.5)
    real = time.time()
    assert clock.now() >= real + 1000.5
    assert Clock().now() < real + 1000


def test_time_machine_is_moved_instead() -> None:
    with time_machine.travel(START, tick=False):
        clock = Clock()
        assert clock.moves_django
        clock.move(60)
        assert time.time() == START + 60
        assert clock.now() == START + 60


def test_innermost_time_machine_is_moved() -> None:
    with time_machine.travel(START, tick=False):
        with time_machine.travel(START + 1000, tick=False):
            Clock().move(60)
            assert time.time() == START + 1060
        assert time.time() == START


def test_freezegun_is_moved_instead() -> None:
    with freezegun.freeze_time('2026-01-01'):
        clock = Clock()
        start = clock.now()
        assert clock.moves_django
        clock.move(60)
        assert clock.now() == start + 60
        assert time.time() == start + 60


def test_freezegun_inside_time_machine_is_the_inner_one() -> None:
    """time-machine refuses to start inside freezegun, so it can only be the outer one."""
    with time_machine.travel(START, tick=False):
        with freezegun.freeze_time('2026-01-01'):
            start = time.time()
            Clock().move(60)
            assert time.time() == start + 60
        assert time.time() == START


def test_shift_of_somebody_else_is_seen() -> None:
    with time_machine.travel(START, tick=False) as traveller:
        clock = Clock()
        traveller.shift(100)
        assert clock.now() == START + 100
        clock.move(1)
        assert clock.now() == START + 101


def test_clock_that_was_moved_keeps_its_offset_when_a_tool_starts() -> None:
    clock = Clock()
    clock.move(1000)
    with time_machine.travel(START, tick=False):
        assert clock.now() == START + 1000
