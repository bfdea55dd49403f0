"""Outputs: what the core asks for, and each driver does in its own way: write, run a job, reach
Redis.

Each is called where the driver lives. In the loop it comes back without waiting, and what takes its
time is answered by a step of Driver later; in a test's thread that step may come within the call.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ws4redis.core.agenda import Job
from ws4redis.core.exchange import Gap
from ws4redis.core.recipient import Recipient

__all__ = ['Outputs']


class Outputs(ABC):
    """What a driver adds to the steps."""

    @abstractmethod
    def now(self) -> float:
        """The time, in seconds, of a clock that does not jump."""

    @abstractmethod
    def write(self, recipient: Recipient, data: bytes) -> int:
        """Write what fits without waiting; give the count of bytes. OSError: the client is gone."""

    @abstractmethod
    def watch(self, recipient: Recipient) -> None:
        """Watch for reading if recipient.reading, for writing if recipient.blocked."""

    @abstractmethod
    def half_close(self, recipient: Recipient) -> None:
        """Tell the client that nothing more comes."""

    @abstractmethod
    def drop(self, recipient: Recipient) -> None:
        """Close the transport and stop watching it; once for each recipient."""

    @abstractmethod
    def run_job(self, recipient: Recipient, job: Job) -> None:
        """Run the site's code where it may run; job_done() follows."""

    @abstractmethod
    def connect_feed(self) -> None:
        """Make the pub/sub connection; feed_connected() or feed_lost() follows."""

    @abstractmethod
    def drop_feed(self) -> None:
        """Close the pub/sub connection."""

    @abstractmethod
    def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
        """Send these on the pub/sub connection."""

    @abstractmethod
    def fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        """Read the persisted messages of these channels; done(None) if Redis did not answer."""

    @abstractmethod
    def gap_ended(self, gap: Gap) -> None:
        """Tell the site that messages may have been missed."""

    @abstractmethod
    def look_up(self, some: list[Any], done: Callable[[set[Any]], None]) -> None:
        """Look the rights of these accesses up, where that may wait; done() with those who have
        lost them, never from within this call.
        """

    @abstractmethod
    def serve_again(self, recipient: Recipient, descriptor: int | None) -> None:
        """A subscriber that serves itself has read: its descriptor may be watched again, None if
        it has none now.
        """
