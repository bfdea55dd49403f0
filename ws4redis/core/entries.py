"""Entries: what a subscriber says by itself, on its way from the site's code to the recipient."""

from dataclasses import dataclass
from typing import TypeAlias

from ws4redis.core.frames import message_frame

__all__ = ['Closing', 'Entry', 'Persisted', 'Sent']


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a subscriber sent by itself; binary: as message_frame() takes it."""

    payload: bytes
    binary: bool | None

    def as_frame(self) -> bytes:
        """As it goes out."""
        return message_frame(self.payload, self.binary)


@dataclass(frozen=True, slots=True)
class Persisted:
    """A channel's persisted message."""

    channel: bytes
    payload: bytes

    def as_frame(self) -> bytes:
        """As it goes out."""
        return message_frame(self.payload)


@dataclass(frozen=True, slots=True)
class Closing:
    """A subscriber's wish to close."""

    code: int
    frame: bytes


Entry: TypeAlias = Sent | Persisted | Closing
