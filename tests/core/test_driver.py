"""Which step follows which: writing, attending, ending, connecting and catching up, as every
driver has it.
"""

import functools
from collections.abc import Callable

import pytest
from websockets.frames import Opcode

from tests.core.simulation import HEAD, QUIET, Client, World, masked
from ws4redis.core.agenda import Job, JobKind, Outcome, Result
from ws4redis.core.driver import Driver
from ws4redis.core.feed import ANSWER_TIME, SILENCE, FeedState
from ws4redis.core.limits import Limits
from ws4redis.core.recheck import BATCH
from ws4redis.core.recipient import Phase, Recipient

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'


@pytest.fixture
def world() -> World:
    return World()


class Diary(World):
    """A world that notes in which order the driver is asked for things."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        super().__init__()

    def write(self, recipient: Recipient, data: bytes) -> int:
        self.entries.append('write')
        return super().write(recipient, data)

    def half_close(self, recipient: Recipient) -> None:
        self.entries.append('half-close')
        super().half_close(recipient)

    def drop(self, recipient: Recipient) -> None:
        self.entries.append('drop')
        super().drop(recipient)

    def run_job(self, recipient: Recipient, job: Job) -> None:
        self.entries.append(job.kind.name)
        super().run_job(recipient, job)

    def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
        self.entries.append(' '.join(command[0].decode() for command in commands))
        super().send_commands(commands)


class AtOnce(World):
    """A world whose jobs and reads are done before the driver's call returns, as in a test's own
    thread.
    """

    def run_job(self, recipient: Recipient, job: Job) -> None:
        super().run_job(recipient, job)
        self.run(self.client(recipient))

    def connect_feed(self) -> None:
        super().connect_feed()
        self.connect()

    def fetch(self, names: list[bytes], done: Callable[[dict[bytes, bytes] | None], None]) -> None:
        super().fetch(names, done)
        self.answer_fetch()


# Working off


def test_what_can_be_written_is_written_before_jobs_and_commands() -> None:
    world = Diary()
    client = world.handshake([NEWS])
    world.settle()
    world.entries.clear()
    world.begin(client)
    assert world.entries == ['write', 'PERSISTED']
    world.run(client)
    assert world.entries == ['write', 'PERSISTED', 'PING']


def test_half_close_comes_after_the_last_byte_and_drop_after_the_clients_end() -> None:
    world = Diary()
    client = world.open([NEWS])
    client.transport.room = 3
    world.redis.publish(NEWS, b'hello')
    world.settle()
    world.send_close(client)
    assert client.recipient.phase is Phase.ENDING
    assert not client.transport.half_closed
    world.resume(client, 5)
    assert not client.transport.half_closed
    world.entries.clear()
    world.resume(client)
    assert world.entries == ['write', 'half-close']
    assert client.transport.frames() == [(Opcode.TEXT, b'hello'), (Opcode.CLOSE, b'\x03\xe8')]
    world.send_eof(client)
    assert world.entries == ['write', 'half-close', 'drop', 'RELEASE', 'UNSUBSCRIBE']


def test_close_by_the_server_half_closes_only_after_the_clients_answer(world: World) -> None:
    client = world.open([NEWS])
    world.close_all()
    world.settle()
    assert client.close_code == 1001
    assert not client.transport.half_closed
    world.send_close(client, 1001)
    assert client.transport.half_closed
    assert not client.transport.dropped


def test_failed_write_drops_that_websocket_and_no_other(world: World) -> None:
    broken, whole = world.open([NEWS]), world.open([NEWS])
    broken.transport.broken = True
    world.redis.publish(NEWS, b'1')
    world.settle()
    assert broken.transport.dropped
    assert broken.kinds[-1] is JobKind.RELEASE
    assert broken.recipient not in world.exchange.recipients
    assert whole.received == [b'1']
    assert world.exchange.agenda.counters.closed == {1006: 1}


def test_failed_write_of_the_head_releases_too(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    client.transport.broken = True
    world.begin(client)
    world.settle()
    assert client.kinds == [JobKind.RELEASE]
    world.assert_empty()


def test_a_wire_that_takes_nothing_is_watched_and_asked_again_only_when_writable(
    world: World,
) -> None:
    client = world.open([NEWS])
    client.transport.room = 0
    world.redis.publish(NEWS, b'1')
    world.settle()
    writes = len(client.transport.writes)
    assert client.transport.watched[-1] == (True, True)
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert len(client.transport.writes) == writes
    world.resume(client)
    assert client.transport.watched[-1] == (True, False)
    assert client.received == [b'1', b'2']


def test_steps_taken_from_within_a_step_are_worked_off_in_order() -> None:
    """A driver whose jobs are done at once comes back into the driver while it works off."""
    world = AtOnce()
    world.redis.publish(NEWS, b'0', persist=True)
    client = world.open([NEWS], publishes=[CHAT])
    other = world.open([CHAT])
    world.receive_data(
        client.recipient,
        masked(Opcode.TEXT, b'a') + masked(Opcode.PING, b'') + masked(Opcode.TEXT, b'b'),
    )
    world.settle()
    assert client.transport.frames() == [(Opcode.TEXT, b'0'), (Opcode.PONG, b'')]
    assert other.received == [b'a', b'b']
    world.send_eof(client)
    world.send_close(other)
    world.send_eof(other)
    world.settle()
    world.assert_empty()


def test_thousands_of_jobs_that_are_done_at_once_do_not_nest() -> None:
    world = AtOnce()
    client = world.open(publishes=[CHAT])
    world.send_text(client, *[b'x'] * 3000)
    assert len(world.redis.log) == 3000


def test_batch_that_a_wire_does_not_take_is_measured_at_once(world: World) -> None:
    client = world.open(
        [NEWS], limits=Limits(message_rate=None, ping_interval=None, max_pending=1000)
    )
    client.transport.room = 50
    for _ in range(30):
        world.redis.publish(NEWS, bytes(100))
    world.read()
    assert client.recipient.phase is Phase.CLOSING
    assert world.exchange.agenda.counters.slow_readers == 1


def test_fault_in_the_step_of_one_websocket_ends_that_one_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Faulty(World):
        unlucky: Client | None = None

        def write(self, recipient: Recipient, data: bytes) -> int:
            if self.unlucky is not None and recipient is self.unlucky.recipient:
                raise LookupError('a fault of the driver')
            return super().write(recipient, data)

        def failed(self, recipient: Recipient, exc: BaseException) -> None:
            Driver.failed(self, recipient, exc)

    world = Faulty()
    world.unlucky = world.open([NEWS])
    other = world.open([NEWS])
    world.redis.publish(NEWS, b'1')
    world.settle()
    assert other.received == [b'1']
    assert world.unlucky.transport.dropped
    assert world.unlucky.kinds[-1] is JobKind.RELEASE
    assert 'a fault of the driver' in caplog.text


def test_time_is_told_to_the_core_at_each_step(world: World) -> None:
    client = world.open([NEWS], limits=Limits(ping_interval=20, message_rate=None))
    world.time += 15
    world.receive_data(client.recipient, masked(Opcode.PONG, b''))
    assert client.recipient.deadline() == world.time + 20


def test_serve_again_is_told_the_descriptor_of_the_job(world: World) -> None:
    client = world.open()
    client.recipient.serve()
    world.work_off()
    job = world.jobs.pop(client).job
    world.job_done(
        client.recipient,
        job,
        Result(replies=[(b'1', None), (b'\xff', None), (b'2', True)], descriptor=7),
    )
    assert world.served == [7]
    assert client.transport.frames() == [
        (Opcode.TEXT, b'1'),
        (Opcode.BINARY, b'\xff'),
        (Opcode.BINARY, b'2'),
    ]


def test_what_a_subscriber_sends_from_anywhere_leaves_at_once(world: World) -> None:
    client = world.open([NEWS])
    world.handle(client).send('by itself')
    assert client.received == [b'by itself']
    world.handle(client).close(1000, 'done')
    assert client.close_code == 1000


# Making the Redis connection


def test_nothing_is_connected_before_somebody_comes(world: World) -> None:
    world.work_off()
    world.tick()
    assert not world.connecting
    assert world.exchange.deadline() is None
    world.handshake([NEWS])
    assert world.connecting


def test_attempts_to_connect_come_at_the_deadline_and_end(world: World) -> None:
    """Each failure waits longer; without a deadline reached nothing is tried."""
    client = world.open([NEWS])
    world.redis.reachable = False
    world.lose_feed()
    world.settle()
    waits = []
    for _ in range(10):
        deadline = world.exchange.feed.deadline()
        assert deadline is not None
        assert deadline > world.time
        connects = world.connects
        world.work_off()
        world.tick()
        assert world.connects == connects
        waits.append(deadline - world.time)
        world.time = deadline
        world.tick()
        assert world.connects == connects + 1
        world.connect()
        assert world.exchange.feed.state is FeedState.DOWN
    assert waits == sorted(waits)
    assert client.recipient.phase is Phase.OPEN


def test_connection_that_fails_at_once_does_not_keep_the_driver_busy() -> None:
    world = AtOnce()
    world.redis.reachable = False
    world.handshake([NEWS])
    assert world.connects == 1
    world.work_off()
    world.tick()
    assert world.connects == 1
    world.redis.reachable = True
    world.advance(1)
    assert world.connects == 2
    assert world.exchange.feed.state is FeedState.UP


def test_silent_redis_is_asked_and_then_dropped(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that swallows packets."""
    world.open([NEWS])
    feed = world.feed
    assert feed is not None
    world.time += SILENCE
    world.tick()
    assert [command[0] for command in feed.in_flight] == [b'PING']
    world.time += ANSWER_TIME
    world.tick()
    assert world.feed is None
    assert world.exchange.feed.state is FeedState.DOWN
    assert 'no sign of life' in caplog.text


def test_all_who_join_at_once_share_one_fetch_and_one_barrier(world: World) -> None:
    world.redis.publish(NEWS, b'kept', persist=True)
    clients = [world.handshake([NEWS]) for _ in range(100)]
    world.settle()
    feed = world.feed
    assert feed is not None
    world.together(
        [functools.partial(world.begin, client, persisted=False, fetch=True) for client in clients]
    )
    assert [fetch.names for fetch in world.fetches] == [[NEWS]]
    world.answer_fetch()
    assert [command[0] for command in feed.in_flight] == [b'PING']
    world.settle()
    assert all(client.received == [b'kept'] for client in clients)


def test_fetch_that_fails_keeps_the_websocket_and_is_made_again(world: World) -> None:
    """Redis goes away between the handshake and the persisted messages."""
    world.redis.publish(NEWS, b'kept', persist=True)
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client, persisted=False, fetch=True)
    world.fail_fetch()
    assert world.exchange.feed.state is FeedState.DOWN
    world.advance(20)
    assert client.recipient.phase is Phase.OPEN
    assert client.received == [b'kept']


def test_subscription_that_redis_refuses_is_a_lost_connection(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """An ACL without the channel: everything would be held for an acknowledgement that never
    comes.
    """
    world.open([NEWS])
    world.receive_replies([RuntimeError('NOPERM no permissions to access a channel')])
    assert world.exchange.feed.state is FeedState.DOWN
    assert 'NOPERM' in caplog.text


def test_redis_that_answers_is_kept(world: World) -> None:
    world.open([NEWS])
    feed = world.feed
    world.advance(600)
    assert world.feed is feed


def test_outage_is_logged_once_with_length_and_channels(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.open([NEWS, CHAT])
    world.redis.reachable = False
    world.lose_feed()
    world.advance(20)
    world.redis.reachable = True
    world.advance(20)
    assert caplog.text.count('Redis is away (broken): 1 websocket stays open') == 1
    assert caplog.text.count('Redis is back after') == 1
    assert '2 channels' in caplog.text
    assert len(world.gaps) == 1


def test_lost_while_sending_commands_connects_again() -> None:
    class Breaking(World):
        breaks = False

        def send_commands(self, commands: list[tuple[bytes, ...]]) -> None:
            if self.breaks:
                self.breaks = False
                self.feed_lost('cannot send')
            else:
                super().send_commands(commands)

    world = Breaking()
    client = world.open([NEWS])
    world.breaks = True
    world.subscribe(client, [CHAT])
    assert world.exchange.feed.state is FeedState.DOWN
    world.advance(1)
    world.redis.publish(CHAT, b'1')
    world.settle()
    assert client.received == [b'1']


def test_everything_is_read_between_taking_and_handing_over_the_wire(world: World) -> None:
    """What the server had read behind the request's head is not lost, whatever its size."""
    client = world.handshake([NEWS], publishes=[CHAT])
    world.settle()
    world.begin(client, rest=masked(Opcode.TEXT, b'first') + masked(Opcode.TEXT, b'second')[:4])
    world.receive_data(client.recipient, masked(Opcode.TEXT, b'third'))
    world.settle()
    assert [record.payload for record in world.redis.log][:1] == [b'first']


def test_shutdown_closes_all_with_1001_and_runs_what_waits(world: World) -> None:
    clients = [world.open([NEWS], publishes=[CHAT]) for _ in range(3)]
    world.send_text(clients[0], b'waits')
    world.close_all()
    world.settle()
    assert [client.close_code for client in clients] == [1001] * 3
    assert [record.payload for record in world.redis.log] == [b'waits']
    for client in clients:
        world.send_close(client, 1001)
        world.send_eof(client)
    world.settle()
    world.assert_empty()


def test_many_clients_that_break_off_leave_nothing(world: World) -> None:
    """Ten broken connections left ten entries."""
    ends = [_by_eof, _by_reset, _by_close, _by_failure, _by_nothing]
    for number in range(10):
        client = world.open(
            [NEWS, b'user:%d' % number],
            [b'group:*'],
            limits=Limits(message_rate=None),
            publishes=[CHAT],
        )
        ends[number % len(ends)](world, client)
    world.settle()
    world.advance(60)
    world.assert_empty()
    assert world.exchange.status() == {
        'websockets': 0,
        'channels': 0,
        'patterns': 0,
        'pending_bytes': 0,
    }
    assert sum(world.exchange.agenda.counters.closed.values()) == 10


def _by_eof(world: World, client: Client) -> None:
    world.send_eof(client)


def _by_reset(world: World, client: Client) -> None:
    client.transport.broken = True
    world.redis.publish(NEWS, b'x')
    world.settle()


def _by_close(world: World, client: Client) -> None:
    world.send_close(client)


def _by_failure(world: World, client: Client) -> None:
    world.send_text(client, b'x')
    world.fail(client, Outcome.FAILED)


def _by_nothing(world: World, client: Client) -> None:
    client.transport.room = 0


def test_head_is_written_whole_on_a_wire_that_takes_one_byte_at_a_time(world: World) -> None:
    client = world.handshake([NEWS], limits=QUIET)
    world.settle()
    client.transport.room = 1
    world.begin(client)
    world.redis.publish(NEWS, b'1')
    world.settle()
    for _ in range(len(HEAD) + 10):
        world.resume(client, 1)
    assert bytes(client.transport.data[: len(HEAD)]) == HEAD
    assert client.received == [b'1']


# Rights


def crowd(world: World, count: int, interval: float = 60.0) -> list[Client]:
    """Let so many come, each with an access of his own."""
    world.recheck_interval = interval
    return [world.open([NEWS], access=f'user {number}') for number in range(count)]


def test_rights_are_looked_up_one_batch_after_the_other(world: World) -> None:
    crowd(world, 2 * BATCH + 1)
    world.time += 60
    world.tick()
    sizes = []
    while world.look_ups:
        assert len(world.look_ups) == 1
        sizes.append(len(world.look_ups[0].some))
        world.answer_look_up()
    assert sizes == [BATCH, BATCH, 1]


def test_who_has_lost_his_rights_is_closed_with_1008_and_nobody_else(world: World) -> None:
    clients = crowd(world, 2 * BATCH)
    world.without_rights = {'user 3', 'user 30'}
    world.advance(61)
    assert [number for number, client in enumerate(clients) if client.close_code == 1008] == [3, 30]
    assert world.exchange.agenda.counters.rights_withdrawn == 2


def test_websockets_of_one_access_are_looked_up_once(world: World) -> None:
    crowd(world, 1)
    clients = [world.open([NEWS], access='the same') for _ in range(2)]
    world.open([NEWS])
    world.without_rights = {'the same'}
    world.time += 60
    world.tick()
    assert sorted(world.look_ups[0].some) == ['the same', 'user 0']
    world.answer_look_up()
    assert [client.close_code for client in clients] == [1008, 1008]


def test_recheck_is_not_begun_while_one_is_under_way(world: World) -> None:
    crowd(world, BATCH + 1)
    for _ in range(3):
        world.time += 60
        world.tick()
    assert [len(look_up.some) for look_up in world.look_ups] == [BATCH]
    world.answer_look_up()
    world.answer_look_up()
    assert not world.look_ups
    world.time += 60
    world.tick()
    assert len(world.look_ups) == 1


def test_rechecks_are_counted_from_the_first_websocket_whoever_comes_and_goes(
    world: World,
) -> None:
    (first,) = crowd(world, 1)
    world.send_eof(first)
    world.settle()
    assert world.deadline() == world.exchange.deadline()
    world.advance(110)
    second = world.open([NEWS], access='second')
    assert not world.look_ups
    world.without_rights = {'second'}
    world.advance(9)
    assert second.recipient.phase is Phase.OPEN
    world.advance(1)
    assert second.close_code == 1008


def test_rights_are_never_looked_up_without_an_interval(world: World) -> None:
    world.open([NEWS], access='john')
    world.without_rights = {'john'}
    world.advance(10_000)
    assert world.exchange.agenda.counters.rights_withdrawn == 0
