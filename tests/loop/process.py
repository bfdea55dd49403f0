"""A process that serves websockets, and a client for it: what tests of the loop have in their
own process.
"""

import json
import os
import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.loop import inside
from tests.processes.serving import ROOT, ServingProcess

__all__ = [
    'GUARD',
    'Closed',
    'LoopProcess',
    'Refused',
    'SocketClient',
    'eventually',
    'frame',
    'request_head',
    'steady',
]

GUARD = 20.0
"""Seconds after which a test that waits for something fails; no test waits that long unless it
fails.
"""

P = ParamSpec('P')
T = TypeVar('T')


def eventually(look: Callable[[], T | None], what: str = 'it') -> T:
    """Look until the answer is true, and return it."""
    deadline = time.monotonic() + GUARD
    while not (found := look()):
        assert time.monotonic() < deadline, f'{what} has not happened within {GUARD} s'
    return found


def steady(look: Callable[[], T]) -> T:
    """Look until the answer has stayed the same ten times, and return it: what a handshake still
    had in its hands is let go.
    """
    answers: list[T] = []

    def stays() -> bool:
        answers.append(look())
        return len(answers) >= 10 and all(answer == answers[-1] for answer in answers[-10:])

    eventually(stays, 'an answer that stays')
    return answers[-1]


class Refused(Exception):
    """The upgrade was refused."""

    def __init__(self, response: Response) -> None:
        super().__init__(f'{response.status_code} {bytes(response.body or b"")[:200]!r}')
        self.status = response.status_code
        self.headers = response.headers
        self.body = bytes(response.body or b'')


class Closed(Exception):
    """The websocket has ended; 1006 without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f'{code} {reason}')
        self.code = code
        self.reason = reason


def frame(payload: str | bytes, opcode: Opcode | None = None) -> bytes:
    """A frame as a client sends it."""
    if opcode is None:
        opcode = Opcode.TEXT if isinstance(payload, str) else Opcode.BINARY
    data = payload.encode() if isinstance(payload, str) else payload
    return Frame(opcode, data).serialize(mask=True)


def request_head(
    path: str, headers: Mapping[str, str] | None = None, host: str = 'localhost'
) -> bytes:
    """An upgrade request with a fixed key."""
    lines = {
        'Host': host,
        'Upgrade': 'websocket',
        'Connection': 'Upgrade',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version': '13',
        **(headers or {}),
    }
    text = (
        f'GET {path} HTTP/1.1\r\n'
        + ''.join(f'{name}: {value}\r\n' for name, value in lines.items())
        + '\r\n'
    )
    return text.encode()


class SocketClient:
    """One websocket's client end, on a blocking socket.

    Args:
        port: where the server listens.
        path: with the query string.
        headers: of the upgrade request, besides the usual ones.
        behind: bytes that leave in one piece with the request.
        receive_buffer: of the socket, in bytes; None leaves it to the system.
        subprotocols: that the browser offers.
        answers: whether pings and close frames are answered.
    """

    def __init__(
        self,
        port: int,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        behind: bytes = b'',
        receive_buffer: int | None = None,
        subprotocols: Sequence[str] = (),
        answers: bool = True,
    ) -> None:
        self.answers = answers
        self.pings = 0
        self.response: Response | None = None
        self._inbox: list[str | bytes] = []
        self._close: tuple[int, str] | None = None
        offered = [Subprotocol(name) for name in subprotocols]
        self._protocol = ClientProtocol(
            parse_uri(f'ws://127.0.0.1:{port}{path}'), max_size=None, subprotocols=offered or None
        )
        self.sock = socket.socket()
        try:
            if receive_buffer is not None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.sock.settimeout(GUARD)
            self._begin_to_wait()
            self.sock.connect(('127.0.0.1', port))
            self._shake_hands(headers or {}, behind)
        except BaseException:
            self.sock.close()
            raise

    def _shake_hands(self, headers: Mapping[str, str], behind: bytes) -> None:
        request = self._protocol.connect()
        for name, value in headers.items():
            # Setting alone would add a second one.
            request.headers.pop(name, None)
            request.headers[name] = value
        self._protocol.send_request(request)
        self.sock.sendall(b''.join(self._protocol.data_to_send()) + behind)
        while self._protocol.handshake_exc is None and self._protocol.state.name == 'CONNECTING':
            self._read()
        if self.response is None:
            raise ConnectionError('closed without an answer')
        if self.response.status_code != 101:
            while self._read():
                pass
            raise Refused(self.response)
        assert self._protocol.handshake_exc is None, self._protocol.handshake_exc

    def _begin_to_wait(self) -> None:
        # Pings come while nothing else does: the socket's own time-out would never run out.
        self._deadline = time.monotonic() + GUARD

    def _read(self) -> bool:
        """Read once; False at the end."""
        assert time.monotonic() < self._deadline, 'nothing has come'
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b''
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self._take(event)
        answer = b''.join(self._protocol.data_to_send())
        if answer and self.answers:
            try:
                self.sock.sendall(answer)
            except ConnectionError:
                return False
        assert self._protocol.parser_exc is None or not data, self._protocol.parser_exc
        return bool(data)

    def _take(self, event: Frame) -> None:
        if event.opcode is Opcode.TEXT:
            self._inbox.append(bytes(event.data).decode())
        elif event.opcode is Opcode.BINARY:
            self._inbox.append(bytes(event.data))
        elif event.opcode is Opcode.PING:
            self.pings += 1
        elif event.opcode is Opcode.CLOSE:
            received = self._protocol.close_rcvd
            assert received is not None
            self._close = (int(received.code), received.reason)

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        self.sock.sendall(frame(message))

    def receive(self) -> str | bytes:
        """The next message; Closed if there is none any more."""
        self._begin_to_wait()
        while not self._inbox:
            if self._close is not None:
                raise Closed(*self._close)
            if not self._read() and not self._inbox and self._close is None:
                raise Closed(1006, '')
        return self._inbox.pop(0)

    def receive_all_until(self, last: str | bytes) -> list[str | bytes]:
        """The messages up to this one, without it."""
        found = []
        while (message := self.receive()) != last:
            found.append(message)
        return found

    def wait_until_pinged(self, times: int) -> None:
        """Read until the server has pinged this often."""
        self._begin_to_wait()
        while self.pings < times:
            assert self._read(), 'closed by the server'

    def wait_until_closed(self) -> int:
        """Read to the server's end of the connection; the close code."""
        self._begin_to_wait()
        while self._read():
            pass
        self.sock.close()
        return self._close[0] if self._close is not None else 1006

    def close(self, code: int = 1000) -> int:
        """The closing handshake, to the end of the connection; the code that came back."""
        self._protocol.send_close(code)
        self.sock.sendall(b''.join(self._protocol.data_to_send()))
        return self.wait_until_closed()

    def drop(self) -> None:
        """End without a word."""
        self.sock.close()


class LoopProcess(ServingProcess):
    """A process of tests.loop.child, inside a with block.

    Args:
        form: patched, unpatched or forked.
        redis: as WS4REDIS_CONNECTION.
        directory: for its database and what it says on standard error.
        settings: Django settings of its own, as JSON has them.
    """

    def __init__(
        self, form: str, redis: str, directory: Path, settings: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(directory / 'stderr', talks=True)
        self.form = form
        self.redis = redis
        self.directory = directory
        self._settings = dict(settings or {})
        self._browsers: list[SocketClient] = []
        self.port = 0
        self._control = 0

    def __enter__(self) -> 'LoopProcess':
        environment = {
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'LOOP_SETTINGS': json.dumps(self._settings),
            # gevent lets go of native threads late: that is its own affair.
            'PYTHONWARNINGS': 'error,ignore::DeprecationWarning:gevent,ignore::ResourceWarning',
        }
        arguments = [self.form, self.redis, str(self.directory / 'db.sqlite3')]
        self.launch([sys.executable, '-m', 'tests.loop.child', *arguments], environment)
        try:
            ports = json.loads(self.read_line())
        except BaseException:
            self.kill()
            raise
        self.port, self._control = ports['port'], ports['control']
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self.end()

    def begin_to_end(self) -> None:
        """Let it end in order: its standard input is over."""
        assert self.running.stdin is not None
        self.running.stdin.close()

    def end(self) -> int:
        """End it in order; its exit status."""
        self.forget_browsers()
        return self.stop(GUARD)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of tests.loop.inside in that process."""
        with socket.create_connection(('127.0.0.1', self._control), timeout=GUARD) as connection:
            connection.sendall(pickle.dumps((function, args, kwargs)))
            with connection.makefile('rb') as stream:
                succeeded, result = pickle.load(stream)
        assert succeeded, result
        answer: T = result
        return answer

    def browser(self, path: str, **kwargs: Any) -> SocketClient:
        """A websocket that is open, closed at the end of the test."""
        browser = SocketClient(self.port, path, **kwargs)
        self._browsers.append(browser)
        return browser

    def forget_browsers(self) -> None:
        """Drop the browsers that are left."""
        for browser in self._browsers:
            browser.drop()
        self._browsers.clear()

    def publish(self, message: str | bytes, facility: str = 'news', **kwargs: Any) -> None:
        """Publish with a RedisPublisher in that process; to everybody unless an audience is
        named.
        """
        self.run(inside.publish, message, facility, **kwargs)

    def status(self) -> dict[str, Any]:
        """loop.status()."""
        return self.run(inside.status)

    def wait_for(self, **figures: Any) -> None:
        """Until status() has these."""
        eventually(lambda: figures.items() <= self.status().items(), f'{figures}')

    def logs(self, logger: str = 'ws4redis', level: int = 0) -> list[inside.LogLine]:
        """What that process has logged since this was last asked, of this logger from this level
        on.
        """
        return [
            line
            for line in self.run(inside.take_logs)
            if line.logger.startswith(logger) and line.level >= level
        ]

    @contextmanager
    def settings(self, **values: Any) -> Iterator[None]:
        """Django settings of that process, inside a with block."""
        before = self.run(inside.change_settings, values)
        try:
            yield
        finally:
            self.run(inside.change_settings, before)

    @contextmanager
    def constant(self, module: str, name: str, value: Any) -> Iterator[None]:
        """A constant of a module in that process, inside a with block."""
        self.run(inside.change_constant, module, name, value)
        try:
            yield
        finally:
            self.run(inside.restore_constant, module, name)
