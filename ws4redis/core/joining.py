"""Joining: what a websocket is owed that does not listen live yet, and in which order it gets it.

In go messages from Redis, what the subscriber sends by itself and the persisted messages; out come
those that go before the live ones, and what is left of what was held. What must hold:

- Nothing that arrives is sent before the persisted messages: it is held, in Redis' order.
- Who joins gets a message once: a persisted one that is also held, or that the websocket has just
  sent itself, does not go by itself. An override's own sends take one equal held message out each.
- What came by a subscription that had been given up is not held: messages may be missing behind it.
- Held bytes count as pending; they belong to this object (size).
- A recipient has this object while it joins, and none when it is live: an idle one pays nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ws4redis.core.entries import Persisted, Sent
from ws4redis.core.frames import Run
from ws4redis.core.heartbeat import is_heartbeat

__all__ = ['Joining']


class Joining:
    """What is kept for one websocket until the barrier has passed.

    Attributes:
        held: what has arrived, in Redis' order.
        preamble: what goes before it: sent by the subscriber, or persisted.
        size: bytes of the messages that are held.
    """

    __slots__ = ('_own', 'held', 'preamble', 'size')

    def __init__(self) -> None:
        self.held: list[Run] = []
        self.preamble: list[Sent | Persisted] = []
        self.size = 0
        # Made with the first one: hardly anybody sends while joining.
        self._own: set[tuple[bytes, bytes]] | None = None

    def hold(self, run: Run) -> None:
        """Keep messages that have arrived; all who join share the one object."""
        self.held.append(run)
        self.size += run.size

    def note_own(self, channel: bytes, payloads: Iterable[bytes]) -> None:
        """It has sent these itself: they may come back as its channel's persisted message too."""
        self._own = self._own or set()
        self._own.update((channel, payload) for payload in payloads)

    def drop(
        self, channels: Collection[bytes], patterns: Collection[bytes], wanted: Mapping[bytes, Any]
    ) -> None:
        """These are acknowledged only now: what came by them before is of a subscription that had
        been given up.

        Messages may be missing behind it, among them the persisted one, which would then go before
        older ones.

        Args:
            wanted: every pattern that the websocket listens on, with its regular expression.
        """
        others = [regex for pattern, regex in wanted.items() if pattern not in patterns]
        kept = []
        for run in self.held:
            ours = run.channel in channels if run.pattern is None else run.pattern in patterns
            if ours and not any(regex.fullmatch(run.channel) for regex in others):
                self.size -= run.size
            else:
                kept.append(run)
        self.held = kept

    def receive_persisted(self, channels: Iterable[bytes], values: Mapping[bytes, bytes]) -> None:
        """The persisted messages of its channels, read for many that join at once."""
        self.preamble = [Persisted(name, values[name]) for name in channels if name in values]

    def before_close(self, heartbeat: bytes | None) -> list[Sent | Persisted]:
        """What the subscriber sent while joining, without waiting for the barrier: a close frame
        follows.
        """
        return [entry for entry in self.preamble if not _is_beat(entry, heartbeat)]

    def complete(
        self, channels: Iterable[bytes], heartbeat: bytes | None
    ) -> tuple[list[Sent | Persisted], list[Persisted]]:
        """The barrier has passed; what follows is left in held.

        Returns:
            What goes first; and of it the persisted messages, and what may be one.
        """
        first: list[Sent | Persisted] = []
        said = []
        for entry in self.preamble:
            if isinstance(entry, Persisted):
                if _is_beat(entry, heartbeat) or self._has_otherwise(entry):
                    continue
                said.append(entry)
            else:
                # An override may have read it from any of them.
                said.extend(Persisted(channel, entry.payload) for channel in channels)
                self._remove_first(entry.payload)
            first.append(entry)
        return first, said

    def _has_otherwise(self, entry: Persisted) -> bool:
        """Whether the websocket gets it live, or has sent it itself."""
        return (entry.channel, entry.payload) in (self._own or ()) or any(
            run.channel == entry.channel and entry.payload in run.payloads for run in self.held
        )

    def _remove_first(self, payload: bytes) -> None:
        """Take the first message with this payload out of what is held."""
        for place, run in enumerate(self.held):
            if payload in run.payloads:
                left = run.without([payload])
                self.held[place : place + 1] = [left] if left is not None else []
                return


def _is_beat(entry: Sent | Persisted, heartbeat: bytes | None) -> bool:
    return isinstance(entry, Persisted) and is_heartbeat(entry.payload, heartbeat)
