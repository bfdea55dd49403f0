"""What is known of uWSGI: how its connections become ours, where they cannot, and when a worker
ends.

It has no socket object, only the number of a descriptor: a duplicate is ours, and /dev/null in the
place of the original takes what uWSGI still writes, its own 101 among it.
(uwsgi.websocket_handshake() writes one with the wrong headers, and a build without TLS does not
have it.)
"""

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ['UwsgiTransport', 'call_at_exit', 'find_obstacle', 'runs_in_uwsgi']


def runs_in_uwsgi(environ: Mapping[str, Any]) -> bool:
    """Whether uWSGI has made this WSGI environ."""
    return 'uwsgi.version' in environ


class UwsgiTransport:
    """The way to the client of the current request while uWSGI still has it.

    What the client has sent behind the request's head, before it had an answer, is lost: uWSGI
    gives it to nobody, and RFC 6455, 4.1 forbids it.
    """

    def __init__(self) -> None:
        self._descriptor: int = _uwsgi().connection_fd()

    def detach(self) -> tuple[int, bytes]:
        """The descriptor, non-blocking and ours alone, and nothing."""
        taken = os.dup(self._descriptor)
        try:
            with socket.socket(fileno=os.dup(taken)) as sock, contextlib.suppress(OSError):
                # Not on a unix socket.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _leave_epoll(self._descriptor)
            with open(os.devnull, 'r+b', buffering=0) as nowhere:
                os.dup2(nowhere.fileno(), self._descriptor, inheritable=False)
        except BaseException:
            os.close(taken)
            raise
        os.set_blocking(taken, False)
        return taken, b''


_TLS_SOCKETS = {'https-socket', 'ssl-socket', 'suwsgi-socket'}
_ROUTERS = {'http', 'https'}
_RAW = {'http-websockets', 'http-raw-body'}


def find_obstacle(environ: Mapping[str, Any]) -> str | None:
    """Why no connection of this uWSGI can be taken, and what to do; None if it can."""
    options: Mapping[str, Any] = _uwsgi().opt
    if 'gevent' not in options and options.get('loop') != b'gevent':
        return (
            'uWSGI has one request at a time in each thread or process: start it with --gevent 1000'
        )
    if 'UWSGI_ROUTER' not in environ:
        if environ['wsgi.url_scheme'] == 'https' and _TLS_SOCKETS & options.keys():
            return (
                "TLS ends in uWSGI's worker: let its router do that (--https, "
                '--http-websockets), or a proxy in front of it'
            )
    elif _ROUTERS & options.keys() and not _RAW & options.keys():
        # The router of another uWSGI has its options there.
        return (
            "uWSGI's router passes on nothing behind the request: start it with "
            '--http-websockets too'
        )
    return None


def call_at_exit(function: Callable[[], None]) -> None:
    """Call this when a worker of uWSGI ends; with --gevent it runs no other exit handlers.
    Nothing in other processes.
    """
    uwsgi: Any = sys.modules.get('uwsgi')
    if uwsgi is None:
        return
    sites_own = getattr(uwsgi, 'atexit', None)

    def call_both() -> None:
        function()
        if sites_own is not None:
            sites_own()

    uwsgi.atexit = call_both


def _uwsgi() -> Any:
    return sys.modules['uwsgi']


def _leave_epoll(descriptor: int) -> None:
    """Take the descriptor out of the hub's epoll set, where libev leaves what was watched once.

    There our duplicate would wake it as well, and libev makes the whole set anew when it hears of a
    descriptor that it does not know: once for each websocket, so 4,000 of them cost 9 s of
    processor time, and 0.3 s without it.
    """
    import gevent
    from gevent import monkey

    loop: Any = gevent.get_hub().loop
    if loop.backend == 'epoll':
        # A patched process has no select.epoll.
        epoll: Any = monkey.get_original('select', 'epoll')
        with epoll.fromfd(os.dup(loop.fileno())) as poll, contextlib.suppress(FileNotFoundError):
            poll.unregister(descriptor)
