"""The gate: what stands before every client of a server, in memory or not."""

from __future__ import annotations

import pytest
import redis

from ws4redis.redis_client import RedisServer


def test_closed_gate_refuses_clients_that_are_connected() -> None:
    server = RedisServer('memory://')
    server.client.ping()
    server.gate.closed = True
    with pytest.raises(redis.ConnectionError, match='out of reach'):
        server.client.ping()


def test_closed_gate_refuses_new_connections() -> None:
    server = RedisServer('memory://')
    server.gate.closed = True
    with pytest.raises(redis.ConnectionError, match='out of reach'):
        server.pubsub_connection().connect()


def test_open_gate_lets_clients_through_again() -> None:
    server = RedisServer('memory://')
    server.client.set('key', 'value')
    server.gate.closed = True
    with pytest.raises(redis.ConnectionError):
        server.client.get('key')
    server.gate.closed = False
    assert server.client.get('key') == b'value'


def test_listener_hears_of_each_command_until_it_stops_listening() -> None:
    server = RedisServer('memory://')
    server.client.ping()
    heard: list[None] = []

    def listener() -> None:
        heard.append(None)

    server.gate.listen(listener)
    server.client.publish('channel', 'message')
    assert len(heard) == 1
    server.gate.unlisten(listener)
    server.gate.unlisten(listener)
    server.client.publish('channel', 'message')
    assert len(heard) == 1


def test_gate_stands_before_a_real_server_too(redis_url: str) -> None:
    server = RedisServer(redis_url)
    server.client.ping()
    server.gate.closed = True
    with pytest.raises(redis.ConnectionError, match='out of reach'):
        server.client.ping()
    server.close()
