"""Driver: which step follows which, for the loop and for the test's broker. They add the transport,
the clock, the jobs and the way to Redis.

In go the time, bytes, replies and results; each step tells the core, and works off what comes onto
the agenda then. Out go the methods of Outputs. What must hold:

- All of this runs in one thread, or in one hub; what others say comes in by the driver's own means.
- Each step begins by telling the core the time, and ends with work_off().
- A barrier is sent only when everything that has arrived is worked off.
- A fault in the step of one websocket ends that one alone.
- One GET serves all who join at once; its answer counts only on the connection that it is about.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from ws4redis.core.agenda import Job, JobKind, Result
from ws4redis.core.entries import Entry
from ws4redis.core.exchange import Exchange, Gap
from ws4redis.core.feed import FeedState
from ws4redis.core.frames import CloseCode
from ws4redis.core.outputs import Outputs
from ws4redis.core.recheck import Recheck
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import Reply
from ws4redis.core.wording import counted

__all__ = ['Driver']

logger = logging.getLogger('ws4redis.driver')


class Driver(Outputs):
    """Drives an exchange.

    Args:
        exchange: the websockets and what Redis owes them.
        recheck_interval: gives the seconds between two looks at everybody's rights; None for never.
    """

    def __init__(self, exchange: Exchange, recheck_interval: Callable[[], float | None]) -> None:
        self.exchange = exchange
        self._recheck = Recheck(recheck_interval)
        self._working = False
        self._fetching = False
        self._gap: Gap | None = None

    # Steps

    def touch(self) -> None:
        """Tell the core the time; each entry into it begins with this."""
        self.exchange.agenda.now = self.now()

    def enter(self, recipient: Recipient) -> None:
        """A handshake has begun: what arrives for this recipient is held from now on."""
        if not self.exchange.recipients:
            self._recheck.somebody_comes(self.now())
        self.exchange.enter(recipient)

    def start(
        self,
        recipient: Recipient,
        head: bytes,
        rest: bytes,
        *,
        persisted: bool,
        fetch: bool = False,
    ) -> None:
        """The handshake has succeeded and the transport is ours.

        Args:
            head: the 101 response.
            rest: bytes that the server has read behind the request's head.
            persisted: whether the subscriber is asked for persisted messages.
            fetch: whether they are read for all who join at once, since the subscriber would do
                nothing else.
        """
        self.touch()
        self.exchange.start(recipient, head, persisted=persisted, fetch=fetch)
        self.watch(recipient)
        if rest:
            recipient.receive_data(rest)
        self.work_off()

    def receive_data(self, recipient: Recipient, data: bytes) -> None:
        """Bytes from the client; empty at its end."""
        self.touch()
        if data:
            recipient.receive_data(data)
        else:
            recipient.receive_eof()
        self.work_off()

    def writable(self, recipient: Recipient) -> None:
        """The client takes bytes again."""
        self.touch()
        self._write(recipient)
        self.work_off()

    def receive_entry(self, recipient: Recipient, entry: Entry) -> None:
        """A subscriber sent something by itself."""
        self.touch()
        recipient.receive_entry(entry)
        self.work_off()

    def job_done(self, recipient: Recipient, job: Job, result: Result) -> None:
        """A job has ended."""
        self.touch()
        self.exchange.job_done(recipient, job, result)
        if job.kind is JobKind.SERVE:
            self.serve_again(recipient, result.descriptor)
        self.work_off()

    def feed_connected(self) -> None:
        """The pub/sub connection is there."""
        self.touch()
        self.exchange.feed_connected(self.now())
        self._after_replies()
        self.work_off()

    def feed_lost(self, reason: object) -> None:
        """The pub/sub connection is gone or could not be made; the feed says when to try again."""
        if self.exchange.feed.state is FeedState.UP:
            logger.warning(
                'Redis is away (%s): %s open',
                reason,
                counted(len(self.exchange.recipients), 'websocket stays', 'websockets stay'),
            )
        self.drop_feed()
        self._gap = None
        self.exchange.feed_lost(self.now())
        self.work_off()

    def receive_replies(self, replies: Iterable[Reply]) -> None:
        """All that Redis has sent by now."""
        self.exchange.receive(replies, self.now())
        self._after_replies()
        self.work_off()

    def _after_replies(self) -> None:
        if self.exchange.feed.refusal is not None:
            self.feed_lost(self.exchange.feed.refusal)
            return
        if not self.exchange.feed.pop_resubscribed():
            return
        gap = self.exchange.catch_up(self.now())
        if gap is None:
            return
        logger.warning(
            'Redis is back after %.1f s: %s; what was not persisted is lost',
            gap.seconds,
            counted(gap.channels, 'channel'),
        )
        self.gap_ended(gap)
        self._gap = gap
        self.fetch(self.exchange.names(), lambda values: self._fetched(gap, values))

    def _fetched(self, gap: Gap, values: dict[bytes, bytes] | None) -> None:
        if gap is not self._gap:
            # Asked on behalf of a connection that is lost by now; the next one asks anew.
            return
        if values is None:
            self.feed_lost('no answer to GET')
        else:
            self.exchange.fetched(values, self.now())
            self.work_off()

    def deadline(self) -> float | None:
        """When tick() has something to do; None if never."""
        due = self.exchange.deadline()
        recheck = self._recheck.due if self.exchange.recipients else None
        if due is None or recheck is None:
            return recheck if due is None else due
        return min(due, recheck)

    def tick(self) -> None:
        """Do what is due; deadline() says when to come back."""
        now = self.now()
        self.exchange.tick(now)
        if not self.exchange.feed.tick(now):
            self.feed_lost('no sign of life')
        if self._recheck.tick(now):
            recipients = self.exchange.recipients
            self._recheck.begin(
                {recipient.access for recipient in recipients if recipient.access is not None}
            )
            self._look_up_next()
        self.work_off()

    def _look_up_next(self) -> None:
        batch = self._recheck.pop_batch()
        if batch:
            self.look_up(batch, self._looked_up)

    def _looked_up(self, lost: set[Any]) -> None:
        if lost:
            self.withdraw(lost.__contains__)
        self._look_up_next()

    def withdraw(self, lost: Callable[[Any], bool]) -> None:
        """Close the websockets of those who have lost their rights; lost() is asked with the
        access of each.
        """
        self.touch()
        for recipient in list(self.exchange.recipients):
            if (
                recipient.access is not None
                and recipient.phase is Phase.OPEN
                and lost(recipient.access)
            ):
                self.exchange.agenda.counters.rights_withdrawn += 1
                logger.info('%s: rights withdrawn', recipient)
                recipient.close(CloseCode.POLICY_VIOLATION)
        self.work_off()

    def close_all(self, code: int = CloseCode.GOING_AWAY) -> None:
        """Close every websocket."""
        self.touch()
        for recipient in list(self.exchange.recipients):
            recipient.close(code)
        self.work_off()

    def work_off(self) -> None:
        """Do everything that the core has put on its agenda."""
        if self._working:
            return
        self._working = True
        try:
            agenda, feed = self.exchange.agenda, self.exchange.feed
            while True:
                while agenda.to_write or agenda.to_attend:
                    to_write, agenda.to_write = agenda.to_write, []
                    for recipient in to_write:
                        self._guarded(self._write, recipient)
                    to_attend, agenda.to_attend = agenda.to_attend, {}
                    for recipient in to_attend:
                        self._guarded(self._attend, recipient)
                self._fetch_for_joins()
                self.exchange.send_barrier()
                commands = feed.pop_commands()
                if commands:
                    self.send_commands(commands)
                elif self.exchange.recipients and feed.wants_connection(self.now()):
                    feed.connecting()
                    self.connect_feed()
                else:
                    break
        finally:
            self._working = False

    def _fetch_for_joins(self) -> None:
        """One GET for all who join now; those who come while it is under way are served by the
        next.
        """
        if self._fetching:
            return
        asking = self.exchange.pop_asking()
        if asking:
            self._fetching = True
            names = dict.fromkeys(name for recipient in asking for name in recipient.channels)
            self.fetch(list(names), lambda values: self._found(asking, values))

    def _found(self, asking: list[Recipient], values: dict[bytes, bytes] | None) -> None:
        self._fetching = False
        self.touch()
        self.exchange.found(asking, values)
        if values is None and self.exchange.feed.state is FeedState.UP:
            self.feed_lost('no answer to GET')
        self.work_off()

    def together(self, steps: Iterable[Callable[[], object]]) -> None:
        """Take several steps, and only then work off what follows from all of them."""
        self._working = True
        try:
            for step in steps:
                step()
        finally:
            self._working = False
        self.work_off()

    def _guarded(self, step: Callable[[Recipient], None], recipient: Recipient) -> None:
        """One websocket's step: a fault of ours there ends this one, and the others get what
        they are owed.
        """
        try:
            step(recipient)
        except Exception as exc:
            self.failed(recipient, exc)

    def failed(self, recipient: Recipient, exc: BaseException) -> None:
        """A step of ours has failed."""
        logger.error('%s: the websocket loop failed', recipient, exc_info=exc)
        recipient.abort()

    def _write(self, recipient: Recipient) -> None:
        websocket = recipient.websocket
        if recipient.transport is None or not websocket.outbox:
            return
        try:
            websocket.sent(self.write(recipient, websocket.data_to_send()))
        except OSError as exc:
            logger.debug('%s: cannot write: %s', recipient, exc)
            recipient.abort()
            return
        blocked = bool(websocket.outbox)
        if blocked != recipient.blocked:
            recipient.set_blocked(blocked)
            self.watch(recipient)
        if blocked:
            recipient.check_pending()
        elif recipient.phase is Phase.ENDING:
            self.exchange.agenda.to_attend[recipient] = None

    def _attend(self, recipient: Recipient) -> None:
        job = recipient.next_job()
        if recipient.phase is Phase.GONE:
            if recipient.transport is not None:
                self.drop(recipient)
                recipient.transport = None
            self.exchange.leave(recipient)
        elif recipient.transport is not None:
            if recipient.phase is not Phase.OPEN:
                self.exchange.schedule(recipient)
                if recipient.phase is Phase.ENDING and not recipient.websocket.outbox:
                    self.half_close(recipient)
            self.watch(recipient)
        if job is not None:
            self.run_job(recipient, job)
