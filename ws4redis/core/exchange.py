"""Exchange: which channel is wanted by which recipients, and what a batch from Redis means for each
of them.

In go recipients, subscriptions, replies and persisted messages; out come frames in outboxes, and
commands of the feed. What must hold:

- A batch is all that one wake-up has read. Consecutive messages of one channel are joined once, and
  that bytes object goes into the outbox of everyone who listens; nothing but consecutive ones are
  merged, so that Redis' order holds.
- The interest in a channel is counted when it is wanted, not when Redis acknowledges it.
- A recipient joins in this order: enter(), subscribe(), start(), its persisted messages, a barrier;
  what arrives meanwhile is held.
- A message that comes by a name and by patterns is delivered once.
- After an outage what arrives is held until the persisted messages are read and a barrier has
  passed; what is new of them goes first.
"""

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ws4redis.core.agenda import Agenda, Job, JobKind, Outcome, Result
from ws4redis.core.entries import Persisted
from ws4redis.core.feed import Feed, FeedState, Kind
from ws4redis.core.frames import Run, message_frame
from ws4redis.core.glob import glob_pattern
from ws4redis.core.heartbeat import is_heartbeat, without_heartbeats
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import Published, Reply

__all__ = ['Exchange', 'Gap']

logger = logging.getLogger('ws4redis.exchange')

REMEMBERED: Final = 64
"""Payloads of a channel, as digests, among which a persisted message is looked for after an
outage.
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Redis was away: messages that were published without being persisted are lost.

    Attributes:
        seconds: from the loss of the connection until everything was subscribed to again.
        channels: how many were subscribed to.
    """

    seconds: float
    channels: int


class _Listeners:
    """Who listens on one channel or pattern; recent: digests of the last payloads of a channel."""

    __slots__ = ('members', 'recent')

    def __init__(self) -> None:
        self.members: dict[Recipient, None] = {}
        # Made with the first message: most channels of single users never get one.
        self.recent: deque[int] | None = None

    def remember(self, payloads: list[bytes]) -> None:
        """These are the last payloads of the channel now."""
        if self.recent is None:
            self.recent = deque(maxlen=REMEMBERED)
        self.recent.extend([hash(payload) for payload in payloads[-REMEMBERED:]])

    def remembers(self, payload: bytes) -> bool:
        """Whether this is among the last payloads of the channel."""
        return self.recent is not None and hash(payload) in self.recent


class Exchange:
    """The websockets of one process, and what Redis owes them.

    Args:
        feed: Redis' end.
        reserved: a channel that no pattern ever yields.

    Attributes:
        heartbeat: a payload that is no message, in whatever way it comes; None for none.
        agenda: what the driver has to do next.
        recipients: all that have joined and not left.
    """

    def __init__(self, feed: Feed, reserved: bytes = b'') -> None:
        self.feed = feed
        self.reserved = reserved
        self.heartbeat: bytes | None = None
        self.agenda: Agenda[Recipient] = Agenda()
        self.recipients: dict[Recipient, None] = {}
        self._channels: dict[bytes, _Listeners] = {}
        self._patterns: dict[bytes, _Listeners] = {}
        self._barriers: dict[int, list[Recipient]] = {}
        self._gathering: list[Recipient] = []
        self._asking: list[Recipient] = []
        self._timers: list[tuple[float, int, Recipient]] = []
        self._sequence = itertools.count()
        self._held_back: list[Published | int] | None = None
        self._catch_up_barrier: int | None = None
        self._missed: dict[bytes, bytes] = {}
        self._heartbeat = (b'', b'')

    # Who listens on what

    def enter(self, recipient: Recipient) -> None:
        """Take a recipient in; what arrives for it is held until start() and a barrier."""
        self.recipients[recipient] = None
        # A setting of the process, which every recipient has been given as it was at its handshake.
        self.heartbeat = recipient.limits.heartbeat

    def start(
        self, recipient: Recipient, head: bytes, *, persisted: bool, fetch: bool = False
    ) -> None:
        """The handshake has succeeded.

        Args:
            head: the 101 response, the first bytes that the client gets.
            persisted: whether the subscriber is asked for persisted messages.
            fetch: whether they are read here, together with those of others who join.
        """
        recipient.start(head, persisted=persisted)
        self.schedule(recipient)
        if persisted:
            return
        if fetch and recipient.channels:
            self._asking.append(recipient)
        else:
            self.gather(recipient)

    def subscribe(
        self,
        recipient: Recipient,
        channels: Iterable[bytes] = (),
        patterns: Iterable[bytes] = (),
        done: Callable[[bool], object] = bool,
    ) -> None:
        """Let a recipient listen; done(True) when Redis has acknowledged all of it, done(False) if
        the connection is lost.

        The interest is counted here, not at the acknowledgement: else the last leaver would
        unsubscribe in between.
        """
        channels, patterns = list(channels), list(patterns)
        if recipient.phase is Phase.GONE:
            # A job that still runs, or what it spawned: nobody is there to hear, and nobody would
            # unsubscribe.
            done(True)
            return
        for name in channels:
            recipient.channels[name] = None
            self._channels.setdefault(name, _Listeners()).members[recipient] = None
        for name in patterns:
            recipient.patterns[name] = glob_pattern(name)
            self._patterns.setdefault(name, _Listeners()).members[recipient] = None
        self.feed.subscribe(Kind.CHANNEL, channels)
        self.feed.subscribe(Kind.PATTERN, patterns)
        names = [(Kind.CHANNEL, name) for name in channels] + [
            (Kind.PATTERN, name) for name in patterns
        ]
        at_once = True

        def acknowledged(success: bool) -> None:
            if success and not at_once and recipient.joining is not None:
                recipient.joining.drop(channels, patterns, recipient.patterns)
            done(success)

        self.feed.when_acknowledged(names, acknowledged)
        at_once = False

    def unsubscribe(
        self, recipient: Recipient, channels: Iterable[bytes] = (), patterns: Iterable[bytes] = ()
    ) -> None:
        """Let a recipient listen no longer; the last one unsubscribes the process."""
        for names, mine, all_, kind in (
            (channels, recipient.channels, self._channels, Kind.CHANNEL),
            (patterns, recipient.patterns, self._patterns, Kind.PATTERN),
        ):
            last = []
            for name in list(names):
                if name not in mine:
                    continue
                del mine[name]
                listeners = all_[name]
                del listeners.members[recipient]
                if not listeners.members:
                    del all_[name]
                    last.append(name)
            self.feed.unsubscribe(kind, last)
        if recipient.own_copies.expecting:
            recipient.own_copies.forget_unheard()
            recipient.update_direct()

    def leave(self, recipient: Recipient) -> None:
        """Forget a recipient and everything that it listens on."""
        # The subscriber keeps what it has seen so far: its release() may tell others on these
        # channels.
        recipient.channels, recipient.patterns = dict(recipient.channels), dict(recipient.patterns)
        self.unsubscribe(recipient, recipient.channels, recipient.patterns)
        self.recipients.pop(recipient, None)
        if not self.recipients:
            # Each would be kept in memory until its time has come.
            self._timers.clear()

    @property
    def channel_count(self) -> int:
        """Channels and patterns that somebody listens on."""
        return len(self._channels) + len(self._patterns)

    def names(self) -> list[bytes]:
        """The channels, without the patterns, that somebody listens on."""
        return list(self._channels)

    # Joining

    def job_done(self, recipient: Recipient, job: Job, result: Result) -> None:
        """A job has ended; after send_persisted_messages() the recipient joins."""
        recipient.job_done(job, result)
        if job.kind is JobKind.PERSISTED and result.outcome is Outcome.DONE:
            self.gather(recipient)

    def pop_asking(self) -> list[Recipient]:
        """Those whose persisted messages are to be read now, for one fetch; found() follows."""
        if not self._asking or self.feed.state is not FeedState.UP:
            return []
        asking, self._asking = self._asking, []
        return asking

    def found(self, asking: list[Recipient], values: Mapping[bytes, bytes] | None) -> None:
        """The persisted messages of those who asked; None: Redis did not answer, so they ask
        again when it is back.
        """
        if values is None:
            self._asking.extend(asking)
            return
        for recipient in asking:
            if recipient.joining is not None:
                recipient.joining.receive_persisted(recipient.channels, values)
            self.gather(recipient)

    def gather(self, recipient: Recipient) -> None:
        """The persisted messages are there: the recipient goes live after the next barrier."""
        if recipient.channels or recipient.patterns:
            self._gathering.append(recipient)
        else:
            recipient.complete_join()

    def send_barrier(self) -> None:
        """One PING for all who have gathered; to be called once everything that has arrived is
        worked off.
        """
        if self._gathering and self.feed.state is FeedState.UP:
            self._barriers[self.feed.ping()] = self._gathering
            self._gathering = []

    def _pass_barrier(self, number: int) -> None:
        for recipient in self._barriers.pop(number, ()):
            for entry in recipient.complete_join():
                self._remember(entry)

    def _remember(self, entry: Persisted) -> None:
        listeners = self._channels.get(entry.channel)
        if listeners is not None:
            listeners.remember([entry.payload])

    # What Redis sends

    def receive(self, replies: Iterable[Reply], now: float) -> None:
        """Take all that one wake-up has read from Redis."""
        self.agenda.now = now
        self.feed.heard(now)
        channel: bytes | None = None
        run: list[bytes] = []
        for reply in replies:
            if self._held_back is None and type(reply) is list and reply[0] == b'message':
                if reply[1] != channel:
                    if channel is not None:
                        self._deliver(channel, run)
                    channel, run = reply[1], []
                run.append(reply[2])
                continue
            if channel is not None:
                self._deliver(channel, run)
                channel = None
            event = self.feed.receive(reply)
            if event is not None:
                self._receive_event(event)
        if channel is not None:
            self._deliver(channel, run)

    def _receive_event(self, event: Published | int) -> None:
        if self._held_back is not None:
            if event == self._catch_up_barrier:
                self._finish_catch_up()
            else:
                self._held_back.append(event)
        elif isinstance(event, int):
            self._pass_barrier(event)
        elif event.pattern is None:
            self._deliver(event.channel, [event.payload])
        else:
            self._deliver_by_pattern(event)

    def _deliver(self, channel: bytes, payloads: list[bytes]) -> None:
        listeners = self._channels.get(channel)
        counters = self.agenda.counters
        counters.messages_from_redis += len(payloads)
        if self.heartbeat is not None:
            payloads = without_heartbeats(payloads, self.heartbeat)
        if listeners is None or not payloads:
            return
        run = Run(channel, payloads)
        joined, size = run.joined, len(run.joined)
        listeners.remember(payloads)
        to_write = self.agenda.to_write
        direct = 0
        for recipient in listeners.members:
            if recipient.direct:
                # The hot path, a few hundred nanoseconds a websocket: WebSocket.send() written out.
                websocket = recipient.websocket
                outbox = websocket.outbox
                if not outbox:
                    to_write.append(recipient)
                outbox.append(joined)
                websocket.pending += size
                direct += 1
            else:
                recipient.deliver(run)
        counters.messages_sent += direct * len(payloads)

    def _deliver_by_pattern(self, message: Published) -> None:
        self.agenda.counters.messages_from_redis += 1
        pattern, channel = message.pattern, message.channel
        listeners = self._patterns.get(pattern) if pattern is not None else None
        if listeners is None or channel == self.reserved:
            return
        if is_heartbeat(message.payload, self.heartbeat):
            return
        run = Run(channel, [message.payload], pattern)
        for recipient in list(listeners.members):
            if self._first_way(recipient, channel) == pattern:
                recipient.deliver(run)

    def _first_way(self, recipient: Recipient, channel: bytes) -> bytes | None:
        """The one of the recipient's patterns by which it gets this channel; None if it gets it by
        name.

        Redis sends a message once by name and once by each pattern that matches; a websocket gets
        it once.
        """
        if channel in recipient.channels and self.feed.active(Kind.CHANNEL, channel):
            return None
        for pattern, regex in recipient.patterns.items():
            if regex.fullmatch(channel) and self.feed.active(Kind.PATTERN, pattern):
                return pattern
        return None

    # Redis away and back

    def feed_lost(self, now: float) -> None:
        """The connection is gone: barriers on it will not be answered, own copies on it will not
        come.
        """
        self.agenda.now = now
        self.feed.lost(now)
        self._release_held_back()
        for waiting in self._barriers.values():
            self._gathering.extend(waiting)
        self._barriers.clear()
        self._forget_own_copies()

    def _forget_own_copies(self) -> None:
        for recipient in self.recipients:
            if recipient.own_copies.expecting:
                recipient.own_copies.forget()
                recipient.update_direct()

    def feed_connected(self, now: float) -> None:
        """The connection is there: after a loss, what comes on it waits for what was persisted
        before it.
        """
        self.agenda.now = now
        self.feed.connected(now)
        if self.feed.lost_at is not None:
            self._held_back = []

    def _release_held_back(self) -> None:
        held, self._held_back = self._held_back, None
        self._catch_up_barrier = None
        self._missed = {}
        for event in held or ():
            self._receive_event(event)

    def catch_up(self, now: float) -> Gap | None:
        """Everything is subscribed to again: hold what arrives until fetched() has the persisted
        messages.

        Returns:
            What was missed; None if the connection is the first, so that there is nothing to catch
            up on.
        """
        seconds = self.feed.gap(now)
        if seconds is None:
            return None
        counters = self.agenda.counters
        counters.redis_gaps += 1
        counters.redis_gap_seconds += seconds
        return Gap(seconds, self.channel_count)

    def fetched(self, values: dict[bytes, bytes], now: float) -> None:
        """The persisted messages of the channels that are listened on; a barrier tells which
        have also arrived live.
        """
        self.agenda.now = now
        if self._held_back is not None:
            self._missed = values
            self._catch_up_barrier = self.feed.ping()

    def _finish_catch_up(self) -> None:
        held = [
            event
            for event in self._held_back or ()
            if isinstance(event, Published) and event.pattern is None
        ]
        arrived = {(event.channel, event.payload) for event in held}
        missed = self._missed
        waiting, self._held_back = self._held_back, None
        self._catch_up_barrier, self._missed = None, {}
        for channel, payload in missed.items():
            listeners = self._channels.get(channel)
            if listeners is None or (channel, payload) in arrived or listeners.remembers(payload):
                continue
            self._deliver(channel, [payload])
        for event in waiting or ():
            self._receive_event(event)
        # What is still owed was published while the connection was away.
        self._forget_own_copies()

    # Time

    def schedule(self, recipient: Recipient) -> None:
        """Look at the recipient again when its next deadline comes; an entry that turns out
        stale does nothing.
        """
        deadline = recipient.deadline()
        if deadline is not None:
            interval = recipient.limits.ping_interval
            if interval is not None:
                # The answer to a ping brings the deadline forward, where a ping may take longer
                # than the interval.
                deadline = min(deadline, self.agenda.now + interval)
            heapq.heappush(self._timers, (deadline, next(self._sequence), recipient))

    def deadline(self) -> float | None:
        """When tick() has something to do; None if never."""
        # With nobody to serve nothing is due on a lost connection: a time that has passed would
        # come back for ever.
        idle = self.feed.state is FeedState.DOWN and not self.recipients
        feed = None if idle else self.feed.deadline()
        times = [
            time
            for time in (feed, self._timers[0][0] if self._timers else None)
            if time is not None
        ]
        return min(times, default=None)

    def tick(self, now: float) -> None:
        """Do what is due for the recipients."""
        self.agenda.now = now
        while self._timers and self._timers[0][0] <= now:
            recipient = heapq.heappop(self._timers)[2]
            recipient.tick(self._heartbeat_frame(recipient.limits.heartbeat))
            self.schedule(recipient)

    def _heartbeat_frame(self, text: bytes | None) -> bytes | None:
        if text is None:
            return None
        if self._heartbeat[0] != text:
            self._heartbeat = (text, message_frame(text, binary=False))
        return self._heartbeat[1]

    def status(self) -> dict[str, Any]:
        """Figures of this moment."""
        return {
            'websockets': len(self.recipients),
            'channels': len(self._channels),
            'patterns': len(self._patterns),
            'pending_bytes': sum(recipient.websocket.pending for recipient in self.recipients),
        }
