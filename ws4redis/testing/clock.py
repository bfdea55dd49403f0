"""The broker's time: time.time() and an offset of its own; a clock tool that is active is moved
instead.
"""

import sys
import time
from typing import Any

__all__ = ['Clock']


class Clock:
    """Time that a test moves; it never waits."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Seconds since the epoch, as the broker sees it."""
        return time.time() + self._offset

    def move(self, seconds: float) -> None:
        """Move on: the innermost of time-machine and freezegun if one is active, else our own
        offset.
        """
        if not (_move_time_machine(seconds) or _move_freezegun(seconds)):
            self._offset += seconds

    @property
    def moves_django(self) -> bool:
        """Whether Django's own clock moves with it."""
        return _traveller() is not None or _freezer() is not None


def _traveller() -> Any:
    module = sys.modules.get('time_machine')
    stack = getattr(module, 'traveller_stack', None)
    return stack[-1] if stack else None


def _freezer() -> Any:
    module = sys.modules.get('freezegun.api')
    factories = getattr(module, 'freeze_factories', None)
    return factories[-1] if factories else None


def _move_time_machine(seconds: float) -> bool:
    # time-machine refuses to start inside freezegun, so if both are active freezegun's is the inner
    # one.
    if _freezer() is not None:
        return False
    traveller = _traveller()
    if traveller is None:
        return False
    traveller.shift(seconds)
    return True


def _move_freezegun(seconds: float) -> bool:
    freezer = _freezer()
    if freezer is None:
        return False
    import datetime

    freezer.tick(datetime.timedelta(seconds=seconds))
    return True
