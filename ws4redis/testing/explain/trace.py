"""What happened in a test, for failures to show."""

from collections import deque
from collections.abc import Callable

__all__ = ['Trace']

EVENTS = 50
"""Events that are kept, the last ones."""


class Trace:
    """The last events of a test, each with the seconds on the broker's clock since its beginning.

    Args:
        now: the broker's time, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._count = 0
        self._events: deque[tuple[float, str]] = deque(maxlen=EVENTS)

    def note(self, event: str) -> None:
        """Something has happened."""
        self._count += 1
        self._events.append((self._now() - self._began, event))

    def __bool__(self) -> bool:
        return bool(self._events)

    def __str__(self) -> str:
        before = self._count - len(self._events)
        lines = [f'... {before} events before'] if before else []
        return '\n'.join(lines + [f'{at:+9.3f} s  {event}' for at, event in self._events])
