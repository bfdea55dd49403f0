"""What is due when a client is silent, and when."""

import pytest

from ws4redis.core.agenda import Agenda
from ws4redis.core.limits import Limits
from ws4redis.core.liveness import CLOSE_TIME, HEARTBEAT_INTERVAL, LATE, Liveness, Silence
from ws4redis.core.recipient import Recipient

START = 1000.0
LIMITS = Limits(ping_interval=20.0, ping_timeout=5.0)
BEATING = Limits(ping_interval=None, heartbeat=b'--hb--')


@pytest.fixture
def liveness() -> Liveness:
    return Liveness(START)


def look(liveness: Liveness, now: float, *, audible: bool = True) -> Silence:
    return liveness.look(now, LIMITS, audible=audible)


def test_client_is_pinged_after_the_interval_and_dropped_after_the_timeout(
    liveness: Liveness,
) -> None:
    assert liveness.deadline(LIMITS) == START + 20
    assert look(liveness, START + 19.9) is Silence.NOTHING
    assert look(liveness, START + 20) is Silence.PING
    assert liveness.deadline(LIMITS) == START + 25
    assert look(liveness, START + 24.9) is Silence.NOTHING
    assert look(liveness, START + 25) is Silence.DROP


def test_any_sign_of_life_begins_anew(liveness: Liveness) -> None:
    look(liveness, START + 20)
    liveness.hear(START + 24)
    assert liveness.deadline(LIMITS) == START + 44
    assert look(liveness, START + 25) is Silence.NOTHING


def test_who_cannot_be_heard_is_neither_pinged_nor_dropped(liveness: Liveness) -> None:
    assert look(liveness, START + 20, audible=False) is Silence.NOTHING
    assert look(liveness, START + 40) is Silence.PING
    assert look(liveness, START + 45, audible=False) is Silence.NOTHING
    assert liveness.deadline(LIMITS) == START + 65


def test_process_that_stood_still_looks_once_more_before_it_drops(liveness: Liveness) -> None:
    look(liveness, START + 20)
    late = START + 3600
    assert look(liveness, late) is Silence.NOTHING
    assert liveness.deadline(LIMITS) == late + LATE
    assert look(liveness, late + LATE) is Silence.DROP


def test_without_an_interval_nobody_is_pinged(liveness: Liveness) -> None:
    limits = Limits(ping_interval=None)
    assert liveness.deadline(limits) is None
    assert liveness.look(START + 1e6, limits, audible=True) is Silence.NOTHING


def test_heartbeats_keep_their_times_and_missed_ones_are_one(liveness: Liveness) -> None:
    assert liveness.deadline(BEATING) == START + HEARTBEAT_INTERVAL
    assert not liveness.beat(START + HEARTBEAT_INTERVAL - 0.1)
    assert liveness.beat(START + HEARTBEAT_INTERVAL + 0.1)
    assert liveness.deadline(BEATING) == START + 2 * HEARTBEAT_INTERVAL
    assert liveness.beat(START + 10 * HEARTBEAT_INTERVAL + 1)
    assert liveness.deadline(BEATING) == START + 11 * HEARTBEAT_INTERVAL


def test_heartbeat_that_is_due_is_sent_however_its_time_is_rounded() -> None:
    """At the deadline, as a timer has it, there is always a beat: else it would be due for ever."""
    for number in range(1, 5000):
        liveness = Liveness(number / 7)
        deadline = liveness.deadline(BEATING)
        assert deadline is not None
        assert liveness.beat(deadline)


def test_start_counts_anew_but_an_end_stays(liveness: Liveness) -> None:
    liveness.start(START + 7)
    assert liveness.deadline(LIMITS) == START + 27
    liveness.end(START + 8)
    liveness.start(START + 9)
    assert liveness.deadline(LIMITS) == START + 8 + CLOSE_TIME


def test_each_phase_that_ends_gives_the_peer_its_time(liveness: Liveness) -> None:
    liveness.end(START)
    liveness.end(START + 3)
    assert liveness.deadline(LIMITS) == START + 3 + CLOSE_TIME


def test_recipient_sends_the_ping_and_goes_without_an_answer() -> None:
    agenda: Agenda[Recipient] = Agenda(START)
    recipient = Recipient(LIMITS, agenda)
    agenda.now = START + 20
    recipient.tick()
    assert recipient.websocket.data_to_send() == b'\x89\x00'
    agenda.now = START + 25
    recipient.tick()
    assert (recipient.deadline(), recipient.close_code) == (None, 1006)
    assert agenda.counters.no_answer == 1
