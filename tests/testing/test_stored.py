"""What is persisted on a Broker's server."""

from collections.abc import Iterator

import pytest

from ws4redis.testing import Broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def test_channel_is_named_as_a_publisher_does_or_in_full(broker: Broker) -> None:
    broker.publish('hello', facility='news', users=['mary'], expire=60)
    assert broker.persisted(facility='news', users=['mary']) == b'hello'
    assert broker.persisted(channel='user:mary:news') == b'hello'
    assert broker.persisted(facility='news', broadcast=True) is None


def test_both_ways_at_once_are_refused(broker: Broker) -> None:
    with pytest.raises(ValueError, match='channel is given'):
        broker.persisted(channel='broadcast:news', facility='news', broadcast=True)


def test_time_to_live_runs_with_the_clock_of_the_broker(broker: Broker) -> None:
    broker.publish('hello', facility='news', broadcast=True, expire=60)
    assert broker.ttl(facility='news', broadcast=True) == pytest.approx(60, abs=1)
    broker.advance(50)
    assert broker.ttl(facility='news', broadcast=True) == pytest.approx(10, abs=1)
    broker.advance(11)
    assert broker.ttl(facility='news', broadcast=True) is None


def test_it_can_be_looked_up_while_redis_is_away(broker: Broker) -> None:
    broker.publish('hello', facility='news', broadcast=True, expire=60)
    with broker.outage():
        assert broker.persisted(facility='news', broadcast=True) == b'hello'
        assert broker.ttl(channel='broadcast:news') == pytest.approx(60, abs=1)


def test_nothing_is_told_after_the_block() -> None:
    with Broker() as broker:
        pass
    with pytest.raises(RuntimeError, match='this Broker has ended'):
        broker.persisted(channel='broadcast:news')
