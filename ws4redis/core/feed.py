"""Feed: Redis' end, the pure half of the one pub/sub connection of a process.

Replies go in; commands, acknowledgements and deadlines come out.

    state         event          next          what follows
    DOWN          connecting()   CONNECTING    wants_connection() has said that it is time
    CONNECTING    connected()    UP            SUBSCRIBE to everything that is wanted
    CONNECTING    lost()         DOWN          the next attempt, later each time
    UP            lost()         DOWN          the same; a gap begins, which gap() tells once

What must hold:

- Redis answers a connection in order, so counting the answers tells which command an
  acknowledgement belongs to, and the answer to a PING proves that everything published before it
  has been read.
- On one connection the commands of a name alternate, beginning with SUBSCRIBE.
- Who waits for acknowledgements is told once, of success or of the loss of the connection.
- A connection that is silent for too long is asked, and lost if it does not answer.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterable

from ws4redis.core.replies import Published, Reply, ping, ping_number, published

__all__ = ['Feed', 'FeedState', 'Kind']

SILENCE = 15.0
"""Seconds without a reply after which Redis is asked for a sign of life: a peer that vanished
sends no end.
"""

ANSWER_TIME = 5.0
"""Seconds that the sign of life may take; redis-py's own default for a reply."""

BACKOFF_FIRST, BACKOFF_MOST = 0.1, 10.0
"""Seconds before the first and between later attempts to connect; doubled each time, half of it
by chance.
"""

BATCH = 1000
"""Channels in one SUBSCRIBE: at 60 bytes a name well below the 1 MB at which Redis drops a
client's query buffer.
"""


class Kind(enum.Enum):
    """What is subscribed to; the value is the word in Redis' replies."""

    CHANNEL = b'subscribe'
    PATTERN = b'psubscribe'


class FeedState(enum.Enum):
    """The connection, as the driver sees it."""

    DOWN = enum.auto()
    CONNECTING = enum.auto()
    UP = enum.auto()


ACKNOWLEDGES = {
    b'subscribe': Kind.CHANNEL,
    b'unsubscribe': Kind.CHANNEL,
    b'psubscribe': Kind.PATTERN,
    b'punsubscribe': Kind.PATTERN,
}
"""The first word of an acknowledgement, and what it is about."""


class _Wish:
    """One channel or pattern that is wanted, or still being given up: commands sent and
    answered.
    """

    __slots__ = ('acknowledged', 'sent', 'wanted')

    def __init__(self) -> None:
        self.wanted = False
        self.sent = 0
        self.acknowledged = 0


class _Wait:
    """Somebody who waits until some channels are acknowledged."""

    __slots__ = ('done', 'tickets')

    def __init__(
        self, tickets: dict[tuple[Kind, bytes], int], done: Callable[[bool], object]
    ) -> None:
        self.tickets = tickets
        self.done = done


class Feed:
    """What is subscribed to, what is acknowledged, and when to try again.

    Args:
        jitter: gives a number from 0 to 1 for the back-off; the caller's, since chance is not pure.

    Attributes:
        state: of the connection.
        lost_at: when it was lost; None while it is up and everything is subscribed again.
        refusal: the error with which Redis answered a command: what it belongs to will never be
            acknowledged.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.state = FeedState.DOWN
        self.lost_at: float | None = None
        self.refusal: Exception | None = None
        self.resubscribed = True
        self._jitter = jitter
        self._wishes: dict[tuple[Kind, bytes], _Wish] = {}
        self._waits: list[_Wait] = []
        self._commands: deque[tuple[bytes, ...]] = deque()
        self._unanswered = 0
        self._attempts = 0
        self._refused = False
        self._retry_at = 0.0
        self._heard = 0.0
        self._asked: float | None = None
        self._pings = 0

    @property
    def failing(self) -> bool:
        """Whether the last attempt to connect failed, so that waiting is pointless."""
        return self.state is not FeedState.UP and self._refused

    def wanted(self, kind: Kind) -> list[bytes]:
        """The channels or patterns that are wanted now."""
        return [
            name
            for (its_kind, name), wish in self._wishes.items()
            if its_kind is kind and wish.wanted
        ]

    def active(self, kind: Kind, name: bytes) -> bool:
        """Whether it is wanted and Redis sends its messages."""
        wish = self._wishes.get((kind, name))
        # On one connection the commands of a name alternate, beginning with SUBSCRIBE.
        return wish is not None and wish.wanted and wish.acknowledged % 2 == 1

    def subscribe(self, kind: Kind, names: Iterable[bytes]) -> None:
        """Want these from now on; those wanted already cost nothing."""
        new = []
        for name in names:
            wish = self._wishes.setdefault((kind, name), _Wish())
            if not wish.wanted:
                wish.wanted = True
                new.append(name)
        self._send(kind, kind.value.upper(), new)

    def unsubscribe(self, kind: Kind, names: Iterable[bytes]) -> None:
        """Want these no longer."""
        old = []
        for name in names:
            wish = self._wishes.get((kind, name))
            if wish is not None and wish.wanted:
                wish.wanted = False
                old.append(name)
        self._send(kind, kind.value.upper().replace(b'SUB', b'UNSUB'), old)
        for name in old:
            self._forget_if_done(kind, name)

    def _send(self, kind: Kind, command: bytes, names: list[bytes]) -> None:
        if self.state is not FeedState.UP:
            return
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            self._commands.append((command, *batch))
            for name in batch:
                self._wishes[kind, name].sent += 1
        self._unanswered += len(names)

    def _forget_if_done(self, kind: Kind, name: bytes) -> None:
        wish = self._wishes[kind, name]
        # Without a connection no answer is on its way, whatever was sent on the last one.
        if not wish.wanted and (wish.acknowledged == wish.sent or self.state is not FeedState.UP):
            del self._wishes[kind, name]

    def when_acknowledged(
        self, names: Iterable[tuple[Kind, bytes]], done: Callable[[bool], object]
    ) -> None:
        """Call done(True) once the subscriptions made so far to all of these are acknowledged, at
        once if they are.

        done(False) when the connection is lost before, or comes when one of them is wanted no
        longer.
        """
        tickets = {}
        for kind, name in names:
            wish = self._wishes[kind, name]
            if self.state is not FeedState.UP:
                # The subscription is sent when the connection is there, as the first command for
                # this name.
                tickets[kind, name] = 1
            elif wish.acknowledged < wish.sent:
                tickets[kind, name] = wish.sent
        if tickets:
            self._waits.append(_Wait(tickets, done))
        else:
            done(True)

    def ping(self) -> int:
        """Ask for the next barrier; its number comes back from receive() when everything before
        it has been read.
        """
        self._pings += 1
        self._commands.append(ping(self._pings))
        return self._pings

    def pop_commands(self) -> list[tuple[bytes, ...]]:
        """The commands to send now, in order."""
        commands = list(self._commands)
        self._commands.clear()
        return commands

    def connecting(self) -> None:
        """The driver has begun to connect."""
        self.state = FeedState.CONNECTING

    def connected(self, now: float) -> None:
        """The connection is there: subscribe to everything that is wanted."""
        self.state = FeedState.UP
        self._refused = False
        self.refusal = None
        self._heard, self._asked = now, None
        self._commands.clear()
        self._unanswered = 0
        self.resubscribed = False
        for wish in self._wishes.values():
            wish.sent = wish.acknowledged = 0
        for kind in Kind:
            self._send(kind, kind.value.upper(), self.wanted(kind))
        for wait in [
            wait for wait in self._waits if not wait.tickets.keys() <= self._wishes.keys()
        ]:
            # Given up before there was a connection: nothing is sent, so no answer comes.
            self._waits.remove(wait)
            wait.done(False)

    def lost(self, now: float) -> None:
        """The connection is gone, or could not be made: nothing is acknowledged, and when to try
        again.
        """
        if self.lost_at is None and self.state is FeedState.UP:
            self.lost_at = now
        self._refused = self._refused or self.state is FeedState.CONNECTING
        self.state = FeedState.DOWN
        self._commands.clear()
        for key in [key for key, wish in self._wishes.items() if not wish.wanted]:
            del self._wishes[key]
        delay = min(BACKOFF_MOST, BACKOFF_FIRST * 2**self._attempts)
        self._attempts = min(self._attempts + 1, 16)
        self._retry_at = now + delay * (1 + self._jitter()) / 2
        waits, self._waits = self._waits, []
        for wait in waits:
            wait.done(False)

    def retry_now(self) -> None:
        """Do not wait for the back-off: the cause is known to be gone."""
        self._retry_at = 0.0
        self._attempts = 0

    def wants_connection(self, now: float) -> bool:
        """Whether it is time to connect."""
        return self.state is FeedState.DOWN and now >= self._retry_at

    def deadline(self) -> float | None:
        """When tick() has something to do; None while the driver connects."""
        if self.state is FeedState.CONNECTING:
            return None
        if self.state is FeedState.DOWN:
            return self._retry_at
        return self._heard + SILENCE if self._asked is None else self._asked + ANSWER_TIME

    def tick(self, now: float) -> bool:
        """Do what is due; False if the connection has given no sign of life and must be dropped."""
        due = self.deadline()
        if due is None or now < due or self.state is not FeedState.UP:
            return True
        if self._asked is not None:
            return False
        self._asked = now
        self.ping()
        return True

    def heard(self, now: float) -> None:
        """Something arrived from Redis."""
        self._heard, self._asked = now, None

    def receive(self, reply: Reply) -> Published | int | None:
        """Take one reply; give a message, or the number of a PING that is answered, or None."""
        if isinstance(reply, list):
            kind = ACKNOWLEDGES.get(reply[0])
            if kind is not None:
                self._acknowledge(kind, reply[1])
                return None
        elif isinstance(reply, Exception):
            self.refusal = reply
        message = published(reply)
        return ping_number(reply) if message is None else message

    def _acknowledge(self, kind: Kind, name: bytes) -> None:
        wish = self._wishes.get((kind, name))
        if wish is None:
            return
        wish.acknowledged += 1
        self._unanswered -= 1
        self._forget_if_done(kind, name)
        for wait in [wait for wait in self._waits if (kind, name) in wait.tickets]:
            if wish.acknowledged >= wait.tickets[kind, name]:
                del wait.tickets[kind, name]
                if not wait.tickets:
                    self._waits.remove(wait)
                    wait.done(True)

    def pop_resubscribed(self) -> bool:
        """True once for each connection, when everything that was wanted on it has been
        acknowledged.
        """
        if self.resubscribed or self.state is not FeedState.UP or self._unanswered:
            return False
        self.resubscribed = True
        self._attempts = 0
        return True

    def gap(self, now: float) -> float | None:
        """Seconds for which messages may have been missed, told once; None if there was no gap."""
        lost_at, self.lost_at = self.lost_at, None
        return None if lost_at is None else now - lost_at
