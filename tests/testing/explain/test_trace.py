"""Trace: the last events of a test, each with its time."""

from ws4redis.testing.explain.trace import EVENTS, Trace


def test_events_have_the_seconds_since_the_beginning() -> None:
    times = iter([100.0, 100.0, 161.5])
    trace = Trace(lambda: next(times))
    assert not trace
    trace.note('joined')
    trace.note('advanced')
    assert trace
    assert str(trace).splitlines() == ['   +0.000 s  joined', '  +61.500 s  advanced']


def test_last_events_are_kept_and_the_others_counted() -> None:
    trace = Trace(lambda: 0.0)
    for number in range(EVENTS + 7):
        trace.note(f'event {number}')
    lines = str(trace).splitlines()
    assert lines[0] == '... 7 events before'
    assert len(lines) == EVENTS + 1
    assert lines[-1].endswith(f'event {EVENTS + 6}')
