"""OwnCopies: whose message is it? A websocket does not get back what it sent itself, and does get
equal messages of others.

In go channels and payload of each publish, and each message that arrives; out comes whether that is
an own copy. What must hold:

- A copy is counted before PUBLISH is sent, so that it never arrives uncounted; a publish that
  failed takes its count back.
- As many equal messages are own copies as were published, and no more.
- A copy that cannot come any more (connection lost, channel given up) is forgotten.
- publishing() and failed() may run in another thread than the rest: their counts travel in a list.
"""

from collections.abc import Iterable
from typing import Protocol

__all__ = ['OwnCopies']


class Listener(Protocol):
    """Whose own copies they are: the recipient.

    Attributes:
        direct: whether it gets messages without asking here.
    """

    direct: bool

    def listens_on(self, channel: bytes) -> bool:
        """Whether a message of this channel is for it."""


class OwnCopies:
    """Tells a websocket's own copies from equal messages of others: what it publishes is counted
    before it is sent.

    Filled by whoever runs publish_message(), emptied by the hub: additions travel in a list, since
    the two may be different threads.

    Attributes:
        echo: whether the websocket gets its own messages back, so that nothing is counted.
        nowhere: messages of the client that had no channel to go to, since job_done() looked last.
    """

    __slots__ = ('_added', '_owed', '_recipient', 'echo', 'nowhere')

    def __init__(self, recipient: Listener, echo: bool) -> None:
        self.echo = echo
        self.nowhere = 0
        self._recipient: Listener | None = recipient
        self._added: list[tuple[int, bytes, bytes]] = []
        self._owed: dict[tuple[bytes, bytes], int] | None = None

    def publishing(self, channels: Iterable[bytes], payload: bytes) -> None:
        """These channels are about to get this payload from here."""
        self._count(+1, channels, payload)

    def failed(self, channels: Iterable[bytes], payload: bytes) -> None:
        """They did not get it after all."""
        self._count(-1, channels, payload)

    def _count(self, step: int, channels: Iterable[bytes], payload: bytes) -> None:
        recipient = self._recipient
        if self.echo or recipient is None:
            return
        for channel in channels:
            if recipient.listens_on(channel):
                # Counted first: the hub may look anew in between, and would find nothing to expect.
                # The copy cannot arrive before PUBLISH is sent, and that comes after both.
                self._added.append((step, channel, payload))
                recipient.direct = False

    def published_nowhere(self) -> None:
        """A message of the client had no channel to go to."""
        self.nowhere += 1

    @property
    def expecting(self) -> bool:
        """Whether an own copy may still come."""
        return bool(self._added or self._owed)

    def pop_own_copy(self, channel: bytes, payload: bytes) -> bool:
        """Whether this message is an own copy; then it is not counted any more."""
        owed = self._fold()
        if (channel, payload) not in owed:
            return False
        self._change(owed, -1, channel, payload)
        return True

    def _fold(self) -> dict[tuple[bytes, bytes], int]:
        if self._owed is None:
            self._owed = {}
        while self._added:
            self._change(self._owed, *self._added.pop(0))
        return self._owed

    @staticmethod
    def _change(
        owed: dict[tuple[bytes, bytes], int], step: int, channel: bytes, payload: bytes
    ) -> None:
        count = owed.get((channel, payload), 0) + step
        if count > 0:
            owed[channel, payload] = count
        else:
            owed.pop((channel, payload), None)

    def forget(self) -> None:
        """The Redis connection is lost: the copies of what was published on its way will not
        come.
        """
        self._added.clear()
        self._owed = None

    def forget_unheard(self) -> None:
        """Copies on channels that are not listened on any more will not come."""
        recipient, owed = self._recipient, self._fold()
        for key in [key for key in owed if recipient is None or not recipient.listens_on(key[0])]:
            del owed[key]

    def end(self) -> None:
        """The websocket is gone, and may be freed: what a subscriber publishes from now on comes
        back to nobody.
        """
        self._recipient = None
