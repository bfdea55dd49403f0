"""The application for uWSGI, under the name that existing projects use in their entry files."""

import socket
import sys
from typing import Any

import django
import redis.connection
from django.apps import apps

from ws4redis.core.serving import ServingDriver
from ws4redis.wsgi_server import WebsocketWSGIServer

__all__ = ['uWSGIWebsocketServer']


class uWSGIWebsocketServer(WebsocketWSGIServer):
    """A WSGI application that makes websockets of upgrade requests, for entry files written for
    release 0.6.0.

    Those leave it to this class to set Django up, and put gevent's sockets into redis-py alone.
    With --gevent and nothing patched the websockets have a thread of their own, into which no such
    socket can go: redis-py gets the standard library's back. With --gevent-early-monkey-patch that
    one is gevent's too, and the websockets live in uWSGI's own hub.

    Args:
        redis_connection: a redis.Redis for the subscribers; None takes the one of
            WS4REDIS_CONNECTION.
        driver: what drives the websockets; None takes the loop of this process.
    """

    def __init__(
        self, redis_connection: 'redis.Redis | None' = None, driver: ServingDriver | None = None
    ) -> None:
        module: Any = redis.connection
        if module.socket is sys.modules.get('gevent.socket'):
            module.socket = socket
        if not apps.ready:
            django.setup()
        super().__init__(redis_connection, driver)
