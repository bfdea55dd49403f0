"""How a subscriber is called, whatever its class derives from."""

from collections.abc import Iterator
from typing import Any

import pytest

from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscriber_methods import (
    METHODS,
    can_read,
    method,
    missing_methods,
    needs_persisted,
    overrides_parse_response,
    persisted_name,
)
from ws4redis.testing import Broker

NEW, OLD = 'send_persisted_messages', 'send_persited_messages'


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


class Nothing:
    """A class that has nothing of ours."""


class Copied:
    """A class that has its own of everything, without deriving from ours."""

    def parse_response(self) -> bytes:
        return b'own'

    def release(self) -> str:
        return 'own'


def test_method_of_the_sites_class_is_called() -> None:
    assert method(Copied(), 'release')() == 'own'


def test_method_that_the_sites_class_lacks_is_the_base_classes() -> None:
    """What counts are the methods, not the type."""
    nothing = Nothing()
    found = method(nothing, 'get_file_descriptor')
    assert found() is None
    assert found.__self__ is nothing  # type: ignore[attr-defined]


def test_only_an_own_parse_response_is_asked_for_each_message() -> None:
    class Inheriting(RedisSubscriber):
        pass

    class Overriding(RedisSubscriber):
        def parse_response(self) -> Any:
            return super().parse_response()

    assert not overrides_parse_response(RedisSubscriber())
    assert not overrides_parse_response(Inheriting())
    assert not overrides_parse_response(Nothing())
    assert overrides_parse_response(Overriding())
    assert overrides_parse_response(Copied())


def test_persisted_messages_are_asked_for_unless_there_is_nothing_to_look_at(
    broker: Broker,
) -> None:
    class Overriding(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            pass

    class Listening(RedisSubscriber):
        def __init__(self, connection: Any) -> None:
            super().__init__(connection)
            self._subscription = broker._engine.driver.connection.pubsub()
            self._subscription.subscribe('news')

    class OldSpelling(RedisSubscriber):
        def send_persited_messages(self, websocket: Any) -> None:
            pass

    assert not needs_persisted(RedisSubscriber())
    assert not needs_persisted(Nothing())
    assert needs_persisted(Listening(broker.redis))
    assert not needs_persisted(Listening(broker._engine.driver.connection))
    assert needs_persisted(Overriding())
    assert needs_persisted(OldSpelling())


class Old(RedisSubscriber):
    """Overrides the spelling of release 0.6.0."""

    def send_persited_messages(self, websocket: Any) -> None:
        pass


class NewOverOld(Old):
    """Derives from the old spelling, and overrides the new one."""

    def send_persisted_messages(self, websocket: Any) -> None:
        pass


@pytest.mark.parametrize(
    ('cls', 'name'), [(RedisSubscriber, NEW), (Nothing, NEW), (Old, OLD), (NewOverOld, NEW)]
)
def test_spelling_is_the_same_for_a_class_and_its_subscribers(cls: type, name: str) -> None:
    assert persisted_name(cls) == persisted_name(cls()) == name


def test_missing_methods_are_those_that_are_called_and_are_not_there() -> None:
    class OldAlone:
        def send_persited_messages(self, websocket: Any) -> None:
            pass

    assert missing_methods(RedisSubscriber) == []
    assert missing_methods(Nothing) == list(METHODS)
    assert missing_methods(OldAlone) == [name for name in METHODS if name != NEW]


class OwnConnection:
    """A pub/sub object with a connection of its own, on which something has come or not."""

    def __init__(self, came: bool) -> None:
        self.connection = self
        self._came = came

    def can_read(self, timeout: float) -> bool:
        return self._came and timeout == 0


@pytest.mark.parametrize('came', [True, False])
def test_own_connection_says_whether_something_has_come(came: bool) -> None:
    subscriber: Any = RedisSubscriber()
    subscriber._subscription = OwnConnection(came)
    assert can_read(subscriber) is came


def test_what_has_no_own_connection_has_nothing_to_read(broker: Broker) -> None:
    assert not can_read(Nothing())
    assert not can_read(RedisSubscriber())
    client = broker.connect('news', subscribe='broadcast')
    assert not can_read(client.subscriber)
