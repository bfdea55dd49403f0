"""Recipient: what one websocket is owed, and in which order.

In go messages from Redis, bytes and the end of the client, results of jobs, and the time; out come
bytes in the outbox, jobs, and a deadline.

    phase      event                                                     next
    OPEN       close()                                                   CLOSING
    OPEN       close(), the client having said goodbye                   ENDING
    OPEN       the client's close frame, or its error, is answered       ENDING
    CLOSING    the client's close frame, or its error                    ENDING
    any        the client's end, abort(), no answer to a ping;           GONE
               CLOSE_TIME after OPEN has ended

What must hold:

- While it joins messages are held; complete_join() sends the persisted ones, then the held ones, in
  Redis' order (core/joining.py). From then on it is live (joining is None).
- What runs the site's code is a Job, one at a time and in order; the answers that must wait behind
  a job (PONG, close frames) stand in the same queue.
- No frame follows a close frame.
- What the client sent is published even when it has gone, unless a message before it was lost or
  its rights are withdrawn; release() is the last job, and comes once.
- Who leaves more than max_pending bytes unread is closed; nobody else waits for it.
"""

import enum
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from ws4redis.core.agenda import Agenda, Job, JobKind, Outcome, Result
from ws4redis.core.echo import OwnCopies
from ws4redis.core.entries import Closing, Entry, Persisted, Sent
from ws4redis.core.frames import (
    CloseCode,
    Run,
    close_echo,
    close_frame,
    message_frame,
    ping_frame,
    pong_frame,
)
from ws4redis.core.heartbeat import is_heartbeat
from ws4redis.core.joining import Joining
from ws4redis.core.limits import Bucket, Limits
from ws4redis.core.liveness import Liveness, Silence
from ws4redis.core.replies import Published
from ws4redis.core.websocket import Closed, Event, Failed, Message, Ping, WebSocket
from ws4redis.core.wording import counted

__all__ = ['Phase', 'Recipient']

logger = logging.getLogger('ws4redis.recipient')

MOST_JOBS: Final = 64
"""Jobs from one client that may wait before nothing more is read from it, so that TCP holds it
back.
"""


class Phase(enum.Enum):
    """Where a websocket is in its life."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """We sent a close frame and wait for the peer's."""
    ENDING = enum.auto()
    """Nothing more is owed but what the outbox holds; then the half-close, then the peer's end."""
    GONE = enum.auto()


@dataclass(frozen=True, slots=True)
class _End:
    """The last frame that this websocket gets, once what stands before it is done."""

    code: int
    frame: bytes


class Recipient:
    """One websocket's side of the exchange.

    Args:
        limits: what it may use.
        agenda: where it puts what the driver has to do.
        name: what logs call it.
        echo: whether it gets its own messages back.

    Attributes:
        subscriber: the site's object, for the driver; this class never touches it.
        transport: the transport, for the driver; None before start() and after the end.
        access: who this is, for those who withdraw rights.
        channels, patterns: what it listens on: names (bytes) as keys.
        parses: whether each message goes through the subscriber's parse_response().
        joining: what is kept until it is live; None from then on.
        direct: whether a message may be put into the outbox without asking anything.
        phase: where it is in its life.
        close_code: with which it ended, 1006 without a close frame; None before.
    """

    __slots__ = (
        '__weakref__',
        '_bucket',
        '_deaf',
        '_parsing',
        '_queue',
        '_said_nowhere',
        'access',
        'agenda',
        'blocked',
        'channels',
        'close_code',
        'direct',
        'joining',
        'limits',
        'liveness',
        'name',
        'own_copies',
        'parses',
        'patterns',
        'phase',
        'running',
        'subscriber',
        'transport',
        'websocket',
    )

    def __init__(
        self, limits: Limits, agenda: 'Agenda[Recipient]', *, name: str = '', echo: bool = False
    ) -> None:
        self.limits = limits
        self.agenda = agenda
        self.name = name
        self.websocket = WebSocket(limits.max_message_size)
        self.subscriber: Any = None
        self.transport: Any = None
        self.access: Any = None
        self.channels: dict[bytes, Any] = {}
        self.patterns: dict[bytes, Any] = {}
        self.parses = False
        self.own_copies = OwnCopies(self, echo)
        self.joining: Joining | None = Joining()
        self.liveness = Liveness(agenda.now)
        self.direct = False
        self.blocked = False
        self.running = False
        self.phase = Phase.OPEN
        self.close_code: int | None = None
        # Bytes of the messages that wait for parse_response().
        self._parsing = 0
        self._queue: deque[Job | _End | bytes] | None = None
        self._bucket: Bucket | None = None
        self._said_nowhere = False
        self._deaf = False

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self.phase is Phase.OPEN

    # What Redis sends

    def listens_on(self, channel: bytes) -> bool:
        """Whether a message of this channel is for this websocket."""
        return channel in self.channels or any(
            regex.fullmatch(channel) for regex in self.patterns.values()
        )

    def deliver(self, run: Run) -> None:
        """Take messages that are for this websocket; while it joins they are held, at no cost a
        message.
        """
        if self.phase is not Phase.OPEN:
            return
        left = self._without_own_copies(run) if self.own_copies.expecting else run
        if left is None:
            return
        if self.joining is not None:
            self.joining.hold(left)
            self.check_pending()
        else:
            self._pass_on(left)
            self.update_direct()

    def _without_own_copies(self, run: Run) -> Run | None:
        own = [
            payload
            for payload in run.payloads
            if self.own_copies.pop_own_copy(run.channel, payload)
        ]
        if not own:
            return run
        self.agenda.counters.own_copies += len(own)
        if self.joining is not None:
            self.joining.note_own(run.channel, own)
        self.update_direct()
        return run.without(own)

    def _pass_on(self, run: Run) -> None:
        if self.parses:
            for payload in run.payloads:
                self._add(Job(JobKind.PARSE, Published(run.channel, payload, run.pattern)))
            self._parsing += run.size
        else:
            self.agenda.counters.messages_sent += len(run.payloads)
            self._send(run.joined)
        self.check_pending()

    def _send(self, frame: bytes) -> None:
        if not self.websocket.outbox:
            self.agenda.to_write.append(self)
        self.websocket.send(frame)

    def check_pending(self) -> None:
        """Close a reader that has left too much: called when what could be written has been."""
        joining = self.joining
        waiting = self._parsing + (self.websocket.pending if self.blocked else 0)
        if joining is not None:
            waiting += joining.size
        if waiting <= self.limits.max_pending or self.phase is not Phase.OPEN:
            return
        counters = self.agenda.counters
        counters.slow_readers += 1
        if joining is not None:
            counters.not_delivered += sum(len(run.payloads) for run in joining.held)
        logger.warning(
            '%s: %s for a slow reader, limit is %s: closing',
            self,
            counted(waiting, 'byte waits', 'bytes wait'),
            self.limits.max_pending,
        )
        self.joining = None
        self._parsing = 0
        # What is cut here has not begun to leave, but for the first entry: a frame is never cut in
        # two.
        del self.websocket.outbox[1:]
        self.websocket.pending = sum(map(len, self.websocket.outbox))
        self.close(CloseCode.TRY_AGAIN_LATER)

    def update_direct(self) -> None:
        """Find out anew whether messages may go straight into the outbox."""
        self.direct = (
            self.joining is None
            and not self.parses
            and not self.blocked
            and self.phase is Phase.OPEN
            and not self.own_copies.expecting
        )
        if self.direct and self.own_copies.expecting:
            # publish_message() counted between the two looks.
            self.direct = False

    def set_blocked(self, blocked: bool) -> None:
        """The driver could not, or can again, write everything."""
        self.blocked = blocked
        self.update_direct()

    # Joining

    def start(self, head: bytes, *, persisted: bool) -> None:
        """Send the 101; persisted: whether the subscriber is asked for persisted messages."""
        self.agenda.counters.opened += 1
        self.liveness.start(self.agenda.now)
        early = self.websocket.data_to_send()
        self.websocket.discard_outbox()
        self._send(head)
        if early:
            # Closed while the handshake was under way: its close frame comes behind the head.
            self._send(early)
        elif persisted:
            self._add(Job(JobKind.PERSISTED))

    def receive_entry(self, entry: Entry) -> None:
        """A subscriber sent something by itself: before the live messages while joining, else at
        once.
        """
        if self.phase is not Phase.OPEN:
            return
        if isinstance(entry, Closing):
            if self.joining is not None:
                self._send_entries(self.joining.before_close(self.limits.heartbeat))
            self.close(entry.code, entry.frame)
        elif self.joining is not None:
            self.joining.preamble.append(entry)
        else:
            self._send(entry.as_frame())
            self.check_pending()

    def _send_entries(self, entries: list[Sent | Persisted]) -> None:
        for entry in entries:
            self._send(entry.as_frame())
        self.agenda.counters.messages_sent += len(entries)

    def complete_join(self) -> list[Persisted]:
        """The barrier has passed: send what was held back, and go live.

        Returns:
            The persisted messages that were sent by themselves, and what may be one.
        """
        joining, self.joining = self.joining, None
        if joining is None or self.phase is not Phase.OPEN:
            return []
        first, said = joining.complete(self.channels, self.limits.heartbeat)
        self._send_entries(first)
        for run in joining.held:
            if self.phase is not Phase.OPEN:
                # Found to be a slow reader on the way: nothing follows the close frame.
                self.agenda.counters.not_delivered += len(run.payloads)
                continue
            self._pass_on(run)
        self.update_direct()
        return said

    # What the client sends

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client."""
        self.liveness.hear(self.agenda.now)
        for event in self.websocket.receive_data(data):
            self._receive(event)

    def _receive(self, event: Event) -> None:
        if self.phase is Phase.CLOSING:
            # RFC 6455, 5.5.1: after our close frame only the peer's counts.
            if isinstance(event, (Closed, Failed)):
                self._enter(Phase.ENDING)
        elif self.phase is not Phase.OPEN or self._deaf:
            return
        elif isinstance(event, Message):
            if self._within_rate():
                self._receive_message(event)
        elif isinstance(event, Ping):
            if self._within_rate():
                self._answer(pong_frame(event.data))
        elif isinstance(event, Closed):
            logger.debug('%s: closed by the client with %s', self, event.code)
            self._answer(_End(event.code, close_echo(event.data)))
        elif isinstance(event, Failed):
            logger.info('%s: %s: closing with %s', self, event.text, event.close_code.value)
            self._answer(_End(event.close_code, close_frame(event.close_code)))

    def _receive_message(self, message: Message) -> None:
        if is_heartbeat(message.payload, self.limits.heartbeat, binary=message.binary):
            return
        self.agenda.counters.messages_received += 1
        self._add(Job(JobKind.PUBLISH, message.payload, message.binary))

    def _within_rate(self) -> bool:
        now, rate, burst = self.agenda.now, self.limits.message_rate, self.limits.message_burst
        if rate is None:
            return True
        if self._bucket is None:
            self._bucket = Bucket(burst, now)
        if self._bucket.allows(rate, burst, now):
            return True
        logger.warning('%s: more than %s a second: closing', self, counted(rate, 'message'))
        self._answer(_End(CloseCode.POLICY_VIOLATION, close_frame(CloseCode.POLICY_VIOLATION)))
        return False

    def receive_eof(self) -> None:
        """The client's end of the connection is closed, or broken."""
        if self.phase is Phase.GONE:
            return
        if self.phase is Phase.OPEN:
            logger.debug('%s: gone without a close frame', self)
        self.abort()

    @property
    def reading(self) -> bool:
        """Whether more may be read from the client: not while too much of it waits to be worked
        off.
        """
        return self._queue is None or len(self._queue) < MOST_JOBS

    def _note_published_nowhere(self) -> None:
        count, self.own_copies.nowhere = self.own_copies.nowhere, 0
        self.agenda.counters.published_nowhere += count
        if count and not self._said_nowhere:
            self._said_nowhere = True
            logger.warning(
                '%s: sends messages but may publish nowhere: none of its publish- names is '
                'allowed or asked for',
                self,
            )

    # Jobs and answers, in order

    def _add(self, item: 'Job | _End | bytes') -> None:
        if self._queue is None:
            self._queue = deque()
        elif isinstance(item, Job):
            self.agenda.counters.jobs_waited += 1
        self._queue.append(item)
        self.agenda.to_attend[self] = None

    def _answer(self, item: '_End | bytes') -> None:
        self._deaf = isinstance(item, _End)
        self._add(item)
        self._work_off()

    def _work_off(self) -> None:
        """Give the answers that stand before the next job."""
        queue = self._queue
        while queue and not self.running and not isinstance(queue[0], Job):
            item = queue.popleft()
            if self.phase is not Phase.OPEN:
                continue
            if isinstance(item, bytes):
                self._send(item)
                self.check_pending()
            elif isinstance(item, _End):
                self._send(item.frame)
                self._enter(Phase.ENDING, item.code)
        if not queue:
            self._queue = None

    def next_job(self) -> Job | None:
        """The job to run now, which is this websocket's only one until job_done()."""
        self._work_off()
        if self.running or not self._queue:
            return None
        job = self._queue.popleft()
        assert isinstance(job, Job)
        self.running = True
        return job

    def serve(self) -> None:
        """The subscriber's own descriptor is readable."""
        if self.phase is Phase.OPEN:
            self._add(Job(JobKind.SERVE))

    def job_done(self, job: Job, result: Result) -> None:
        """A job has ended."""
        self.running = False
        self._note_published_nowhere()
        if isinstance(job.message, Published):
            self._parsing = max(0, self._parsing - len(job.message.payload))
        if self.phase is Phase.OPEN:
            for payload, binary in result.replies:
                self.agenda.counters.messages_sent += 1
                self._send(message_frame(payload, binary))
        if result.outcome is not Outcome.DONE and job.kind is not JobKind.RELEASE:
            self._job_failed(job, result.outcome)
        if job.kind is JobKind.RELEASE:
            # The end of its life: nothing of the site's is kept, and no ring keeps it in memory.
            self.subscriber = None
            self.own_copies.end()
        self._work_off()
        self.agenda.to_attend[self] = None

    def _job_failed(self, job: Job, outcome: Outcome) -> None:
        assert outcome.value is not None
        self.agenda.counters.job_failures += 1
        self._drop_queue(unpublished=1 if job.kind is JobKind.PUBLISH else 0)
        if outcome is Outcome.UNAVAILABLE:
            logger.warning('%s: Redis is away: closing with %s', self, outcome.value.value)
        self.close(outcome.value)

    def _drop_queue(self, unpublished: int = 0) -> None:
        """Forget what waits, but for release(): what the client sent after a message that was
        lost would look whole.
        """
        jobs = [item for item in self._queue or () if isinstance(item, Job)]
        unpublished += sum(job.kind is JobKind.PUBLISH for job in jobs)
        self._queue = deque(job for job in jobs if job.kind is JobKind.RELEASE) or None
        if unpublished:
            self.agenda.counters.not_published += unpublished
            lost = counted(unpublished, 'message of the client was', 'messages of the client were')
            logger.warning('%s: %s not published', self, lost)

    # Ending

    def close(self, code: int, frame: bytes | None = None) -> None:
        """Send a close frame, after what has been sent, and wait for the peer's.

        Args:
            code: the close code.
            frame: the close frame; None makes the one with the code's fixed text.
        """
        if self.phase is not Phase.OPEN:
            return
        if code == CloseCode.POLICY_VIOLATION:
            # Rights are withdrawn: what waits to be published must not be.
            self._drop_queue()
        self._send(close_frame(code) if frame is None else frame)
        # A peer that has sent its own close frame, or is not listened to any more, has nothing to
        # answer.
        self._enter(Phase.ENDING if self._deaf else Phase.CLOSING, code)

    def _enter(self, phase: Phase, code: int | None = None) -> None:
        """Go on to this phase; code: with which the websocket is closed, if that happens here."""
        if code is not None:
            self.close_code = code
            closed = self.agenda.counters.closed
            closed[code] = closed.get(code, 0) + 1
        self.phase = phase
        self.liveness.end(self.agenda.now)
        self.update_direct()
        self.agenda.to_attend[self] = None

    def abort(self) -> None:
        """End at once, without a word: the client has gone, or the driver gives up."""
        if self.phase is Phase.GONE:
            return
        code = None
        if self.close_code is None:
            # A client that sent its close frame and left before the answer has closed with that
            # code.
            code = next((item.code for item in self._queue or () if isinstance(item, _End)), 1006)
        self._enter(Phase.GONE, code)
        self.joining = None
        self._parsing = 0
        self.websocket.discard_outbox()
        publishes = [
            item
            for item in self._queue or ()
            if isinstance(item, Job) and item.kind is JobKind.PUBLISH
        ]
        self._queue = deque([*publishes, Job(JobKind.RELEASE)])

    # Time

    def deadline(self) -> float | None:
        """When tick() has something to do; None if never."""
        return None if self.phase is Phase.GONE else self.liveness.deadline(self.limits)

    def tick(self, heartbeat: bytes | None = None) -> None:
        """Do what is due: heartbeat, ping, or the end of a peer that does not answer.

        Args:
            heartbeat: the heartbeat as a frame, made once for all.
        """
        now, due = self.agenda.now, self.deadline()
        if due is None or now < due:
            return
        if self.phase is not Phase.OPEN:
            logger.debug('%s: no answer to the close frame', self)
            self.abort()
            return
        if heartbeat is not None and self.liveness.beat(now):
            self._send(heartbeat)
        # Who has said goodbye waits for our answer, and gives none.
        audible = self.reading and not self._deaf
        silence = self.liveness.look(now, self.limits, audible=audible)
        if silence is Silence.PING:
            self._send(ping_frame())
        elif silence is Silence.DROP:
            self.agenda.counters.no_answer += 1
            logger.info(
                '%s: no answer to a ping within %s s: dropped', self, self.limits.ping_timeout
            )
            self.abort()

    def __str__(self) -> str:
        return f'websocket {self.name}'
