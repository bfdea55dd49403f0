"""Redis away, connections cut, messages lost: what is brought, and what is said."""

import contextlib
from typing import Any

from ws4redis.publisher import RedisPublisher
from ws4redis.signals import redis_gap
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import (
    NEWS,
    away,
    channel,
    elsewhere,
    hear,
    listeners,
    refusal,
    talk,
    tell,
)

__all__ = [
    'check_gap_is_told_to_the_site',
    'check_handshake_in_an_outage_is_refused_with_503',
    'check_leaving_in_an_outage_is_remembered',
    'check_message_of_a_client_in_an_outage_closes_with_1013',
    'check_messages_that_get_lost_are_lost_alone',
    'check_outage_keeps_websockets_and_brings_what_was_persisted',
    'check_outage_repeats_nothing',
    'check_publishing_in_an_outage_raises',
    'check_pubsub_connection_that_is_cut_is_made_anew',
]


def check_outage_keeps_websockets_and_brings_what_was_persisted(site: Site) -> None:
    """Websockets outlive an outage; what was persisted meanwhile arrives once, what was not is
    lost, then all is as before.
    """
    client, name = hear(site), channel()
    tell(site, 'before', expire=600)
    with contextlib.closing(elsewhere(site)) as other, site.outage():
        other.set(name, 'persisted meanwhile', ex=600)
        other.publish(name, 'persisted meanwhile')
        other.publish(name, 'not persisted')
        assert client.open
        assert client.received == ['before']
    assert client.received == ['before', 'persisted meanwhile']
    tell(site, 'after')
    assert client.receive_all() == ['before', 'persisted meanwhile', 'after']


def check_outage_repeats_nothing(site: Site) -> None:
    """After an outage nobody gets anew what he has had, live or on joining."""
    early = hear(site)
    tell(site, 'hello', expire=600)
    late = hear(site)
    for _ in range(3):
        with site.outage():
            pass
    tell(site, 'after')
    assert early.receive_all() == late.receive_all() == ['hello', 'after']


def check_publishing_in_an_outage_raises(site: Site) -> None:
    """A publish in an outage raises redis.ConnectionError and is not made up for."""
    client = hear(site)
    with site.outage():
        assert away(
            lambda: RedisPublisher(facility='news', broadcast=True).publish_message('lost', 600)
        )
        assert away(lambda: site.redis.ping())
    client.assert_nothing_received()
    assert site.persisted(**NEWS) is None


def check_message_of_a_client_in_an_outage_closes_with_1013(site: Site) -> None:
    """What a browser sends in an outage is not dropped without a word: it is closed with 1013,
    and others stay.
    """
    client, other = talk(site), talk(site)
    with site.outage():
        client.send('lost')
        assert (client.close_code, client.close_reason) == (1013, 'try again later')
        assert other.open
    other.assert_nothing_received()
    other.send('hello')
    assert hear(site).receive_all() == ['hello']


def check_handshake_in_an_outage_is_refused_with_503(site: Site) -> None:
    """Nobody is let in who could not be served; afterwards everybody is."""
    with site.outage():
        assert refusal(site, 'news', subscribe='broadcast').status_code == 503
    client = hear(site)
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_leaving_in_an_outage_is_remembered(site: Site) -> None:
    """Who leaves in an outage is not subscribed for when it ends."""
    leaving, staying = hear(site, 'leaving'), hear(site, 'staying')
    with site.outage():
        leaving.close()
        assert leaving.close_code == 1000
    assert listeners(site, channel('leaving')) == 0
    site.publish('hello', facility='staying', broadcast=True)
    assert staying.receive_all() == ['hello']


def check_gap_is_told_to_the_site(site: Site) -> None:
    """The signal redis_gap says once how long Redis was away and how many channels may have
    missed something.
    """
    gaps: list[tuple[float, int]] = []

    def told(sender: Any, seconds: float, channels: int, **kwargs: Any) -> None:
        gaps.append((seconds, channels))

    clients = [hear(site, 'news'), hear(site, 'chat')]
    redis_gap.connect(told)
    try:
        with site.outage():
            site.advance(30)
        site.settle()
    finally:
        redis_gap.disconnect(told)
    assert [channels for _, channels in gaps] == [2]
    assert 30 <= gaps[0][0] < 60
    assert all(client.open for client in clients)


def check_pubsub_connection_that_is_cut_is_made_anew(site: Site) -> None:
    """When the pub/sub connection is cut everything is subscribed to again, and nothing is
    repeated.
    """
    client, other = hear(site), hear(site, 'chat')
    tell(site, 'before', expire=600)
    site.drop_subscribers()
    site.settle()
    tell(site, 'after')
    site.publish('chat', facility='chat', broadcast=True)
    assert client.receive_all() == ['before', 'after']
    assert other.receive_all() == ['chat']


def check_messages_that_get_lost_are_lost_alone(site: Site) -> None:
    """When messages get lost on their way nobody gets them, and the ones behind them arrive."""
    one, two = hear(site), hear(site)
    site.lose_publishes(2)
    tell(site, 'one', 'two', 'three', expire=600)
    assert one.receive_all() == two.receive_all() == ['three']
    assert hear(site).receive_all() == ['three']
