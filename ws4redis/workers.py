"""The site's code, off the hub: what a job calls, and who runs it.

One job at a time and in order for each websocket is the core's doing; here jobs of different
websockets run side by side.
"""

import contextlib
import gc
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

import redis
from django.db import connections

from ws4redis.core.agenda import Job, JobKind, Outcome, Result
from ws4redis.core.handle import Handle
from ws4redis.core.replies import Published
from ws4redis.core.text import as_bytes
from ws4redis.core.wording import counted
from ws4redis.exceptions import NothingToRead
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber_methods import can_read, method, persisted_name
from ws4redis.subscription import Subscription

if TYPE_CHECKING:
    from gevent import Greenlet

__all__ = [
    'GreenletWorkers',
    'ThreadWorkers',
    'close_database_connections',
    'finish_spawned',
    'perform',
    'run_spawned',
    'spawned_greenlets',
]

logger = logging.getLogger('ws4redis.workers')

SPAWNED_TIME: Final = 30.0
"""Seconds that greenlets which a job spawned may take in an unpatched process, as long as a slow
view.
"""

READY_ROUNDS: Final = 100
"""Rounds of the hub that run_spawned() gives to greenlets that hand on to each other; one that
waits for time uses them up.
"""


def perform(subscriber: object, job: Job, handle: Handle) -> Result:
    """Run one job; whatever the site's code raises becomes a result, logged once."""
    result = Result()
    try:
        with contextlib.suppress(NothingToRead):
            _call(subscriber, job, handle, result)
    except BaseException as exc:
        result.exception = exc
        result.outcome = _outcome(job, exc)
        if result.outcome is not Outcome.UNAVAILABLE:
            logger.error('%s.%s() failed', type(subscriber).__name__, job.kind.value, exc_info=exc)
    return result


def _outcome(job: Job, exc: BaseException) -> Outcome:
    if job.kind is JobKind.RELEASE:
        return Outcome.DONE
    away = isinstance(exc, (redis.ConnectionError, redis.TimeoutError))
    return Outcome.UNAVAILABLE if away else Outcome.FAILED


def _call(subscriber: object, job: Job, handle: Handle, result: Result) -> None:
    if job.kind is JobKind.PERSISTED:
        method(subscriber, persisted_name(subscriber))(handle)
    elif job.kind is JobKind.PUBLISH:
        assert isinstance(job.message, bytes)
        message = RedisMessage(job.message)
        if message is not None:
            message.binary = job.binary
            method(subscriber, 'publish_message')(message)
    elif job.kind is JobKind.PARSE:
        assert isinstance(job.message, Published)
        _parse(subscriber, job.message, result)
    elif job.kind is JobKind.SERVE:
        _serve(subscriber, result)
    else:
        method(subscriber, 'release')()


def _parse(subscriber: Any, message: Published, result: Result) -> None:
    subscription = subscriber._subscription
    if isinstance(subscription, Subscription):
        subscription.offer(message.as_reply())
    try:
        _add_reply(method(subscriber, 'parse_response')(), result)
    finally:
        if isinstance(subscription, Subscription):
            subscription.offer(None)


def _add_reply(reply: object, result: Result) -> None:
    if isinstance(reply, (list, tuple)):
        message = RedisMessage(reply)
        if message is not None:
            result.replies.append((bytes(message), None))
    elif reply is None or (not reply and not isinstance(reply, (bool, int, float))):
        return
    elif isinstance(reply, (str, bytes, bytearray)):
        result.replies.append((as_bytes(reply), None))
    else:
        raise TypeError(
            f'parse_response() returned {type(reply).__name__}: it returns None, str, bytes or '
            f'the list that it got'
        )


def _serve(subscriber: object, result: Result) -> None:
    parse_response = method(subscriber, 'parse_response')
    while True:
        with contextlib.suppress(NothingToRead):
            _add_reply(parse_response(), result)
        if not can_read(subscriber):
            break
    result.descriptor = method(subscriber, 'get_file_descriptor')()


def close_database_connections() -> None:
    """As Django does at the end of a request, but never inside a transaction: that would lose
    it.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


class GreenletWorkers:
    """Greenlets that run calls, for a process that gevent has patched: one for each.

    Attributes:
        submit: runs the call as soon as the hub has its turn.
        waiting: calls that nobody has taken yet: none.
    """

    waiting = 0

    def __init__(self) -> None:
        import gevent

        self.submit: Callable[[Callable[[], None]], object] = gevent.spawn

    def join(self, timeout: float) -> bool:
        """They end by themselves."""
        return True


class ThreadWorkers:
    """Native threads that run calls, for a process that gevent has not patched.

    Args:
        most: threads at the most; each is made when a call finds none idle.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], None]) -> None:
        """Run the call as soon as a thread is free."""
        with self._lock:
            if len(self._threads) < min(self._unfinished + 1, self._most):
                self._start_thread()
            self._calls.put(call)
            self._unfinished += 1

    def _start_thread(self) -> None:
        thread = threading.Thread(
            target=self._run, name=f'ws4redis-worker-{len(self._threads) + 1}', daemon=True
        )
        try:
            thread.start()
        except RuntimeError as exc:
            # In a process that ends none can be started any more, from Python 3.12 on: those that
            # there are do the rest.
            if not self._threads:
                raise
            doing = counted(len(self._threads), 'thread does', 'threads do')
            logger.info('%s what a further one would: %s', doing, exc)
        else:
            self._threads.append(thread)

    @property
    def waiting(self) -> int:
        """Calls that no thread has taken yet."""
        return self._calls.qsize()

    def stop(self) -> None:
        """Let the threads end after what they are at."""
        for _ in self._threads:
            self._calls.put(None)

    def join(self, timeout: float) -> bool:
        """Stop, and wait until the threads have ended, at most so many seconds; whether they
        have.
        """
        self.stop()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
                finish_spawned()
            except BaseException:
                logger.exception('a worker failed')
            finally:
                with self._lock:
                    self._unfinished -= 1
        hub = _hub()
        if hub is not None:
            # gevent gives a thread's hub back to nobody: its descriptors would stay.
            hub.destroy(destroy_loop=True)


def finish_spawned() -> None:
    """Run the greenlets that a job of this thread has spawned, until they are done or their time
    is over.
    """
    hub = _hub()
    if hub is None or hub.join(timeout=SPAWNED_TIME):
        return
    for name in _kill(spawned_greenlets()):
        logger.error(
            '%s was spawned by a subscriber and is not done after %s s: killed', name, SPAWNED_TIME
        )


def run_spawned(others: Collection[object] = ()) -> list[str]:
    """Run the greenlets of this thread that are ready, and those that they make ready, without
    waiting.

    Args:
        others: greenlets that may stay, since they were there before.

    Returns:
        Name and place of each that waits for real time; these are killed.
    """
    hub = _hub()
    if hub is None or any(hub.join(timeout=0) for _ in range(READY_ROUNDS)):
        return []
    return _kill([greenlet for greenlet in spawned_greenlets() if greenlet not in others])


def spawned_greenlets() -> 'list[Greenlet[..., object]]':
    """The greenlets of this thread that are not done, when those that are ready have run."""
    hub = _hub()
    # Only where the hub has something to wait for it is worth it to look at every object there is.
    if hub is None or hub.join(timeout=0):
        return []
    from gevent import Greenlet

    # The type, since isinstance() looks through weak proxies, of which some are dead, and wakes
    # lazy objects: a user's row.
    return [
        item
        for item in gc.get_objects()
        if issubclass(type(item), Greenlet) and item.parent is hub and not item.dead
    ]


def _hub() -> Any:
    """gevent's hub of this thread; None if there is none."""
    gevent_hub = sys.modules.get('gevent._hub_local')
    return gevent_hub.get_hub_if_exists() if gevent_hub is not None else None


def _kill(greenlets: 'list[Greenlet[..., object]]') -> list[str]:
    names = [f'{greenlet!r}{_place(greenlet)}' for greenlet in greenlets]
    if greenlets:
        import gevent

        gevent.killall(greenlets, block=True, timeout=1)
    return names


def _place(greenlet: 'Greenlet[..., object]') -> str:
    """Where it waits: the innermost line outside gevent."""
    frame = greenlet.gr_frame
    while frame is not None and f'{os.sep}gevent{os.sep}' in frame.f_code.co_filename:
        frame = frame.f_back
    return f' at {frame.f_code.co_filename}:{frame.f_lineno}' if frame is not None else ''
