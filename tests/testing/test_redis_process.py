"""The redis-server that tests start, and what happens where there is none."""

import socket
from pathlib import Path

import pytest
import redis

from tests.conftest import require
from ws4redis.testing.redis_process import RedisProcess


def test_server_is_the_process_that_was_started(redis_process: RedisProcess) -> None:
    with redis_process.client() as client:
        assert client.info('server')['process_id'] == redis_process.pid


def test_server_comes_back_empty_on_the_same_port(redis_process: RedisProcess) -> None:
    url = redis_process.url
    with redis_process.client() as client:
        client.set('key', 'value')
    redis_process.stop()
    with redis_process.client() as client, pytest.raises(redis.ConnectionError):
        client.ping()
    redis_process.start()
    assert redis_process.url == url
    with redis_process.client() as client:
        assert client.get('key') is None


def test_server_listens_on_a_unix_socket(redis_process: RedisProcess, tmp_path: Path) -> None:
    with (
        RedisProcess(redis_process.program, tmp_path / 'redis.sock') as server,
        server.client() as client,
    ):
        assert client.ping() is True
        assert client.info('server')['tcp_port'] == 0


def test_server_that_cannot_listen_says_why(redis_process: RedisProcess) -> None:
    second = RedisProcess(redis_process.program)
    second.port = redis_process.port
    with pytest.raises(RuntimeError, match='Address already in use'):
        second.start()


def test_shared_server_is_empty_at_the_beginning(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set('key', 'value')


def test_shared_server_is_empty_for_the_next_test_too(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set('key', 'value')


def test_block_ends_the_server(redis_process: RedisProcess) -> None:
    with RedisProcess(redis_process.program) as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.1', port))


def test_what_is_missing_skips_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WS4REDIS_REQUIRE', 'browser')
    with pytest.raises(pytest.skip.Exception, match='redis is missing: install it'):
        require('redis', None, 'install it')


def test_what_is_missing_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WS4REDIS_REQUIRE', 'browser,redis')
    with pytest.raises(
        pytest.fail.Exception, match='redis is missing and WS4REDIS_REQUIRE names it: install it'
    ):
        require('redis', None, 'install it')


def test_what_is_there_neither_skips_nor_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WS4REDIS_REQUIRE', 'redis')
    require('redis', '/usr/bin/redis-server', 'install it')
