"""Why a client did not get it: each cause is built exactly; first line, evidence and remedy are
what a user reads.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from tests.testing.explain.failing import above, tell, why
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings


def test_not_subscribed(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='user', force_user=User(username='mary'))
    broker.publish('hi', facility='news', broadcast=True)
    place = above()
    codes, lines = why(mary.receive)
    assert codes == ('not-subscribed',)
    assert lines == [
        'mary got nothing: not subscribed to broadcast:news',
        f"  published: broadcast:news 'hi', expire 3600 ({place})",
        '  mary listens on: user:mary:news',
        "  -> connect(..., subscribe='broadcast')",
    ]


def test_not_subscribed_to_the_channel_of_somebody_else(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='user', force_user=User(username='mary'))
    broker.publish('hi', facility='news', users=['john'])
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('not-subscribed',),
        'mary got nothing: not subscribed to user:john:news',
    )
    assert lines[-1] == '  -> publish to an audience that it belongs to'


def test_no_channel(broker: Broker) -> None:
    mary = broker.connect('news', name='mary')
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('no-channel',), 'mary got nothing: connected without subscribe=')
    assert lines[2:] == [
        '  mary listens on: no channel',
        "  -> connect('news', subscribe='broadcast')",
    ]


def test_no_channel_for_what_was_asked(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='user', name='mary')
    broker.publish('hi', facility='news', users=['mary'])
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('no-channel',), 'mary got nothing: no channel for subscribe=user')
    assert (
        lines[-1]
        == "  -> connect(..., subscribe='user', user=...): only a logged-in user has a channel"
    )


@pytest.mark.parametrize(
    ('kind', 'audience', 'remedy'),
    [
        (
            'user',
            {'users': ['john']},
            "subscribe='user', user=...): only a logged-in user has a channel",
        ),
        (
            'group',
            {'groups': ['staff']},
            "subscribe='group', user=..., groups=[...]): only the groups of the session have "
            'channels',
        ),
        (
            'session',
            {'sessions': ['abc']},
            "subscribe='session', session=...) or user=...: only a session that is stored has a "
            'channel',
        ),
    ],
)
def test_no_channel_without_the_identity_that_it_is_named_after(
    broker: Broker, kind: str, audience: dict[str, Any], remedy: str
) -> None:
    alone = broker.connect('news', subscribe=kind, name='mary')
    besides = broker.connect('news', subscribe=[kind, 'broadcast'], name='mary')
    broker.publish('hi', facility='news', **audience)
    for client, channels in ((alone, 'no channel'), (besides, 'broadcast:news')):
        codes, lines = why(client.receive)
        assert (codes, lines[0]) == (
            ('no-channel',),
            f'mary got nothing: no channel for subscribe={kind}',
        )
        assert lines[-2:] == [f'  mary listens on: {channels}', f'  -> connect(..., {remedy}']


def test_subscriber_that_names_its_channels_itself_needs_no_other_identity(broker: Broker) -> None:
    class Tenant(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self._subscription = self._connection.pubsub()

    mary = broker.connect('news', subscribe='broadcast', subscriber=Tenant, name='mary')
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('no-channel',),
        'mary got nothing: no channel for subscribe=broadcast',
    )
    assert lines[-1] == '  -> let its subscriber subscribe to it'


def test_facility_with_a_query_string_in_it(broker: Broker) -> None:
    mary = broker.connect('/ws/orders%3Fsubscribe-broadcast', name='mary')
    broker.publish('hi', facility='orders', broadcast=True)
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('address',),
        "mary got nothing: joined facility 'orders?subscribe-broad...",
    )
    assert lines[1] == "  mary got nothing: joined facility 'orders?subscribe-broadcast'"
    assert lines[3] == '  address: orders?subscribe-broadcast'
    assert (
        lines[-1]
        == "  -> connect('orders', subscribe='broadcast'): a facility alone has no query string"
    )


def test_name_with_a_value_counts_and_is_not_blamed(broker: Broker) -> None:
    mary = broker.connect('/ws/news?subscribe-broadcast=yes', name='mary')
    broker.publish('hi', facility='news', users=['mary'])
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('not-subscribed',),
        'mary got nothing: not subscribed to user:mary:news',
    )


def staff_only(request: Any, channels: list[str]) -> list[str]:
    """A site's rule."""
    return []


@pytest.mark.parametrize('rule', [staff_only, 'tests.testing.explain.test_received.staff_only'])
def test_refused(broker: Broker, rule: Any) -> None:
    mary = broker.connect('news', subscribe='broadcast', allowed_channels=rule, name='mary')
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('refused',), 'mary got nothing: broadcast:news refused')
    assert lines[2] == (
        '  refused by WS4REDIS_ALLOWED_CHANNELS '
        "(tests.testing.explain.test_received.staff_only), which gave [] of ['subscribe-broadcast']"
    )
    assert lines[-1] == '  -> log in a user who may, or change the rule'


def test_before_join(broker: Broker) -> None:
    tell(broker, 'hi')
    broker.advance(61)
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('before-join',),
        'mary got nothing: published before joining, no expire',
    )
    assert lines[2] == '  mary joined 61 s later'
    assert (
        lines[-1]
        == '  -> connect before publishing, or publish with expire= for those who come later'
    )


def test_expired(broker: Broker) -> None:
    tell(broker, 'hi', expire=60)
    broker.advance(61)
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('expired',),
        'mary got nothing: persisted message expired 1 s ago',
    )
    assert lines[2] == '  mary joined 61 s later'
    assert lines[-1] == '  -> connect earlier, or publish with a longer expire='


def test_overwritten(broker: Broker) -> None:
    tell(broker, 'first', expire=60)
    tell(broker, 'second', expire=60)
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    codes, lines = why(mary.assert_received, 'first')
    assert (codes, lines[0]) == (
        ('overwritten',),
        'mary got nothing: a later persisted message took its place',
    )
    assert "then: broadcast:news 'second', expire 60" in lines[2]
    assert lines[-1] == '  -> a channel keeps the last persisted message alone'


def test_own_echo(broker: Broker) -> None:
    john = broker.connect('news', subscribe='broadcast', publish='broadcast', name='john')
    john.send('hi')
    codes, lines = why(john.receive)
    assert (codes, lines[0]) == (
        ('own-echo',),
        'john got nothing: own echo (connect(echo=True) sends it)',
    )
    assert lines[-1] == '  -> connect(echo=True), or look at another client'


def test_prefix(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    settings.WS4REDIS_PREFIX = None
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('prefix',),
        "mary got nothing: published to 'broadcast:news', joined '...",
    )
    assert (
        lines[1]
        == "  mary got nothing: published to 'broadcast:news', joined 'shop:broadcast:news'"
    )
    assert lines[-1] == '  -> WS4REDIS_PREFIX is None now; it was another one there'


def test_facility(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('hi', facility='newz', broadcast=True)
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('facility',),
        "mary got nothing: published to 'newz', joined 'news'",
    )
    assert (
        lines[-1]
        == "  -> did the publisher mean 'news', or connect() 'newz'? publisher and websocket "
        'name the same facility'
    )


def test_facility_that_is_quite_another(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('hi', facility='chat', broadcast=True)
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('facility',),
        "mary got nothing: published to 'chat', joined 'news'",
    )
    assert lines[-1] == '  -> publisher and websocket name the same facility'


def test_fault(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.lose_publishes()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('fault',), 'mary got nothing: lose_publishes(1) took it')
    assert lines[-1] == '  -> leave out the fault'


def test_closed_by_the_server(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker._engine.driver.withdraw(lambda who: True)
    broker.settle()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('closed',), 'mary got nothing: closed by the server, 1008')
    assert "published: broadcast:news 'hi'" in lines[1]
    assert lines[2].startswith('  close code 1008')
    assert lines[-1] == '  -> the log of ws4redis says why'


def test_dropped_by_the_test(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    mary.drop()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('closed',), 'mary got nothing: closed by the test, 1006')
    assert lines[-1] == '  -> close it after asserting'


def test_dropped_by_the_server(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    mary._end.recipient.abort()  # type: ignore[union-attr]
    broker._engine.driver.work_off()
    mary.drop()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('closed',), 'mary got nothing: closed by the server, 1006')


def test_closed_by_the_test(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    mary.close(4000)
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('closed',), 'mary got nothing: closed by the test, 4000')
    assert lines[-1] == '  -> close it after asserting'


def test_already_read(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    tell(broker, 'one')
    tell(broker, 'two')
    mary.receive_all()
    codes, lines = why(mary.receive)
    assert codes == ('already-read',)
    assert lines == [
        'mary has nothing unread: 2 messages already received',
        "  received: 'one'",
        "  received: 'two'",
        '  -> `received` is the whole history; receive() takes each message once',
    ]


def test_not_reading(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    mary.stop_reading()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0], lines[-1]) == (
        ('not-reading',),
        'mary got nothing: stop_reading() is in force',
        '  -> resume_reading()',
    )


def test_override(broker: Broker) -> None:
    class Silent(RedisSubscriber):
        def parse_response(self) -> Any:
            super().parse_response()
            return None

    mary = broker.connect('news', subscribe='broadcast', subscriber=Silent, name='mary')
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('override',),
        'mary got nothing: Silent.parse_response() left it out',
    )
    assert "published: broadcast:news 'hi'" in lines[1]
    assert lines[-1] == '  -> look at Silent.parse_response()'


class Mover(RedisSubscriber):
    """Goes from one channel to another while it is open."""

    def move(self) -> None:
        self._subscription.unsubscribe('broadcast:news')
        self._subscription.subscribe('broadcast:chat')


def test_override_that_unsubscribes_while_open(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', subscriber=Mover, name='mary')
    mary.subscriber.move()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('override',), 'mary got nothing: Mover has unsubscribed since')
    assert lines[2:] == [
        '  mary joined: broadcast:news',
        '  mary listens on: broadcast:chat',
        '  -> publish it before that, or look at Mover',
    ]


def test_override_that_subscribes_while_open(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', subscriber=Mover, name='mary')
    broker.publish('hi', facility='chat', broadcast=True)
    mary.subscriber.move()
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('override',), 'mary got nothing: Mover subscribed after joining')
    assert lines[-1] == '  -> publish it after that, or look at Mover'
    broker.publish('ho', facility='chat', broadcast=True)
    assert mary.receive() == 'ho'
    codes, lines = why(mary.receive)
    assert codes == ('override', 'already-read')


def test_override_that_has_changed_its_channels_names_the_present_ones(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', subscriber=Mover, name='mary')
    mary.subscriber.move()
    broker.publish('hi', facility='char', broadcast=True)
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('facility',),
        "mary got nothing: published to 'char', joined 'chat'",
    )


def test_name_with_a_star_is_no_pattern(broker: Broker) -> None:
    mary = broker.connect('a*', subscribe='broadcast', name='mary')
    broker.publish('hi', facility='abc', broadcast=True)
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('facility',), "mary got nothing: published to 'abc', joined 'a*'")
    broker.publish('hi', facility='a*', broadcast=True)
    assert mary.receive() == 'hi'


@pytest.mark.parametrize(
    ('pattern', 'code'), [('broadcast:a?c', 'override'), ('broadcast:a\\?c', 'not-subscribed')]
)
def test_pattern_matches_as_redis_has_it(broker: Broker, pattern: str, code: str) -> None:
    class Silent(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self._subscription = self._connection.pubsub()
            self._subscription.psubscribe(pattern)

        def parse_response(self) -> Any:
            super().parse_response()
            return None

    mary = broker.connect('a', subscriber=Silent, name='mary')
    broker.publish('hi', facility='abc', broadcast=True)
    codes, _ = why(mary.receive)
    assert codes == ('facility' if code == 'not-subscribed' else code,)


def test_override_on_joining(broker: Broker) -> None:
    class Silent(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            """Nothing."""

    tell(broker, 'hi', expire=60)
    mary = broker.connect('news', subscribe='broadcast', subscriber=Silent, name='mary')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (
        ('override',),
        'mary got nothing: Silent did not send it on joining',
    )
    assert lines[-1] == '  -> look at Silent.send_persisted_messages()'


def test_last_message_is_answered_first_and_each_cause_once(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('hi', facility='chat', broadcast=True)
    broker.publish('hi', facility='chat', broadcast=True)
    broker.lose_publishes()
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert codes == ('fault', 'facility')
    assert lines[0] == 'mary got nothing: lose_publishes(1) took it'


def test_the_message_that_is_meant_is_the_one_that_is_explained(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('wanted', facility='chat', broadcast=True)
    broker.lose_publishes()
    tell(broker, 'another')
    codes, _ = why(mary.assert_received, 'wanted')
    assert codes == ('facility',)


def test_received_unexpectedly(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('secret', facility='news', broadcast=True)
    place = above()
    for call, first in (
        (mary.assert_nothing_received, 'mary has 1 unread message'),
        (functools.partial(mary.assert_not_received, 'secret'), "mary got 'secret'"),
    ):
        codes, lines = why(call)
        assert codes == ('received',)
        assert lines == [
            first,
            "  received: 'secret'",
            f"  published: broadcast:news 'secret', expire 3600 ({place})",
            '  -> it was published at these lines',
        ]
