"""Recheck: when the rights behind the open websockets are looked up again, and whose come next.

The time goes in, and who is there; a deadline comes out, and batches. What must hold:

- The times are the first websocket's and every interval after it, whoever comes and goes.
- While nobody is there nothing is due; a time that has passed meanwhile is passed over.
- One batch follows the other: the next is given when the one before has been looked up.
- None begins while another is under way: its time is passed over.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ['BATCH', 'Recheck']

BATCH: Final = 20
"""Accesses in one look-up, so that it never takes more than one worker, and the hub has its turns
between.
"""


class Recheck:
    """The only schedule of looking rights up again.

    Args:
        interval: gives the seconds from one to the next, None for never; asked each time, since a
            test changes the setting.

    Attributes:
        due: when the next one begins; None if never.
    """

    __slots__ = ('_interval', '_last', '_under_way', '_waiting', 'due')

    def __init__(self, interval: Callable[[], float | None]) -> None:
        self.due: float | None = None
        self._interval = interval
        self._last = float('inf')
        self._waiting: list[Any] = []
        self._under_way = False

    def somebody_comes(self, now: float) -> None:
        """A websocket comes where there was none."""
        # The first one of all begins the count; later ones find it running. A test's clock may
        # have gone back.
        self._last = min(self._last, now)
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        interval = self._interval()
        if not interval:
            self.due = None
            return
        if now >= self._last + interval:
            # At least one, whatever the division makes of the last digit: a deadline must move on.
            self._last += max(1.0, (now - self._last) // interval) * interval
        self.due = self._last + interval

    def tick(self, now: float) -> bool:
        """Whether a recheck begins now; then begin() follows."""
        if self.due is None or now < self.due:
            return False
        self._schedule(now)
        return not self._under_way

    def begin(self, everybody: Iterable[Any]) -> None:
        """Look all of these up: the accesses of everybody who is there."""
        self._waiting = list(everybody)

    def pop_batch(self) -> list[Any]:
        """Those to look up next; empty when all have been, which ends the recheck."""
        batch = self._waiting[-BATCH:]
        del self._waiting[-BATCH:]
        self._under_way = bool(batch)
        return batch
