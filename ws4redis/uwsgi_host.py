"""What is known of uWSGI: how its connections become ours, where they cannot, and when a worker ends.

It has no socket object, only the number of a descriptor: a duplicate is ours, and /dev/null in the place of the original
takes what uWSGI still writes, its own 101 among it. (uwsgi.websocket_handshake() writes one with the wrong headers, and a
build without TLS does not have it.)
"""

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ['UwsgiWire', 'call_at_exit', 'find_obstacle', 'runs_in_uwsgi']


def runs_in_uwsgi(environ: Mapping[str, Any]) -> bool:
    """Whether uWSGI has made this WSGI environ."""
    return 'uwsgi.version' in environ


class UwsgiWire:
    """The way to the client of the current request while uWSGI still has it.

    What the client has sent behind the request's head, before it had an answer, is lost: uWSGI gives it to nobody, and
    RFC 6455, 4.1 forbids it.
    """

    def __init__(self) -> None:
        self._descriptor: int = _uwsgi().connection_fd()

    def take(self) -> tuple[int, bytes]:
        """The descriptor, non-blocking and ours alone, and nothing."""
        taken = os.dup(self._descriptor)
        try:
            with socket.socket(fileno=os.dup(taken)) as sock, contextlib.suppress(OSError):
                # Not on a unix socket.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with open(os.devnull, 'r+b', buffering=0) as nowhere:
                os.dup2(nowhere.fileno(), self._descriptor, inheritable=False)
        except BaseException:
            os.close(taken)
            raise
        os.set_blocking(taken, False)
        return taken, b''


def find_obstacle(environ: Mapping[str, Any]) -> str | None:
    """Why no connection of this uWSGI can be taken, and what to do; None if it can."""
    options: Mapping[str, Any] = _uwsgi().opt
    if not _has(options, 'gevent'):
        return 'uWSGI has one request at a time in each thread or process: start it with --gevent 1000'
    if environ.get('UWSGI_ROUTER') == 'http' and not _has(options, 'http-websockets', 'http-raw-body'):
        return "uWSGI's router passes on nothing behind the request: start it with --http-websockets too"
    return None


def call_at_exit(function: Callable[[], None]) -> None:
    """Call this when a worker of uWSGI ends; with --gevent it runs no other exit handlers. Nothing in other processes."""
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


def _has(options: Mapping[str, Any], *names: str) -> bool:
    return any(name in options for name in names)
