"""Signals: what the websockets of this process tell the site, and what they are told.

Both have one sender, in production as in a test:

    @receiver(redis_gap, sender=WebSockets)
    def look_again(seconds, channels, **kwargs): ...
"""

from django.dispatch import Signal

__all__ = ['WebSockets', 'redis_gap', 'rights_withdrawn']


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
