"""One client's descriptor, on a pair of sockets; a hub of its own watches it, in the test's
thread.
"""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import gevent
import pytest

from ws4redis.transport import DescriptorTransport

GUARD = 20.0


@dataclass
class Ends:
    """The transport and its client."""

    transport: DescriptorTransport
    far: socket.socket


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = socket.socketpair()
    far.settimeout(GUARD)
    near.setblocking(False)
    transport = DescriptorTransport(near.detach(), gevent.get_hub().loop)
    with far:
        yield Ends(transport, far)
        if transport.descriptor >= 0:
            transport.close()
    gevent.get_hub().destroy()


def run_until(look: Callable[[], object]) -> None:
    """Let the hub run until this is true."""
    with gevent.Timeout(GUARD):
        while not look():
            gevent.idle()


def fill(transport: DescriptorTransport) -> int:
    """Write until the client takes nothing more; the count of bytes."""
    count = 0
    while sent := transport.send(b'x' * 65_536):
        count += sent
    return count


def drain(far: socket.socket, count: int) -> None:
    """Read so many bytes."""
    while count:
        count -= len(far.recv(min(count, 65_536)))


def test_what_is_sent_arrives(ends: Ends) -> None:
    assert ends.transport.send(b'hello') == 5
    assert ends.far.recv(100) == b'hello'


def test_what_does_not_fit_is_not_sent(ends: Ends) -> None:
    assert fill(ends.transport) > 0
    assert ends.transport.send(b'more') == 0


def test_client_that_is_gone_is_an_error_and_no_signal(ends: Ends) -> None:
    ends.far.close()
    with pytest.raises(BrokenPipeError):
        ends.transport.send(b'hello')


def test_nothing_is_none_and_the_end_is_empty(ends: Ends) -> None:
    assert ends.transport.receive() is None
    ends.far.sendall(b'hello')
    assert ends.transport.receive() == b'hello'
    ends.far.close()
    assert ends.transport.receive() == b''


def test_client_that_resets_the_connection_has_ended(ends: Ends) -> None:
    # What the client has not read when it closes.
    ends.transport.send(b'unread')
    ends.far.close()
    assert ends.transport.receive() == b''


def test_reading_is_watched_until_it_is_ignored(ends: Ends) -> None:
    got: list[bytes | None] = []
    ends.transport.watch_reading(lambda transport: got.append(transport.receive()), ends.transport)
    assert ends.transport.watches_reading
    ends.far.sendall(b'one')
    run_until(lambda: got)
    ends.transport.ignore_reading()
    assert not ends.transport.watches_reading
    ends.far.sendall(b'two')
    gevent.idle()
    assert got == [b'one']
    assert ends.transport.receive() == b'two'


def test_writing_is_watched_until_it_is_ignored(ends: Ends) -> None:
    told: list[str] = []

    def writable(word: str) -> None:
        told.append(word)
        ends.transport.ignore_writing()

    count = fill(ends.transport)
    ends.transport.watch_writing(writable, 'writable')
    gevent.idle()
    assert told == []
    drain(ends.far, count)
    run_until(lambda: told)
    assert ends.transport.writing is None
    assert told == ['writable']


def test_half_close_ends_what_comes_and_not_what_goes(ends: Ends) -> None:
    for _ in range(2):
        ends.transport.half_close()
    assert ends.transport.half_closed
    assert ends.far.recv(100) == b''
    ends.far.sendall(b'still here')
    assert ends.transport.receive() == b'still here'


def test_close_gives_the_descriptor_back(ends: Ends) -> None:
    fill(ends.transport)
    ends.transport.watch_reading(lambda transport: None, ends.transport)
    ends.transport.watch_writing(lambda transport: None, ends.transport)
    ends.transport.close()
    with pytest.raises(OSError, match='Bad file descriptor'):
        os.fstat(ends.transport.descriptor)
    ends.transport.descriptor = -1
