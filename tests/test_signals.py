"""The signals and their one sender; redis_gap is sent when the connection to Redis is back."""

from typing import Any

import time_machine

from ws4redis.signals import WebSockets, redis_gap, rights_withdrawn, tell_gap, withdraw_rights
from ws4redis.testing import Broker


class Listener:
    """Collects what the signal says."""

    def __init__(self) -> None:
        self.gaps: list[dict[str, Any]] = []

    def __call__(self, **kwargs: Any) -> None:
        self.gaps.append(kwargs)

    def __enter__(self) -> 'Listener':
        redis_gap.connect(self, sender=WebSockets)
        return self

    def __exit__(self, *exc_info: object) -> None:
        redis_gap.disconnect(self, sender=WebSockets)


def test_gap_tells_its_length_and_the_number_of_channels() -> None:
    with time_machine.travel(0, tick=False), Broker() as broker, Listener() as listener:
        broker.connect('news', subscribe=['broadcast'])
        broker.connect('chat', subscribe=['broadcast'])
        with broker.outage():
            broker.advance(7)
        [gap] = listener.gaps
        assert gap['seconds'] == 7
        assert gap['channels'] == 2


def test_each_outage_is_told_once() -> None:
    with Broker() as broker, Listener() as listener:
        broker.connect('news', subscribe='broadcast')
        for _ in range(2):
            with broker.outage():
                pass
            broker.settle()
        assert len(listener.gaps) == 2


def test_first_connection_is_no_gap() -> None:
    with Broker() as broker, Listener() as listener:
        broker.connect('news', subscribe='broadcast')
        broker.publish('hello', facility='news', broadcast=True)
        assert listener.gaps == []


def test_outage_without_websockets_is_no_gap() -> None:
    with Broker() as broker, Listener() as listener:
        with broker.outage():
            broker.advance(7)
        broker.connect('news', subscribe='broadcast')
        assert listener.gaps == []


def test_receivers_that_raise_are_named_and_the_others_are_told() -> None:
    def fail(**kwargs: Any) -> None:
        raise KeyError('bug')

    redis_gap.connect(fail)
    try:
        with Listener() as listener:
            [(receiver, error)] = tell_gap(1.5, 2)
    finally:
        redis_gap.disconnect(fail)
    assert (receiver, type(error)) == (fail, KeyError)
    assert [(gap['seconds'], gap['channels']) for gap in listener.gaps] == [(1.5, 2)]


def test_rights_are_withdrawn_by_the_same_sender() -> None:
    keys: list[str] = []

    def note(session_key: str, **kwargs: Any) -> None:
        keys.append(session_key)

    rights_withdrawn.connect(note, sender=WebSockets)
    try:
        withdraw_rights('key')
    finally:
        rights_withdrawn.disconnect(note, sender=WebSockets)
    assert keys == ['key']
