"""Signals: what the websockets of this process tell the site, and what they are told.

Both have one sender, in production as in a test:

    @receiver(redis_gap, sender=WebSockets)
    def look_again(seconds, channels, **kwargs): ...
"""

from typing import Any

from django.dispatch import Signal

__all__ = ['WebSockets', 'redis_gap', 'rights_withdrawn', 'tell_gap', 'withdraw_rights']


class WebSockets:
    """The sender of these signals: the websockets of this process, whatever drives them."""


redis_gap = Signal()
"""The connection to Redis was lost and is back: what was published meanwhile without being
persisted is lost.

Sent by WebSockets with `seconds` (float, how long) and `channels` (int, how many were subscribed
to), off the hub.
"""

rights_withdrawn = Signal()
"""Somebody may no longer have the websockets that were opened in a session: it was logged out.

Sent by WebSockets with `session_key` (str).
"""


def tell_gap(seconds: float, channels: int) -> list[tuple[Any, Exception]]:
    """Send redis_gap to all of its receivers.

    Returns:
        Those that have raised, each with what it raised.
    """
    answers = redis_gap.send_robust(sender=WebSockets, seconds=seconds, channels=channels)
    return [(receiver, answer) for receiver, answer in answers if isinstance(answer, Exception)]


def withdraw_rights(session_key: str) -> None:
    """Send rights_withdrawn."""
    rights_withdrawn.send(sender=WebSockets, session_key=session_key)
