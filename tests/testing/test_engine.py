"""Engine: the parts of a Broker, from its beginning to its end."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.seam import seam
from ws4redis.testing import Broker
from ws4redis.testing.engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """One without a Broker around it."""
    found: list[Engine] = []
    engine = Engine('memory://', lambda: found[0].settle())
    found.append(engine)
    yield engine
    engine.end()


def publish(message: str, expire: float = 0) -> None:
    RedisPublisher(facility='news', broadcast=True).publish_message(message, expire)


def test_publishers_reach_it_until_its_end() -> None:
    engine = Engine('memory://', lambda: None)
    assert active_server() is engine.server
    engine.end()
    assert not seam.in_force


def test_what_is_published_is_written_down(engine: Engine) -> None:
    publish('hello')
    engine.settle()
    [publication] = engine.record.publications
    assert (publication.channel, publication.message) == ('broadcast:news', b'hello')
    assert "published broadcast:news 'hello'" in str(engine.trace)


def test_time_moves_and_what_is_stored_expires(engine: Engine) -> None:
    publish('hello', 60)
    before = engine.clock.now()
    engine.advance_to(before + 59)
    assert engine.server.client.exists('broadcast:news')
    engine.advance_to(before + 61)
    assert not engine.server.client.exists('broadcast:news')


def test_test_itself_may_look_at_the_server_in_an_outage(engine: Engine) -> None:
    with engine.outage():
        with pytest.raises(redis.ConnectionError):
            publish('lost')
        with engine.behind_the_gate() as client:
            assert client.ping()
        with pytest.raises(redis.ConnectionError):
            engine.server.client.ping()
    assert engine.server.client.ping()


def test_inner_outage_does_not_end_the_outer_one(engine: Engine) -> None:
    with engine.outage():
        with engine.outage():
            pass
        with pytest.raises(redis.ConnectionError):
            engine.server.client.ping()


def test_outage_ends_although_its_block_fails(engine: Engine) -> None:
    with suppress(KeyError), engine.outage():
        raise KeyError
    assert engine.server.client.ping()
    assert 'outage() ends' in str(engine.trace)


def test_publication_that_a_fault_has_taken_is_known_by_its_number() -> None:
    with Broker() as broker:
        broker.connect('news', subscribe='broadcast')
        publish('arrives')
        broker.lose_publishes(1)
        publish('lost')
        publish('arrives')
        broker.settle()
        assert broker._engine.lost == {2: 1}


def test_name_is_shown_without_the_prefix_of_the_server(engine: Engine) -> None:
    assert engine.shown(b'broadcast:news') == 'broadcast:news'
    engine.namespace = 'ws4redis-test:1:'
    assert engine.shown(b'ws4redis-test:1:broadcast:\xff') == 'broadcast:\ufffd'
