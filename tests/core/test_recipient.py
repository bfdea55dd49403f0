"""What one websocket is owed, and in which order: answers, jobs, limits, timers and the many
ways to end.
"""

import gc
import logging
import weakref
from collections.abc import Callable

import pytest
from websockets.frames import Opcode

from tests.core.simulation import HEAD, QUIET, Client, World, masked
from ws4redis.core.agenda import Agenda, JobKind, Outcome
from ws4redis.core.entries import Sent
from ws4redis.core.frames import CloseCode, message_frame, ping_frame
from ws4redis.core.limits import Limits
from ws4redis.core.liveness import CLOSE_TIME, HEARTBEAT_INTERVAL
from ws4redis.core.recipient import MOST_JOBS, Phase, Recipient
from ws4redis.core.replies import Published

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'
PINGED = Limits(message_rate=None, ping_interval=20.0, ping_timeout=20.0)
SMALL = Limits(message_rate=None, ping_interval=None, max_pending=1000)


@pytest.fixture
def world() -> World:
    return World()


def texts(*payloads: bytes) -> bytes:
    return b''.join(masked(Opcode.TEXT, payload) for payload in payloads)


# Answers wait for jobs


def test_nothing_but_the_head_is_written_at_the_start(world: World) -> None:
    client = world.open([NEWS])
    assert bytes(client.transport.data) == HEAD


def test_ping_is_answered_with_its_data(world: World) -> None:
    client = world.open([NEWS])
    world.receive_data(
        client.recipient, masked(Opcode.PING, b'are you there?') + masked(Opcode.PING, b'')
    )
    assert client.transport.frames() == [(Opcode.PONG, b'are you there?'), (Opcode.PONG, b'')]


def test_pong_waits_until_what_was_sent_before_is_published(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(
        client.recipient, texts(b'first') + masked(Opcode.PING, b'1') + texts(b'second')
    )
    assert client.transport.frames() == []
    assert world.redis.log == []
    world.begin_job(client)
    assert client.transport.frames() == []
    world.end_job(client)
    assert client.transport.frames() == [(Opcode.PONG, b'1')]
    assert [record.payload for record in world.redis.log] == [b'first']
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'first', b'second']


def test_a_ping_while_a_job_runs_is_answered_after_it_and_in_order(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'x')
    world.begin_job(client)
    for data in (b'1', b'2'):
        world.receive_data(client.recipient, masked(Opcode.PING, data))
    assert client.transport.frames() == []
    world.end_job(client)
    assert client.transport.frames() == [(Opcode.PONG, b'1'), (Opcode.PONG, b'2')]


def test_client_that_sends_closes_and_looks_finds_its_message_stored(world: World) -> None:
    client = world.open(publishes=[CHAT], persist=True)
    world.receive_data(client.recipient, texts(b'one', b'two') + masked(Opcode.CLOSE, b'\x03\xe8'))
    assert client.close_code is None
    world.run(client)
    assert client.close_code is None
    world.begin_job(client)
    assert client.close_code is None
    world.end_job(client)
    assert client.close_code == 1000
    assert world.redis.keys[CHAT] == b'two'


def test_bytes_read_with_the_request_come_after_persisted_messages(world: World) -> None:
    client = world.handshake([NEWS], publishes=[CHAT])
    world.settle()
    world.begin(client, rest=masked(Opcode.TEXT, b'sent in onopen'))
    assert world.jobs[client].job.kind is JobKind.PERSISTED
    world.settle()
    assert client.kinds == [JobKind.PERSISTED, JobKind.PUBLISH]
    assert [record.payload for record in world.redis.log] == [b'sent in onopen']


def test_job_knows_whether_the_message_was_binary(world: World) -> None:
    client = world.open(publishes=[CHAT])
    for opcode, payload in ((Opcode.TEXT, b'same'), (Opcode.BINARY, b'same'), (Opcode.BINARY, b'')):
        world.receive_data(client.recipient, masked(opcode, payload))
    world.settle()
    published = [job for job in client.calls if job.kind is JobKind.PUBLISH]
    assert [(job.message, job.binary) for job in published] == [
        (b'same', False),
        (b'same', True),
        (b'', True),
    ]


def test_half_a_frame_and_a_lone_ping_do_not_stop_delivery(world: World) -> None:
    client = world.open([NEWS])
    world.receive_data(client.recipient, masked(Opcode.TEXT, b'half')[:3])
    world.redis.publish(NEWS, b'one')
    world.settle()
    world.receive_data(client.recipient, b'')
    assert client.received == [b'one']
    other = world.open([NEWS])
    world.receive_data(other.recipient, masked(Opcode.PING, b''))
    world.redis.publish(NEWS, b'two')
    world.settle()
    assert other.transport.frames() == [(Opcode.PONG, b''), (Opcode.TEXT, b'two')]


def test_unsolicited_pong_is_ignored(world: World) -> None:
    client = world.open([NEWS])
    world.receive_data(client.recipient, masked(Opcode.PONG, b'?'))
    assert client.transport.frames() == []
    assert client.recipient.phase is Phase.OPEN


def test_message_that_goes_nowhere_is_counted_and_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    client = world.open([NEWS])
    world.send_text(client, b'1', b'2')
    world.settle()
    world.send_text(client, b'3')
    world.settle()
    assert world.exchange.agenda.counters.published_nowhere == 3
    assert [
        record.message for record in caplog.records if 'publish nowhere' in record.message
    ] != []
    assert caplog.text.count('publish nowhere') == 1


def test_heartbeat_text_from_the_client_is_swallowed_but_not_as_binary(world: World) -> None:
    client = world.open(
        publishes=[CHAT], limits=Limits(message_rate=None, ping_interval=None, heartbeat=b'--hb--')
    )
    world.send_text(client, b'--hb--')
    assert client not in world.jobs
    world.receive_data(client.recipient, masked(Opcode.BINARY, b'--hb--'))
    assert world.jobs[client].job.message == b'--hb--'


# Failures of the site's code


@pytest.mark.parametrize(('outcome', 'code'), [(Outcome.FAILED, 1011), (Outcome.UNAVAILABLE, 1013)])
def test_failed_publish_closes_and_what_waits_is_dropped_and_counted(
    world: World, outcome: Outcome, code: int
) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(
        client.recipient,
        masked(Opcode.TEXT, b'1')
        + masked(Opcode.TEXT, b'2')
        + masked(Opcode.PING, b'')
        + masked(Opcode.TEXT, b'3'),
    )
    world.run(client)
    world.fail(client, outcome)
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'1']
    assert client.transport.frames()[-1][0] is Opcode.CLOSE
    assert client.opcodes == [Opcode.CLOSE]
    assert client.close_code == code
    assert world.exchange.agenda.counters.not_published == 2
    assert world.exchange.agenda.counters.job_failures == 1
    assert world.exchange.agenda.counters.closed == {code: 1}


def test_close_frame_of_a_failure_names_no_detail(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'1')
    world.fail(client, Outcome.FAILED)
    assert client.transport.frames()[-1][1] == b'\x03\xf3internal error'


def test_failed_send_persisted_messages_closes_and_nothing_live_comes(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'live')
    world.settle(jobs=False)
    world.fail(client, Outcome.FAILED)
    world.settle()
    assert client.opcodes == [Opcode.CLOSE]
    assert client.close_code == 1011


def test_publish_that_fails_after_the_end_drops_the_rest_but_not_release(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'1', b'2')
    world.begin_job(client)
    world.send_eof(client)
    world.end_job(client, Outcome.UNAVAILABLE)
    world.settle()
    assert client.kinds == [JobKind.PERSISTED, JobKind.PUBLISH, JobKind.RELEASE]
    assert world.exchange.agenda.counters.not_published == 2
    world.assert_empty()


# Every way of ending


def _peer_closes(world: World, client: Client) -> None:
    world.send_close(client)
    world.settle()
    assert client.close_code == 1000
    assert client.transport.half_closed
    world.send_eof(client)


def _server_closes(world: World, client: Client) -> None:
    world.handle(client).close(3000, 'bye')
    assert client.transport.frames()[-1] == (Opcode.CLOSE, b'\x0b\xb8bye')
    assert not client.transport.half_closed
    world.send_close(client, 3000)
    assert client.transport.half_closed
    world.send_eof(client)


def _breaks_protocol(world: World, client: Client) -> None:
    world.receive_data(client.recipient, b'\x81\x05hello')
    assert client.close_code == 1002
    world.send_eof(client)


def _sends_invalid_text(world: World, client: Client) -> None:
    world.receive_data(client.recipient, masked(Opcode.TEXT, b'\xff'))
    assert client.close_code == 1007
    world.send_eof(client)


def _sends_too_much(world: World, client: Client) -> None:
    world.receive_data(client.recipient, masked(Opcode.TEXT, bytes((1 << 20) + 1)))
    assert client.close_code == 1009
    world.send_eof(client)


def _reads_nothing(world: World, client: Client) -> None:
    client.transport.room = 10
    for _ in range(3):
        world.redis.publish(NEWS, bytes(1 << 19))
        world.settle()
    world.resume(client)
    assert client.close_code == 1013
    world.send_close(client, 1013)
    world.send_eof(client)


def _rights_withdrawn(world: World, client: Client) -> None:
    world.touch()
    client.recipient.close(CloseCode.POLICY_VIOLATION)
    world.work_off()
    assert client.close_code == 1008
    world.send_close(client, 1008)
    world.send_eof(client)


def _server_stops(world: World, client: Client) -> None:
    world.close_all()
    assert client.close_code == 1001
    world.send_close(client, 1001)
    world.send_eof(client)


def _eof(world: World, client: Client) -> None:
    world.send_eof(client)
    assert client.close_code is None


def _eof_while_a_job_runs(world: World, client: Client) -> None:
    world.send_text(client, b'x', b'y')
    world.begin_job(client)
    world.send_eof(client)
    assert client.transport.dropped
    assert JobKind.RELEASE not in client.kinds
    world.settle()
    assert client.kinds[-3:] == [JobKind.PUBLISH, JobKind.PUBLISH, JobKind.RELEASE]


def _eof_while_joining(world: World, client: Client) -> None:
    late = world.handshake([NEWS])
    world.settle()
    world.begin(late)
    world.begin_job(late)
    world.send_eof(late)
    world.send_eof(client)


def _job_fails(world: World, client: Client) -> None:
    world.send_text(client, b'x')
    world.fail(client, Outcome.FAILED)
    world.send_close(client, 1011)
    world.send_eof(client)


def _write_fails(world: World, client: Client) -> None:
    client.transport.broken = True
    world.redis.publish(NEWS, b'x')
    world.settle(jobs=False)
    assert client.transport.dropped


def _no_answer_to_ping(world: World, client: Client) -> None:
    world.advance(20, jobs=False)
    assert client.opcodes == [Opcode.PING]
    assert not client.transport.dropped
    world.advance(20, jobs=False)
    assert client.transport.dropped
    assert world.exchange.agenda.counters.no_answer == 1


def _no_answer_to_close(world: World, client: Client) -> None:
    world.close_all()
    world.advance(CLOSE_TIME - 0.1, jobs=False)
    assert not client.transport.dropped
    world.advance(0.2, jobs=False)
    assert client.transport.dropped


def _no_end_after_the_half_close(world: World, client: Client) -> None:
    world.send_close(client)
    world.advance(CLOSE_TIME - 0.1, jobs=False)
    assert not client.transport.dropped
    world.advance(0.2, jobs=False)
    assert client.transport.dropped


def _abort(world: World, client: Client) -> None:
    client.recipient.abort()
    world.settle()
    client.recipient.abort()
    world.work_off()


ENDINGS: dict[Callable[[World, Client], None], int] = {
    _peer_closes: 1000,
    _server_closes: 3000,
    _breaks_protocol: 1002,
    _sends_invalid_text: 1007,
    _sends_too_much: 1009,
    _reads_nothing: 1013,
    _rights_withdrawn: 1008,
    _server_stops: 1001,
    _eof: 1006,
    _eof_while_a_job_runs: 1006,
    _eof_while_joining: 1006,
    _job_fails: 1011,
    _write_fails: 1006,
    _no_answer_to_ping: 1006,
    _no_answer_to_close: 1001,
    _no_end_after_the_half_close: 1000,
    _abort: 1006,
}


@pytest.mark.parametrize(
    ('ending', 'code'), ENDINGS.items(), ids=[ending.__name__.strip('_') for ending in ENDINGS]
)
def test_every_ending_releases_once_last_and_leaves_nothing_behind(
    ending: Callable[[World, Client], None], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """One close frame at the most (the transport's frames() refuses anything behind it). Freed at
    once, without a search.
    """
    # pytest keeps log records, and they the websocket that they name.
    caplog.set_level(logging.CRITICAL, 'ws4redis')
    world = World()
    gc.disable()
    try:
        recipients = _live_and_end(world, ending, code)
        assert [reference() for reference in recipients] == [None] * len(recipients)
    finally:
        gc.enable()


def _live_and_end(
    world: World, ending: Callable[[World, Client], None], code: int
) -> list[weakref.ref[Recipient]]:
    client = world.open([NEWS], [b'user:*'], limits=PINGED, publishes=[CHAT])
    client.recipient.own_copies.publishing([NEWS], b'never comes')
    ending(world, client)
    world.settle()
    world.advance(120)
    assert client.opcodes.count(Opcode.CLOSE) <= 1
    assert client.recipient.close_code == code
    closed = world.exchange.agenda.counters.closed
    assert closed[code] >= 1
    assert sum(closed.values()) == world.exchange.agenda.counters.opened
    world.assert_empty()
    recipients = [weakref.ref(client.recipient) for client in world.clients]
    world.clients.clear()
    world.redis.log.clear()
    return recipients


def test_nothing_is_sent_after_the_close_frame(world: World) -> None:
    client = world.open([NEWS], publishes=[CHAT])
    world.send_text(client, b'1')
    client.recipient.close(CloseCode.GOING_AWAY)
    world.work_off()
    client.recipient.close(CloseCode.POLICY_VIOLATION)
    world.redis.publish(NEWS, b'late')
    world.receive_data(client.recipient, masked(Opcode.PING, b'late'))
    world.receive_entry(client.recipient, Sent(b'late', None))
    world.settle()
    assert client.opcodes == [Opcode.CLOSE]
    assert client.close_code == 1001
    assert world.exchange.agenda.counters.closed == {1001: 1}


def test_both_sides_closing_at_once_give_one_close_frame(world: World) -> None:
    client = world.open([NEWS])
    client.recipient.close(CloseCode.GOING_AWAY)
    world.receive_data(client.recipient, masked(Opcode.CLOSE, b'\x03\xe8'))
    world.settle()
    assert client.close_code == 1001
    assert client.transport.half_closed


def test_client_that_has_said_goodbye_is_not_waited_for_when_a_job_fails(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(
        client.recipient, masked(Opcode.TEXT, b'x') + masked(Opcode.CLOSE, b'\x03\xe8')
    )
    world.fail(client, Outcome.UNAVAILABLE)
    assert client.close_code == 1013
    assert client.transport.half_closed


def test_client_that_has_said_goodbye_is_not_waited_for_when_the_server_stops(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(
        client.recipient, masked(Opcode.TEXT, b'x') + masked(Opcode.CLOSE, b'\x03\xe8')
    )
    world.close_all()
    assert client.close_code == 1001
    assert client.transport.half_closed
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'x']


def test_close_without_a_code_is_answered_without_one(world: World) -> None:
    client = world.open([NEWS])
    world.receive_data(client.recipient, masked(Opcode.CLOSE, b''))
    assert client.transport.frames() == [(Opcode.CLOSE, b'')]
    assert client.recipient.close_code == 1005


def test_failure_waits_behind_the_messages_before_it(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(client.recipient, texts(b'good', b'\xff', b'deaf'))
    assert client.opcodes == []
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'good']
    assert client.close_code == 1007


def test_withdrawn_rights_drop_what_waits_to_be_published(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'running', b'waits')
    world.begin_job(client)
    client.recipient.close(CloseCode.POLICY_VIOLATION)
    world.work_off()
    world.send_text(client, b'too late')
    world.settle()
    assert [record.payload for record in world.redis.log] == [b'running']
    assert world.exchange.agenda.counters.not_published == 1


def test_client_gone_before_the_answer_to_its_close_counts_with_its_code(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.receive_data(
        client.recipient, masked(Opcode.TEXT, b'x') + masked(Opcode.CLOSE, b'\x03\xe9')
    )
    world.send_eof(client)
    world.settle()
    assert client.recipient.close_code == 1001
    assert [record.payload for record in world.redis.log] == [b'x']


def test_websocket_closed_during_its_handshake_gets_the_head_first(world: World) -> None:
    """Rights withdrawn, or the server stopping, while the handshake is under way."""
    client = world.handshake([NEWS])
    world.settle()
    world.close_all()
    world.begin(client)
    world.settle()
    assert client.opcodes == [Opcode.CLOSE]
    assert client.close_code == 1001
    assert client.kinds == []
    world.send_close(client, 1001)
    world.send_eof(client)
    world.settle()
    world.assert_empty()


def test_own_descriptor_readable_after_the_end_asks_nothing(world: World) -> None:
    client = world.open()
    world.send_eof(client)
    world.settle()
    client.recipient.serve()
    world.settle()
    assert client.kinds[-1] is JobKind.RELEASE


# The subscriber's handle


# Echo


@pytest.mark.parametrize('fetch', [False, True])
@pytest.mark.parametrize('echo', [False, True])
def test_what_it_sends_while_it_joins_does_not_come_back_as_the_persisted_message(
    world: World, fetch: bool, echo: bool
) -> None:
    client = world.handshake([NEWS], publishes=[NEWS], persist=True, echo=echo)
    world.settle()
    world.begin(client, persisted=not fetch, fetch=fetch)
    world.publish_from(client, b'mine')
    world.settle()
    assert client.recipient.joining is None
    assert client.received == ([b'mine'] if echo else [])


def test_equal_persisted_message_of_somebody_else_arrives(world: World) -> None:
    client = world.handshake([NEWS], publishes=[NEWS], persist=True)
    world.settle()
    world.begin(client, persisted=False, fetch=True)
    world.publish_from(client, b'same')
    world.redis.publish(NEWS, b'same', persist=True)
    world.settle()
    assert client.received == [b'same']


# Limits


def test_reading_stops_at_64_waiting_jobs_and_goes_on_after(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, *[b'%d' % number for number in range(MOST_JOBS)])
    assert client.recipient.reading
    world.send_text(client, b'one more')
    assert not client.recipient.reading
    assert client.transport.watched[-1] == (False, False)
    world.run(client)
    assert client.transport.watched[-1] == (True, False)
    world.settle()
    assert len(world.redis.log) == MOST_JOBS + 1


def test_slow_reader_is_closed_and_nobody_else_waits(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    slow, quick = world.open([NEWS], limits=SMALL), world.open([NEWS], limits=SMALL)
    slow.transport.room = 50
    payloads = [b'%03d' % number + bytes(97) for number in range(20)]
    for payload in payloads:
        world.redis.publish(NEWS, payload)
        world.settle()
    assert quick.received == payloads
    assert slow.recipient.phase is Phase.CLOSING
    assert slow.recipient.websocket.pending < 300
    world.resume(slow)
    assert slow.close_code == 1013
    assert slow.received == payloads[: len(slow.received)]
    assert world.exchange.agenda.counters.slow_readers == 1
    assert 'slow reader' in caplog.text


def test_reader_below_the_limit_gets_everything_when_it_goes_on(world: World) -> None:
    client = world.open([NEWS], limits=SMALL)
    client.transport.room = 7
    payloads = [b'%03d' % number + bytes(97) for number in range(9)]
    for payload in payloads:
        world.redis.publish(NEWS, payload)
        world.settle()
    assert client.recipient.blocked
    for _ in range(400):
        world.resume(client, 3)
    assert client.received == payloads
    assert not client.recipient.blocked
    assert client.recipient.direct


def test_a_large_batch_alone_does_not_close_a_quick_reader(world: World) -> None:
    client = world.open([NEWS], limits=SMALL)
    for _ in range(30):
        world.redis.publish(NEWS, bytes(100))
    world.settle()
    assert client.recipient.phase is Phase.OPEN
    assert len(client.received) == 30


def test_a_large_batch_alone_does_not_close_a_quick_reader_that_expects_own_copies(
    world: World,
) -> None:
    client = world.open([NEWS], limits=SMALL)
    client.recipient.own_copies.publishing([NEWS], b'mine')
    for _ in range(30):
        world.redis.publish(NEWS, bytes(100))
    world.settle()
    assert client.recipient.phase is Phase.OPEN
    assert len(client.received) == 30


def test_a_burst_costs_a_joining_websocket_one_entry_that_all_share(world: World) -> None:
    clients = [world.handshake([NEWS]) for _ in range(2)]
    world.settle()
    for _ in range(1000):
        world.redis.publish(NEWS, b'x')
    world.read()
    runs = [client.recipient.joining.held for client in clients if client.recipient.joining]
    assert [len(held) for held in runs] == [1, 1]
    assert runs[0][0] is runs[1][0]
    for client in clients:
        world.begin(client)
    world.settle()
    assert [len(client.received) for client in clients] == [1000, 1000]


def test_held_bytes_count_as_pending(world: World) -> None:
    client = world.handshake([NEWS], limits=SMALL)
    world.settle()
    world.begin(client)
    for _ in range(11):
        world.redis.publish(NEWS, bytes(100))
        world.settle(jobs=False)
    assert client.close_code == 1013
    assert world.exchange.agenda.counters.not_delivered == 11
    world.settle()
    assert client.opcodes == [Opcode.CLOSE]


def test_messages_that_wait_for_parse_response_count_as_pending(world: World) -> None:
    client = world.open([NEWS], limits=SMALL, parses=True)
    for _ in range(10):
        world.redis.publish(NEWS, bytes(100))
    world.settle(jobs=False)
    assert client.close_code is None
    world.settle()
    assert len(client.received) == 10
    world.redis.publish(NEWS, bytes(100))
    world.settle()
    assert len(client.received) == 11
    for _ in range(11):
        world.redis.publish(NEWS, bytes(100))
    world.settle(jobs=False)
    assert client.close_code == 1013
    world.settle()
    assert len(client.received) == 11


def test_slow_reader_found_while_joining_gets_nothing_after_its_close_frame(world: World) -> None:
    """Persisted and held messages together exceed the limit of a reader that is blocked."""
    world.redis.keys[NEWS] = b'p' * 900
    client = world.handshake([NEWS], limits=SMALL)
    world.settle()
    client.transport.room = 5
    world.begin(client)
    for number in range(5):
        world.redis.publish(NEWS, b'%d' % number + bytes(100))
    world.settle()
    world.resume(client)
    assert client.close_code == 1013
    assert client.opcodes.count(Opcode.CLOSE) == 1


def test_pongs_to_a_client_that_reads_nothing_count_as_pending(world: World) -> None:
    client = world.open([NEWS], limits=SMALL)
    client.transport.room = 1
    for _ in range(100):
        world.receive_data(client.recipient, masked(Opcode.PING, bytes(100)))
    assert client.recipient.phase is Phase.CLOSING
    assert client.recipient.websocket.pending < 1500
    world.resume(client)
    assert client.close_code == 1013


def test_what_a_subscriber_sends_to_a_client_that_reads_nothing_counts_as_pending(
    world: World,
) -> None:
    client = world.open([NEWS], limits=SMALL)
    client.transport.room = 1
    handle = world.handle(client)
    for _ in range(100):
        if not handle.closed:
            handle.send(bytes(100))
    assert client.recipient.phase is Phase.CLOSING
    assert client.recipient.websocket.pending < 1500


# Timers


BEATING = Limits(message_rate=None, ping_interval=None, heartbeat=b'--hb--')


def test_heartbeat_comes_on_its_timer_whatever_else_happens(world: World) -> None:
    client = world.open([NEWS], limits=BEATING)
    for _ in range(100):
        world.advance(0.01)
        world.redis.publish(NEWS, b'x')
        world.settle()
    assert client.received.count(b'--hb--') == 0
    world.advance(HEARTBEAT_INTERVAL * 3)
    assert client.received.count(b'--hb--') == 3
    assert client.opcodes == [Opcode.TEXT] * 103


def test_persisted_heartbeat_text_is_no_message_at_a_join_either(world: World) -> None:
    world.redis.publish(NEWS, b'--hb--', persist=True)
    assert world.open([NEWS], limits=BEATING).received == []


def test_ping_brings_no_heartbeat_before_its_time(world: World) -> None:
    limits = Limits(message_rate=None, heartbeat=b'--hb--', ping_interval=3, ping_timeout=100)
    client = world.open([NEWS], limits=limits)
    world.advance(3.5)
    assert client.opcodes == [Opcode.PING]
    world.advance(8.5)
    assert client.received == [b'--hb--'] * 3


def test_missed_heartbeats_are_coalesced(world: World) -> None:
    client = world.open([NEWS], limits=BEATING)
    world.time += 15 * 86400
    world.tick()
    world.settle()
    assert client.received == [b'--hb--']
    world.advance(HEARTBEAT_INTERVAL)
    assert client.received == [b'--hb--'] * 2


def test_silent_client_is_pinged_and_a_byte_from_it_is_enough(world: World) -> None:
    client = world.open([NEWS], limits=PINGED)
    world.advance(19.9)
    assert client.opcodes == []
    world.advance(0.2)
    assert client.transport.frames() == [(Opcode.PING, b'')]
    world.advance(19)
    world.receive_data(client.recipient, masked(Opcode.PONG, b'')[:1])
    world.advance(19)
    assert client.opcodes == [Opcode.PING]
    world.advance(2)
    assert client.opcodes == [Opcode.PING] * 2
    assert client.recipient.phase is Phase.OPEN


def test_process_that_stood_still_drops_nobody_before_it_has_read_the_answers(world: World) -> None:
    """A suspended machine: every ping is overdue when it goes on, and every answer lies in its
    socket.
    """
    answering, silent = world.open([NEWS], limits=PINGED), world.open([NEWS], limits=PINGED)
    world.advance(20)
    world.time += 3600
    world.tick()
    assert [client.recipient.phase for client in (answering, silent)] == [Phase.OPEN, Phase.OPEN]
    world.receive_data(answering.recipient, masked(Opcode.PONG, b''))
    world.advance(2)
    assert answering.recipient.phase is Phase.OPEN
    assert silent.recipient.phase is Phase.GONE


def test_client_that_has_said_goodbye_is_not_pinged_while_it_waits_for_a_job(world: World) -> None:
    client = world.open(publishes=[CHAT], limits=PINGED)
    world.receive_data(
        client.recipient, masked(Opcode.TEXT, b'x') + masked(Opcode.CLOSE, b'\x03\xe8')
    )
    world.advance(300, jobs=False)
    assert client.opcodes == []
    world.settle()
    assert client.close_code == 1000


def test_client_that_is_not_read_from_is_not_dropped_for_its_silence(world: World) -> None:
    client = world.open(publishes=[CHAT], limits=PINGED)
    world.send_text(client, *[b'x'] * (MOST_JOBS + 1))
    world.advance(300, jobs=False)
    assert client.recipient.phase is Phase.OPEN
    assert client.opcodes == []


def test_client_that_is_not_read_from_since_a_ping_is_not_dropped(world: World) -> None:
    """Messages through parse_response() fill the queue after the ping has left, so that its
    answer cannot be read.
    """
    client = world.open([NEWS], limits=PINGED, parses=True)
    world.advance(20, jobs=False)
    assert client.opcodes == [Opcode.PING]
    for _ in range(MOST_JOBS + 1):
        world.redis.publish(NEWS, b'x')
    world.settle(jobs=False)
    assert not client.recipient.reading
    world.time += 20
    client.recipient.agenda.now = world.time
    client.recipient.tick()
    deadline = client.recipient.deadline()
    assert deadline is not None
    assert deadline > world.time
    assert client.recipient.phase is Phase.OPEN


def test_without_intervals_there_is_no_deadline() -> None:
    assert Recipient(QUIET, Agenda()).deadline() is None


def test_deadlines_follow_the_state(world: World) -> None:
    limits = Limits(message_rate=None, heartbeat=b'hb', ping_interval=20, ping_timeout=5)
    recipient = world.open([NEWS], limits=limits).recipient
    start = world.time
    assert recipient.deadline() == start + HEARTBEAT_INTERVAL
    world.advance(20)
    assert recipient.deadline() == start + 24
    world.advance(4)
    assert recipient.deadline() == start + 25
    recipient.close(CloseCode.GOING_AWAY)
    assert recipient.deadline() == world.time + CLOSE_TIME
    recipient.abort()
    assert recipient.deadline() is None


# Messages through parse_response()


def test_override_is_asked_once_for_each_message_in_order(world: World) -> None:
    client = world.open([NEWS], [b'user:*'], parses=True)
    world.redis.publish(NEWS, b'1')
    world.redis.publish(b'user:mary', b'2')
    world.redis.publish(NEWS, b'3')
    world.settle()
    assert [job.message for job in client.calls if job.kind is JobKind.PARSE] == [
        Published(NEWS, b'1'),
        Published(b'user:mary', b'2', b'user:*'),
        Published(NEWS, b'3'),
    ]
    assert client.received == [b'1', b'2', b'3']


def test_held_messages_go_through_parse_response_too(world: World) -> None:
    client = world.handshake([NEWS], parses=True)
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'1')
    world.settle(jobs=False)
    world.run(client)
    world.settle(jobs=False)
    assert world.jobs[client].job.message == Published(NEWS, b'1')
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert client.received == [b'1', b'2']


def test_log_names_the_websocket_and_no_payload(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, 'ws4redis')
    client = world.open([NEWS], publishes=[CHAT])
    world.send_text(client, b'secret')
    world.settle()
    world.send_close(client)
    assert 'websocket 0: closed by the client with 1000' in caplog.text
    assert 'secret' not in caplog.text


def test_ping_frame_is_cut_nowhere_by_a_slow_wire(world: World) -> None:
    client = world.open([NEWS], limits=PINGED)
    client.transport.room = 1
    world.redis.publish(NEWS, b'hello')
    world.settle()
    world.advance(20)
    world.resume(client)
    assert bytes(client.transport.data[len(HEAD) :]) == message_frame(b'hello') + ping_frame()
