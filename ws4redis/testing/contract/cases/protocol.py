"""RFC 6455 and the heartbeat: frames, pings, subprotocols, violations."""

from django.test.utils import override_settings
from websockets.frames import Opcode

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import NEWS, channel, frame, hear, talk, tell, text

__all__ = [
    'check_client_is_pinged_in_silence',
    'check_first_subprotocol_is_taken',
    'check_heartbeat_comes_every_four_seconds',
    'check_heartbeat_of_a_client_is_swallowed',
    'check_message_in_fragments_with_control_frames_between',
    'check_message_may_come_byte_by_byte',
    'check_ping_is_answered_and_is_no_message',
    'check_text_that_is_no_utf_8_closes_with_1007',
    'check_violations_close_with_1002',
]


def check_message_in_fragments_with_control_frames_between(site: Site) -> None:
    """Fragments make one message, also if a character is cut in two and pings come in between."""
    client, other = talk(site), hear(site)
    data = 'größer'.encode()
    client.send_raw(
        frame(Opcode.TEXT, data[:3], fin=False)
        + frame(Opcode.PING, b'now?')
        + frame(Opcode.CONT, b'', fin=False)
    )
    tell(site, 'meanwhile')
    assert client.receive_all() == other.receive_all() == ['meanwhile']
    client.send_raw(frame(Opcode.PONG, b'unasked') + frame(Opcode.CONT, data[3:]))
    assert other.receive_all() == ['größer']
    assert client.pongs == [b'now?']
    assert client.open


def check_message_may_come_byte_by_byte(site: Site) -> None:
    """A frame may come in any number of pieces, and what is for the client does not wait for
    them.
    """
    client, other = talk(site), hear(site)
    data = text('hello')
    for at in range(len(data)):
        tell(site, 'live')
        client.send_raw(data[at : at + 1])
    assert other.receive_all() == ['live'] * len(data) + ['hello']
    assert client.receive_all() == ['live'] * len(data)


def check_ping_is_answered_and_is_no_message(site: Site) -> None:
    """A ping comes back with its data, behind what was sent before it, and nobody else hears of
    it.
    """
    client, other = talk(site), hear(site)
    client.ping()
    client.send('hello')
    client.ping(b'x' * 125)
    site.settle()
    assert client.pongs == [b'', b'x' * 125]
    assert other.receive_all() == ['hello']
    assert client.open
    client.assert_nothing_received()


def check_client_is_pinged_in_silence(site: Site) -> None:
    """A client that is silent is asked for a sign of life, and stays as long as it answers."""
    client = hear(site)
    for _ in range(5):
        site.advance(21)
    assert client.open
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_heartbeat_comes_every_four_seconds(site: Site) -> None:
    """With WS4REDIS_HEARTBEAT every websocket gets that text every four seconds, and it is no
    message.
    """
    with override_settings(WS4REDIS_HEARTBEAT='--heartbeat--'):
        client = hear(site)
        for count in range(1, 4):
            site.advance(4)
            assert client.unread == 0
            assert client.heartbeats == count
        assert client.received == []


def check_heartbeat_of_a_client_is_swallowed(site: Site) -> None:
    """The heartbeat text that a client sends is neither published nor persisted, nor passed on
    if another publishes it.
    """
    with override_settings(WS4REDIS_HEARTBEAT='--heartbeat--'):
        client, other = talk(site), hear(site)
        client.send('--heartbeat--')
        client.send('message')
        site.redis.publish(channel(), '--heartbeat--')
        assert other.receive_all() == ['message']
        assert other.heartbeats == 0
        assert site.persisted(**NEWS) == b'message'


def check_first_subprotocol_is_taken(site: Site) -> None:
    """Of several subprotocols the first is taken, and none if none was asked for."""
    assert hear(site, subprotocols=['chat', 'superchat']).subprotocol == 'chat'
    assert hear(site).subprotocol is None


def check_violations_close_with_1002(site: Site) -> None:
    """What breaks the protocol ends that websocket with 1002, before anything of it is
    published.
    """
    other = hear(site)
    for data in (
        frame(Opcode.TEXT, b'unmasked', mask=False),
        b'\xc1\x80mask',
        b'\x83\x80mask',
        frame(Opcode.CONT, b'of nothing'),
        frame(Opcode.TEXT, b'a', fin=False) + frame(Opcode.TEXT, b'b'),
        b'\x89\xfe\x00\x7e' + b'mask' + b'x' * 126,
        b'\x09\x80mask',
        frame(Opcode.CLOSE, b'\x03'),
        frame(Opcode.CLOSE, (1005).to_bytes(2, 'big')),
    ):
        client = talk(site)
        client.send_raw(data)
        assert (client.close_code, client.close_reason) == (1002, 'protocol error'), data[:20]
    other.assert_nothing_received()


def check_text_that_is_no_utf_8_closes_with_1007(site: Site) -> None:
    """Invalid text closes with 1007, as soon as it cannot become valid any more."""
    other = hear(site)
    for data in (
        frame(Opcode.TEXT, b'\xff'),
        frame(Opcode.TEXT, b'\xce\xba\xe1', fin=False) + frame(Opcode.CONT, b'a', fin=False),
        frame(Opcode.TEXT, b'cut \xc3'),
        frame(Opcode.TEXT, b'\xed\xa0\x80'),
        frame(Opcode.CLOSE, (1000).to_bytes(2, 'big') + b'\xff'),
    ):
        client = talk(site)
        client.send_raw(data)
        assert (client.close_code, client.close_reason) == (1007, 'invalid data'), data
    other.assert_nothing_received()
