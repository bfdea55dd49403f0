"""Recheck: the times at which rights are looked up again, and the batches."""

from collections.abc import Callable

import pytest

from ws4redis.core.recheck import BATCH, Recheck


def every(seconds: float | None) -> Callable[[], float | None]:
    """Return a setting that stays as it is."""
    return lambda: seconds


def running(since: float = 100.0, interval: float | None = 60.0) -> Recheck:
    """Return a schedule whose first websocket came then."""
    recheck = Recheck(every(interval))
    recheck.somebody_comes(since)
    return recheck


def batches(recheck: Recheck) -> list[list[int]]:
    """Pop all batches, and the empty one that ends the recheck."""
    found = []
    while batch := recheck.pop_batch():
        found.append(batch)
    return found


def test_nothing_is_due_before_somebody_comes() -> None:
    recheck = Recheck(every(60.0))
    assert recheck.due is None
    assert not recheck.tick(1e9)


def test_first_one_is_due_an_interval_after_the_first_websocket() -> None:
    recheck = running(since=100.0)
    assert recheck.due == 160.0
    assert [recheck.tick(now) for now in (100.0, 159.9, 160.0)] == [False, False, True]


def test_next_one_is_due_an_interval_later_however_late_the_last_began() -> None:
    recheck = running(since=100.0)
    assert recheck.tick(171.0)
    assert recheck.due == 220.0


def test_time_in_which_nobody_was_there_is_passed_over() -> None:
    recheck = running(since=100.0)
    recheck.somebody_comes(1000.0)
    assert recheck.due == 1060.0
    assert not recheck.tick(1000.0)


def test_websocket_that_comes_between_two_times_does_not_put_the_next_off() -> None:
    recheck = running(since=100.0)
    recheck.somebody_comes(150.0)
    assert recheck.due == 160.0


def test_jump_over_many_times_begins_one() -> None:
    recheck = running(since=100.0)
    assert recheck.tick(1030.0)
    assert not recheck.tick(1030.0)
    assert recheck.due == 1060.0


@pytest.mark.parametrize('since', [0.1, 1e9 + 0.3, 1_784_000_000.123])
@pytest.mark.parametrize('interval', [0.05, 0.1, 60.0, 1e-3])
def test_deadline_always_moves_on(since: float, interval: float) -> None:
    recheck = running(since, interval)
    for _ in range(1000):
        due = recheck.due
        assert due is not None
        assert recheck.tick(due)
        assert recheck.due is not None
        assert recheck.due > due


@pytest.mark.parametrize('interval', [None, 0])
def test_without_an_interval_nothing_is_ever_due(interval: float | None) -> None:
    recheck = running(interval=interval)
    assert recheck.due is None
    assert not recheck.tick(1e9)


def test_setting_that_changes_counts_from_the_next_time_on() -> None:
    setting: list[float | None] = [60.0]
    recheck = Recheck(lambda: setting[0])
    recheck.somebody_comes(100.0)
    setting[0] = 10.0
    assert recheck.due == 160.0
    assert recheck.tick(160.0)
    assert recheck.due == 170.0
    setting[0] = None
    assert recheck.tick(170.0)
    assert recheck.due is None


def test_clock_that_has_gone_back_begins_the_count_again() -> None:
    recheck = running(since=1e9)
    recheck.somebody_comes(100.0)
    assert recheck.due == 160.0


def test_everybody_is_in_one_batch_none_of_which_is_too_large() -> None:
    recheck = running()
    recheck.begin(range(2 * BATCH + 1))
    found = batches(recheck)
    assert [len(batch) for batch in found] == [BATCH, BATCH, 1]
    assert sorted(number for batch in found for number in batch) == list(range(2 * BATCH + 1))


def test_nobody_to_look_up_is_no_batch() -> None:
    recheck = running()
    recheck.begin([])
    assert batches(recheck) == []
    assert recheck.tick(160.0)


def test_time_that_comes_while_one_is_under_way_is_passed_over() -> None:
    recheck = running(since=100.0)
    assert recheck.tick(160.0)
    recheck.begin(['john'])
    assert recheck.pop_batch() == ['john']
    assert not recheck.tick(220.0)
    assert recheck.due == 280.0
    assert recheck.pop_batch() == []
    assert recheck.tick(280.0)
