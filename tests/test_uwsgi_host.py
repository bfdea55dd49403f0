"""What is known of uWSGI, with a module `uwsgi` as it offers one; tests/servers/ runs the real
one.
"""

import os
import re
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from ws4redis.exceptions import UnavailableError
from ws4redis.takeover import end_request, find_transport
from ws4redis.uwsgi_host import UwsgiTransport, call_at_exit, find_obstacle, runs_in_uwsgi

ENVIRON: dict[str, Any] = {'uwsgi.version': b'2.0.31', 'wsgi.url_scheme': 'http'}
SECURE = ENVIRON | {'wsgi.url_scheme': 'https'}


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that uWSGI puts into its processes; the test gives the connection's number."""
    module = SimpleNamespace(opt={'gevent': b'1000', 'http-socket': b':8000'})
    monkeypatch.setitem(sys.modules, 'uwsgi', module)
    return module


@pytest.fixture
def connection(uwsgi: Any) -> Iterator[tuple[int, socket.socket]]:
    """The number under which uWSGI has a connection, and the client's end."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        number = listener.accept()[0].detach()
    uwsgi.connection_fd = lambda: number
    with client:
        yield number, client
        os.close(number)


def options(**values: Any) -> dict[str, Any]:
    """Options as uwsgi.opt has them."""
    return {name.replace('_', '-'): value for name, value in values.items()}


# The connection


def test_connection_is_ours_and_what_uwsgi_writes_goes_nowhere(
    connection: tuple[int, socket.socket],
) -> None:
    number, client = connection
    descriptor, rest = find_transport(ENVIRON, print).detach()
    try:
        assert rest == b''
        assert not os.get_blocking(descriptor)
        assert not os.get_inheritable(descriptor)
        assert os.write(number, b'HTTP/1.1 101 from uWSGI') == 23
        assert os.read(number, 1) == b''
        os.write(descriptor, b'from us')
        assert client.recv(100) == b'from us'
        client.sendall(b'from the client')
        assert select.select([descriptor], [], [], 10)[0]
        assert os.read(descriptor, 100) == b'from the client'
    finally:
        os.close(descriptor)


def test_small_frames_leave_at_once(connection: tuple[int, socket.socket]) -> None:
    descriptor, _ = UwsgiTransport().detach()
    with socket.socket(fileno=descriptor) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_unix_socket_is_taken_too(uwsgi: Any) -> None:
    client, server = socket.socketpair()
    with client, server:
        uwsgi.connection_fd = server.fileno
        descriptor, _ = UwsgiTransport().detach()
        os.write(descriptor, b'from us')
        os.close(descriptor)
        assert client.recv(100) == b'from us'


def test_descriptor_is_not_lost_when_no_other_can_be_had(
    connection: tuple[int, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'devnull', '/nowhere/null')
    before = len(os.listdir('/dev/fd'))
    with pytest.raises(OSError, match='nowhere'):
        UwsgiTransport().detach()
    assert len(os.listdir('/dev/fd')) == before


def test_hub_no_longer_watches_the_number_that_uwsgi_has(
    connection: tuple[int, socket.socket],
) -> None:
    """What libev has watched once stays in its epoll set, where each websocket would make it
    begin again.
    """
    number, client = connection
    loop: Any = gevent.get_hub().loop
    if loop.backend != 'epoll':
        pytest.skip(f'the hub of this system has no epoll but {loop.backend}')

    def watched() -> list[int]:
        lines = Path(f'/proc/self/fdinfo/{loop.fileno()}').read_text()
        return [int(found) for found in re.findall(r'tfd: *(\d+)', lines)]

    client.sendall(b'GET')
    gevent.get_hub().wait(loop.io(number, 1))
    assert number in watched()
    descriptor, _ = UwsgiTransport().detach()
    assert number not in watched()
    os.close(descriptor)


def test_connection_that_the_hub_has_never_watched_is_taken(
    connection: tuple[int, socket.socket],
) -> None:
    os.close(UwsgiTransport().detach()[0])


def test_request_ends_with_an_empty_answer() -> None:
    """uWSGI logs every exception with its traceback, that of a client that is gone too."""
    begun: list[Any] = []
    assert list(end_request(ENVIRON, lambda *args: begun.append(args))) == []
    assert begun == [('101 Switching Protocols', [])]


def test_other_servers_are_not_taken_for_uwsgi() -> None:
    assert runs_in_uwsgi(ENVIRON)
    assert not runs_in_uwsgi({'wsgi.url_scheme': 'http'})


# Where it cannot be taken


@pytest.mark.parametrize(
    ('opt', 'environ', 'remedy'),
    [
        (options(http_socket=b':1'), ENVIRON, '--gevent 1000'),
        (options(http_socket=b':1', loop=b'asyncio'), ENVIRON, '--gevent 1000'),
        (
            options(gevent=b'9', http=b':1'),
            ENVIRON | {'UWSGI_ROUTER': 'http'},
            '--http-websockets too',
        ),
        (
            options(gevent=b'9', https=b':1'),
            SECURE | {'UWSGI_ROUTER': 'http'},
            '--http-websockets too',
        ),
        (options(gevent=b'9', https_socket=b':1'), SECURE, 'a proxy in front of it'),
        (options(gevent=b'9', ssl_socket=b':1'), SECURE, 'a proxy in front of it'),
    ],
)
def test_what_stands_in_the_way_is_named_with_a_remedy(
    uwsgi: Any, opt: dict[str, Any], environ: dict[str, Any], remedy: str
) -> None:
    uwsgi.opt = opt
    obstacle = find_obstacle(environ)
    assert obstacle is not None and remedy in obstacle
    with pytest.raises(UnavailableError) as refused:
        find_transport(environ, print)
    assert (refused.value.status, refused.value.reason) == (501, obstacle)


@pytest.mark.parametrize(
    ('opt', 'environ'),
    [
        (options(gevent=b'9', http_socket=b':1'), ENVIRON),
        (options(loop=b'gevent', http_socket=b':1'), ENVIRON),
        (
            options(gevent=b'9', http=b':1', http_websockets=True),
            ENVIRON | {'UWSGI_ROUTER': 'http'},
        ),
        (options(gevent=b'9', http=b':1', http_raw_body=True), ENVIRON | {'UWSGI_ROUTER': 'http'}),
        (
            options(gevent=b'9', https=b':1', http_websockets=True),
            SECURE | {'UWSGI_ROUTER': 'http'},
        ),
        # The router of another uWSGI, of which this one does not know the options
        (options(gevent=b'9', socket=b':1'), ENVIRON | {'UWSGI_ROUTER': 'http'}),
        # A proxy that has ended TLS and says so
        (options(gevent=b'9', socket=b':1'), SECURE),
    ],
)
def test_nothing_stands_in_the_way(
    uwsgi: Any, opt: dict[str, Any], environ: dict[str, Any]
) -> None:
    uwsgi.opt = opt
    assert find_obstacle(environ) is None


# Its end


def test_worker_calls_at_its_end_what_it_was_told_to(uwsgi: Any) -> None:
    calls: list[str] = []
    call_at_exit(lambda: calls.append('ours'))
    uwsgi.atexit()
    assert calls == ['ours']


def test_what_the_site_has_asked_for_is_called_too(uwsgi: Any) -> None:
    calls: list[str] = []
    uwsgi.atexit = lambda: calls.append("the site's")
    call_at_exit(lambda: calls.append('ours'))
    uwsgi.atexit()
    assert calls == ['ours', "the site's"]


def test_other_processes_have_no_such_end() -> None:
    call_at_exit(lambda: None)
    assert 'uwsgi' not in sys.modules
