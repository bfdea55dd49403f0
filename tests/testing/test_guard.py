"""Guard: what becomes of what a test publishes without a Broker."""

from __future__ import annotations

from importlib import util

import pytest
import redis

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.seam import seam
from ws4redis.testing import Broker
from ws4redis.testing.guard import Guard


@pytest.fixture
def guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Guard:
    """In force, with the choice that the test's parameter names, else 'memory'."""
    guard = Guard(getattr(request, 'param', 'memory'), lambda place: place.rpartition('/')[2])
    monkeypatch.setattr(seam, 'unrequested', guard)
    guard.begin('test one')
    return guard


def publish() -> None:
    RedisPublisher(facility='news', broadcast=True).publish_message('hi', expire=10)


LINE = publish.__code__.co_firstlineno + 1


def test_memory_keeps_it_and_names_the_line(guard: Guard) -> None:
    publish()
    assert (
        RedisPublisher(facility='news', broadcast=True).fetch_message(None, 'news', 'broadcast')
        == b'hi'
    )
    assert (
        guard.summary()
        == f'ws4redis: 1 test published without the fixture, kept in memory: test_guard.py:{LINE}'
    )


def test_next_test_finds_nothing_of_it(guard: Guard) -> None:
    publish()
    guard.begin('test two')
    assert active_server().client.keys() == []


def test_each_test_is_counted_once_and_the_first_are_named(guard: Guard) -> None:
    for number in range(5):
        guard.begin(f'test {number}')
        publish()
        publish()
    assert guard.summary().startswith(
        'ws4redis: 5 tests published without the fixture, kept in memory: '
    )
    assert guard.summary().count('test_guard.py:') == 3
    assert guard.summary().endswith(' ...')


def test_reading_alone_is_not_worth_a_word(guard: Guard) -> None:
    assert active_server().client.get('key') is None
    assert guard.summary() == ''


def test_broker_is_asked_for(guard: Guard) -> None:
    with Broker() as broker:
        publish()
        broker.assert_published('hi')
    assert guard.summary() == ''


@pytest.mark.parametrize('guard', ['fail'], indirect=True)
def test_fail_names_the_line_and_the_remedies(guard: Guard) -> None:
    with pytest.raises(RuntimeError) as error:
        publish()
    text = str(error.value)
    assert f'published to broadcast:news without a Broker at test_guard.py:{LINE}' in text
    for remedy in (
        'use the fixture ws4redis',
        'ws4redis_unrequested = memory',
        'ws4redis_unrequested = real',
    ):
        assert remedy in text
    assert active_server().client.keys() == []


@pytest.mark.parametrize('guard', ['real'], indirect=True)
def test_real_goes_to_the_settings(guard: Guard, settings: pytest.FixtureRequest) -> None:
    settings.WS4REDIS_CONNECTION = 'redis://127.0.0.1:1'  # type: ignore[attr-defined]
    with pytest.raises(redis.ConnectionError):
        publish()


def test_without_fakeredis_it_is_as_before(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        'ws4redis.testing.guard.find_spec',
        lambda name: None if name == 'fakeredis' else util.find_spec(name),
    )
    assert guard() is None


@pytest.mark.parametrize('choice', ['', 'Memory', 'no'])
def test_unknown_choice_is_an_error(choice: str) -> None:
    with pytest.raises(ValueError, match='it takes memory, fail, real'):
        Guard(choice)
