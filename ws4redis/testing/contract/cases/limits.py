"""How much a client may send, and how much is kept for one that does not read."""

from django.test.utils import override_settings
from websockets.frames import Opcode

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import frame, hear, talk, tell, text

__all__ = [
    'check_message_beyond_the_limit_closes_with_1009',
    'check_message_of_just_the_limit_is_taken',
    'check_more_than_1_mib_closes_with_1009',
    'check_rate_recovers_with_time',
    'check_reader_that_pauses_misses_nothing',
    'check_slow_reader_is_closed_with_1013_and_nobody_waits',
    'check_too_many_messages_close_with_1008',
]


def check_message_of_just_the_limit_is_taken(site: Site) -> None:
    """A client may send 1 MiB, in one frame and in several."""
    client, other = talk(site), hear(site)
    largest = 'x' * (1 << 20)
    client.send(largest)
    assert other.receive() == largest
    parts = [largest[:400_000], largest[400_000:800_000], largest[800_000:]]
    client.send_raw(frame(Opcode.TEXT, parts[0].encode(), fin=False))
    client.send_raw(frame(Opcode.CONT, parts[1].encode(), fin=False))
    client.send_raw(frame(Opcode.CONT, parts[2].encode()))
    assert other.receive() == largest
    assert client.open


def check_message_beyond_the_limit_closes_with_1009(site: Site) -> None:
    """One byte more than WS4REDIS_MAX_MESSAGE_SIZE closes with 1009, and nothing of it is
    published.
    """
    other = hear(site)
    with override_settings(WS4REDIS_MAX_MESSAGE_SIZE=1000):
        for data in (
            frame(Opcode.BINARY, b'x' * 1001),
            frame(Opcode.TEXT, b'x' * 600, fin=False) + frame(Opcode.CONT, b'x' * 401),
            # The length alone is enough: nobody waits for a terabyte.
            b'\x82\xff' + (1 << 40).to_bytes(8, 'big') + b'mask',
        ):
            client = talk(site)
            client.send_raw(data)
            assert (client.close_code, client.close_reason) == (1009, 'message too large')
        client = talk(site)
        client.send('x' * 1000)
        assert client.open
    assert other.receive_all() == ['x' * 1000]


def check_more_than_1_mib_closes_with_1009(site: Site) -> None:
    """A client that sends one byte more than 1 MiB learns why it is closed."""
    client, other = talk(site), hear(site)
    client.send('x' * ((1 << 20) + 1))
    assert client.close_code == 1009
    other.assert_nothing_received()


def check_too_many_messages_close_with_1008(site: Site) -> None:
    """A client that sends more than WS4REDIS_MESSAGE_RATE allows is closed with 1008, after what
    was within it.
    """
    other = hear(site)
    with override_settings(WS4REDIS_MESSAGE_RATE=2):
        client = talk(site)
    client.send_raw(b''.join(text(str(number)) for number in range(6)))
    assert (client.close_code, client.close_reason) == (1008, 'not allowed')
    assert other.receive_all() == ['0', '1', '2', '3']


def check_rate_recovers_with_time(site: Site) -> None:
    """What a client may send comes back as time passes."""
    other = hear(site)
    with override_settings(WS4REDIS_MESSAGE_RATE=2):
        client = talk(site)
    for second in range(3):
        client.send_raw(text(f'{second} a') + text(f'{second} b'))
        site.advance(1)
    assert client.open
    assert other.unread == 6


def check_slow_reader_is_closed_with_1013_and_nobody_waits(site: Site) -> None:
    """A client that does not read is given WS4REDIS_MAX_PENDING and then closed; all others get
    everything in time.
    """
    with override_settings(WS4REDIS_MAX_PENDING=100_000):
        slow, other = hear(site), hear(site)
    slow.stop_reading()
    messages: list[str | bytes] = []
    # Beyond what the buffers of two kernels take in; none of them beyond the limit by itself.
    for number in range(128):
        messages.append(f'{number}:' + 'x' * (1 << 15))
        tell(site, messages[-1])
        assert other.received == messages
    slow.resume_reading()
    assert (slow.close_code, slow.close_reason) == (1013, 'try again later')
    got = slow.received
    assert len(got) < len(messages) and got == messages[: len(got)]
    assert other.open


def check_reader_that_pauses_misses_nothing(site: Site) -> None:
    """A client that does not read for a while gets everything as soon as it does."""
    client, other = hear(site), hear(site)
    client.stop_reading()
    tell(site, 'one', 'two', 'three')
    assert other.receive_all() == ['one', 'two', 'three']
    client.resume_reading()
    assert client.receive_all() == ['one', 'two', 'three']
