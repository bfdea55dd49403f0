"""memory://: when it may be used, what differs from fakeredis, and how its messages reach the
loop.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from ws4redis import memory as memory_module
from ws4redis import redis_client
from ws4redis.memory import MemoryPump, serve_websockets
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer, active_server
from ws4redis.seam import seam

if TYPE_CHECKING:
    from pytest_django import Settings

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not published yet; it serves no websockets."""
    monkeypatch.setattr(redis_client, '_configured', None)
    monkeypatch.setattr(memory_module, '_serving', None)
    monkeypatch.setattr(seam, 'server', None)
    monkeypatch.setattr(seam, 'unrequested', None)


# When it may be used


@pytest.mark.usefixtures('first_use')
def test_memory_in_a_process_that_serves_websockets_warns_once_with_its_id(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WS4REDIS_CONNECTION = 'memory://'
    serve_websockets()
    with caplog.at_level(logging.WARNING, 'ws4redis.memory'):
        assert active_server() is active_server()
    assert len(caplog.records) == 1
    assert str(os.getpid()) in caplog.text


@pytest.mark.usefixtures('first_use')
def test_memory_in_a_process_that_serves_no_websockets_is_refused(settings: Settings) -> None:
    """What it published would vanish."""
    settings.WS4REDIS_CONNECTION = 'memory://?allow=1'
    with pytest.raises(ImproperlyConfigured, match='serves no websockets'):
        RedisPublisher(facility='news', broadcast=True).publish_message('lost')


_PUBLISH_ON_MEMORY = """
import django
from django.conf import settings
settings.configure(DEBUG={debug}, WS4REDIS_CONNECTION={url!r}, INSTALLED_APPS=[])
django.setup()
from ws4redis.publisher import RedisPublisher
from ws4redis.memory import serve_websockets
serve_websockets()
RedisPublisher(facility='news', broadcast=True).publish_message('hello')
print(RedisPublisher().fetch_message(None, 'news', 'broadcast'))
"""


@pytest.mark.parametrize(
    ('debug', 'url', 'allowed'),
    [
        (True, 'memory://', True),
        (False, 'memory://?allow=1', True),
        (False, 'memory://', False),
        (False, 'memory://?allow=0', False),
    ],
)
def test_memory_outside_tests_needs_debug_or_allow(debug: bool, url: str, allowed: bool) -> None:
    program = _PUBLISH_ON_MEMORY.format(debug=debug, url=url)
    process = subprocess.run(
        [sys.executable, '-c', program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if allowed:
        assert process.stdout == "b'hello'\n", process.stderr
    else:
        assert 'with DEBUG off it takes memory://?allow=1' in process.stderr


# Its connections


def test_servers_in_memory_know_nothing_of_each_other() -> None:
    one, other = RedisServer('memory://'), RedisServer('memory://')
    one.client.set('key', 'value')
    assert other.client.get('key') is None


def test_server_in_memory_can_be_shared() -> None:
    memory = fakeredis.FakeServer()
    one, other = RedisServer('memory://', memory), RedisServer('memory://', memory)
    one.client.set('key', 'value')
    assert other.client.get('key') == b'value'


def test_server_in_memory_sends_keyspace_notifications_only_when_asked_as_redis_does() -> None:
    server = RedisServer('memory://')
    pubsub = server.client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe('*')
    server.client.set('key', 'value')
    server.client.publish('end', 'of it')
    assert [message['channel'] for message in _messages(pubsub)] == [b'end']
    server.client.config_set('notify-keyspace-events', 'KEA')
    server.client.set('key', 'value')
    assert {message['channel'] for message in _messages(pubsub)} == {
        b'__keyspace@0__:key',
        b'__keyevent@0__:set',
    }
    pubsub.close()


def _messages(pubsub: Any) -> list[dict[str, Any]]:
    messages = []
    while pubsub.connection.can_read(timeout=0):
        message = pubsub.get_message()
        if message is not None:
            messages.append(message)
    return messages


def test_server_in_memory_has_sent_a_message_before_publish_returns() -> None:
    """So a test's broker need not wait for it."""
    server = RedisServer('memory://')
    connection: Any = server.pubsub_connection()
    connection.connect()
    connection.send_command('SUBSCRIBE', 'news')
    server.client.publish('news', 'hello')
    assert list(connection.arrived()) == [
        [b'subscribe', b'news', 1],
        [b'message', b'news', b'hello'],
    ]
    assert list(connection.arrived()) == []


def test_connection_to_a_server_in_memory_that_was_killed_says_so_once() -> None:
    server = RedisServer('memory://')
    connection: Any = server.pubsub_connection()
    connection.connect()
    for client in server.client.client_list():
        server.client.client_kill_filter(_id=client['id'])
    with pytest.raises(redis.ConnectionError, match='killed'):
        list(connection.arrived())
    assert list(connection.arrived()) == []


# Its messages


class Memory:
    """A MemoryPump, with what it has said; calls wait until they are run."""

    def __init__(self) -> None:
        self.server = RedisServer('memory://')
        self.calls: list[Callable[[], None]] = []
        self.replies: list[Any] = []
        self.lost: list[object] = []
        connection: Any = self.server.pubsub_connection()
        connection.connect()
        self.pump = MemoryPump(
            connection, self.server.gate, self.calls.append, self.replies.extend, self.lost.append
        )
        self.pump.send([(b'SUBSCRIBE', b'c')])
        self.run()

    def run(self) -> None:
        while self.calls:
            self.calls.pop(0)()

    def publish(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.server.client.publish('c', payload)


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_publishing_in_memory_wakes_the_pump_once_for_all_that_has_arrived(memory: Memory) -> None:
    memory.replies.clear()
    memory.publish(b'1', b'2', b'3')
    assert len(memory.calls) == 1
    memory.run()
    assert memory.replies == [
        [b'message', b'c', b'1'],
        [b'message', b'c', b'2'],
        [b'message', b'c', b'3'],
    ]


def test_publishing_after_a_look_wakes_it_again(memory: Memory) -> None:
    memory.replies.clear()
    memory.publish(b'1')
    memory.run()
    memory.publish(b'2')
    memory.run()
    assert [reply[2] for reply in memory.replies] == [b'1', b'2']


def test_gate_that_is_closed_loses_the_connection(memory: Memory) -> None:
    memory.publish(b'1')
    memory.server.gate.closed = True
    memory.run()
    assert memory.lost == ['out of reach']


def test_sending_through_a_closed_gate_loses_the_connection(memory: Memory) -> None:
    memory.server.gate.closed = True
    memory.pump.send([(b'PING', b'1')])
    (reason,) = memory.lost
    assert isinstance(reason, redis.ConnectionError)


def test_pump_in_memory_that_is_closed_is_not_woken_any_more(memory: Memory) -> None:
    memory.publish(b'1')
    memory.replies.clear()
    memory.pump.close()
    memory.pump.close()
    memory.run()
    memory.publish(b'2')
    assert (memory.calls, memory.replies, memory.lost) == ([], [], [])
