"""Faults: messages that are lost on their way from Redis, whatever server it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker


@pytest.fixture(params=['memory', 'server'])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == 'server':
        request.getfixturevalue('redis_url')
    with Broker('memory://' if request.param == 'memory' else 'server') as broker:
        yield broker


def tell(broker: Broker, *messages: str) -> None:
    for message in messages:
        broker.publish(message, facility='news', broadcast=True, expire=60)


def test_as_many_messages_are_lost_as_was_said(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker.lose_publishes(2)
    tell(broker, 'one', 'two', 'three')
    assert client.received == ['three']


def test_what_is_lost_is_stored_all_the_same(broker: Broker) -> None:
    broker.connect('news', subscribe='broadcast')
    broker.lose_publishes()
    tell(broker, 'lost')
    assert broker.persisted(facility='news', broadcast=True) == b'lost'
    assert [publication.text for publication in broker.published] == ['lost']
    assert broker.connect('news', subscribe='broadcast').received == ['lost']


def test_one_publish_is_lost_for_those_who_listen_by_pattern_too(broker: Broker) -> None:
    class ByPattern(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.psubscribe('broadcast:n*')

    by_name = broker.connect('news', subscribe='broadcast')
    by_pattern = broker.connect('news', subscriber=ByPattern)
    broker.lose_publishes()
    tell(broker, 'lost', 'kept')
    assert (by_name.received, by_pattern.received) == (['kept'], ['kept'])


@pytest.mark.parametrize('n', [0, -1])
def test_less_than_one_is_an_error(broker: Broker, n: int) -> None:
    with pytest.raises(ValueError, match=f'from 1 on, not {n}'):
        broker.lose_publishes(n)


def test_connection_that_is_cut_is_back_at_once_and_brings_what_was_kept(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast')
    broker.lose_publishes()
    tell(broker, 'lost')
    broker.drop_subscribers()
    assert client.received == ['lost']
    tell(broker, 'after')
    assert client.received == ['lost', 'after']
    assert client.open
