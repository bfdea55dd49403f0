"""The class that entry files for uWSGI name; tests/servers/ starts one as release 0.6.0 had it."""

import socket
import subprocess
import sys
from typing import Any

import gevent.socket
import pytest
import redis.connection

from ws4redis.uwsgi_runserver import uWSGIWebsocketServer
from ws4redis.wsgi_server import WebsocketWSGIServer

ENTRY_FILE = """
import os
os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'
from ws4redis.uwsgi_runserver import uWSGIWebsocketServer
from django.apps import apps
assert not apps.ready
application = uWSGIWebsocketServer()
assert apps.ready
"""


def test_it_is_the_server() -> None:
    assert issubclass(uWSGIWebsocketServer, WebsocketWSGIServer)
    connection: Any = redis.Redis()
    assert uWSGIWebsocketServer(connection)._redis_connection is connection


def test_entry_file_need_not_set_django_up() -> None:
    subprocess.run([sys.executable, '-c', ENTRY_FILE], check=True, timeout=60)


def test_redis_gets_the_sockets_back_that_any_thread_can_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis.connection, 'socket', gevent.socket)
    uWSGIWebsocketServer()
    module: Any = redis.connection
    assert module.socket is socket


def test_sockets_of_the_sites_own_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    own = object()
    monkeypatch.setattr(redis.connection, 'socket', own)
    uWSGIWebsocketServer()
    module: Any = redis.connection
    assert module.socket is own
