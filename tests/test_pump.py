"""What carries bytes between Redis' connection and the feed, over TCP, a unix socket and TLS.

The far end of the sockets is a test's own; each test runs a hub of its own in the test's thread.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import hiredis
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ws4redis import pump
from ws4redis.pump import SocketPump

GUARD = 20.0
KINDS = ['tcp', 'unix', 'tls']
CIPHERS = 'AECDH-AES256-SHA:@SECLEVEL=0'
"""Anonymous: TLS without a certificate."""


def message(payload: bytes) -> bytes:
    """A published message, as Redis sends it."""
    return b'*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%s\r\n' % (len(payload), payload)


class Ends:
    """A SocketPump and the far end of its connection, with what the pump has said."""

    def __init__(self, connection: Any, far: socket.socket) -> None:
        self.far = far
        self.batches: list[list[Any]] = []
        self.lost: list[object] = []
        self.hub = gevent.get_hub()
        self.pump = SocketPump(self.hub, connection, self.batches.append, self._lose)

    def _lose(self, reason: object) -> None:
        self.lost.append(reason)
        self.pump.close()

    @property
    def payloads(self) -> list[bytes]:
        """Of all messages, in order."""
        return [reply[2] for batch in self.batches for reply in batch]

    def run_until(self, look: Callable[[], object]) -> None:
        """Let the hub run until this is true."""
        with gevent.Timeout(GUARD):
            while not look():
                gevent.idle()


def connected(kind: str, directory: Path) -> tuple[Any, socket.socket]:
    """redis-py's connection, connected, and the far end."""
    path = str(directory / 'socket')
    listener = socket.socket(socket.AF_UNIX if kind == 'unix' else socket.AF_INET)
    listener.bind(path if kind == 'unix' else ('127.0.0.1', 0))
    listener.listen()
    arguments: dict[str, Any] = {
        'protocol': 2,
        'retry': Retry(NoBackoff(), 0),
        'socket_timeout': GUARD,
    }
    connection: Any
    if kind == 'unix':
        connection_class: Any = redis.UnixDomainSocketConnection
        connection = connection_class(path=path, **arguments)
    else:
        arguments |= {'host': '127.0.0.1', 'port': listener.getsockname()[1]}
        if kind == 'tls':
            arguments |= {
                'ssl_cert_reqs': 'none',
                'ssl_check_hostname': False,
                'ssl_ciphers': CIPHERS,
            }
        connection = (redis.SSLConnection if kind == 'tls' else redis.Connection)(**arguments)
    # The far end answers nothing, so redis-py must not introduce itself.
    connection.driver_info = connection.lib_name = connection.lib_version = None
    accepted: list[socket.socket] = []

    def accept() -> None:
        far, _ = listener.accept()
        if kind == 'tls':
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(CIPHERS)
            far = context.wrap_socket(far, server_side=True)
        far.settimeout(GUARD)
        accepted.append(far)

    thread = threading.Thread(target=accept)
    thread.start()
    connection.connect()
    thread.join(GUARD)
    listener.close()
    return connection, accepted[0]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ends(kind: str, tmp_path: Path) -> Iterator[Ends]:
    connection, far = connected(kind, tmp_path)
    ends = Ends(connection, far)
    yield ends
    ends.pump.close()
    far.close()
    gevent.get_hub().destroy()


# From Redis


def test_messages_arrive_in_order(ends: Ends) -> None:
    ends.far.sendall(b''.join(message(b'%d' % number) for number in range(5)))
    ends.run_until(lambda: len(ends.payloads) == 5)
    assert ends.payloads == [b'0', b'1', b'2', b'3', b'4']
    assert ends.lost == []


def test_burst_that_has_arrived_is_one_batch(ends: Ends) -> None:
    ends.far.sendall(b''.join(message(b'%d' % number) for number in range(5)))
    ends.run_until(lambda: ends.batches)
    assert [len(batch) for batch in ends.batches] == [5]


def test_message_may_be_cut_anywhere(ends: Ends) -> None:
    whole = message(b'cut')
    for at in range(1, len(whole)):
        ends.far.sendall(whole[:at])
        for _ in range(5):
            gevent.idle()
        assert len(ends.payloads) == at - 1
        ends.far.sendall(whole[at:])
        ends.run_until(lambda at=at: len(ends.payloads) == at)  # type: ignore[misc]
    assert set(ends.payloads) == {b'cut'}


def test_more_than_a_batch_is_read_in_pieces_and_nothing_waits(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With TLS the whole burst is one record: when the first piece is taken the socket has nothing
    # more to say.
    monkeypatch.setattr(pump, 'READ_SIZE', 50)
    monkeypatch.setattr(pump, 'BATCH_SIZE', 100)
    ends.far.sendall(b''.join(message(b'%02d' % number) for number in range(50)))
    ends.run_until(lambda: len(ends.payloads) == 50)
    assert ends.payloads == [b'%02d' % number for number in range(50)]
    assert max(map(len, ends.batches)) < 10


def test_large_message_arrives(ends: Ends) -> None:
    large = b'x' * (3 << 20)
    sending = threading.Thread(target=ends.far.sendall, args=(message(large),))
    sending.start()
    ends.run_until(lambda: ends.payloads)
    sending.join(GUARD)
    assert ends.payloads == [large]


# To Redis


def test_commands_go_out_in_order(ends: Ends) -> None:
    commands: list[Any] = [(b'SUBSCRIBE', b'a', b'b'), (b'PING', b'1'), (b'PING', b'2')]
    ends.pump.send(commands[:2])
    ends.pump.send(commands[2:])
    expected = b''.join(hiredis.pack_command(command) for command in commands)
    assert read_exactly(ends.far, len(expected)) == expected


def test_commands_that_redis_does_not_take_at_once_follow_later(ends: Ends) -> None:
    names = [b'channel-%06d' % number for number in range(20000)]
    commands: list[Any] = [(b'SUBSCRIBE', *names)] * 40
    expected = b''.join(hiredis.pack_command(command) for command in commands)
    for command in commands:
        ends.pump.send([command])
    assert ends.pump._unsent, 'the system has taken all of it'
    read: list[bytes] = []
    reading = threading.Thread(target=lambda: read.append(read_exactly(ends.far, len(expected))))
    reading.start()
    ends.run_until(lambda: not ends.pump._unsent)
    reading.join(GUARD)
    assert read == [expected]
    assert ends.pump._writing is None
    ends.far.sendall(message(b'still reading'))
    ends.run_until(lambda: ends.payloads)


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(1 << 16)
        assert piece, 'closed'
        data += piece
    return bytes(data)


# The end


def test_end_is_told_once_behind_what_came_before_it(ends: Ends) -> None:
    ends.far.sendall(message(b'last words'))
    ends.far.close()
    ends.run_until(lambda: ends.lost)
    assert ends.payloads == [b'last words']
    assert len(ends.lost) == 1


def test_answer_that_is_no_resp_ends_the_connection(ends: Ends) -> None:
    ends.far.sendall(message(b'good') + b'HTTP/1.1 400 Bad Request\r\n\r\n')
    ends.run_until(lambda: ends.lost)
    assert ends.payloads == [b'good']
    (reason,) = ends.lost
    assert isinstance(reason, hiredis.ProtocolError)


def test_sending_on_a_connection_that_is_gone_ends_it(ends: Ends) -> None:
    ends.far.close()
    with gevent.Timeout(GUARD):
        while not ends.lost:
            ends.pump.send([(b'PING', b'1')])
    assert len(ends.lost) == 1


def test_pump_that_is_closed_says_nothing_and_watches_nothing(ends: Ends) -> None:
    ends.pump.send([(b'SUBSCRIBE', b'x' * (1 << 24))])
    assert ends.pump._writing is not None
    before = ends.hub.loop.activecnt
    ends.pump.close()
    ends.pump.close()
    assert ends.hub.loop.activecnt == before - 2
    assert ends.pump._writing is None
    assert (ends.batches, ends.lost) == ([], [])


def test_pump_may_be_closed_by_what_it_has_received(kind: str, tmp_path: Path) -> None:
    connection, far = connected(kind, tmp_path)
    ends = Ends(connection, far)
    ends.pump._receive = lambda replies: ends.pump.close()
    far.sendall(message(b'go') + b'no resp')
    ends.run_until(lambda: ends.pump._closed)
    for _ in range(5):
        gevent.idle()
    assert ends.lost == []
    far.close()
    ends.hub.destroy()
