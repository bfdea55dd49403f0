"""What carries bytes between the pub/sub connection and the feed: from a socket, or from TLS.

redis-py has made and authenticated the connection; from here on it is non-blocking and this file's
alone.
"""

import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

import hiredis

from ws4redis.core.replies import Reply

__all__ = ['SocketPump']

READ, WRITE = 1, 2

READ_SIZE: Final = 1 << 16
"""Bytes read at once."""

BATCH_SIZE: Final = 1 << 20
"""Bytes read before the websockets are written; bounds what one batch can make wait."""


class _Connection(Protocol):
    # redis-py's own types know it only as it is before connect().
    _sock: Any

    def disconnect(self) -> None: ...


class _Loop(Protocol):
    def io(self, fd: int, events: int) -> Any: ...
    def run_callback(self, func: Callable[[], None]) -> object: ...


class _Hub(Protocol):
    @property
    def loop(self) -> _Loop: ...


class SocketPump:
    """Pumps a TCP, unix or TLS socket.

    Args:
        hub: the gevent hub in which everything here runs.
        connection: redis-py's, connected.
        receive: called with all replies that one wake-up has read.
        lost: called once, with the reason, when the connection is gone.
    """

    def __init__(
        self,
        hub: _Hub,
        connection: _Connection,
        receive: Callable[[list[Reply]], None],
        lost: Callable[[object], None],
    ) -> None:
        self._hub = hub
        self._connection = connection
        self._receive = receive
        self._lost = lost
        self._sock = connection._sock
        self._sock.settimeout(0)
        self._parser = hiredis.Reader()
        self._unsent = b''
        self._closed = False
        self._reading = hub.loop.io(self._sock.fileno(), READ)
        self._writing: Any = None
        self._reading.start(self._readable)

    def send(self, commands: list[tuple[bytes, ...]]) -> None:
        """Send these, now or as soon as the socket takes them."""
        waiting = bool(self._unsent)
        self._unsent += b''.join(hiredis.pack_command(command) for command in commands)  # type: ignore[arg-type]
        if not waiting:
            self._write()

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if self._writing is None:
                self._writing = self._hub.loop.io(self._sock.fileno(), WRITE)
                self._writing.start(self._write)
            return
        except OSError as exc:
            self._end(exc)
            return
        if self._writing is not None:
            self._stop_writing()

    def _stop_writing(self) -> None:
        self._writing.stop()
        self._writing.close()
        self._writing = None

    def _readable(self) -> None:
        if self._closed:
            return
        reason = self._read()
        replies = []
        try:
            while (reply := self._parser.gets()) is not False:
                replies.append(reply)
        except hiredis.ProtocolError as exc:
            reason = exc
        if replies:
            self._receive(replies)
        if reason is not None:
            self._end(reason)

    def _read(self) -> object:
        """Read until it would wait, or a batch is full; the reason if the connection has ended."""
        size = 0
        while size < BATCH_SIZE:
            try:
                data = self._sock.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            except OSError as exc:
                return exc
            if not data:
                return 'closed by Redis'
            self._parser.feed(data)
            size += len(data)
        # Bytes may wait inside the TLS object, of which the watcher knows nothing.
        self._hub.loop.run_callback(self._readable)
        return None

    def _end(self, reason: object) -> None:
        if not self._closed:
            self._lost(reason)

    def close(self) -> None:
        """Close the connection and stop watching it."""
        if self._closed:
            return
        self._closed = True
        self._reading.stop()
        self._reading.close()
        if self._writing is not None:
            self._stop_writing()
        self._connection.disconnect()
