"""How a websocket ends, and that nothing of it is left."""

from websockets.frames import Opcode

from ws4redis.subscriber import RedisSubscriber, WebSocketHandle
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import channel, frame, hear, listeners, tell, text

__all__ = [
    'check_client_that_does_not_answer_is_dropped',
    'check_client_that_vanishes_is_forgotten',
    'check_close_of_a_client_is_answered_with_its_code',
    'check_close_without_a_code_is_answered_without',
    'check_last_one_who_leaves_unsubscribes',
    'check_server_closes_with_the_code_of_the_site',
]


def check_close_of_a_client_is_answered_with_its_code(site: Site) -> None:
    """Whatever code a client closes with comes back, and nobody else is touched."""
    other = hear(site)
    for code in (1000, 1001, 1003, 1008, 1011, 3000, 4999):
        client = hear(site)
        client.close(code, 'bye')
        assert client.closed
        assert (client.close_code, client.close_reason) == (code, 'bye')
    tell(site, 'hello')
    assert other.receive_all() == ['hello']


def check_close_without_a_code_is_answered_without(site: Site) -> None:
    """A close frame without a code gets one without, which a browser shows as 1005."""
    client = hear(site)
    client.send_raw(frame(Opcode.CLOSE))
    assert client.close_code == 1005


def check_server_closes_with_the_code_of_the_site(site: Site) -> None:
    """A subscriber may close with any code that may be sent, and its reason."""
    for code in (1000, 1001, 1008, 1011, 1013, 3000, 4999):

        class Closing(RedisSubscriber):
            code_to_send = code

            def send_persisted_messages(self, websocket: WebSocketHandle) -> None:
                websocket.send('not today')
                websocket.close(self.code_to_send, 'ferié')

        client = hear(site, subscriber=Closing)
        assert (client.close_code, client.close_reason) == (code, 'ferié')
        assert client.receive_all() == ['not today']


def check_client_that_vanishes_is_forgotten(site: Site) -> None:
    """A client that is gone without a close frame, in the middle of a frame too, leaves nothing
    behind.
    """
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    one, two, other = hear(site, subscriber=Releasing), hear(site, subscriber=Releasing), hear(site)
    two.send_raw(text('half')[:5])
    one.drop()
    two.drop()
    site.settle()
    assert released == ['released'] * 2
    tell(site, 'hello')
    assert other.receive_all() == ['hello']
    other.drop()
    assert listeners(site, channel()) == 0


def check_client_that_does_not_answer_is_dropped(site: Site) -> None:
    """A client that answers no ping is dropped after WS4REDIS_PING_TIMEOUT, and released."""
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    client, other = hear(site, subscriber=Releasing), hear(site)
    client.stop_reading()
    site.advance(20)
    site.advance(20)
    site.settle()
    assert released == ['released']
    client.resume_reading()
    assert client.close_code == 1006
    assert other.open


def check_last_one_who_leaves_unsubscribes(site: Site) -> None:
    """The process listens on a channel from the first websocket that wants it to the last."""
    name = channel()
    assert listeners(site, name) == 0
    one, two = hear(site), hear(site)
    assert listeners(site, name) == 1
    one.close()
    assert listeners(site, name) == 1
    tell(site, 'hello')
    assert two.receive_all() == ['hello']
    two.close()
    assert listeners(site, name) == 0
    again = hear(site)
    tell(site, 'again')
    assert again.receive_all() == ['again']
    assert two.received == ['hello']
