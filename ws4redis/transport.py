"""DescriptorTransport: one client's descriptor, and its watchers on the hub."""

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

__all__ = ['READ', 'WRITE', 'DescriptorTransport']

_Argument = TypeVar('_Argument')

READ, WRITE = 1, 2

READ_SIZE: Final = 1 << 16
"""Bytes read from a client at once; eight times the largest frame that browsers send in one
piece.
"""

# On bare descriptors. PyDLL keeps the GIL: a call that never waits is not worth giving it away, and
# beside a thread that computes it takes milliseconds to come back.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.send.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_libc.send.restype = ctypes.c_ssize_t
_FLAGS = getattr(socket, 'MSG_NOSIGNAL', 0)


class _WatchesDescriptors(Protocol):
    """gevent's event loop, as far as it is needed here."""

    def io(self, fd: int, events: int) -> Any: ...


class DescriptorTransport:
    """The way to one client.

    Args:
        descriptor: its socket's, non-blocking and ours alone.
        loop: the event loop of the hub.

    Attributes:
        half_closed: whether the client has been told that nothing more comes.
        reading, writing: the watchers; writing is None as long as the client takes everything.
        watches_reading: whether reading is active.
    """

    __slots__ = ('descriptor', 'half_closed', 'reading', 'watches_reading', 'writing')

    def __init__(self, descriptor: int, loop: _WatchesDescriptors) -> None:
        self.descriptor = descriptor
        self.half_closed = False
        self.reading: Any = loop.io(descriptor, READ)
        self.watches_reading = False
        self.writing: Any = None

    def send(self, data: bytes) -> int:
        """Write what fits; the count of bytes.

        Raises:
            OSError: the client is gone.
        """
        count: int = _libc.send(self.descriptor, data, len(data), _FLAGS)
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(code, os.strerror(code))

    def receive(self) -> bytes | None:
        """What the client has sent; empty at its end, None if it has sent nothing."""
        try:
            return os.read(self.descriptor, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return b''

    def watch_reading(self, function: Callable[[_Argument], None], argument: _Argument) -> None:
        """Call the function with the argument whenever there is something to read."""
        self.watches_reading = True
        self.reading.start(function, argument)

    def ignore_reading(self) -> None:
        """Do so no longer."""
        self.watches_reading = False
        self.reading.stop()

    def watch_writing(self, function: Callable[[_Argument], None], argument: _Argument) -> None:
        """Call the function with the argument whenever the client takes bytes."""
        self.writing = self.reading.loop.io(self.descriptor, WRITE)
        self.writing.start(function, argument)

    def ignore_writing(self) -> None:
        """Do so no longer."""
        self.writing.stop()
        self.writing.close()
        self.writing = None

    def half_close(self) -> None:
        """Tell the client that nothing more comes; once, however often this is called."""
        if not self.half_closed:
            self.half_closed = True
            _libc.shutdown(self.descriptor, socket.SHUT_WR)

    def close(self) -> None:
        """Stop the watchers and close the descriptor."""
        for watcher in (self.reading, self.writing):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        os.close(self.descriptor)
