"""Whether a websocket gets back what it has sent itself."""

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import hear, talk, tell, text

__all__ = [
    'check_echo_brings_own_messages_back',
    'check_equal_message_of_another_arrives',
    'check_no_own_echo',
]


def check_no_own_echo(site: Site) -> None:
    """Without echo a websocket does not get back what it sent, also in quick succession; all
    others do.
    """
    client, other, twin = talk(site), hear(site), talk(site)
    client.send_raw(text('again') * 3 + text('last'))
    assert other.receive_all() == twin.receive_all() == ['again'] * 3 + ['last']
    client.assert_nothing_received()


def check_equal_message_of_another_arrives(site: Site) -> None:
    """What somebody else says arrives, though it equals what one has just said oneself."""
    client, other = talk(site), talk(site)
    client.send('same')
    other.send('same')
    tell(site, 'same')
    assert client.receive_all() == ['same'] * 2
    assert other.receive_all() == ['same'] * 2


def check_echo_brings_own_messages_back(site: Site) -> None:
    """With echo a websocket gets its own messages, in order among the others'."""
    client, other = talk(site, echo=True), talk(site)
    client.send('one')
    other.send('two')
    client.send('three')
    assert client.receive_all() == ['one', 'two', 'three']
    assert other.receive_all() == ['one', 'three']
