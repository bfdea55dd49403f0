"""Faults that somebody might make one day, for the contract to find, in how a websocket ends, what
a client may do, and for how long.
"""

from typing import Any

from tests.faults.registry import mutation, replace


@mutation('swaps-the-close-code')
def every_close_is_a_normal_one() -> None:
    """Whatever code a client closes with, the answer is 1000."""
    from ws4redis.core import frames, recipient

    replace(recipient, close_echo=lambda data: frames.close_frame(1000))


@mutation('says-1002-for-1009')
def too_large_is_a_protocol_error() -> None:
    """A message that is too large is taken for a violation of the protocol."""
    from ws4redis.core.frames import CloseCode
    from ws4redis.core.websocket import WebSocket

    failed = WebSocket._failed

    def failed_otherwise(websocket: WebSocket, code: CloseCode, text: str) -> Any:
        return failed(
            websocket, CloseCode.PROTOCOL_ERROR if code is CloseCode.TOO_LARGE else code, text
        )

    replace(WebSocket, _failed=failed_otherwise)


@mutation('tells-what-went-wrong')
def reasons_are_told() -> None:
    """The reason of a close frame says what the log says."""
    from ws4redis.core import frames

    replace(frames, _REASONS={code: f'closed with {code.name}' for code in frames._REASONS})


@mutation('answers-no-ping')
def pings_are_passed_over() -> None:
    """Nobody gets a pong."""
    from ws4redis.core.recipient import Recipient
    from ws4redis.core.websocket import Ping

    receive = Recipient._receive
    replace(
        Recipient,
        _receive=lambda recipient, event: (
            None if isinstance(event, Ping) else receive(recipient, event)
        ),
    )


@mutation('waits-for-slow-readers')
def slow_readers_are_kept() -> None:
    """What a client does not read is kept without a limit."""
    from ws4redis.core.recipient import Recipient

    replace(Recipient, check_pending=lambda recipient: None)


@mutation('has-no-rate')
def rate_is_not_limited() -> None:
    """A client may send as much as it likes."""
    from ws4redis.core.recipient import Recipient

    replace(Recipient, _within_rate=lambda recipient: True)


@mutation('keeps-rights')
def rights_are_not_withdrawn() -> None:
    """Who logs out keeps his websockets."""
    from ws4redis.core.driver import Driver

    replace(Driver, withdraw=lambda driver, lost: None)


@mutation('releases-twice')
def release_comes_twice() -> None:
    """Who is released is released again."""
    from ws4redis import workers
    from ws4redis.core.agenda import Job, JobKind

    call = workers._call

    def call_twice(subscriber: Any, job: Job, *others: Any) -> None:
        for _ in range(2 if job.kind is JobKind.RELEASE else 1):
            call(subscriber, job, *others)

    replace(workers, _call=call_twice)


@mutation('keeps-those-who-do-not-answer')
def answer_to_a_ping_may_take_for_ever() -> None:
    """A client that does not answer is never dropped."""
    from ws4redis.core.limits import Limits
    from ws4redis.core.liveness import Liveness, Silence

    look = Liveness.look

    def look_and_forgive(liveness: Liveness, now: float, limits: Limits, **how: bool) -> Silence:
        if liveness._pinged is not None:
            liveness.hear(now)
        return look(liveness, now, limits, **how)

    replace(Liveness, look=look_and_forgive)
