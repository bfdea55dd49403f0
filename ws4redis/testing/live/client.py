"""LiveClient: a browser's websocket in a test, over TCP."""

import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.protocol import State

from ws4redis.testing.browser_end import BrowserEnd
from ws4redis.testing.client import ProtocolClient

if TYPE_CHECKING:
    from ws4redis.testing.live.server import LiveServer

__all__ = ['LiveClient', 'TcpEnd']

GUARD: Final = 30.0
"""Seconds after which bytes that must come, or must be taken, are taken for lost."""

READ_SIZE: Final = 1 << 16

RECEIVE_BUFFER: Final = 1 << 16
"""Bytes that the system keeps for a client that has stopped reading; it doubles them. Together with
the server's side about as many as a client in memory takes in, so that a slow reader shows in both.
"""


class TcpEnd(BrowserEnd):
    """One on a socket, in the test's thread.

    Attributes:
        sent, taken: bytes after the handshake's request, and from its answer on.
        ended: whether it sends nothing more.
    """

    def __init__(
        self,
        server: 'LiveServer',
        uri: str,
        name: str,
        subprotocols: tuple[str, ...],
        heartbeat: bytes | None,
    ) -> None:
        super().__init__(server.broker, uri, name, subprotocols, heartbeat)
        self.sent = self.taken = 0
        self.ended = False
        self._server = server
        self._met_end = False
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._sock.settimeout(GUARD)

    # For the server

    def connect(self, address: tuple[str, int]) -> str:
        """Connect; gives the port of this end."""
        self._sock.connect(address)
        return str(self._sock.getsockname()[1])

    def shake_hands(self, headers: Mapping[str, str]) -> Response | None:
        """Send the request, with these headers besides its own, and read the answer; gives it if it
        is a refusal.

        Raises:
            websockets.exceptions.InvalidHandshake: no browser would take this answer for a
            websocket's.
        """
        request = self.protocol.connect()
        for name, value in headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self.protocol.send_request(request)
        self.flush()
        self.sent = 0
        while self.protocol.state is State.CONNECTING and self.protocol.handshake_exc is None:
            self._receive_some()
        failure = self.protocol.handshake_exc
        if isinstance(failure, InvalidStatus):
            return failure.response
        if failure is not None:
            raise failure
        return None

    def receive_until(self, count: int, end: bool) -> None:
        """Read what the server has written: so many bytes altogether, and then the end of the
        connection if it comes.
        """
        while not self._met_end and (self.taken < count or end):
            self._receive_some()

    def hang_up(self) -> None:
        """Close the socket."""
        self._sock.close()
        self.ended = self._met_end = True

    # Over TCP

    def _receive_some(self) -> None:
        data = self._read()
        self.taken += len(data)
        if data:
            self._receive(data)
            return
        self._met_end = True
        self._receive_eof()
        self.hang_up()

    def _read(self) -> bytes:
        """What has come; b'' at the end.

        Raises:
            TimeoutError: nothing has come, although the server has sent it.
        """
        try:
            return self._sock.recv(READ_SIZE)
        except TimeoutError as exc:
            raise TimeoutError(
                f'{self.name}: what the server has sent has not come within {GUARD:.0f} s'
            ) from exc
        except OSError:
            return b''

    def put(self, data: bytes) -> None:
        """Send these bytes.

        Raises:
            TimeoutError: the server does not read them.
        """
        if self.ended:
            return
        if not data:
            self.ended = True
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
            return
        try:
            self._sock.sendall(data)
        except TimeoutError as exc:
            raise TimeoutError(
                f'{self.name}: the server has not read within {GUARD:.0f} s'
            ) from exc
        except OSError:
            # The server has closed; what it has said before is there to read.
            return
        self.sent += len(data)

    def vanish(self) -> None:
        self.hang_up()
        self._receive_eof()

    @property
    def peers(self) -> Sequence[BrowserEnd]:
        return [client._end for client in self._server.clients]

    @property
    def is_served(self) -> bool:
        """Whether it is open on the server's side."""
        return self.recipient is not None and self.recipient.transport is not None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of this end, as the server sees them."""
        host, port = self._sock.getsockname()[:2]
        return str(host), int(port)

    @property
    def peer(self) -> tuple[str, int]:
        """Host and port of the server's end."""
        host, port = self._sock.getpeername()[:2]
        return str(host), int(port)


class LiveClient(ProtocolClient[TcpEnd]):
    """A browser's websocket in a test, over TCP; made by LiveServer.connect(). All of it runs in
    the test's thread.
    """

    def __init__(self, server: 'LiveServer', end: TcpEnd) -> None:
        super().__init__(server.broker, end)
        self._server = server

    def _settle(self) -> None:
        self._server.settle()

    def resume_reading(self) -> None:
        self._end.reads = True
        self._settle()
