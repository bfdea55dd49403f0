"""Hub: where the loop lives, and how others reach it: calls, timers, and the watch over its turns.

In a process that gevent has patched it is gevent's main hub. In any other it is the hub of a daemon
thread. Nothing is made before start(), since a preloading server imports before it patches and
forks.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.exceptions import LoopExit

from ws4redis import settings

__all__ = ['Alarm', 'Answer', 'Hub', 'StandStills', 'guarded']

logger = logging.getLogger('ws4redis.hub')


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """The function as a callback of the hub: an exception there would be printed by gevent,
    SystemExit end the hub.
    """

    def run(*args: object) -> None:
        try:
            function(*args)
        except BaseException:
            logger.exception(
                'the websocket loop failed in %s', getattr(function, '__name__', function)
            )

    return run


class Answer:
    """What another thread or greenlet waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._value = False

    def set(self, value: bool) -> None:
        """Say it, and let the other go on."""
        self._value = value
        self._event.set()

    def wait(self, seconds: float | None) -> bool:
        """What was said; False if nothing was within this time. None waits for ever."""
        # In a busy hub the answer is there long before this greenlet's turn, which begins with a
        # time-out then.
        self._event.wait(seconds)
        return self._value


class Hub:
    """A gevent hub in which the loop runs.

    Args:
        together: takes the calls that have come in since its last turn, and works off what follows
            from all of them.

    Attributes:
        patched: whether it is the main hub.
        closed: whether it takes no more calls.
        greenlet: gevent's hub; None before start().
        loop: its event loop, whose watchers live here.
        thread: the one that it has for itself.
    """

    def __init__(self, together: Callable[[Iterable[Callable[[], None]]], None]) -> None:
        self.patched = monkey.is_module_patched('threading') and monkey.is_module_patched('socket')
        self.closed = False
        self.greenlet: Any = None
        self.loop: Any = None
        self.thread: threading.Thread | None = None
        self._together = together
        self._calls: deque[Callable[[], None]] = deque()
        self._async: Any = None

    def start(self) -> None:
        """Begin to take calls; returns when it does."""
        if self.patched:
            self._begin()
            return
        ready = threading.Event()
        self.thread = threading.Thread(
            target=self._run_thread, args=(ready,), name='ws4redis-loop', daemon=True
        )
        self.thread.start()
        ready.wait()

    def _run_thread(self, ready: threading.Event) -> None:
        self._begin()
        ready.set()
        # The hub runs until no watcher is left, which is close()'s doing.
        with contextlib.suppress(LoopExit):
            self.greenlet.switch()
        self.greenlet.destroy(destroy_loop=True)

    def _begin(self) -> None:
        self.greenlet = gevent.get_hub()
        self.loop = self.greenlet.loop
        self._async = self.loop.async_(ref=not self.patched)
        self._async.start(guarded(self._run_calls))

    # From any thread or greenlet

    def call(self, function: Callable[[], None]) -> None:
        """Run the function here, soon and in the order of the calls."""
        if self.closed:
            return
        self._calls.append(function)
        self._async.send()

    def run(self, function: Callable[[], None]) -> None:
        """Run the function here, and wait until it is done."""
        done = Answer()

        def step() -> None:
            try:
                function()
            finally:
                done.set(True)

        # Not among the other calls, of which what follows is worked off only when all of them are
        # done.
        self.call(partial(self.loop.run_callback, guarded(step)))
        done.wait(None)

    def join(self) -> None:
        """Wait for the end of its thread, if it has one; close() comes first."""
        if self.thread is not None:
            self.thread.join()

    def keep_to_its_threads(self) -> None:
        """Let gevent start no more native threads, in a process that ends."""
        if not self.patched:
            return
        # gevent looks up hosts in native threads, of which Python starts no more by now, from 3.12
        # on: it would raise there.
        pool = self.greenlet.threadpool
        if pool.size:
            pool.maxsize = pool.size

    # Inside

    @property
    def has_calls(self) -> bool:
        """Whether calls wait for their turn."""
        return bool(self._calls)

    def _run_calls(self) -> None:
        # Together: a thousand joins that are ready at once share one GET, one barrier and one write
        # to Redis.
        self._together(self._waiting_calls())

    def _waiting_calls(self) -> Iterator[Callable[[], None]]:
        while self._calls:
            yield guarded(self._calls.popleft())

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run the function once, so many seconds from now."""
        timer = self.loop.timer(seconds)

        def due() -> None:
            timer.close()
            function()

        timer.start(guarded(due))

    def close(self) -> None:
        """Take no more calls; its thread ends when nobody else watches anything here."""
        self.closed = True
        self._async.close()


class Alarm:
    """The one timer for whatever is due first.

    Args:
        hub: where it rings.
        function: called when it does.

    Attributes:
        at: the time for which it is set; infinite if for none.
    """

    def __init__(self, hub: Hub, function: Callable[[], None]) -> None:
        self.at = float('inf')
        self._hub = hub
        self._function = function
        self._timer: Any = None

    def set(self, at: float, now: float) -> None:
        """Ring then, and not when it was to ring before."""
        self.at = at
        self.close()
        self._timer = self._hub.loop.timer(max(0.0, at - now))
        # update: the hub's own idea of now is as old as this iteration.
        self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        self.at = float('inf')
        try:
            self._function()
        except BaseException:
            logger.exception('the websocket loop failed in its timers')

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.close()


class StandStills:
    """Says so when the main hub has stood still, and names whose code ran.

    Args:
        loop: the event loop of the hub.
        busy: whether calls of the site's code run.

    Attributes:
        classes: names of those whose code has run since the last turn; a dict, for their order.
    """

    def __init__(self, loop: Any, busy: Callable[[], bool]) -> None:
        self.classes: dict[str, None] = {}
        self._busy = busy
        self._began = time.monotonic()
        # Between check (the wait is over) and prepare (the next wait begins) the hub runs what was
        # due. gevent runs greenlets in a prepare watcher of its own: ours comes behind it.
        self._check = loop.check(ref=False, priority=loop.MAXPRI)
        self._prepare = loop.prepare(ref=False, priority=loop.MINPRI)
        self._check.start(self._turn_begins)
        self._prepare.start(self._turn_ends)

    def _turn_begins(self) -> None:
        self._began = time.monotonic()

    def _turn_ends(self) -> None:
        stood = time.monotonic() - self._began
        if self.classes and stood > settings.WS4REDIS_BLOCKED_WARNING:
            logger.warning(
                'the loop stood still for %.1f s, and with it every websocket of this process, '
                'while %s ran: a call there is not patched by gevent',
                stood,
                ', '.join(self.classes),
            )
        if not self._busy():
            self.classes.clear()

    def close(self) -> None:
        """Watch no more."""
        self._check.close()
        self._prepare.close()
