"""The signals and their one sender; redis_gap is sent when the connection to Redis is back."""

from typing import Any

import time_machine

from ws4redis.signals import WebSockets, redis_gap
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
