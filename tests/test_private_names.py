"""What this package relies on and its owners call private, or do not write down: each is looked at
on the real library, in the way in which our code looks at it.

docs/design.md has the list, with a test of this file in each line. A release of a library that
changes one of them fails here first, with the name of what is gone.
"""

from __future__ import annotations

import ast
import datetime
import io
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
import types
import unittest
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import fakeredis
import freezegun
import gevent
import pytest
import redis
import time_machine
from django.contrib.auth import SESSION_KEY
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core import mail
from django.core.management import get_commands, load_command_class
from django.core.management.commands import runserver
from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer
from django.db import connections, transaction
from django.test import testcases, utils
from django.utils import autoreload
from gevent import pywsgi
from gunicorn.config import Config
from gunicorn.http import wsgi as gunicorn_wsgi
from gunicorn.http.parser import RequestParser
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from tests.conftest import require
from tests.processes.hosts import _uwsgi_program, _uwsgi_works
from ws4redis.core.frames import CloseCode
from ws4redis.redis_client import RedisServer
from ws4redis.subscription import ExchangeRedis
from ws4redis.testing.publications import callbacks_run

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs/design.md'
ENTRY = re.compile(r'^\| `([^`]+)` \| (.+) \| (.+) \| `(test_\w+)` \|$', re.MULTILINE)
"""A line of the page's list: the names, whose they are, what for, and the test."""

GUARD = 10.0
"""Seconds after which something that should be there at once is taken for missing."""

PLAIN = b'GET / HTTP/1.1\r\nHost: testserver\r\n\r\n'
HEAD = PLAIN[:-2] + b'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

T = TypeVar('T')


def entries() -> list[tuple[list[str], str]]:
    """Names and test of each line of the page's list."""
    found = ENTRY.findall(PAGE.read_text('utf-8'))
    return [(names.split(', '), test) for names, _, _, test in found]


# The list itself


def test_every_entry_has_its_test_and_every_test_its_entry() -> None:
    tree = ast.parse(Path(__file__).read_text('utf-8'))
    tests = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith('test_')
        and 'entry' not in node.name
    ]
    assert tests
    assert [test for _, test in entries()] == tests


def test_every_entry_is_a_name_that_the_source_has() -> None:
    source = '\n'.join(path.read_text('utf-8') for path in (ROOT / 'ws4redis').rglob('*.py'))
    names = [name for names, _ in entries() for name in names]
    assert [name for name in names if not re.search(rf'\b{re.escape(name)}\b', source)] == []


def test_every_private_name_of_others_is_an_entry() -> None:
    listed = {part for names, _ in entries() for name in names for part in name.split('.')}
    assert _of_others() - listed == set()


def _of_others() -> set[str]:
    """Names with an underscore that ws4redis/ uses and does not define."""
    used: set[str] = set()
    ours: set[str] = set()
    for path in (ROOT / 'ws4redis').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            used.update(_used(node))
            ours.update(_defined(node))
    return {name for name in used - ours if re.fullmatch(r'_[a-zA-Z]\w*[a-zA-Z]', name)}


def _used(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield node.attr
    elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith('ws4redis'):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') in ('getattr', 'hasattr'):
        yield from (
            arg.value
            for arg in node.args[1:]
            if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        )


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


# redis-py


@pytest.fixture
def server(redis_url: str) -> Iterator[RedisServer]:
    server = RedisServer(redis_url)
    yield server
    server.close()


def test_connection_of_redis_py_keeps_its_socket(server: RedisServer) -> None:
    connection: Any = server.pubsub_connection()
    assert connection._sock is None
    connection.connect()
    sock: Any = connection._sock
    sock.sendall(b'PING\r\n')
    assert sock.recv(100) == b'+PONG\r\n'
    assert sock.fileno() >= 0
    connection.disconnect()
    assert connection._sock is None


def test_every_command_of_redis_py_leaves_by_one_method(server: RedisServer) -> None:
    passed: list[None] = []
    server.gate.listen(lambda: passed.append(None))
    server.client.ping()
    alone = len(passed)
    with server.client.pipeline(transaction=False) as pipeline:
        pipeline.execute_command('PING')
        pipeline.execute_command('PING')
        pipeline.execute()
    assert alone >= 1 and len(passed) == alone + 1
    pubsub = server.client.pubsub()
    pubsub.subscribe('news')
    assert len(passed) > alone + 1
    pubsub.close()


def test_client_of_redis_py_has_all_its_state_in_its_dict(server: RedisServer) -> None:
    switchboard: Any = None
    client = ExchangeRedis(server.client, switchboard)
    client.set('name', 'value')
    assert client.get('name') == b'value'
    assert client.mget(['name', 'other']) == [b'value', None]


def test_pool_of_redis_py_says_how_its_connections_are_made(redis_url: str) -> None:
    pool = redis.Redis.from_url(redis_url).connection_pool
    assert pool.connection_class is redis.Connection
    assert {'host', 'port', 'db'} <= set(pool.connection_kwargs)
    connection: Any = pool.connection_class(**pool.connection_kwargs)
    connection.connect()
    connection.disconnect()


def test_module_of_redis_py_takes_its_sockets_from_one_name() -> None:
    module: Any = redis.connection
    assert module.socket is socket


# fakeredis


@pytest.fixture
def memory() -> Iterator[RedisServer]:
    server = RedisServer('memory://')
    yield server
    server.close()


def test_connection_of_fakeredis_makes_its_socket_in_one_method(memory: RedisServer) -> None:
    connection: Any = memory.pubsub_connection()
    made = fakeredis.FakeRedisConnection(server=fakeredis.FakeServer())._connect()
    assert type(made).__module__.startswith('fakeredis')
    connection.connect()
    # Its class can be exchanged, and is.
    assert isinstance(connection._sock, type(made))
    assert type(connection._sock) is not type(made)


def test_socket_of_fakeredis_knows_that_it_was_killed(memory: RedisServer) -> None:
    connection: Any = memory.pubsub_connection()
    connection.connect()
    assert connection._sock._killed is False
    memory.client.client_kill_filter(_id=_client_id(connection))
    assert connection._sock._killed is True


def _client_id(connection: Any) -> str:
    connection.send_command('CLIENT', 'ID')
    return str(connection.read_response())


def test_socket_of_fakeredis_notifies_in_one_method(memory: RedisServer) -> None:
    plain = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    sock: Any = fakeredis.FakeRedisConnection(server=fakeredis.FakeServer())._connect()
    assert callable(sock._keyspace_notifications)
    for client, expected in ((plain, 1), (memory.client, 0)):
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        pubsub.psubscribe('__keyspace@*')
        pubsub.get_message()
        client.set('name', 'value')
        assert bool(pubsub.get_message()) == bool(expected)
        pubsub.close()


def test_socket_of_fakeredis_knows_the_configuration_of_its_server(memory: RedisServer) -> None:
    connection: Any = memory.pubsub_connection()
    connection.connect()
    assert not connection._sock._server.config.get(b'notify-keyspace-events')
    memory.client.config_set('notify-keyspace-events', 'KEA')
    assert connection._sock._server.config.get(b'notify-keyspace-events')


# gevent


def in_own_hub(function: Callable[[], T]) -> T:
    """What the function gives in a thread, whose hub is gone afterwards."""
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with gevent.Timeout(GUARD):
                found.append(function())
        except BaseException as exc:
            failed.append(exc)
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def test_loop_of_gevent_makes_watchers() -> None:
    def watch() -> list[str]:
        hub: Any = gevent.get_hub()
        near, far = socket.socketpair()
        seen: list[str] = []
        done = gevent.event.Event()
        reading = hub.loop.io(near.fileno(), 1)
        writing = hub.loop.io(near.fileno(), 2)
        timer = hub.loop.timer(0.0)
        call = hub.loop.async_(ref=False)

        def see(what: str) -> None:
            seen.append(what)
            if len(set(seen)) == 5:
                done.set()

        reading.start(see, 'reading')
        writing.start(see, 'writing')
        timer.start(see, 'timer', update=True)
        call.start(see, 'async')
        hub.loop.run_callback(see, 'callback')
        far.sendall(b'x')
        call.send()
        done.wait()
        for watcher in (reading, writing, timer, call):
            watcher.stop()
            watcher.close()
        near.close()
        far.close()
        return sorted(set(seen))

    assert in_own_hub(watch) == ['async', 'callback', 'reading', 'timer', 'writing']


def test_watchers_of_the_least_priority_run_behind_the_greenlets() -> None:
    def watch() -> list[str]:
        loop: Any = gevent.get_hub().loop
        seen: list[str] = []
        check = loop.check(ref=False, priority=loop.MAXPRI)
        prepare = loop.prepare(ref=False, priority=loop.MINPRI)
        check.start(seen.append, 'begins')
        prepare.start(seen.append, 'ends')
        gevent.idle()
        del seen[:]
        gevent.spawn(seen.append, 'runs')
        gevent.idle()
        for watcher in (check, prepare):
            watcher.stop()
            watcher.close()
        return seen

    seen = in_own_hub(watch)
    assert seen[seen.index('runs') :][:2] == ['runs', 'ends']
    assert 'begins' in seen


def test_loop_of_gevent_is_an_epoll_set() -> None:
    def unregister() -> str:
        loop: Any = gevent.get_hub().loop
        if loop.backend == 'epoll':
            with (
                socket.socket() as unknown,
                select.epoll.fromfd(os.dup(loop.fileno())) as poll,
                pytest.raises(FileNotFoundError),
            ):
                poll.unregister(unknown.fileno())
        return str(loop.backend)

    assert in_own_hub(unregister) == ('epoll' if sys.platform == 'linux' else 'kqueue')


def test_gevent_says_whether_a_thread_has_a_hub() -> None:
    def look() -> tuple[Any, Any, Any]:
        module: Any = sys.modules['gevent._hub_local']
        return module.get_hub_if_exists(), gevent.get_hub(), module.get_hub_if_exists()

    before, hub, after = in_own_hub(look)
    assert hub is after is not None
    # The Timeout around it has made one.
    assert before in (None, hub)
    seen: list[Any] = []
    thread = threading.Thread(
        target=lambda: seen.append(sys.modules['gevent._hub_local'].get_hub_if_exists())
    )
    thread.start()
    thread.join()
    assert seen == [None]


def test_threadpool_of_a_hub_can_be_kept_as_it_is() -> None:
    def keep() -> tuple[int, int]:
        pool: Any = gevent.get_hub().threadpool
        pool.spawn(int).get()
        pool.maxsize = pool.size
        pool.spawn(int).get()
        return pool.size, pool.maxsize

    assert in_own_hub(keep) == (1, 1)


def test_greenlet_says_where_it_waits() -> None:
    def look() -> tuple[bool, str, bool]:
        started, never = gevent.event.Event(), gevent.event.Event()

        def wait() -> None:
            started.set()
            never.wait()

        greenlet = gevent.spawn(wait)
        started.wait()
        frame: Any = greenlet.gr_frame
        while f'{os.sep}gevent{os.sep}' in frame.f_code.co_filename:
            frame = frame.f_back
        found = greenlet.parent is gevent.get_hub(), frame.f_code.co_name, greenlet.dead
        gevent.kill(greenlet)
        return found

    assert in_own_hub(look) == (True, 'wait', False)


class Looking:
    """A WSGI application that keeps what it has been called with."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self.start_response: Any = None
        self.headers: Any = None
        self.rfile: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environ, self.start_response = environ, start_response
        start_response('200 OK', [('Content-Length', '0')])
        handler = start_response.__self__
        self.headers = getattr(handler, 'headers', None)
        self.rfile = getattr(getattr(handler, 'request_handler', handler), 'rfile', None)
        return [b'']


@pytest.mark.parametrize('head', [HEAD, PLAIN])
def test_request_of_pywsgi_has_its_reader(head: bytes) -> None:
    application = Looking()

    def serve() -> None:
        server = pywsgi.WSGIServer(('127.0.0.1', 0), application, log=None, error_log=None)
        server.start()
        with socket.create_connection(('127.0.0.1', server.server_port)) as client:
            client.sendall(head)
            while application.start_response is None:
                gevent.idle()
            server.stop()

    in_own_hub(serve)
    source = application.environ['wsgi.input']
    reader = source if isinstance(source, io.BufferedReader) else source.rfile
    assert isinstance(reader, io.BufferedReader)
    assert application.rfile is reader


# gunicorn


@pytest.fixture
def gunicorn() -> Iterator[tuple[Any, Any, socket.socket]]:
    """Response, environ and socket of a request, behind which something more has been read."""
    near, far = socket.socketpair()
    far.sendall(HEAD + b'more')
    config = Config()
    request = next(iter(RequestParser(config, near, ('127.0.0.1', 1))))
    response, environ = gunicorn_wsgi.create(
        request, near, ('127.0.0.1', 1), ('127.0.0.1', 0), config
    )
    yield response, environ, near
    near.close()
    far.close()


def test_environ_of_gunicorn_has_the_socket(gunicorn: Any) -> None:
    _, environ, near = gunicorn
    assert environ['gunicorn.socket'] is near


def test_request_of_gunicorn_has_what_was_read_ahead(gunicorn: Any) -> None:
    _, environ, _ = gunicorn
    unreader = environ['wsgi.input'].reader.unreader
    assert isinstance(unreader.buf, io.BytesIO)
    assert unreader.buf.getvalue() == b'more'
    unreader.buf = io.BytesIO()


def test_response_of_gunicorn_closes_when_it_is_told(gunicorn: Any) -> None:
    response, _, _ = gunicorn
    response.start_response('200 OK', [('Content-Length', '0')])
    handler = response.start_response.__self__
    assert not response.should_close()
    handler.force_close()
    assert response.should_close()


# uWSGI

INSIDE_UWSGI = """
import uwsgi
print('opt', 'gevent' in uwsgi.opt or uwsgi.opt.get('loop'))
print('connection_fd', callable(uwsgi.connection_fd))
"""


def test_uwsgi_gives_the_number_of_a_connection_and_its_options(tmp_path: Path) -> None:
    require('uwsgi', _uwsgi_works(), 'make .venv/installed-uwsgi, or pip install uwsgi')
    script = tmp_path / 'inside.py'
    script.write_text(INSIDE_UWSGI, 'utf-8')
    done = subprocess.run(
        [str(_uwsgi_program()), '--home', sys.prefix, '--pyrun', str(script), '--gevent', '1'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert {'opt True', 'connection_fd True'} <= set(done.stdout.splitlines()), done.stdout


# websockets


def protocol_of_a_server() -> Protocol:
    return Protocol(Side.SERVER, state=State.OPEN, max_size=10)


def test_protocol_object_serves_without_a_handshake_and_keeps_its_error() -> None:
    protocol = protocol_of_a_server()
    protocol.receive_data(Frame(Opcode.TEXT, b'hello').serialize(mask=True))
    [frame] = protocol.events_received()
    assert isinstance(frame, Frame) and bytes(frame.data) == b'hello'
    assert protocol.parser_exc is None
    protocol.receive_data(Frame(Opcode.TEXT, b'hello').serialize(mask=False))
    assert isinstance(protocol.parser_exc, ProtocolError)


def test_protocol_object_keeps_the_close_frame() -> None:
    protocol = protocol_of_a_server()
    close = Close(1000, 'bye')
    assert protocol.close_rcvd is None
    protocol.receive_data(Frame(Opcode.CLOSE, close.serialize()).serialize(mask=True))
    assert protocol.close_rcvd == close


def test_protocol_object_limits_the_message_and_says_by_how_much() -> None:
    protocol = protocol_of_a_server()
    protocol.receive_data(Frame(Opcode.TEXT, b'123456', fin=False).serialize(mask=True))
    protocol.receive_data(Frame(Opcode.CONT, b'78901').serialize(mask=True))
    error = protocol.parser_exc
    assert isinstance(error, PayloadTooBig)
    assert (error.current_size, error.size) == (6, 5)


# Django


def test_development_server_hands_on_its_reader() -> None:
    application = Looking()
    server = WSGIServer(('127.0.0.1', 0), WSGIRequestHandler)
    server.set_app(application)
    with socket.create_connection(('127.0.0.1', server.server_port)) as client:
        client.sendall(HEAD)
        client.shutdown(socket.SHUT_WR)
        server.handle_request()
        server.server_close()
    reader = application.environ['wsgi.input']._read.__self__
    assert isinstance(reader, io.BufferedReader)
    assert application.rfile is reader


def test_response_of_the_development_server_has_headers_that_can_be_added() -> None:
    application = Looking()
    server = WSGIServer(('127.0.0.1', 0), WSGIRequestHandler)
    server.set_app(application)
    with socket.create_connection(('127.0.0.1', server.server_port)) as client:
        client.sendall(HEAD)
        client.shutdown(socket.SHUT_WR)
        server.handle_request()
        server.server_close()
    assert application.environ['SERVER_SOFTWARE'].startswith('WSGIServer')
    assert application.headers['Content-Length'] == '0'
    application.headers['Connection'] = 'close'


def test_test_environment_of_django_leaves_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(utils._TestState, 'saved_data')
    monkeypatch.setattr(mail, 'outbox', mail.outbox)
    monkeypatch.delattr(utils._TestState, 'saved_data')
    utils.setup_test_environment()
    assert hasattr(utils._TestState, 'saved_data')
    utils.teardown_test_environment()
    assert not hasattr(utils._TestState, 'saved_data')


def test_database_connections_of_django_are_kept_by_thread() -> None:
    handler: Any = connections
    assert isinstance(handler._connections._storage, threading.local)


def test_session_of_django_has_its_user_by_a_name_that_does_not_change() -> None:
    assert SESSION_KEY == '_auth_user_id'


def test_django_says_whose_a_command_is() -> None:
    assert get_commands()['runserver'] == 'ws4redis'
    command = load_command_class('django.core', 'runserver')
    assert type(command) is runserver.Command
    assert {'handle', 'run', 'inner_run', 'get_handler'} <= set(vars(runserver.Command))


@pytest.mark.django_db
def test_callbacks_that_django_runs_for_a_test_are_in_its_frame(
    django_capture_on_commit_callbacks: Any,
) -> None:
    seen: list[Any] = []
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        transaction.on_commit(lambda: seen.append(callbacks_run()))
    assert seen[0] is callbacks


def test_live_server_of_django_is_made_of_handlers() -> None:
    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        return []

    for handler in (testcases._MediaFilesHandler, testcases._StaticFilesHandler):
        assert handler(application).application is application
    assert issubclass(testcases.QuietWSGIRequestHandler, WSGIRequestHandler)


def test_runserver_of_django_has_the_methods_that_ours_replaces() -> None:
    assert {'server_cls', 'get_handler', 'run'} <= set(vars(runserver.Command))
    application: Any = Looking()
    assert StaticFilesHandler(application).application is application


def test_reloader_of_django_starts_its_child_anew_when_it_ends_with_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, 'argv', [str(ROOT / 'sandbox/manage.py'), 'runserver'])
    assert autoreload.DJANGO_AUTORELOAD_ENV == 'RUN_MAIN'
    assert autoreload.get_child_arguments()[0] == sys.executable
    with pytest.raises(SystemExit) as ended:
        autoreload.trigger_reload('shop/views.py')
    assert ended.value.code == 3


# Clock tools


def test_freezegun_has_its_clocks_in_a_list() -> None:
    api: Any = sys.modules['freezegun.api']
    with freezegun.freeze_time('2026-01-01'):
        before = time.time()
        api.freeze_factories[-1].tick(datetime.timedelta(seconds=5))
        assert time.time() == before + 5
    assert not api.freeze_factories


def test_time_machine_has_its_travellers_in_a_list() -> None:
    stack: Any = time_machine.traveller_stack
    with time_machine.travel('2026-01-01T00:00:00Z', tick=False):
        before = time.time()
        stack[-1].shift(5)
        assert time.time() == before + 5
    assert not stack


# The standard library


def test_reader_of_a_socket_leads_to_it() -> None:
    near, far = socket.socketpair()
    with near, far, near.makefile('rb') as reader:
        raw: Any = reader.raw
        assert raw._sock is near


def test_thread_knows_its_function() -> None:
    def function() -> None: ...

    thread: Any = threading.Thread(target=function)
    assert thread._target is function
    timer = threading.Timer(1, function)
    assert timer.function is function


def test_frames_of_all_threads_can_be_looked_at() -> None:
    frame = sys._current_frames()[threading.get_ident()]
    assert frame.f_code.co_name == 'test_frames_of_all_threads_can_be_looked_at'


def test_own_frame_can_be_looked_at() -> None:
    assert sys._getframe().f_code.co_name == 'test_own_frame_can_be_looked_at'


def test_enum_knows_its_members_by_value() -> None:
    assert 1000 in CloseCode._value2member_map_
    assert 3000 not in CloseCode._value2member_map_


def test_unittest_leaves_out_frames_of_marked_modules() -> None:
    helper = types.ModuleType('helper')
    exec(compile('def fail(): raise AssertionError("why")', 'helper.py', 'exec'), vars(helper))

    class Failing(unittest.TestCase):
        module: ClassVar[Any] = helper

        def test(self) -> None:
            self.module.fail()

    def shown() -> str:
        result = unittest.TestResult()
        Failing('test').run(result)
        return result.failures[0][1]

    assert 'helper.py' in shown()
    vars(helper)['__unittest'] = True
    assert 'helper.py' not in shown()
