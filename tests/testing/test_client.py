"""WebSocketClient: the browser's side in a test, and what its reads and assertions say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidUpgrade

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import ANY, Broker, HandshakeRejected
from ws4redis.testing.browser_end import MemoryEnd

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing import WebSocketClient


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """Everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker() as broker:
        yield broker


@pytest.fixture
def client(broker: Broker) -> WebSocketClient:
    return broker.connect('news', subscribe='broadcast', publish='broadcast', name='mary')


def tell(broker: Broker, *messages: str | bytes) -> None:
    """Publish to everybody, without persisting."""
    for message in messages:
        broker.publish(message, facility='news', broadcast=True, expire=0)


# Sending


@pytest.mark.parametrize(
    'message', ['grün', '', b'\xff\x00', b'', bytearray(b'\xfe'), 'x' * 100_000]
)
def test_what_is_sent_is_published_raw(
    broker: Broker, client: WebSocketClient, message: Any
) -> None:
    client.send(message)
    [publication] = broker.published
    assert publication.message == (message.encode() if isinstance(message, str) else bytes(message))


@pytest.mark.parametrize('message', [None, 7, ['a'], {'a': 1}])
def test_message_of_another_type_is_refused_with_what_to_do_instead(
    client: WebSocketClient, message: Any
) -> None:
    with pytest.raises(TypeError, match=r'send_json\(\)'):
        client.send(message)


def test_json_is_sent_as_django_encodes_it(broker: Broker, client: WebSocketClient) -> None:
    import datetime
    import decimal

    client.send_json({'at': datetime.date(2026, 1, 2), 'price': decimal.Decimal('1.50')})
    assert broker.published[0].json() == {'at': '2026-01-02', 'price': '1.50'}


def test_ping_is_answered_and_is_no_message(broker: Broker, client: WebSocketClient) -> None:
    client.ping(b'are you there')
    client.ping()
    assert client.pongs == [b'are you there', b'']
    tell(broker, 'yes')
    assert client.receive_all() == ['yes']
    assert client.open
    assert broker._engine.driver.exchange.agenda.counters.messages_received == 0


def test_raw_bytes_may_break_the_protocol(client: WebSocketClient) -> None:
    client.send_raw(b'\x81\x05hello')
    assert client.close_code == 1002, 'a frame of a client must be masked'


def test_half_a_frame_holds_nothing_up(broker: Broker, client: WebSocketClient) -> None:
    client.send_raw(b'\x81')
    tell(broker, 'live')
    assert client.receive_all() == ['live']


# Receiving


def test_messages_are_read_in_order_each_once(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'one', 'two', 'three')
    assert client.unread == 3
    assert client.receive() == 'one'
    assert client.unread == 2
    assert client.receive_all() == ['two', 'three']
    assert client.receive_all() == []
    assert client.received == ['one', 'two', 'three']


def test_text_and_binary_are_told_apart(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'text', b'\xff', 'text', b'\xff', '{"a": [1]}')
    assert client.receive_text() == 'text'
    assert client.receive_bytes() == b'\xff'
    with pytest.raises(AssertionError, match="mary got a text message: 'text'"):
        client.receive_bytes()
    with pytest.raises(AssertionError, match='mary got a binary message'):
        client.receive_text()
    assert client.receive_json() == {'a': [1]}


def test_received_is_a_copy_that_takes_nothing(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'one')
    client.received.clear()
    assert client.received == ['one']
    assert client.receive() == 'one'


@pytest.mark.parametrize('read', ['receive', 'receive_text', 'receive_bytes', 'receive_json'])
def test_reading_what_has_not_come_says_why(client: WebSocketClient, read: str) -> None:
    with pytest.raises(AssertionError, match='mary got nothing: nothing was published'):
        getattr(client, read)()


def test_reading_what_was_already_read_says_so(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'one', 'two')
    client.receive_all()
    with pytest.raises(
        AssertionError, match='mary has nothing unread: 2 messages already received'
    ):
        client.receive()


def test_reading_of_one_that_was_closed_gives_the_code(client: WebSocketClient) -> None:
    client.close(4000)
    with pytest.raises(AssertionError, match='mary got nothing: closed by the test, 4000'):
        client.receive()


def test_nothing_received_is_a_fact(broker: Broker, client: WebSocketClient) -> None:
    client.assert_nothing_received()
    tell(broker, 'one', 'two')
    with pytest.raises(AssertionError, match="mary has 2 unread messages\n  received: 'one'"):
        client.assert_nothing_received()
    client.receive_all()
    client.assert_nothing_received()


# Read and unread


def test_assert_received_takes_the_first_that_is_meant_and_no_other(
    broker: Broker, client: WebSocketClient
) -> None:
    tell(broker, 'one', 'two', 'one')
    client.assert_received('one')
    assert client.receive_all() == ['two', 'one']
    assert client.received == ['one', 'two', 'one']
    with pytest.raises(AssertionError, match='already received'):
        client.assert_received('one')


def test_assert_received_takes_json_and_whatever_compares(
    broker: Broker, client: WebSocketClient
) -> None:
    broker.publish(json={'state': 'new', 'id': 7}, facility='news', broadcast=True)
    tell(broker, b'\xff', 'one')
    client.assert_received(json_contains={'state': 'new'})
    client.assert_received(b'\xff')
    client.assert_received(ANY)
    client.assert_nothing_received()


def test_failed_assert_received_takes_nothing(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'one')
    with pytest.raises(AssertionError, match="nothing published is 'two'"):
        client.assert_received('two')
    assert client.unread == 1


def test_not_received_is_about_the_whole_history(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'one')
    client.receive()
    client.assert_not_received('two')
    with pytest.raises(AssertionError, match="mary got 'one'"):
        client.assert_not_received('one')
    with pytest.raises(AssertionError, match='mary got a message'):
        client.assert_not_received()


def test_closed_with_code_and_reason(client: WebSocketClient) -> None:
    with pytest.raises(AssertionError, match='mary is open'):
        client.assert_closed()
    client.close(4000, 'done')
    client.assert_closed()
    client.assert_closed(4000)
    client.assert_closed(code=4000, reason='done')
    with pytest.raises(AssertionError, match="mary was closed with 4000, 'done', not 1000"):
        client.assert_closed(1000)
    with pytest.raises(AssertionError, match="closed with 4000, 'done', not 4000, 'gone'"):
        client.assert_closed(4000, 'gone')


def test_json_that_is_none_says_so(broker: Broker, client: WebSocketClient) -> None:
    tell(broker, 'no json')
    with pytest.raises(AssertionError, match="mary got what is no JSON: 'no json'"):
        client.receive_json()


@pytest.mark.row('T7')
@pytest.mark.parametrize('name', ['assert_received', 'assert_not_received', 'assert_closed'])
def test_misspelt_keyword_is_an_error(client: WebSocketClient, name: str) -> None:
    with pytest.raises(TypeError, match='mesage'):
        getattr(client, name)(mesage='one')


def test_message_that_was_published_in_a_finished_thread_has_arrived(
    broker: Broker, client: WebSocketClient
) -> None:
    thread = threading.Thread(target=broker.redis.publish, args=('broadcast:news', 'from a thread'))
    thread.start()
    thread.join()
    assert client.receive() == 'from a thread'


def test_heartbeats_are_counted_and_are_no_messages(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    client = broker.connect('news', subscribe='broadcast')
    broker.advance(4.1)
    assert client.heartbeats == 1
    assert client.received == []


def test_fragments_of_the_client_are_one_message(broker: Broker, client: WebSocketClient) -> None:
    """UTF-8 split over fragments."""
    text = 'grün'.encode()
    client._end.protocol.send_text(text[:3], fin=False)
    client._end.protocol.send_continuation(text[3:], fin=True)
    client._end.flush()
    broker.settle()
    assert [publication.text for publication in broker.published] == ['grün']


# Ending


def test_close_is_answered_with_the_same_code(broker: Broker, client: WebSocketClient) -> None:
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
    assert broker.clients == []
    client.close()
    assert client.close_code == 4001


def test_client_that_drops_leaves_without_a_close_frame(
    broker: Broker, client: WebSocketClient
) -> None:
    client.drop()
    assert broker.clients == []
    assert client.closed
    assert client.close_code == 1006
    assert broker._engine.driver.exchange.agenda.counters.closed == {1006: 1}


def test_block_closes_its_client(broker: Broker) -> None:
    with broker.connect('news') as client:
        assert client.open
    assert client.close_code == 1000


def test_server_that_closes_is_seen_with_code_and_reason(broker: Broker) -> None:
    class Closing(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            websocket.close(4000, 'full')

    client = broker.connect('news', subscribe='broadcast', subscriber=Closing)
    assert (client.close_code, client.close_reason) == (4000, 'full')


# A slow reader


def test_client_that_does_not_read_gets_it_when_it_does(
    broker: Broker, client: WebSocketClient
) -> None:
    client.stop_reading()
    tell(broker, 'one', 'two')
    client.assert_nothing_received()
    client.resume_reading()
    assert client.receive_all() == ['one', 'two']


def test_client_that_does_not_read_at_all_is_closed_and_nobody_waits_for_it(
    broker: Broker, client: WebSocketClient, settings: Settings
) -> None:
    settings.WS4REDIS_MAX_PENDING = 100_000
    slow, fast = (broker.connect('news', subscribe='broadcast') for _ in range(2))
    slow.stop_reading()
    for _ in range(40):
        tell(broker, 'x' * 10_000)
    assert fast.unread == 40
    slow.resume_reading()
    assert slow.close_code == 1013
    assert broker._engine.driver.exchange.agenda.counters.slow_readers == 1
    assert fast.open


def test_client_that_does_not_read_answers_no_ping(broker: Broker, client: WebSocketClient) -> None:
    reading = broker.connect('news')
    client.stop_reading()
    broker.advance(41)
    assert reading.open
    assert broker.clients == [reading]
    assert broker._engine.driver.exchange.agenda.counters.no_answer == 1


def test_client_that_does_not_read_reads_to_the_end_when_it_does(
    broker: Broker, client: WebSocketClient
) -> None:
    client.stop_reading()
    tell(broker, 'before')
    broker.advance(41)
    client.resume_reading()
    assert client.received == ['before']
    assert client.close_code == 1006


# What is known of it


def test_client_knows_its_server_side(broker: Broker, client: WebSocketClient) -> None:
    assert client.channels == ['broadcast:news']
    assert isinstance(client.subscriber, RedisSubscriber)
    assert client.name == 'mary'
    assert repr(client) == '<WebSocketClient mary>'
    assert broker.clients == [client]


def test_refusal_carries_what_the_client_sees_and_what_the_log_says(broker: Broker) -> None:
    with pytest.raises(HandshakeRejected, match='403: origin') as refused:
        broker.connect('news', origin='https://evil.example')
    assert refused.value.status_code == 403
    assert refused.value.headers['Connection'] == 'close'
    assert refused.value.body == b'Origin not allowed\n'
    assert 'WS4REDIS_ALLOWED_ORIGINS' in refused.value.reason


def test_answer_that_no_browser_would_take_is_an_error(broker: Broker) -> None:
    """The client checks the 101 as a browser does."""
    fresh = MemoryEnd(broker, 'ws://testserver/ws/', 'fresh', (), None)
    fresh.request()
    fresh.receive_bytes(
        b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: spdy\r\nConnection: Upgrade\r\n\r\n'
    )
    with pytest.raises(InvalidUpgrade):
        fresh.check_response()
