"""Jobs: one at a time, in order, counted."""

import pytest
from websockets.frames import Opcode

from tests.core.simulation import World
from ws4redis.core.agenda import Outcome

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'


@pytest.fixture
def world() -> World:
    return World()


def test_jobs_run_one_at_a_time_and_in_order(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'1', b'2', b'3')
    for expected in (b'1', b'2', b'3'):
        assert world.jobs[client].job.message == expected
        world.run(client)
    assert client not in world.jobs


def test_jobs_of_two_websockets_run_side_by_side(world: World) -> None:
    first, second = world.open(publishes=[CHAT]), world.open(publishes=[NEWS])
    world.send_text(first, b'a')
    world.send_text(second, b'b')
    assert set(world.jobs) == {first, second}


def test_failure_of_release_changes_nothing(world: World) -> None:
    client = world.open([NEWS])
    world.send_eof(client)
    world.fail(client, Outcome.FAILED)
    world.settle()
    assert world.exchange.agenda.counters.job_failures == 0
    world.assert_empty()


def test_result_of_a_job_that_ends_after_the_close_frame_is_not_sent(world: World) -> None:
    client = world.open([NEWS], parses=True)
    world.redis.publish(NEWS, b'1')
    world.settle(jobs=False)
    world.begin_job(client)
    world.close_all()
    world.end_job(client)
    assert client.opcodes == [Opcode.CLOSE]


def test_jobs_that_queue_are_counted(world: World) -> None:
    client = world.open(publishes=[CHAT])
    world.send_text(client, b'1', b'2', b'3')
    assert world.exchange.agenda.counters.jobs_waited == 2
