"""Redis clients from WS4REDIS_CONNECTION: dict, URL, memory://; no retries; which server is in
force, and an outage on purpose.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis
import redis.asyncio
from django.core.exceptions import ImproperlyConfigured
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from ws4redis import redis_client
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import (
    RedisServer,
    active_server,
    bring_back,
    check_client,
    connection_arguments,
    persisted_values,
    take_away,
)
from ws4redis.seam import seam

if TYPE_CHECKING:
    from pytest_django import Settings

REPOSITORY = Path(__file__).resolve().parent.parent


class DeafRedis:
    """Takes PUBLISH and hangs up without an answer; answers everything else with OK."""

    def __init__(self) -> None:
        self.publishes = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        while True:
            connection = self._listener.accept()[0]
            with connection:
                data = connection.recv(65536)
                if data == b'stop':
                    return
                while data:
                    if b'PUBLISH' in data:
                        self.publishes += 1
                        break
                    connection.sendall(b'+OK\r\n' * data.count(b'\r\n$6\r\nCLIENT\r\n'))
                    data = connection.recv(65536)

    def stop(self) -> None:
        with socket.create_connection(('127.0.0.1', self.port)) as connection:
            connection.sendall(b'stop')
        self._thread.join()
        self._listener.close()


@pytest.fixture
def deaf_redis() -> Iterator[DeafRedis]:
    server = DeafRedis()
    yield server
    server.stop()


@pytest.fixture
def no_server_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not published yet."""
    monkeypatch.setattr(redis_client, '_configured', None)
    monkeypatch.setattr(seam, 'server', None)
    monkeypatch.setattr(seam, 'unrequested', None)


# The setting


def test_dict_is_taken_as_the_arguments_of_redis_py() -> None:
    connection_class, arguments = connection_arguments(
        {'host': 'redis.internal', 'port': 6390, 'db': 3, 'password': 'pw'}
    )
    assert connection_class is Connection
    assert (arguments['host'], arguments['port'], arguments['db'], arguments['password']) == (
        'redis.internal',
        6390,
        3,
        'pw',
    )


def test_dict_replaces_the_defaults_and_what_it_leaves_out_is_redis_pys() -> None:
    arguments = connection_arguments({'db': 7})[1]
    assert (arguments['host'], arguments['port'], arguments['db']) == ('localhost', 6379, 7)


def test_ssl_in_the_dict_gives_a_tls_connection() -> None:
    connection_class, arguments = connection_arguments(
        {'host': 'redis.internal', 'ssl': True, 'ssl_cert_reqs': 'none'}
    )
    assert connection_class is SSLConnection
    assert 'ssl' not in arguments
    assert arguments['ssl_cert_reqs'] == 'none'


def test_unix_socket_path_in_the_dict_gives_a_unix_connection() -> None:
    connection_class, arguments = connection_arguments(
        {'unix_socket_path': '/run/redis.sock', 'db': 2}
    )
    assert connection_class is UnixDomainSocketConnection
    assert (arguments['path'], arguments['db']) == ('/run/redis.sock', 2)


@pytest.mark.parametrize(
    ('url', 'expected_class', 'expected'),
    [
        (
            'redis://redis.internal:6390/3',
            Connection,
            {'host': 'redis.internal', 'port': 6390, 'db': 3},
        ),
        ('rediss://redis.internal/1', SSLConnection, {'host': 'redis.internal', 'db': 1}),
        (
            'unix:///run/redis.sock?db=2',
            UnixDomainSocketConnection,
            {'path': '/run/redis.sock', 'db': 2},
        ),
    ],
)
def test_url_says_where_the_server_is(
    url: str, expected_class: type, expected: dict[str, Any]
) -> None:
    connection_class, arguments = connection_arguments(url)
    assert connection_class is expected_class
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize('url', ['localhost:6379', 'http://localhost:6379', '', 'memory:'])
def test_url_of_another_scheme_is_refused_with_those_that_there_are(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match='redis://, rediss://, unix://, memory://'):
        connection_arguments(url)


def test_url_that_redis_py_cannot_read_is_refused() -> None:
    with pytest.raises(
        ImproperlyConfigured, match='WS4REDIS_CONNECTION is no URL that redis-py takes'
    ):
        connection_arguments('redis://localhost:6379/0?socket_timeout=soon')


@pytest.mark.parametrize(
    'value', [{'hots': 'x'}, 'redis://localhost/0?hots=x', 'unix:///run/redis.sock?hots=x']
)
def test_argument_that_redis_py_does_not_take_is_named(value: str | dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match='hots'):
        connection_arguments(value)


def test_setting_of_another_type_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match='WS4REDIS_CONNECTION is list'):
        connection_arguments(['localhost', 6379])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    'value',
    [
        'http://user:s3cret@localhost/0',
        'redis-sentinel://:s3cret@localhost/0',
        'redis://:s3cret@localhost:port/0',
        'redis://:s3cret@localhost:6379/0?socket_timeout=soon',
        'redis://:s3cret@localhost:6379/0?x=1',
        'redis://:s3cret/with-a-slash@localhost:6379/0',
        'http://localhost:6379/?password=s3cret',
        ':s3cret@localhost:6379',
        {'hots': 'localhost', 'password': 's3cret'},
    ],
)
def test_password_is_in_no_error_text(value: str | dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        connection_arguments(value)
    assert 's3cret' not in ''.join(traceback.format_exception(caught.value))


# The clients


def test_clients_speak_resp2_undecoded_and_try_once_whatever_the_dict_says() -> None:
    server = RedisServer(
        {'decode_responses': True, 'protocol': 3, 'retry_on_error': [redis.ConnectionError]}
    )
    arguments = server.pool.connection_kwargs
    assert arguments['decode_responses'] is False
    assert arguments['protocol'] == 2
    assert arguments['retry'].get_retries() == 0
    assert not arguments.get('retry_on_error')


def test_decode_responses_in_the_dict_does_no_harm(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Release 0.6.0 dropped every message without a word."""
    arguments = connection_arguments(redis_url)[1]
    server = RedisServer(
        {'host': arguments['host'], 'port': arguments['port'], 'decode_responses': True}
    )
    monkeypatch.setattr(seam, 'server', server)
    RedisPublisher(facility='news', broadcast=True).publish_message('grün')
    assert RedisPublisher().fetch_message(None, 'news', 'broadcast') == 'grün'.encode()
    server.close()


def test_client_and_pool_are_made_once() -> None:
    server = RedisServer('memory://')
    assert server.client is server.client
    assert server.client.connection_pool is server.pool


def test_feed_gets_a_connection_outside_the_pool() -> None:
    server = RedisServer('memory://')
    connection = server.pubsub_connection()
    assert connection is not server.pubsub_connection()
    connection.connect()
    connection.send_command('PING')
    assert connection.read_response() == b'PONG'
    connection.disconnect()


@pytest.mark.parametrize(
    ('value', 'seconds'),
    [({}, 5.0), ({'socket_timeout': 1.5}, 1.5), ({'socket_timeout': None}, 5.0)],
)
def test_timeout_is_that_of_the_socket_or_five_seconds(
    value: dict[str, Any], seconds: float
) -> None:
    assert RedisServer(value).timeout == seconds


def test_publish_whose_answer_is_lost_goes_out_once(
    deaf_redis: DeafRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py's default of ten retries would repeat it."""
    server = RedisServer(f'redis://127.0.0.1:{deaf_redis.port}/0')
    monkeypatch.setattr(seam, 'server', server)
    with pytest.raises(redis.ConnectionError):
        RedisPublisher(facility='news', broadcast=True).publish_message('once')
    server.close()
    assert deaf_redis.publishes == 1


def test_server_in_memory_has_connections_for_any_number_of_threads() -> None:
    server = RedisServer('memory://')
    connections = [server.pool.get_connection() for _ in range(redis_client.POOL_SIZE + 100)]
    for connection in connections:
        server.pool.release(connection)
    server.close()


# Which server is in force


@pytest.mark.usefixtures('no_server_in_force')
def test_default_is_the_server_of_release_0_6_0() -> None:
    arguments = active_server().pool.connection_kwargs
    assert (arguments['host'], arguments['port'], arguments['db']) == ('localhost', 6379, 0)


@pytest.mark.usefixtures('no_server_in_force')
def test_server_follows_the_setting(settings: Settings) -> None:
    settings.WS4REDIS_CONNECTION = {'port': 6390}
    first = active_server()
    assert active_server() is first
    settings.WS4REDIS_CONNECTION = {'port': 6391}
    assert active_server().pool.connection_kwargs['port'] == 6391


@pytest.mark.usefixtures('no_server_in_force')
def test_server_of_a_test_beats_the_setting() -> None:
    seam.server = server = RedisServer('memory://')
    assert active_server() is server
    seam.server = None
    assert active_server() is not server


# An outage on purpose


@pytest.fixture
def memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """The server in force, under DEBUG."""
    settings.DEBUG = True
    server = RedisServer('memory://')
    monkeypatch.setattr(seam, 'server', server)
    return server


def test_memory_is_taken_away_and_brought_back(memory: RedisServer) -> None:
    memory.client.set('key', 'value')
    take_away()
    with pytest.raises(redis.ConnectionError, match='out of reach'):
        RedisPublisher(facility='news', broadcast=True).publish_message('x')
    bring_back()
    assert memory.client.get('key') == b'value'


def test_who_listens_at_the_gate_learns_of_both_at_once(memory: RedisServer) -> None:
    """The loop would see it with its next command only."""
    found: list[bool] = []
    memory.gate.listen(lambda: found.append(memory.gate.closed))
    take_away()
    bring_back()
    assert found == [True, False]


@pytest.mark.parametrize('function', [take_away, bring_back])
@pytest.mark.parametrize(
    ('debug', 'value'), [(False, 'memory://'), (True, 'redis://localhost:6379/0')]
)
def test_nothing_is_taken_away_where_it_could_do_harm(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    debug: bool,
    value: str,
    function: Callable[[], None],
) -> None:
    settings.DEBUG = debug
    server = RedisServer(value)
    monkeypatch.setattr(seam, 'server', server)
    with pytest.raises(RuntimeError, match='memory:// under DEBUG'):
        function()
    assert not server.gate.closed


def test_importing_makes_no_pool_no_lock_and_no_fakeredis() -> None:
    """Nothing happens at import; settings need not even be there."""
    program = (
        'import sys, threading\n'
        'import ws4redis.publisher, ws4redis.subscriber, ws4redis.redis_client as client\n'
        'from django.conf import settings\n'
        'late = [name for name in ("fakeredis", "gevent") if name in sys.modules]\n'
        'print(settings.configured, client._configured, late, threading.active_count())\n'
    )
    environment = {
        name: value for name, value in os.environ.items() if name != 'DJANGO_SETTINGS_MODULE'
    }
    process = subprocess.run(
        [sys.executable, '-c', program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stdout == 'False None [] 1\n', process.stderr


# Clients of the site's own


@pytest.mark.parametrize('decode', [True, False])
def test_persisted_values_are_bytes_whatever_the_client_makes_of_its_answers(decode: bool) -> None:
    client = fakeredis.FakeRedis(decode_responses=decode)
    client.mset({'one': b'\xff', 'two': 'gr\u00fcn'})
    client.rpush('three', 'a list')
    assert persisted_values(client, [b'one', b'two', b'three', b'four']) == {
        b'one': b'\xff',
        b'two': 'gr\u00fcn'.encode(),
    }
    assert persisted_values(client, []) == {}


@pytest.mark.parametrize('client', [redis.asyncio.Redis, redis.asyncio.RedisCluster])
def test_asyncio_client_is_refused(client: Any) -> None:
    with pytest.raises(TypeError, match=f'{client.__name__}, an asyncio client'):
        check_client(client.__new__(client))


def test_other_clients_and_doubles_are_taken() -> None:
    for client in (redis.Redis(), fakeredis.FakeRedis(), object()):
        check_client(client)
