"""What loop.status() tells: the state of this process's websockets in plain numbers."""

import dataclasses
import os
from typing import TypedDict, cast

from ws4redis.core.exchange import Exchange
from ws4redis.core.feed import FeedState

__all__ = ['Status', 'status']


class Status(TypedDict):
    """Figures of this moment, then counters since the loop began; see Counters for each."""

    pid: int
    websockets: int
    channels: int
    patterns: int
    pending_bytes: int
    redis: bool
    running_jobs: int
    workers_waiting: int
    opened: int
    refused: int
    messages_received: int
    messages_from_redis: int
    messages_sent: int
    own_copies: int
    published_nowhere: int
    not_published: int
    slow_readers: int
    not_delivered: int
    no_answer: int
    rights_withdrawn: int
    job_failures: int
    jobs_waited: int
    redis_gaps: int
    redis_gap_seconds: float
    closed: dict[int, int]


def status(exchange: Exchange, *, workers_waiting: int, running_jobs: int) -> Status:
    """Figures of this moment, and counters since the loop began.

    Returns:
        websockets, channels, patterns: open or listened on now; pending_bytes: unsent; redis:
        whether the pub/sub connection is up; pid; running_jobs and workers_waiting: calls of the
        site's code under way and waiting for a thread; then the fields of Counters
        (ws4redis.core.agenda).
    """
    found = {
        'pid': os.getpid(),
        **exchange.status(),
        'redis': exchange.feed.state is FeedState.UP,
        'running_jobs': running_jobs,
        'workers_waiting': workers_waiting,
        **dataclasses.asdict(exchange.agenda.counters),
    }
    return cast('Status', found)
