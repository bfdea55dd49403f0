"""What loop.status() tells: the state of this process's websockets in plain numbers."""

import dataclasses
import os
from typing import Any

from ws4redis.core.exchange import Exchange
from ws4redis.core.feed import FeedState

__all__ = ['status']


def status(exchange: Exchange, *, workers_waiting: int, running_jobs: int) -> dict[str, Any]:
    """Figures of this moment, and counters since the loop began.

    Returns:
        websockets, channels, patterns: open or listened on now; pending_bytes: unsent; redis:
            whether the pub/sub
        connection is up; pid; running_jobs and workers_waiting: calls of the site's code under way
        and waiting for a thread; then the fields of ws4redis.core.agenda.Counters.
    """
    return {
        'pid': os.getpid(),
        **exchange.status(),
        'redis': exchange.feed.state is FeedState.UP,
        'running_jobs': running_jobs,
        'workers_waiting': workers_waiting,
        **dataclasses.asdict(exchange.agenda.counters),
    }
