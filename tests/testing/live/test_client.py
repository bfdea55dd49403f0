"""LiveClient: what a test reads and does over TCP is what it reads and does in memory; and its
guards.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidMessage, InvalidUpgrade

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, LiveClient, LiveServer
from ws4redis.testing.live import client as module
from ws4redis.testing.live.client import TcpEnd

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing import WebSocketClient

    Client = LiveClient | WebSocketClient


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """Everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker() as broker:
        yield broker


@pytest.fixture
def live(broker: Broker) -> Iterator[LiveServer]:
    with LiveServer(broker) as live:
        yield live


@pytest.fixture(params=['tcp', 'memory'])
def place(request: pytest.FixtureRequest, broker: Broker) -> Any:
    """What connects: no case may differ."""
    return request.getfixturevalue('live') if request.param == 'tcp' else broker


@pytest.fixture
def client(place: Any) -> Client:
    client: Client = place.connect('news', subscribe='broadcast', publish='broadcast', name='mary')
    return client


@pytest.fixture
def counters(place: Any) -> Any:
    """Of the server's side."""
    driver = place._loop if isinstance(place, LiveServer) else place._engine.driver
    return driver.exchange.agenda.counters


def tell(broker: Broker, *messages: str | bytes) -> None:
    """Publish to everybody, without persisting."""
    for message in messages:
        broker.publish(message, facility='news', broadcast=True, expire=0)


# The same in memory and over TCP


@pytest.mark.parametrize(
    'message', ['grün', '', b'\xff\x00', b'', bytearray(b'\xfe'), 'x' * 900_000]
)
def test_what_is_sent_is_published_raw(broker: Broker, client: Client, message: Any) -> None:
    client.send(message)
    [publication] = broker.published
    assert publication.message == (message.encode() if isinstance(message, str) else bytes(message))


def test_large_message_arrives_whole(broker: Broker, place: Any, settings: Settings) -> None:
    settings.WS4REDIS_MAX_PENDING = 10_000_000
    client = place.connect('news', subscribe='broadcast')
    tell(broker, 'x' * 5_000_000, 'behind')
    assert [len(message) for message in client.receive_all()] == [5_000_000, 6]


def test_json_is_sent_and_received(broker: Broker, client: Client) -> None:
    client.send_json({'a': [1]})
    assert broker.published[0].json() == {'a': [1]}
    tell(broker, '{"a": [1]}')
    assert client.receive_json() == {'a': [1]}


def test_messages_are_read_in_order_each_once(broker: Broker, client: Client) -> None:
    tell(broker, 'one', b'\xff', 'three')
    assert client.unread == 3
    assert client.receive_text() == 'one'
    assert client.receive_bytes() == b'\xff'
    assert client.receive_all() == ['three']
    assert client.receive_all() == []
    assert client.received == ['one', b'\xff', 'three']


def test_reading_what_has_not_come_says_why_and_blames_no_thread_of_ours(
    broker: Broker, client: Client
) -> None:
    with pytest.raises(AssertionError) as failed:
        client.receive()
    assert str(failed.value).splitlines()[0] == 'mary got nothing: nothing was published'
    broker.publish('hello', facility='chat', broadcast=True)
    with pytest.raises(
        AssertionError, match="mary got nothing: published to 'chat', joined 'news'"
    ):
        client.receive()


def test_nothing_received_is_a_fact(broker: Broker, client: Client) -> None:
    client.assert_nothing_received()
    tell(broker, 'one')
    with pytest.raises(AssertionError, match="mary has 1 unread message\n  received: 'one'"):
        client.assert_nothing_received()


def test_ping_is_answered_and_is_no_message(broker: Broker, client: Client, counters: Any) -> None:
    client.ping(b'are you there')
    tell(broker, 'yes')
    assert client.receive_all() == ['yes']
    assert counters.messages_received == 0


def test_settling_asks_the_server_nothing(
    broker: Broker, place: Any, client: Client, settings: Settings
) -> None:
    """A client's own ping counts against its rate, and tells the server that it lives."""
    settings.WS4REDIS_MESSAGE_RATE = 1
    limited = place.connect('news')
    for _ in range(20):
        limited.assert_nothing_received()
    assert limited.open
    for _ in range(3):
        limited.ping()
    assert limited.close_code == 1008


def test_half_a_frame_holds_nothing_up(broker: Broker, client: Client) -> None:
    client.send_raw(b'\x81')
    tell(broker, 'live')
    assert client.receive_all() == ['live']


def test_raw_bytes_may_break_the_protocol(client: Client) -> None:
    client.send_raw(b'\x81\x05hello')
    assert client.close_code == 1002


def test_close_is_answered_with_the_same_code(place: Any, client: Client) -> None:
    assert (client.open, client.closed, client.close_code, client.close_reason) == (
        True,
        False,
        None,
        None,
    )
    client.close(4001, 'enough')
    assert (client.open, client.closed, client.close_code, client.close_reason) == (
        False,
        True,
        4001,
        'enough',
    )
    assert place.clients == []
    client.close()
    assert client.close_code == 4001
    with pytest.raises(AssertionError, match='mary got nothing: closed by the test, 4001'):
        client.receive()


def test_client_that_drops_leaves_without_a_close_frame(
    place: Any, client: Client, counters: Any
) -> None:
    client.drop()
    assert place.clients == []
    assert client.close_code == 1006
    assert counters.closed == {1006: 1}


def test_client_that_drops_was_closed_by_the_test(broker: Broker, client: Client) -> None:
    client.drop()
    tell(broker, 'hello')
    with pytest.raises(AssertionError, match='mary got nothing: closed by the test, 1006'):
        client.receive()


@pytest.mark.parametrize(
    ('asked', 'shown'), [((), 'connected without publish='), (('user',), 'user')]
)
def test_sender_that_may_not_publish_is_named(
    place: Any, client: Client, asked: tuple[str, ...], shown: str
) -> None:
    place.connect('news', publish=asked, name='john').send('hello')
    with pytest.raises(
        AssertionError, match='nothing published: john may not publish to news'
    ) as failed:
        client.receive()
    assert str(failed.value).splitlines()[2].endswith(shown)


def test_block_closes_its_client(place: Any) -> None:
    with place.connect('news') as client:
        assert client.open
    assert client.close_code == 1000


def test_server_that_closes_is_seen_with_code_and_reason(place: Any) -> None:
    class Closing(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            websocket.send('last words')
            websocket.close(4000, 'full')

    client = place.connect('news', subscribe='broadcast', subscriber=Closing)
    assert (client.close_code, client.close_reason) == (4000, 'full')
    assert place.clients == []


def test_client_that_does_not_read_gets_it_when_it_does(broker: Broker, client: Client) -> None:
    client.stop_reading()
    tell(broker, 'one', 'two')
    client.assert_nothing_received()
    client.resume_reading()
    assert client.receive_all() == ['one', 'two']


def test_what_a_client_that_does_not_read_sends_is_read(place: Any, client: Client) -> None:
    other = place.connect('news', subscribe='broadcast')
    client.stop_reading()
    client.send('hello')
    assert other.receive_all() == ['hello']


def test_many_messages_of_one_client_are_worked_off_in_order(
    place: Any, settings: Settings
) -> None:
    """More than the loop lets wait: it stops reading meanwhile."""
    settings.WS4REDIS_MESSAGE_RATE = None
    client = place.connect('news', publish='broadcast')
    other = place.connect('news', subscribe='broadcast')
    messages = [str(number) for number in range(300)]
    for message in messages:
        client._end.protocol.send_text(message.encode())
    client._end.flush()
    assert other.receive_all() == messages


def test_client_knows_its_server_side(place: Any, client: Client) -> None:
    assert client.channels == ['broadcast:news']
    assert isinstance(client.subscriber, RedisSubscriber)
    assert client.name == 'mary'
    assert repr(client) == f'<{type(client).__name__} mary>'
    assert place.clients == [client]


def test_heartbeats_are_counted_and_are_no_messages(place: Any, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = place.connect('news', subscribe='broadcast')
    place.advance(4.1)
    assert client.heartbeats == 1
    assert client.received == []


# Over TCP alone


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who listens and does nothing else."""
    with closing(socket.create_server(('127.0.0.1', 0))) as listener:
        yield listener


@pytest.fixture
def stranger(
    live: LiveServer, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TcpEnd]:
    """An end that is connected to that listener, with a short guard."""
    monkeypatch.setattr(module, 'GUARD', 0.1)
    end = TcpEnd(live, 'ws://127.0.0.1/', 'mary', (), None)
    end.connect(listener.getsockname())
    yield end
    end.hang_up()


def test_server_that_says_nothing_is_an_error(stranger: TcpEnd) -> None:
    with pytest.raises(TimeoutError, match='mary: what the server has sent has not come'):
        stranger.shake_hands({})


def test_server_that_does_not_read_is_an_error(stranger: TcpEnd) -> None:
    with pytest.raises(TimeoutError, match='mary: the server has not read'):
        stranger.put(b'x' * 50_000_000)


def test_answer_that_no_browser_would_take_is_an_error(
    stranger: TcpEnd, listener: socket.socket
) -> None:
    with closing(listener.accept()[0]) as server_side:
        server_side.sendall(
            b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: spdy\r\nConnection: Upgrade\r\n\r\n'
        )
        with pytest.raises(InvalidUpgrade):
            stranger.shake_hands({})


def test_headers_replace_those_of_the_client(stranger: TcpEnd, listener: socket.socket) -> None:
    with closing(listener.accept()[0]) as server_side:
        server_side.sendall(b'HTTP/1.1 404 Not found\r\nContent-Length: 4\r\n\r\ngone')
        refusal = stranger.shake_hands({'host': 'example.com', 'X-Tenant': 'lab'})
        request = server_side.recv(10_000).decode().lower()
    assert refusal is not None
    assert (refusal.status_code, refusal.body) == (404, b'gone')
    assert request.count('host:') == 1
    assert 'host: example.com\r\n' in request
    assert 'x-tenant: lab\r\n' in request


def test_server_that_vanishes_is_met_as_an_end(stranger: TcpEnd, listener: socket.socket) -> None:
    listener.accept()[0].close()
    with pytest.raises(InvalidMessage):
        stranger.shake_hands({})
    assert not stranger.open


def test_address_is_that_of_this_end(live: LiveServer) -> None:
    client = live.connect('news')
    assert client._end.address == client._end._sock.getsockname()


def test_slow_reader_is_held_by_no_more_than_the_systems_buffers(live: LiveServer) -> None:
    """Without limits of our own the system takes several megabytes, the more the more it has
    taken before.
    """
    client = live.connect('news', subscribe='broadcast')
    for _ in range(10):
        tell(live.broker, 'x' * 900_000)
        assert client.unread
    client.receive_all()
    client.stop_reading()
    for _ in range(10):
        tell(live.broker, 'x' * 100_000)
        live.settle()
    assert client._end.recipient is not None
    assert client._end.recipient.blocked
    assert live._loop.traffic(client._end.recipient).written - client._end.taken < 500_000
    client.resume_reading()
    assert client.unread == 10
    # Linux would let it grow with what has passed, up to megabytes.
    assert (
        client._end._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        <= 2 * module.RECEIVE_BUFFER
    )


def test_settle_waits_for_the_loop_to_write_what_did_not_fit(
    live: LiveServer, settings: Settings
) -> None:
    settings.WS4REDIS_MAX_PENDING = 10_000_000
    client = live.connect('news', subscribe='broadcast')
    client.stop_reading()
    tell(live.broker, 'x' * 2_000_000)
    live.settle()
    recipient: Any = client._end.recipient
    watcher = recipient.transport.writing
    live._loop.ask(watcher.stop)

    def write() -> None:
        if recipient.transport is not None:
            watcher.start(live._loop._writable, recipient)

    live._loop.ask(lambda: live._loop.hub.later(0.3, write))
    client.resume_reading()
    assert client.unread == 1
