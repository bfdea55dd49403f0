"""manage.py runserver, with websockets: Django's command, or staticfiles' where that is
installed.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from django.apps import apps
from django.core.servers.basehttp import WSGIServer
from django.utils import autoreload

from ws4redis.wsgi import WebSocketDispatcher

if apps.is_installed('django.contrib.staticfiles'):
    from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand
else:
    from django.core.management.commands.runserver import Command as RunserverCommand  # type: ignore[assignment]

__all__ = ['Command']

logger = logging.getLogger('ws4redis.runserver')

RELOAD = 3
"""Exit status of a child that wants to be started again; Django's."""


class _Server(WSGIServer):
    """Says nothing of those who come while the process says goodbye to others.

    It is a thread that goes on until the process has ended, and from Python 3.12 on no further one
    can be started by then.
    """

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        exc = sys.exc_info()[1]
        if isinstance(exc, RuntimeError) and 'interpreter shutdown' in str(exc):
            logger.info('not served, since this process ends: a connection from %s', client_address)
        else:
            super().handle_error(request, client_address)


class Command(RunserverCommand):
    """Serves the websockets as well, and says goodbye to them when it ends."""

    server_cls = _Server

    def get_handler(self, *args: object, **options: object) -> Any:
        """Django's application with the websockets in front, unless WSGI_APPLICATION has them
        already.
        """
        handler = super().get_handler(*args, **options)
        if isinstance(getattr(handler, 'application', handler), WebSocketDispatcher):
            return handler
        return WebSocketDispatcher(handler)

    def run(self, **options: object) -> None:
        """Run the server; on SIGTERM the process ends in order, so that the websockets get their
        close frames.
        """
        if options['use_reloader'] and os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) != 'true':
            _run_parent()
        signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
        super().run(**options)


def _run_parent() -> None:
    """Start the child that serves, again when it asks for it; Django's own parent would kill it
    on SIGTERM.
    """
    while True:
        child = subprocess.Popen(
            autoreload.get_child_arguments(),
            close_fds=False,
            env={**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: 'true'},
        )
        signal.signal(signal.SIGTERM, lambda *args, child=child: child.terminate())
        status = _wait(child)
        if status != RELOAD:
            sys.exit(status)


def _wait(child: 'subprocess.Popen[bytes]') -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The child got Ctrl-C too and says goodbye.
            continue
