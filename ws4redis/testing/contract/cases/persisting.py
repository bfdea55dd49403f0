"""The last message of a channel, which Redis keeps for those who come later."""

from datetime import timedelta

from django.test.utils import override_settings

from ws4redis.publisher import RedisPublisher
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import NEWS, hear, talk, tell

__all__ = [
    'check_default_expiry_is_that_of_the_settings',
    'check_expiry_may_be_a_part_of_a_second',
    'check_last_message_overwrites_the_one_before',
    'check_message_of_a_browser_is_persisted',
    'check_message_without_expiry_is_not_kept',
    'check_persisted_message_expires',
    'check_publisher_fetches_the_persisted_message',
    'check_zero_leaves_an_older_message_where_it_is',
]


def check_message_without_expiry_is_not_kept(site: Site) -> None:
    """With expire=0 a message reaches those who are there, and nobody who comes later."""
    client = hear(site)
    tell(site, 'hello', expire=0)
    assert client.receive_all() == ['hello']
    assert site.persisted(**NEWS) is None
    assert hear(site).receive_all() == []


def check_last_message_overwrites_the_one_before(site: Site) -> None:
    """One message is kept for each channel, the last, with its own time to live."""
    tell(site, 'one', expire=1000)
    tell(site, 'two', expire=60)
    assert site.persisted(**NEWS) == b'two'
    assert 0 < (site.ttl(**NEWS) or 0) <= 60
    assert hear(site).receive_all() == ['two']


def check_zero_leaves_an_older_message_where_it_is(site: Site) -> None:
    """What is published with expire=0 or less leaves the persisted message and its time to live
    alone.
    """
    tell(site, 'kept', expire=600)
    tell(site, 'passing', expire=0)
    tell(site, 'passing', expire=-1)
    assert site.persisted(**NEWS) == b'kept'
    assert 500 < (site.ttl(**NEWS) or 0) <= 600
    assert hear(site).receive_all() == ['kept']


def check_persisted_message_expires(site: Site) -> None:
    """A persisted message is there as long as it was told to, and not longer."""
    tell(site, 'hello', expire=600)
    site.advance(500)
    assert 50 < (site.ttl(**NEWS) or 0) <= 100
    assert hear(site).receive_all() == ['hello']
    site.advance(timedelta(seconds=100))
    assert site.persisted(**NEWS) is None and site.ttl(**NEWS) is None
    assert hear(site).receive_all() == []


def check_expiry_may_be_a_part_of_a_second(site: Site) -> None:
    """expire=600.5 is 600.5 seconds, neither a whole number of them nor milliseconds."""
    tell(site, 'hello', expire=600.5)
    left = site.ttl(**NEWS)
    assert left is not None and 590 < left <= 600.5
    site.advance(600.5)
    assert site.persisted(**NEWS) is None


def check_default_expiry_is_that_of_the_settings(site: Site) -> None:
    """Without expire a message is kept for WS4REDIS_EXPIRE, and not at all if that is None or 0."""
    with override_settings(WS4REDIS_EXPIRE=900):
        tell(site, 'kept', expire=None)
        assert 800 < (site.ttl(**NEWS) or 0) <= 900
    for nothing in (None, 0):
        with override_settings(WS4REDIS_EXPIRE=nothing):
            site.publish('passing', facility='other', broadcast=True)
            assert site.persisted(facility='other', broadcast=True) is None
    assert hear(site).receive_all() == ['kept']


def check_message_of_a_browser_is_persisted(site: Site) -> None:
    """What a browser sends is kept for WS4REDIS_EXPIRE, and goes to those who join."""
    client = talk(site)
    with override_settings(WS4REDIS_EXPIRE=900):
        client.send('hello')
        assert site.persisted(**NEWS) == b'hello'
        assert 800 < (site.ttl(**NEWS) or 0) <= 900
    assert hear(site).receive_all() == ['hello']
    assert talk(site, echo=True).receive_all() == ['hello'], 'its own, joining anew'


def check_publisher_fetches_the_persisted_message(site: Site) -> None:
    """fetch_message() gives what somebody who joined now would get."""
    assert RedisPublisher().fetch_message(None, 'news', 'broadcast') is None
    tell(site, b'\xffhello', expire=60)
    assert RedisPublisher().fetch_message(None, 'news', 'broadcast') == b'\xffhello'
