"""What the loop and a test's driver do for the WSGI server alike."""

import pytest

from ws4redis.core.driver import Driver
from ws4redis.core.serving import ServingDriver
from ws4redis.exceptions import HandshakeError
from ws4redis.loop import WebSocketLoop
from ws4redis.testing import Broker
from ws4redis.testing.driver import MemoryDriver
from ws4redis.testing.live.loop import LiveLoop


@pytest.mark.parametrize('cls', [WebSocketLoop, LiveLoop, MemoryDriver])
def test_whatever_drives_websockets_serves_and_is_complete(cls: type[Driver]) -> None:
    assert issubclass(cls, ServingDriver)
    assert not cls.__abstractmethods__


def test_refusals_are_counted() -> None:
    with Broker() as broker:
        for _ in range(2):
            broker._engine.driver.refused(HandshakeError('No', reason='not you'))
        assert broker._engine.driver.exchange.agenda.counters.refused == 2
