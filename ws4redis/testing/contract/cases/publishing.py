"""Who publishes: RedisPublisher, other programs, and browsers."""

import contextlib
import warnings
from typing import Any

from websockets.frames import Close, Opcode

from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import (
    NEWS,
    channel,
    elsewhere,
    frame,
    hear,
    logged_in,
    somebody,
    talk,
    tell,
    text,
)

__all__ = [
    'check_client_publishes_where_it_asked_to',
    'check_message_is_stored_before_it_is_published',
    'check_other_programs_read_what_is_published',
    'check_plain_key_of_another_program_is_a_persisted_message',
    'check_plain_publish_of_another_program_arrives',
    'check_publisher_takes_every_kind_of_message',
    'check_publishing_needs_no_subscription',
    'check_what_is_sent_before_a_close_is_stored',
]


def check_plain_publish_of_another_program_arrives(site: Site) -> None:
    """A PUBLISH by any Redis client on the channel's name arrives like ours, and persists
    nothing.
    """
    client = hear(site)
    site.redis.publish(channel(), 'from redis-cli')
    site.redis.publish(channel(), b'\xff')
    assert client.receive_all() == ['from redis-cli', b'\xff']
    assert site.persisted(**NEWS) is None


def check_plain_key_of_another_program_is_a_persisted_message(site: Site) -> None:
    """A string that any Redis client sets under the channel's name goes to those who join, until
    it is deleted.
    """
    site.redis.set(channel(), 'from redis-cli', ex=60)
    assert site.persisted(**NEWS) == b'from redis-cli'
    assert hear(site).receive_all() == ['from redis-cli']
    site.redis.delete(channel())
    assert hear(site).receive_all() == []


def check_other_programs_read_what_is_published(site: Site) -> None:
    """A plain pub/sub client gets the raw payload, and the persisted message is a plain string
    with a time to live.
    """
    name = channel()
    with contextlib.closing(elsewhere(site).pubsub()) as listener:
        listener.subscribe(name)
        assert listener.parse_response() == [b'subscribe', name.encode(), 1]
        tell(site, 'grün', expire=60)
        assert listener.parse_response() == [b'message', name.encode(), 'grün'.encode()]
    assert site.redis.type(name) == b'string'
    assert site.redis.get(name) == 'grün'.encode()
    assert 0 < site.redis.pttl(name) <= 60_000


def check_message_is_stored_before_it_is_published(site: Site) -> None:
    """Whoever gets a message finds it stored, with a pipeline as without."""
    name = channel()
    seen: list[Any] = []

    class Looking(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            seen.append((reply[-1], self._connection.get(name)))
            return reply

    client = hear(site, subscriber=Looking)
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher.publish_message('one', 60)
    site.settle()
    publisher.pipeline_publish_message('two', 60)
    site.settle()
    publisher.pipeline_publish_message('three', 60, transaction=False)
    assert client.receive_all() == ['one', 'two', 'three']
    assert seen == [(b'one', b'one'), (b'two', b'two'), (b'three', b'three')]


def check_publisher_takes_every_kind_of_message(site: Site) -> None:
    """str, bytes, bytearray and RedisMessage are published raw, the heartbeat is nothing and
    warned of, other types are refused.
    """
    client = hear(site)
    publisher = RedisPublisher(facility='news', broadcast=True)
    for message in ('str', b'bytes', bytearray(b'array'), RedisMessage('message')):
        publisher.publish_message(message)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        publisher.publish_message(None)
    assert [warning.category for warning in caught] == [RuntimeWarning]
    refused: list[Any] = [7, ['x'], {'a': 1}]
    for wrong in refused:
        with contextlib.suppress(TypeError):
            publisher.publish_message(wrong)
            raise AssertionError(f'{wrong!r} was published')
    assert client.receive_all() == ['str', 'bytes', 'array', 'message']


def check_publishing_needs_no_subscription(site: Site) -> None:
    """A websocket that only publishes hears nothing, and is heard."""
    client = site.connect('news', publish='broadcast', echo=True, allowed_channels=allow_all)
    other = hear(site)
    client.send('hello')
    assert other.receive_all() == ['hello']
    client.assert_nothing_received()


def check_client_publishes_where_it_asked_to(site: Site) -> None:
    """What a browser sends goes to its own user, groups and session if the query string says so,
    and nowhere else.
    """
    john = somebody('john', 'staff')
    browser, listener = logged_in(john), hear(site)
    sender = site.connect('news', publish=['user', 'group', 'session'], client=browser)
    sender.send('hello')
    key = browser.session.session_key
    for audience in ({'users': ['john']}, {'groups': ['staff']}, {'sessions': [key]}):
        assert site.persisted(facility='news', **audience) == b'hello', audience
    listener.assert_nothing_received()
    assert site.persisted(**NEWS) is None


def check_what_is_sent_before_a_close_is_stored(site: Site) -> None:
    """Whoever sends, closes and looks finds the message stored."""
    client, other = talk(site), hear(site)
    client.send_raw(text('last words') + frame(Opcode.CLOSE, Close(1000, '').serialize()))
    assert client.close_code == 1000
    assert site.persisted(**NEWS) == b'last words'
    assert other.receive_all() == ['last words']
