"""Signals: what the websocket loop tells the site, and what it is told."""

from django.dispatch import Signal

__all__ = ['redis_gap', 'rights_withdrawn']

redis_gap = Signal()
"""The connection to Redis was lost and is back: what was published meanwhile without being
persisted is lost.

Sent with `seconds` (float, how long) and `channels` (int, how many were subscribed to), off the
hub.
"""

rights_withdrawn = Signal()
"""Somebody may no longer have the websockets that were opened in a session: it was logged out.

Sent with `session_key` (str).
"""
