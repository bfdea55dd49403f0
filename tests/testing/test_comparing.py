"""Plain asserts explain themselves (T10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ws4redis.testing import Broker, WebSocketClient
from ws4redis.testing.comparing import explain_comparison


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def mary(broker: Broker) -> WebSocketClient:
    return broker.connect('news', subscribe='broadcast', name='mary')


def lines_of(call: Callable[[], None]) -> list[str]:
    """What a failing assert says."""
    with pytest.raises(AssertionError) as error:
        call()
    return [line.removeprefix('  ') for line in str(error.value).splitlines()]


def test_message_that_is_missing_is_explained(broker: Broker, mary: WebSocketClient) -> None:
    broker.publish('hi', facility='chat', broadcast=True)

    def call() -> None:
        assert mary.received == ['hi']

    lines = lines_of(call)
    assert lines[0] == "assert [] == ['hi']"
    assert "Right contains one more item: 'hi'" in lines
    assert "mary got nothing: published to 'chat', joined 'news'" in lines


def test_the_expected_may_stand_on_the_left(broker: Broker, mary: WebSocketClient) -> None:
    broker.publish('hi', facility='chat', broadcast=True)

    def call() -> None:
        assert ['hi'] == mary.received  # noqa: SIM300

    assert "mary got nothing: published to 'chat', joined 'news'" in lines_of(call)


def test_in_is_explained(broker: Broker, mary: WebSocketClient) -> None:
    broker.lose_publishes()
    broker.publish('hi', facility='news', broadcast=True)

    def call() -> None:
        assert 'hi' in mary.received

    assert 'mary got nothing: lose_publishes(1) took it' in lines_of(call)


def test_message_too_many_has_the_difference_alone(broker: Broker, mary: WebSocketClient) -> None:
    broker.publish('hi', facility='news', broadcast=True)

    def call() -> None:
        assert mary.received == []

    lines = lines_of(call)
    assert "Left contains one more item: 'hi'" in lines
    assert not any('got nothing' in line for line in lines)


def test_one_reason_for_several_messages_is_given_once(broker: Broker, mary: WebSocketClient) -> None:
    def call() -> None:
        assert mary.received == ['one', 'one']

    assert sum('got nothing' in line for line in lines_of(call)) == 1


def test_published_that_waits_for_a_commit_is_explained(broker: Broker, db: None) -> None:
    from django.db import transaction

    transaction.on_commit(test_message_that_is_missing_is_explained)

    def call() -> None:
        assert broker.published == ['hi']

    assert 'nothing published: 1 callback waits for a commit' in lines_of(call)


def test_other_comparisons_are_pytests_own(broker: Broker, mary: WebSocketClient, pytestconfig: pytest.Config) -> None:
    assert explain_comparison(pytestconfig, '!=', mary.received, []) is None
    assert explain_comparison(pytestconfig, 'not in', 'hi', mary.received) is None
