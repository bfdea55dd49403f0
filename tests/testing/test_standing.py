"""How a browser's websocket stands, as its client tells it."""

from collections.abc import Iterator

import pytest

from ws4redis.testing import Broker, LiveServer
from ws4redis.testing.browser_end import MemoryEnd
from ws4redis.testing.standing import Standing


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def test_client_tells_how_it_stands_before_and_after_its_end(broker: Broker) -> None:
    client = broker.connect('news', subscribe='broadcast', name='mary')
    assert (client.name, client.channels) == ('mary', ['broadcast:news'])
    assert (client.open, client.closed) == (True, False)
    assert (client.close_code, client.close_reason, client.subprotocol) == (None, None, None)
    client.close()
    assert (client.open, client.closed, client.close_code) == (False, True, 1000)


def test_pongs_have_their_data(broker: Broker) -> None:
    client = broker.connect('news')
    client.ping(b'here?')
    assert client.pongs == [b'here?']


def test_a_look_does_not_settle_what_is_under_way(broker: Broker) -> None:
    """Else a failure that describes a client would change what it describes."""
    client = broker.connect('news')
    client._end.protocol.send_ping(b'under way')
    client._end.flush()
    assert Standing[MemoryEnd](client._end).pongs == client.pongs == []
    broker.settle()
    assert client.pongs == [b'under way']


def test_client_over_tcp_tells_the_same(broker: Broker) -> None:
    with LiveServer(broker) as live:
        client = live.connect('news', subscribe='broadcast')
        assert isinstance(client, Standing)
        assert (client.open, client.channels) == (True, ['broadcast:news'])
        client.close()
        assert (client.closed, client.close_code) == (True, 1000)
