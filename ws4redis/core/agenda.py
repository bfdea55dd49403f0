"""Agenda: what there is to do next, written by the core and worked off by the driver; the time and
the counters that all share.

The core puts recipients on it and never waits: who has bytes to write (to_write, when an outbox is
empty no longer), and who has a job, an end or another change (to_attend). A job is one call of the
site's code; its result comes back with job_done().
"""

import enum
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ws4redis.core.frames import CloseCode
from ws4redis.core.replies import Published

__all__ = ['Agenda', 'Counters', 'Job', 'JobKind', 'Outcome', 'Result']

R = TypeVar('R')
"""Recipient, which has the agenda to write on."""


class JobKind(enum.Enum):
    """What of the site's code runs; the value is the subscriber's method."""

    PERSISTED = 'send_persisted_messages'
    PUBLISH = 'publish_message'
    PARSE = 'parse_response'
    SERVE = 'parse_response of a subscriber that serves itself'
    RELEASE = 'release'


@dataclass(frozen=True, slots=True)
class Job:
    """One call of the site's code.

    Attributes:
        message: what came from the client (bytes) or from Redis (Published).
        binary: whether the client sent it as a binary message.
    """

    kind: JobKind
    message: bytes | Published | None = None
    binary: bool | None = None


class Outcome(enum.Enum):
    """How a job ended; the value is the close code that follows from it."""

    DONE = None
    UNAVAILABLE = CloseCode.TRY_AGAIN_LATER
    FAILED = CloseCode.INTERNAL_ERROR


@dataclass(slots=True)
class Result:
    """What a job gave: messages for the client, each with whether it is binary (None: decided by
    its content).
    """

    outcome: Outcome = Outcome.DONE
    replies: 'list[tuple[bytes, bool | None]]' = field(default_factory=list)
    descriptor: int | None = None
    """For SERVE: what get_file_descriptor() gives now."""
    exception: BaseException | None = None
    """What the site's code raised, for a driver that tells the test."""


@dataclass(slots=True)
class Counters:
    """What happened in this process since its start."""

    opened: int = 0
    refused: int = 0
    messages_received: int = 0
    messages_from_redis: int = 0
    messages_sent: int = 0
    own_copies: int = 0
    published_nowhere: int = 0
    not_published: int = 0
    slow_readers: int = 0
    not_delivered: int = 0
    no_answer: int = 0
    rights_withdrawn: int = 0
    job_failures: int = 0
    jobs_waited: int = 0
    redis_gaps: int = 0
    redis_gap_seconds: float = 0.0
    closed: dict[int, int] = field(default_factory=dict)
    """Ended websockets by close code; 1006 where there was none."""


class Agenda(Generic[R]):
    """What the driver has to do next, in the order in which it came up; and the time, which all
    recipients share.

    Attributes:
        now: seconds on the driver's clock, set at each entry into the core.
    """

    __slots__ = ('counters', 'now', 'to_attend', 'to_write')

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.counters = Counters()
        self.to_write: list[R] = []
        """Those whose outbox was empty and is no longer."""
        self.to_attend: dict[R, None] = {}
        """Those with a job, an end or another change."""
