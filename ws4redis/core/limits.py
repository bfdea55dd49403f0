"""Limits: what one websocket may use, and the bucket that counts its messages."""

from dataclasses import dataclass

__all__ = ['Bucket', 'Limits']


@dataclass(frozen=True, slots=True)
class Limits:
    """What one websocket may use; the settings of the same names, in bytes, seconds and messages
    a second.
    """

    max_message_size: int = 1 << 20
    max_pending: int = 1 << 20
    message_rate: float | None = 100.0
    message_burst: float = 200.0
    heartbeat: bytes | None = None
    ping_interval: float | None = 20.0
    ping_timeout: float = 20.0


class Bucket:
    """A token bucket: `rate` a second, `burst` at once."""

    __slots__ = ('at', 'tokens')

    def __init__(self, burst: float, now: float) -> None:
        self.tokens = burst
        self.at = now

    def allows(self, rate: float, burst: float, now: float) -> bool:
        """Whether there is a token for one more, which then is gone."""
        self.tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
