"""Time passes in a test: timers run in their order, persisted messages expire, nothing waits."""

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws4redis.testing.browser_end import BrowserEnd
    from ws4redis.testing.clock import Clock

__all__ = ['EXACT_SECONDS', 'EXACT_STEPS', 'Advance', 'age', 'check_sessions', 'seconds_of']

NOTICED = 0.002
"""Seconds by which a clock tool must have moved on against the server's own clock, to be told
from the way of the question.
"""

EXACT_STEPS = 64
"""Timers that advance() runs one by one, at its beginning and again at its end; between them
periodic ones run once.
"""

EXACT_SECONDS = 64.0
"""The seconds at its end in which timers are run one by one again."""


class Advance:
    """Lets time pass.

    Args:
        clock: what is moved.
        deadline: when the next timer is due, None if never.
        settle: called after each step.
        expire: called with the milliseconds by which persisted messages have grown older, by no
            clock of their server.
        server_time: the time on a server whose clock no tool can move, in seconds; None if it is in
            this process.
    """

    def __init__(
        self,
        clock: 'Clock',
        deadline: Callable[[], float | None],
        settle: Callable[[], None],
        expire: Callable[[int], None],
        server_time: Callable[[], float] | None,
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self._settle = settle
        self._expire = expire
        self._server_time = server_time
        self._seen: tuple[float, float] | None = None
        self._moved = 0.0
        self._expired = 0

    def notice(self) -> None:
        """What a clock tool has moved, by whomever: a server of its own process does not know of
        it.
        """
        if self._server_time is None:
            return
        if not self._clock.moves_django:
            self._seen = None
            return
        now, at_the_server = self._clock.now(), self._server_time()
        if self._seen is not None and now - self._seen[0] > at_the_server - self._seen[1] + NOTICED:
            # Rather a few milliseconds too many, which a frozen clock did not see go by, than a
            # message that outlives its time.
            self._moved += now - self._seen[0]
            self._grow_older()
        self._seen = now, at_the_server

    def to(self, target: float) -> None:
        """Until then, seconds since the epoch on the broker's clock."""
        self._run_timers(target)
        if target - self._clock.now() > 2 * EXACT_SECONDS:
            # Periodic timers do now what they would have done many times over.
            self._move(target - self._clock.now() - EXACT_SECONDS)
            self._settle()
            self._run_timers(target)
        self._move(target - self._clock.now())
        self._settle()

    def _run_timers(self, target: float) -> None:
        for _ in range(EXACT_STEPS):
            deadline = self._deadline()
            if deadline is None or deadline > target:
                return
            self._move(deadline - self._clock.now())
            self._settle()

    def _move(self, seconds: float) -> None:
        if seconds <= 0:
            return
        moved_by_tool = self._clock.moves_django
        self._clock.move(seconds)
        if not moved_by_tool:
            self._moved += seconds
            self._grow_older()
        elif self._server_time is not None:
            self.notice()
        else:
            # A server in this process counts by time.time(), which the tool has moved.
            self._expire(0)

    def _grow_older(self) -> None:
        # Of the sum, since a part of a millisecond for each of many timers would add up.
        milliseconds = math.ceil(round(self._moved * 1000, 3)) - self._expired
        self._expired += milliseconds
        self._expire(milliseconds)


def seconds_of(time: float | timedelta) -> float:
    """What advance() takes, in seconds.

    Raises:
        TypeError: it is of another type.
        ValueError: it is negative, or no finite number.
    """
    if isinstance(time, bool) or not isinstance(time, (int, float, timedelta)):
        raise TypeError(f'advance() takes seconds or a timedelta, not {type(time).__name__}')
    seconds = time.total_seconds() if isinstance(time, timedelta) else float(time)
    if not 0 <= seconds < math.inf:
        raise ValueError(f'advance() takes seconds from 0 on, not {seconds}')
    return seconds


def age(store: Any, keys: Iterable[Any], milliseconds: int) -> None:
    """Let these keys end sooner, those that are due at once.

    Args:
        store: a redis.Redis, of Redis 7 or later: PEXPIRETIME is exact, where PTTL and PEXPIRE
            would lose the time between them.
        milliseconds: by which they have grown older.
    """
    seconds, microseconds = store.time()
    now = seconds * 1000 + microseconds // 1000
    for key in keys:
        at = store.pexpiretime(key)
        if 0 <= at <= now + milliseconds:
            store.delete(key)
        elif at >= 0 and milliseconds:
            store.pexpireat(key, at - milliseconds)


def check_sessions(clock: 'Clock', clients: Iterable['BrowserEnd'], target: float) -> None:
    """Refuse to let time pass a session's end while Django's clock stands still.

    Raises:
        RuntimeError: no clock tool is active, and the session of one of these clients would end by
            then.
    """
    if clock.moves_django:
        return
    for client in clients:
        expires = client.session_expires
        if expires is not None and expires <= target:
            raise RuntimeError(
                f"{client.name}'s session ends in {expires - clock.now():.0f} s, and Django's "
                f'clock does not move: '
                'advance inside time_machine.travel() or freezegun.freeze_time(), or close this '
                'client first'
            )
