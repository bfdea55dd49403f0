"""The descriptor out of each WSGI server: the real servers, in this process, on real sockets."""

from __future__ import annotations

import io
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from gevent import pywsgi
from gunicorn.config import Config
from gunicorn.http import wsgi as gunicorn_wsgi
from gunicorn.http.parser import RequestParser

from tests.loop.process import GUARD, frame, request_head
from ws4redis.exceptions import UnavailableError
from ws4redis.takeover import SocketTransport, find_transport, start_closing

REFUSAL = [('Content-Type', 'text/plain'), ('Content-Length', '2'), ('Connection', 'close')]


class Application:
    """Takes the connection of each request but those for /plain, which it refuses.

    Attributes:
        taken: descriptor and rest of each connection.
        sockets: the servers' own socket objects.
        wraps: whether a middleware has put its own start_response in front.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[int, bytes]] = []
        self.sockets: list[Any] = []
        self.requests = 0
        self.wraps = False

    def __call__(
        self, environ: MutableMapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        self.requests += 1
        if environ['PATH_INFO'] == '/plain':
            start_closing(environ, start_response, '400 Bad Request', REFUSAL)
            return [b'no']
        transport = find_transport(
            environ, (lambda *args: start_response(*args)) if self.wraps else start_response
        )
        assert isinstance(transport, SocketTransport)
        self.sockets.append(transport._sock)
        self.taken.append(transport.detach())
        os.write(self.taken[-1][0], b'taken')
        start_response('101 Switching Protocols', [])
        raise BrokenPipeError

    def close(self) -> None:
        for descriptor, _ in self.taken:
            os.close(descriptor)


class Connection:
    """A client of a server, and the word that the server has let go of its socket.

    Args:
        client: connected.
        done: waits until the server has finished with the connection.
    """

    def __init__(self, client: socket.socket, done: Callable[[], None]) -> None:
        self.client = client
        self.done = done


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application()
    yield application
    application.close()


@pytest.fixture(params=['development', 'pywsgi', 'gunicorn'])
def connect(
    request: pytest.FixtureRequest, application: Application
) -> Iterator[Callable[[bytes], Connection]]:
    """Sends a request to a server of each kind."""
    kinds: dict[str, Any] = {'development': Development, 'pywsgi': Pywsgi, 'gunicorn': Gunicorn}
    with kinds[request.param](application) as connect:
        yield connect


class Development:
    """Django's development server."""

    def __init__(self, application: Application) -> None:
        finished = self.finished = threading.Semaphore(0)

        class Server(ThreadedWSGIServer):
            def shutdown_request(self, request: Any) -> None:
                super().shutdown_request(request)
                finished.release()

        self.server = Server(('127.0.0.1', 0), WSGIRequestHandler)
        self.server.set_app(application)
        self.clients: list[socket.socket] = []

    def __enter__(self) -> Callable[[bytes], Connection]:
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={'poll_interval': 0.01}
        )
        self.thread.start()
        return self.connect

    def connect(self, data: bytes) -> Connection:
        client = socket.create_connection(('127.0.0.1', self.server.server_port), timeout=GUARD)
        self.clients.append(client)
        client.sendall(data)
        return Connection(client, self.done)

    def done(self) -> None:
        assert self.finished.acquire(timeout=GUARD)

    def __exit__(self, *exc_info: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        for client in self.clients:
            client.close()


class Pywsgi:
    """gevent.pywsgi, in a hub of this thread that runs while the test waits."""

    def __init__(self, application: Application) -> None:
        self.finished = 0
        outer = self

        class Server(pywsgi.WSGIServer):
            def do_close(self, *args: Any) -> None:
                super().do_close(*args)
                outer.finished += 1

        self.server = Server(('127.0.0.1', 0), application, log=None, error_log=None)
        self.clients: list[socket.socket] = []

    def __enter__(self) -> Callable[[bytes], Connection]:
        self.server.start()
        return self.connect

    def connect(self, data: bytes) -> Connection:
        client = socket.create_connection(('127.0.0.1', self.server.server_port), timeout=GUARD)
        self.clients.append(client)
        client.sendall(data)
        expected = self.finished + 1

        def done() -> None:
            with gevent.Timeout(GUARD):
                while self.finished < expected:
                    gevent.idle()

        return Connection(client, done)

    def __exit__(self, *exc_info: object) -> None:
        self.server.stop()
        for client in self.clients:
            client.close()
        gevent.get_hub().destroy()


class Gunicorn:
    """gunicorn's parser, environ and response, as its threaded worker puts them together."""

    def __init__(self, application: Application, multithread: bool = True) -> None:
        self.application = application
        self.config = Config()
        self.config.set('threads', 2 if multithread else 1)
        self.config.set('worker_class', 'gthread' if multithread else 'sync')
        self.ends: list[socket.socket] = []

    def __enter__(self) -> Callable[[bytes], Connection]:
        return self.connect

    def connect(self, data: bytes) -> Connection:
        listener = socket.create_server(('127.0.0.1', 0))
        client = socket.create_connection(listener.getsockname(), timeout=GUARD)
        server, address = listener.accept()
        listener.close()
        self.ends += [client, server]
        client.sendall(data)
        request = next(iter(RequestParser(self.config, server, address)))
        response, environ = gunicorn_wsgi.create(
            request, server, address, ('127.0.0.1', 0), self.config
        )
        environ['wsgi.multithread'] = self.config.threads > 1
        try:
            for piece in self.application(environ, response.start_response):
                response.write(piece)
            response.close()
        except BrokenPipeError:
            pass
        server.close()
        return Connection(client, lambda: None)

    def __exit__(self, *exc_info: object) -> None:
        for end in self.ends:
            end.close()


def read_all(sock: socket.socket) -> bytes:
    data = b''
    while piece := sock.recv(1 << 16):
        data += piece
    return data


@pytest.mark.parametrize('wraps', [False, True], ids=['', 'behind-middleware'])
def test_connection_is_ours_when_the_server_has_finished_with_it(
    connect: Callable[[bytes], Connection], application: Application, wraps: bool
) -> None:
    application.wraps = wraps
    connection = connect(request_head('/ws/news'))
    connection.done()
    ((descriptor, rest),) = application.taken
    assert rest == b''
    assert connection.client.recv(1 << 16) == b'taken'
    connection.client.sendall(b'from the client')
    assert select.select([descriptor], [], [], GUARD)[0]
    assert os.read(descriptor, 1 << 16) == b'from the client'
    os.write(descriptor, b'from us')
    assert connection.client.recv(1 << 16) == b'from us'
    assert not os.get_blocking(descriptor)
    assert not os.get_inheritable(descriptor)


@pytest.mark.parametrize('size', [1, 100, 5000, 36000])
def test_bytes_behind_the_request_are_given_and_never_taken_for_a_request(
    connect: Callable[[bytes], Connection], application: Application, size: int
) -> None:
    behind = b'GET /next HTTP/1.1\r\nHost: x\r\n\r\n'.ljust(size, b'.')[:size]
    connection = connect(request_head('/ws/news') + behind)
    connection.done()
    ((descriptor, rest),) = application.taken
    found = rest
    while len(found) < size:
        assert select.select([descriptor], [], [], GUARD)[0]
        found += os.read(descriptor, 1 << 16)
    assert found == behind
    assert application.requests == 1


def test_dead_socket_is_left_behind(
    connect: Callable[[bytes], Connection], application: Application
) -> None:
    connection = connect(request_head('/ws/news') + frame('early'))
    connection.done()
    ((descriptor, _),) = application.taken
    (left,) = application.sockets
    # Whatever the server still does to its socket object reaches nobody.
    left.close()
    os.write(descriptor, b' and alive')
    data = b''
    while len(data) < len(b'taken and alive'):
        data += connection.client.recv(1 << 16)
    assert data == b'taken and alive'


def test_small_frames_leave_at_once(
    connect: Callable[[bytes], Connection], application: Application
) -> None:
    connect(request_head('/ws/news')).done()
    ((descriptor, _),) = application.taken
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_refused_request_ends_its_connection_and_says_so(
    connect: Callable[[bytes], Connection],
) -> None:
    connection = connect(request_head('/plain') + request_head('/plain'))
    head, _, body = read_in_background(connection).partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 400 ')
    assert [line for line in head.lower().split(b'\r\n') if line.startswith(b'connection:')] == [
        b'connection: close'
    ]
    assert body == b'no'


def read_in_background(connection: Connection) -> bytes:
    """What the client gets until the server ends the connection; a hub of this thread runs
    meanwhile.
    """
    data: list[bytes] = []
    reading = threading.Thread(target=lambda: data.append(read_all(connection.client)))
    reading.start()
    connection.done()
    reading.join(GUARD)
    return data[0]


@pytest.mark.parametrize(
    ('software', 'names'),
    [
        ('waitress', ['Content-Type', 'Content-Length']),
        ('Apache/2.4 mod_wsgi/4.9', ['Content-Type', 'Content-Length']),
        ('gevent/26.9 Python/3.11', ['Content-Type', 'Content-Length', 'Connection']),
        # uWSGI
        (None, ['Content-Type', 'Content-Length', 'Connection']),
    ],
)
def test_server_that_lets_nobody_end_its_connections_is_not_asked_to(
    software: str | None, names: list[str]
) -> None:
    begun: list[list[str]] = []
    environ = {} if software is None else {'SERVER_SOFTWARE': software}
    start_closing(
        environ,
        lambda status, headers: begun.append([name for name, _ in headers]),
        '400 Bad Request',
        REFUSAL,
    )
    assert begun == [names]


def test_descriptor_is_not_lost_when_no_other_can_be_made(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError('too many open files')

    client, server = socket.socketpair()
    with client, server:
        reader = server.makefile('rb')
        transport = find_transport({'wsgi.input': reader}, print)
        before = len(os.listdir('/dev/fd'))
        monkeypatch.setattr(socket, 'socketpair', fail)
        with pytest.raises(OSError, match='too many'):
            transport.detach()
        assert len(os.listdir('/dev/fd')) == before
        reader.close()


# Servers that give their socket to nobody


def refusal(
    environ: dict[str, Any], start_response: Callable[..., Any] = print
) -> UnavailableError:
    with pytest.raises(UnavailableError) as refused:
        find_transport(environ, start_response)
    assert refused.value.status == 501
    assert refused.value.text == 'This server does not serve websockets'
    return refused.value


def test_unknown_server_is_refused_with_those_that_work() -> None:
    assert 'gunicorn, uWSGI or gevent.pywsgi' in refusal({'wsgi.input': io.BytesIO()}).reason
    assert 'gunicorn, uWSGI or gevent.pywsgi' in refusal({}).reason
    assert (
        'gunicorn, uWSGI or gevent.pywsgi'
        in refusal({'wsgi.input': io.BufferedReader(io.BytesIO())}).reason
    )


def test_server_in_which_tls_ends_is_refused() -> None:
    client, server = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with (
        client,
        context.wrap_socket(server, server_side=True, do_handshake_on_connect=False) as secure,
    ):
        with secure.makefile('rb') as reader:
            assert 'TLS' in refusal({'wsgi.input': reader}).reason
        environ = {'gunicorn.socket': secure, 'wsgi.multithread': True, 'wsgi.input': None}
        assert 'TLS' in refusal(environ).reason


def test_sync_worker_of_gunicorn_is_refused_with_one_that_works() -> None:
    reasons = []

    def ask(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        reasons.append(refusal(environ, start_response).reason)
        start_response('501 Not Implemented', [])
        return []

    with Gunicorn(ask, multithread=False) as connect:  # type: ignore[arg-type]
        connect(request_head('/ws/news'))
    assert reasons == [
        "gunicorn's sync worker has one request at a time: start it with --worker-class gevent"
    ]


def test_gunicorn_whose_input_was_replaced_is_refused() -> None:
    reasons = []

    def ask(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for replaced in (io.BytesIO(), SimpleNamespace(reader=SimpleNamespace(unreader=None))):
            reasons.append(refusal({**environ, 'wsgi.input': replaced}, start_response).reason)
        start_response('501 Not Implemented', [])
        return []

    with Gunicorn(ask) as connect:  # type: ignore[arg-type]
        connect(request_head('/ws/news'))
    assert ['read ahead' in reason for reason in reasons] == [True, True]
