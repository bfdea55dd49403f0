"""Sends the signals, each with its one sender."""

from typing import Any

from ws4redis.signals import WebSockets, redis_gap, rights_withdrawn

__all__ = ['tell_gap', 'withdraw_rights']


def tell_gap(seconds: float, channels: int) -> list[tuple[Any, Exception]]:
    """Send redis_gap to all of its receivers.

    Returns:
        Those that have raised, each with what it raised.
    """
    answers = redis_gap.send_robust(sender=WebSockets, seconds=seconds, channels=channels)
    return [(receiver, answer) for receiver, answer in answers if isinstance(answer, Exception)]


def withdraw_rights(session_key: str) -> None:
    """Send rights_withdrawn to all of its receivers; Django logs those that raise."""
    rights_withdrawn.send_robust(sender=WebSockets, session_key=session_key)
