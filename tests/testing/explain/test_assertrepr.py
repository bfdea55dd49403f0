"""Plain asserts explain themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ws4redis.testing import Broker, WebSocketClient
from ws4redis.testing.explain.assertrepr import explain_comparison


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


def test_one_reason_for_several_messages_is_given_once(
    broker: Broker, mary: WebSocketClient
) -> None:
    def call() -> None:
        assert mary.received == ['one', 'one']

    assert sum('got nothing' in line for line in lines_of(call)) == 1


def test_object_that_came_as_json_text_is_explained(broker: Broker, mary: WebSocketClient) -> None:
    broker.publish(json={'state': 'new'}, facility='news', broadcast=True)

    def equal() -> None:
        assert mary.received == [{'state': 'new'}]  # type: ignore[comparison-overlap]

    def contained() -> None:
        assert {'state': 'new'} in mary.received  # type: ignore[comparison-overlap]

    for call in (equal, contained):
        lines = lines_of(call)
        assert 'mary got JSON text, which is no dict' in lines
        assert any(
            line.endswith('-> receive_json() and assert_received(json=...) look into it')
            for line in lines
        )


@pytest.mark.parametrize(
    ('came', 'item', 'first'), [('hi', b'hi', 'text, not as bytes'), (b'\xc3', 'hi', '')]
)
def test_text_is_told_from_bytes(
    broker: Broker, mary: WebSocketClient, came: str | bytes, item: str | bytes, first: str
) -> None:
    broker.publish(came, facility='news', broadcast=True)

    def call() -> None:
        assert mary.received == [item]

    lines = lines_of(call)
    assert (
        f'mary got it as {first}' in lines
        if first
        else not any('got it as' in line for line in lines)
    )


def test_second_one_that_is_missing_is_no_matter_of_types(
    broker: Broker, mary: WebSocketClient
) -> None:
    broker.publish('hi', facility='news', broadcast=True)

    def call() -> None:
        assert mary.received == ['hi', b'hi']

    assert not any('got it as' in line for line in lines_of(call))


def test_what_receive_all_gives_is_explained_too(broker: Broker, mary: WebSocketClient) -> None:
    broker.publish('hi', facility='chat', broadcast=True)

    def call() -> None:
        assert mary.receive_all() == ['hi']

    assert "mary got nothing: published to 'chat', joined 'news'" in lines_of(call)


def test_published_that_waits_for_a_commit_is_explained(broker: Broker, db: None) -> None:
    from django.db import transaction

    transaction.on_commit(lambda: None)

    def call() -> None:
        assert broker.published == ['hi']  # type: ignore[comparison-overlap]

    assert 'nothing published: 1 callback waits for a commit, or has run' in lines_of(call)


def test_other_comparisons_are_pytests_own(
    broker: Broker, mary: WebSocketClient, pytestconfig: pytest.Config
) -> None:
    assert explain_comparison(pytestconfig, '!=', mary.received, []) is None
    assert explain_comparison(pytestconfig, 'not in', 'hi', mary.received) is None
