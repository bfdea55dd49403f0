"""FakeWebSocket: one list of uses, run on the fake, on a handle of a running Broker, and
compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ProtocolError

from tests.subscribers import overrides
from ws4redis.core.agenda import Agenda
from ws4redis.core.handle import Handle
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Recipient
from ws4redis.exceptions import WebSocketError
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, FakeWebSocket

Use = Callable[[Any], object]

GOOD: dict[str, Use] = {
    'nothing': lambda websocket: None,
    'text': lambda websocket: websocket.send('grün'),
    'empty': lambda websocket: (websocket.send(''), websocket.send(b'')),
    'bytes that are text': lambda websocket: websocket.send('grün'.encode()),
    'bytes that are no text': lambda websocket: websocket.send(b'\xff\x00'),
    'half a character': lambda websocket: websocket.send('ü'.encode()[:1]),
    'surrogates in bytes': lambda websocket: websocket.send(b'\xed\xa0\x80'),
    'bytearray': lambda websocket: websocket.send(bytearray(b'array')),
    'text as binary': lambda websocket: websocket.send('text', True),
    'bytes as text': lambda websocket: websocket.send(b'text', binary=False),
    'many': lambda websocket: [websocket.send(str(number)) for number in range(300)],
    'large': lambda websocket: websocket.send('x' * (1 << 21)),
    'persisted': lambda websocket: websocket.send_persisted(b'broadcast:news', b'\xfe'),
    'persisted heartbeat': lambda websocket: websocket.send_persisted(b'broadcast:news', b'beat'),
    'close': lambda websocket: websocket.close(),
    'close with a code and a reason': lambda websocket: websocket.close(4001, 'grün'),
    'close with the longest reason': lambda websocket: websocket.close(1000, 'x' * 123),
    'close without a reason': lambda websocket: websocket.close(1008, None),
    'close twice': lambda websocket: (
        websocket.close(4001, 'first'),
        websocket.close(4002, 'second'),
    ),
    'close and close wrongly': lambda websocket: (websocket.close(), websocket.close(1005)),
    'send and close': lambda websocket: (
        websocket.send('bye'),
        websocket.send(b'\xff'),
        websocket.close(3000),
    ),
}

BAD: dict[str, Use] = {
    'number': lambda websocket: websocket.send(1),
    'None': lambda websocket: websocket.send(None),
    'list': lambda websocket: websocket.send(['text']),
    'memoryview': lambda websocket: websocket.send(memoryview(b'text')),
    'surrogates': lambda websocket: websocket.send('\ud800'),
    'no text as text': lambda websocket: websocket.send(b'\xff', binary=False),
    'unknown keyword': lambda websocket: websocket.send('text', opcode=1),
    'nothing to send': lambda websocket: websocket.send(),
    'persisted number': lambda websocket: websocket.send_persisted(b'broadcast:news', 1),
    'persisted None': lambda websocket: websocket.send_persisted(b'broadcast:news', None),
    'send after close': lambda websocket: (websocket.close(), websocket.send('late')),
    'persisted after close': lambda websocket: (
        websocket.close(),
        websocket.send_persisted(b'broadcast:news', b'late'),
    ),
    'wrong type after close': lambda websocket: (websocket.close(), websocket.send(1)),
    'close 999': lambda websocket: websocket.close(999),
    'close 1004': lambda websocket: websocket.close(1004),
    'close 1005': lambda websocket: websocket.close(1005),
    'close 1006': lambda websocket: websocket.close(1006),
    'close 1015': lambda websocket: websocket.close(1015),
    'close 5000': lambda websocket: websocket.close(5000),
    'close with text as code': lambda websocket: websocket.close('1000'),
    'close with too long a reason': lambda websocket: websocket.close(1000, 'x' * 124),
    'close with too many bytes of reason': lambda websocket: websocket.close(1000, 'ü' * 62),
    'close with surrogates': lambda websocket: websocket.close(1000, '\ud800'),
    'close with bytes': lambda websocket: websocket.close(1000, b'reason'),
    'receive': lambda websocket: websocket.receive(),
    'get_file_descriptor': lambda websocket: websocket.get_file_descriptor(),
}


def refusal(use: Use, websocket: Any) -> tuple[type[Exception], str] | None:
    """What the websocket says to this use; the class's name is no part of it."""
    try:
        use(websocket)
    except Exception as exc:
        return type(exc), str(exc).replace('FakeWebSocket', 'Handle')
    return None


def on_a_broker(use: Use) -> tuple[Any, bool, list[Any], int | None, str | None]:
    """Refusal, whether it is closed afterwards, and what a browser gets: by the whole path."""
    seen: list[Any] = []

    class Using(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            seen.extend([refusal(use, websocket), websocket.closed])

    with Broker() as broker:
        client = broker.connect('news', subscribe='broadcast', subscriber=Using)
        return seen[0], seen[1], client.received, client.close_code, client.close_reason


def on_the_fake(use: Use) -> tuple[Any, bool, list[Any], int | None, str | None]:
    """The same, alone."""
    websocket = FakeWebSocket()
    refused = refusal(use, websocket)
    return refused, websocket.closed, websocket.sent, websocket.close_code, websocket.close_reason


@pytest.mark.parametrize('name', [*GOOD, *BAD])
def test_fake_takes_and_refuses_what_a_websocket_of_a_broker_does(name: str, settings: Any) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    use = {**GOOD, **BAD}[name]
    found = on_the_fake(use)
    assert found == on_a_broker(use)
    assert (found[0] is None) == (name in GOOD)


@pytest.mark.parametrize('name', [*GOOD, *BAD])
def test_fake_refuses_what_a_handle_refuses_that_has_joined(name: str) -> None:
    use = {**GOOD, **BAD}[name]
    recipient = Recipient(Limits(), Agenda())
    recipient.start(b'', persisted=False)
    recipient.complete_join()
    handle = Handle(recipient, Recipient.receive_entry)
    fake = FakeWebSocket()
    assert refusal(use, fake) == refusal(use, handle)
    assert fake.closed == handle.closed


def test_refusals_are_those_that_are_documented() -> None:
    expected: dict[str, type[Exception]] = {
        'number': TypeError,
        'surrogates': UnicodeEncodeError,
        'no text as text': ValueError,
        'send after close': WebSocketError,
        'close 1005': ProtocolError,
        'close with too long a reason': ProtocolError,
        'receive': AttributeError,
    }
    found = {name: refusal(BAD[name], FakeWebSocket()) for name in expected}
    assert {name: answer and answer[0] for name, answer in found.items()} == expected


def test_what_was_sent_can_be_looked_at_again_and_again() -> None:
    websocket = FakeWebSocket()
    websocket.send('one')
    assert websocket.sent == ['one']
    websocket.send(b'\xff')
    assert websocket.sent == ['one', b'\xff']
    websocket.sent.clear()
    assert websocket.sent == ['one', b'\xff']
    websocket.close(4001)
    assert (websocket.sent, websocket.close_code, websocket.close_reason) == (
        ['one', b'\xff'],
        4001,
        '',
    )


def test_open_websocket_has_no_close_code() -> None:
    websocket = FakeWebSocket()
    assert (websocket.closed, websocket.close_code, websocket.close_reason) == (False, None, None)


def test_websocket_whose_browser_has_vanished_takes_nothing() -> None:
    websocket = FakeWebSocket()
    websocket.send('one')
    websocket.drop()
    with pytest.raises(WebSocketError, match='websocket is closed'):
        websocket.send('two')
    assert (websocket.closed, websocket.sent, websocket.close_code) == (True, ['one'], 1006)


def test_override_is_tested_alone() -> None:
    with Broker() as broker:
        broker.redis.set('broadcast:news', 'persisted', ex=60)
        websocket = FakeWebSocket()
        subscriber = overrides.SendsOneMore(broker._engine.driver.connection)
        subscriber._subscription = broker._engine.driver.connection.pubsub()
        subscriber._subscription.subscribe('broadcast:news')
        subscriber.send_persisted_messages(websocket)
        assert websocket.sent == ['welcome', 'persisted']


def test_override_that_refuses_is_tested_alone() -> None:
    websocket = FakeWebSocket()
    overrides.Refuses().send_persisted_messages(websocket)
    assert (websocket.sent, websocket.close_code, websocket.close_reason) == (
        ['not today'],
        4001,
        'closed for holidays',
    )


def test_script_is_received_in_order_and_ends_the_websocket() -> None:
    websocket = FakeWebSocket(scripted=['text', b'bytes'])
    assert [websocket.receive(), websocket.receive()] == ['text', b'bytes']
    assert not websocket.closed
    with pytest.raises(WebSocketError, match='its script has ended'):
        websocket.receive()
    assert websocket.closed


def test_closed_websocket_receives_nothing() -> None:
    websocket = FakeWebSocket(scripted=['text'])
    websocket.close()
    with pytest.raises(WebSocketError, match='websocket is closed'):
        websocket.receive()


def test_script_holds_messages() -> None:
    with pytest.raises(TypeError, match='scripted has int'):
        FakeWebSocket(scripted=[1])  # type: ignore[list-item]


def test_descriptor_is_the_one_that_was_given() -> None:
    assert FakeWebSocket(file_descriptor=7).get_file_descriptor() == 7
    assert not hasattr(FakeWebSocket(scripted=['text']), 'get_file_descriptor')
