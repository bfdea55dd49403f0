"""Liveness: what is due when a client says nothing, or we have nothing to say.

In go the time, each sign of the client and the end of the open phase; out come a deadline, and what
to do then. What must hold:

- Any byte from the client is a sign of life; in silence it is pinged, and dropped if it does not
  answer.
- Nobody is dropped whose answer could not be read: because we do not read from it now, or because
  this process has stood still.
- Heartbeats have a timer of their own, whatever else happens; those that were missed are one.
- After the open phase one deadline is left: the end of CLOSE_TIME.
"""

import enum
from typing import Final

from ws4redis.core.limits import Limits

__all__ = ['CLOSE_TIME', 'HEARTBEAT_INTERVAL', 'LATE', 'Liveness', 'Silence']

CLOSE_TIME: Final = 10.0
"""Seconds that the peer has for its half of the closing handshake; ten times the worst round
trip of a mobile network.
"""

LATE: Final = 1.0
"""Seconds after which a look at the answer to a ping comes so late that this process has stood
still (a suspended machine).
"""

HEARTBEAT_INTERVAL: Final = 4.0
"""Seconds between heartbeats, as release 0.6.0 had it."""


class Silence(enum.Enum):
    """What the silence of a client calls for."""

    NOTHING = enum.auto()
    PING = enum.auto()
    DROP = enum.auto()


class Liveness:
    """The timers of one websocket.

    Args:
        now: seconds on the driver's clock.
    """

    # _beat_at is when the last heartbeat went, not when the next goes: so it needs no number of its
    # own where there are none.
    __slots__ = ('_beat_at', '_close_at', '_heard', '_pinged')

    def __init__(self, now: float) -> None:
        self._pinged: float | None = None
        self._close_at: float | None = None
        self.start(now)

    def start(self, now: float) -> None:
        """The handshake has succeeded: what is due counts from here."""
        self._heard = self._beat_at = now

    def hear(self, now: float) -> None:
        """The client has sent something, or could not have been heard."""
        self._heard, self._pinged = now, None

    def end(self, now: float) -> None:
        """The open phase, or the one that followed it, has ended."""
        self._close_at = now + CLOSE_TIME

    def deadline(self, limits: Limits) -> float | None:
        """When something is due; None if never."""
        if self._close_at is not None:
            return self._close_at
        times = []
        if limits.heartbeat is not None:
            times.append(self._beat_at + HEARTBEAT_INTERVAL)
        if self._pinged is not None:
            times.append(self._pinged + limits.ping_timeout)
        elif limits.ping_interval is not None:
            times.append(self._heard + limits.ping_interval)
        return min(times, default=None)

    def beat(self, now: float) -> bool:
        """Whether a heartbeat is due, which then counts as sent."""
        due = self._beat_at + HEARTBEAT_INTERVAL
        if now < due:
            return False
        self._beat_at = due + (now - due) // HEARTBEAT_INTERVAL * HEARTBEAT_INTERVAL
        return True

    def look(self, now: float, limits: Limits, *, audible: bool) -> Silence:
        """Look how long the client has been silent.

        Args:
            audible: whether an answer to a ping could be read now.
        """
        if limits.ping_interval is None:
            return Silence.NOTHING
        if not audible:
            self.hear(now)
        elif self._pinged is None:
            if now >= self._heard + limits.ping_interval:
                self._pinged = now
                return Silence.PING
        elif now > self._pinged + limits.ping_timeout + LATE:
            # We stood still, not the peer: its answer may lie in the socket and is read before the
            # next look.
            self._pinged = now - limits.ping_timeout + LATE
        elif now >= self._pinged + limits.ping_timeout:
            return Silence.DROP
        return Silence.NOTHING
