"""The descriptor out of each WSGI server, so that the connection is ours and the server's own books
stay right.

Two ways serve all of them. A socket of the standard library: the descriptor is duplicated, and a
dead one put in the place of the original, on which the server's shutdown() and close() do no harm
and its count of connections stays right (gunicorn's gthread counts a detached socket down twice). A
socket of gevent: detach(), which also ends gevent's own watchers of it.

uWSGI has no socket object at all: see ws4redis.uwsgi_host.
"""

import contextlib
import errno
import io
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ws4redis.exceptions import UnavailableError
from ws4redis.uwsgi_host import UwsgiTransport, find_obstacle, runs_in_uwsgi

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket

    ServerSocket: TypeAlias = socket.socket | GeventSocket

__all__ = ['SocketTransport', 'end_request', 'find_transport', 'start_closing']


class SocketTransport:
    """The way to the client while the WSGI server still has it.

    Args:
        sock: the server's socket object.
        take_rest: gives, and empties, what the server has read behind the request's head; called
            once the socket is dead.
    """

    def __init__(self, sock: 'ServerSocket', take_rest: Callable[[], bytes]) -> None:
        self._sock = sock
        self._take_rest = take_rest

    def detach(self) -> tuple[int, bytes]:
        """The descriptor, non-blocking and ours alone, and the bytes that the server has read
        too far.
        """
        with contextlib.suppress(OSError):
            # Not on a unix socket.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = _give(self._sock)
        return descriptor, self._take_rest()


def find_transport(
    environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> SocketTransport | UwsgiTransport:
    """The way to the client of this request.

    Raises:
        UnavailableError: 501, this server gives its socket to nobody; the reason says what to do.
    """
    if 'gunicorn.socket' in environ:
        return _gunicorn(environ)
    if runs_in_uwsgi(environ):
        obstacle = find_obstacle(environ)
        if obstacle is not None:
            raise _refusal(obstacle)
        return UwsgiTransport()
    reader = _reader(environ, start_response)
    if reader is None:
        raise _refusal(
            'this WSGI server gives its socket to nobody: serve the websockets with gunicorn, '
            'uWSGI or gevent.pywsgi'
        )
    raw: Any = reader.raw
    sock = raw._sock
    _check_socket(sock)

    def take_rest() -> bytes:
        # The socket is dead now, so nothing waits: a filled buffer is given whole, an empty one
        # meets the end. It must be emptied: the development server would take the client's frames
        # for its next request.
        try:
            return reader.read(len(reader.peek()))
        except (OSError, ValueError):
            return b''

    return SocketTransport(sock, take_rest)


_HOP_BY_HOP = ('Connection', 'Upgrade')
"""Of the headers of our refusals those that WSGI leaves to the server (RFC 9110, 7.6.1)."""


def start_closing(
    environ: Mapping[str, Any],
    start_response: Callable[..., Any],
    status: str,
    headers: list[tuple[str, str]],
) -> None:
    """start_response() for an answer after which the connection ends; `headers` say so with
    `Connection: close`.

    WSGI leaves that header to the server: gevent.pywsgi and uWSGI take it from the application,
    gunicorn ignores it there, and the others refuse it, as they refuse the Upgrade that a 426
    needs.
    """
    handler: Any = getattr(start_response, '__self__', None)
    if hasattr(handler, 'force_close'):
        # gunicorn's response object
        handler.force_close()
    software = environ.get('SERVER_SOFTWARE', '')
    if not software or software.startswith(('gevent', 'gunicorn')):
        # uWSGI does not name itself.
        start_response(status, headers)
        return
    start_response(status, [(name, value) for name, value in headers if name not in _HOP_BY_HOP])
    if software.startswith('WSGIServer') and handler is not None:
        # wsgiref, which the development server is made of
        for name, value in headers:
            if name in _HOP_BY_HOP:
                handler.headers[name] = value


def end_request(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The end of a request whose connection has been taken; what the server writes from here on
    goes nowhere.

    Raises:
        BrokenPipeError: servers pass over a client that is gone without a word, and write nothing
            more.
    """
    # With this the server's access log has an honest line.
    start_response('101 Switching Protocols', [])
    if runs_in_uwsgi(environ):
        # It would log the exception with its traceback.
        return []
    raise BrokenPipeError(errno.EPIPE, 'the connection is a websocket now')


def _refusal(reason: str) -> UnavailableError:
    return UnavailableError('This server does not serve websockets', reason=reason, status=501)


def _gunicorn(environ: Mapping[str, Any]) -> SocketTransport:
    sock = environ['gunicorn.socket']
    _check_socket(sock)
    if not environ.get('wsgi.multithread') and not _is_gevent_socket(sock):
        raise _refusal(
            "gunicorn's sync worker has one request at a time: start it with --worker-class gevent"
        )
    # Public names of gunicorn: body, its reader, the buffer in front of the socket. Another shape
    # is HTTP/2 or a request whose input somebody has replaced.
    unreader: Any = getattr(getattr(environ['wsgi.input'], 'reader', None), 'unreader', None)
    buffer = getattr(unreader, 'buf', None)
    if not isinstance(buffer, io.BytesIO):
        raise _refusal(
            'no way to what gunicorn has read ahead: is this HTTP/2, or has a middleware '
            'replaced wsgi.input?'
        )

    def take_rest() -> bytes:
        rest = buffer.getvalue()
        unreader.buf = io.BytesIO()
        return rest

    return SocketTransport(sock, take_rest)


def _reader(
    environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> io.BufferedReader | None:
    """The buffered reader over the client's socket; start_response is asked last, since
    middleware wraps it.
    """
    source = environ.get('wsgi.input')
    handler = getattr(start_response, '__self__', None)
    for candidate in (
        source,  # gevent.pywsgi gives it to an upgrade request as it is
        getattr(source, 'rfile', None),  # gevent.pywsgi's Input
        getattr(getattr(source, '_read', None), '__self__', None),  # Django's LimitedStream
        getattr(getattr(handler, 'request_handler', None), 'rfile', None),  # Django's ServerHandler
        getattr(handler, 'rfile', None),  # gevent.pywsgi's WSGIHandler
    ):
        if isinstance(candidate, io.BufferedReader) and hasattr(candidate.raw, '_sock'):
            return candidate
    return None


def _check_socket(sock: object) -> None:
    # Both ssl's and gevent's TLS sockets can unwrap(): their keys cannot leave with the descriptor.
    if not hasattr(sock, 'detach') or hasattr(sock, 'unwrap'):
        raise _refusal('TLS ends in this server: let a proxy in front of it do that')


def _is_gevent_socket(sock: 'ServerSocket') -> bool:
    gevent_socket = sys.modules.get('gevent.socket')
    return gevent_socket is not None and isinstance(sock, gevent_socket.socket)


def _give(sock: 'ServerSocket') -> int:
    if _is_gevent_socket(sock):
        descriptor: int = sock.detach()
    else:
        descriptor = os.dup(sock.fileno())
        try:
            dead, far = socket.socketpair()
            far.close()
            with dead:
                os.dup2(dead.fileno(), sock.fileno(), inheritable=False)
        except BaseException:
            os.close(descriptor)
            raise
    os.set_blocking(descriptor, False)
    return descriptor
