"""manage.py runserver: it serves websockets, and says goodbye to them however it ends."""

import contextlib
import os
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import load_command_class
from django.core.servers.basehttp import WSGIRequestHandler
from django.test import override_settings

from tests.loop.process import Refused, SocketClient
from tests.processes.serving import GUARD, ROOT, ServingProcess, free_port
from ws4redis.management.commands.runserver import Command
from ws4redis.wsgi import WebSocketDispatcher

NEWS = '/ws/news?subscribe-broadcast'
SETTINGS = """
from tests.settings import *
DEBUG = True
# The first that has a runserver counts.
INSTALLED_APPS = ['ws4redis', *(name for name in INSTALLED_APPS if name != 'ws4redis')]
DATABASES['default']['NAME'] = BASE + '/db.sqlite3'
MIGRATION_MODULES = dict.fromkeys(('auth', 'contenttypes', 'sessions'))
WS4REDIS_CONNECTION = 'memory://'
"""


class Runserver(ServingProcess):
    """The command, on a free port.

    Args:
        directory: where its settings are.
        arguments: of the command.
    """

    def __init__(self, directory: Path, *arguments: str) -> None:
        super().__init__(directory / 'output', leads=True)
        self.settings = directory / 'settings_of_a_site.py'
        self.settings.write_text(f'BASE = {str(directory)!r}\n{SETTINGS}')
        self._browsers: list[SocketClient] = []
        self.port = free_port()
        environment = {
            **os.environ,
            'PYTHONPATH': f'{ROOT}{os.pathsep}{directory}',
            'DJANGO_SETTINGS_MODULE': self.settings.stem,
            'PYTHONUNBUFFERED': '1',
        }
        environment.pop('RUN_MAIN', None)
        self.launch(
            [sys.executable, '-m', 'django', 'runserver', f'127.0.0.1:{self.port}', *arguments],
            environment,
        )

    def browser(self, path: str = NEWS) -> SocketClient:
        """A websocket, as soon as the server listens."""
        browser = self.until(lambda: self._try(path), 'runserver does not answer')
        self._browsers.append(browser)
        return browser

    def _try(self, path: str) -> SocketClient | None:
        try:
            return SocketClient(self.port, path)
        except ConnectionError:
            return None
        except Refused as exc:
            # The one before is still about to end.
            if exc.status != 503:
                raise
            return None

    def signal_group(self, number: signal.Signals) -> None:
        """As a terminal does with Ctrl-C."""
        os.killpg(self.pid, number)

    def close(self) -> None:
        self.kill()
        for browser in self._browsers:
            browser.drop()

    def expect_goodbye(self, browser: SocketClient) -> None:
        """The websocket has been told, the process has ended well, without a traceback, and
        nobody is left of its group.
        """
        assert browser.wait_until_closed() == 1001
        assert self.wait() == 0
        assert 'Traceback' not in self.said(), self.said()
        with pytest.raises(ProcessLookupError):
            os.killpg(self.pid, 0)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Runserver]:
    """Without the autoreloader."""
    with contextlib.closing(Runserver(tmp_path, '--noreload')) as server:
        yield server


@pytest.fixture
def reloading(tmp_path: Path) -> Iterator[Runserver]:
    """As it is started without options."""
    with contextlib.closing(Runserver(tmp_path)) as server:
        yield server


def test_command_derives_from_the_one_of_staticfiles_where_that_is_installed() -> None:
    command = load_command_class('ws4redis', 'runserver')
    assert isinstance(command, Command)
    assert (
        type(command).__mro__[1].__module__
        == 'django.contrib.staticfiles.management.commands.runserver'
    )


def test_handler_has_the_websockets_in_front_and_static_files_behind() -> None:
    with override_settings(DEBUG=True):
        handler = Command().get_handler(use_static_handler=True, insecure_serving=False)
    assert isinstance(handler, WebSocketDispatcher)
    assert isinstance(handler.django, StaticFilesHandler)


@pytest.mark.parametrize('debug', [True, False])
def test_handler_that_has_websockets_already_stays_as_it_is(debug: bool) -> None:
    with override_settings(DEBUG=debug, WSGI_APPLICATION='ws4redis.django_runserver.application'):
        handler = Command().get_handler(use_static_handler=True, insecure_serving=False)
    inner = handler.application if debug else handler
    assert isinstance(inner, WebSocketDispatcher)
    assert not isinstance(inner.django, WebSocketDispatcher)


def test_one_command_serves_pages_static_files_and_websockets(plain: Runserver) -> None:
    browser = plain.browser()
    for path, status in (('/static/js/ws4redis.js', 200), ('/', 200), ('/ws/news', 400)):
        answer = get(plain.port, path)
        assert answer.startswith(f'HTTP/1.1 {status} '), answer
        if status == 400:
            assert '\r\nconnection: close\r\n' in answer.lower()
            assert answer.endswith('Client does not wish to upgrade to a websocket\n')
    with pytest.raises(Refused):
        SocketClient(plain.port, NEWS, headers={'Origin': 'http://evil.example'})
    assert browser.close() == 1000
    assert 'Traceback' not in plain.said(), plain.said()


def get(port: int, path: str) -> str:
    """The whole answer to a plain GET on a connection that the client would keep, if it is a
    refusal.
    """
    with socket.create_connection(('127.0.0.1', port), timeout=GUARD) as sock:
        keep = 'keep-alive' if path.startswith('/ws') else 'close'
        sock.sendall(
            f'GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {keep}\r\n\r\n'.encode()
        )
        data = b''
        while piece := sock.recv(1 << 16):
            data += piece
    return data.decode()


@pytest.mark.parametrize(
    ('text', 'said'),
    [("can't create new thread at interpreter shutdown", False), ('anything else', True)],
)
def test_connection_that_comes_too_late_is_closed_without_a_traceback(
    text: str, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From Python 3.12 on: a process that ends starts no thread, and its server still listens."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError(text)

    # As Django's runserver makes it.
    server_class = type(
        'Server', (socketserver.ThreadingMixIn, Command.server_cls), {'daemon_threads': True}
    )
    with (
        server_class(('127.0.0.1', 0), WSGIRequestHandler) as server,
        socket.create_connection(server.server_address, timeout=GUARD) as sock,
        monkeypatch.context() as patched,
    ):
        patched.setattr(threading.Thread, 'start', refuse)
        server.handle_request()
        assert sock.recv(1) == b''
    assert ('Traceback' in capsys.readouterr().err) is said


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_server_says_goodbye(plain: Runserver, number: signal.Signals) -> None:
    browser = plain.browser()
    plain.running.send_signal(number)
    plain.expect_goodbye(browser)


def test_change_of_a_file_says_goodbye_and_serves_again_until_sigterm(reloading: Runserver) -> None:
    browser = reloading.browser()
    codes: list[int] = []
    reading = threading.Thread(target=lambda: codes.append(browser.wait_until_closed()))
    reading.start()
    changes = 0
    while reading.is_alive():
        # The reloader may not have seen the file as it was yet.
        changes += 1
        os.utime(reloading.settings, (changes, changes))
        reading.join(0.2)
        assert changes < 5 * GUARD
    assert codes == [1001]
    again = reloading.browser()
    reloading.begin_to_end()
    reloading.expect_goodbye(again)


def test_ctrl_c_says_goodbye(reloading: Runserver) -> None:
    browser = reloading.browser()
    reloading.signal_group(signal.SIGINT)
    reloading.expect_goodbye(browser)
