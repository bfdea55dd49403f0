"""Why not? Each cause is built exactly; first line, evidence and remedy are what a user reads
(T9).
"""

from __future__ import annotations

import functools
import inspect
import threading
import unittest
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from ws4redis.publisher import RedisPublisher
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker
from ws4redis.testing.explain.reasons import LINE, Reason, failure

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """Everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker() as broker:
        yield broker


def why(
    call: Callable[..., object], *arguments: Any, **keywords: Any
) -> tuple[tuple[str, ...], list[str]]:
    """Codes and lines of a failure."""
    with pytest.raises(AssertionError) as error:
        call(*arguments, **keywords)
    lines = str(error.value).splitlines()
    assert all(len(line) <= LINE for line in lines if not line.startswith(' '))
    return error.value.reasons, lines  # type: ignore[attr-defined]


def above() -> str:
    """The place of the line before the caller's, as failures show it."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return f'tests/testing/explain/test_reasons.py:{frame.f_back.f_lineno - 1}'


def tell(broker: Broker, message: str, expire: float = 0) -> None:
    broker.publish(message, facility='news', broadcast=True, expire=expire)


# A client did not get it


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


# Its address


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


@pytest.mark.parametrize('rule', [staff_only, 'tests.testing.explain.test_reasons.staff_only'])
def test_refused(broker: Broker, rule: Any) -> None:
    mary = broker.connect('news', subscribe='broadcast', allowed_channels=rule, name='mary')
    tell(broker, 'hi')
    codes, lines = why(mary.receive)
    assert (codes, lines[0]) == (('refused',), 'mary got nothing: broadcast:news refused')
    assert lines[2] == (
        '  refused by WS4REDIS_ALLOWED_CHANNELS '
        "(tests.testing.explain.test_reasons.staff_only), which gave [] of ['subscribe-broadcast']"
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


# Nothing was published


def notify() -> None:
    """What a view gives to transaction.on_commit()."""
    RedisPublisher(facility='news', broadcast=True).publish_message('hi')


@pytest.mark.django_db
@pytest.mark.parametrize(
    'callback', [notify, functools.partial(notify), functools.partial(functools.partial(notify))]
)
def test_uncommitted(broker: Broker, callback: Callable[[], None]) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    transaction.on_commit(callback)
    for call in (mary.receive, broker.assert_published):
        codes, lines = why(call)
        assert codes[0] == 'uncommitted'
        assert lines[0] == 'nothing published: 1 callback waits for a commit, or has run'
        place = f'tests/testing/explain/test_reasons.py:{notify.__code__.co_firstlineno}'
        assert lines[1] == f'  notify ({place}), given to transaction.on_commit()'
        assert 'when a capture has run it' in lines[2]
        assert 'django_capture_on_commit_callbacks(execute=True)' in lines[3]


@pytest.mark.django_db
def test_callback_that_a_capture_has_run_waits_for_nothing(
    broker: Broker, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    mary = broker.connect('newz', subscribe='broadcast', name='mary')

    def unlike() -> None:
        """Runs too, and publishes nothing."""

    with django_capture_on_commit_callbacks(execute=True):
        transaction.on_commit(notify)
        transaction.on_commit(unlike)
    for call in (mary.receive, functools.partial(mary.assert_received, 'hi')):
        codes, lines = why(call)
        assert (codes, lines[0]) == (
            ('facility',),
            "mary got nothing: published to 'news', joined 'newz'",
        )
    codes, lines = why(mary.assert_received, 'ho')
    assert (codes, lines[0]) == (('not-published',), "mary got nothing: nothing published is 'ho'")
    for call in (
        functools.partial(broker.assert_published, 'hi', facility='newz'),
        functools.partial(broker.assert_published, 'ho'),
    ):
        codes, lines = why(call)
        assert codes == ('not-published',)


@pytest.mark.django_db
def test_callback_that_was_given_again_after_the_capture_waits(
    broker: Broker, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    with django_capture_on_commit_callbacks(execute=True):
        transaction.on_commit(notify)
    transaction.on_commit(notify)
    codes, lines = why(mary.assert_received, 'ho')
    assert codes == ('uncommitted', 'not-published')
    assert lines[0] == 'not published: 1 callback waits for a commit, or has run'
    mary.receive()
    codes, lines = why(mary.receive)
    assert codes == ('already-read', 'uncommitted')


@pytest.mark.django_db
def test_unrelated_callback_stands_behind_the_better_reason(broker: Broker) -> None:
    mary = broker.connect('newz', subscribe='broadcast', name='mary')
    transaction.on_commit(broker.settle)
    tell(broker, 'hi')
    codes, _ = why(mary.receive)
    assert codes == ('facility', 'uncommitted')
    codes, lines = why(broker.assert_published, 'hi', facility='newz', broadcast=True)
    assert codes == ('not-published', 'uncommitted')
    assert lines[0] == "not published: 'hi' to broadcast:newz"
    codes, _ = why(broker.assert_published, facility='newz', broadcast=True)
    assert codes == ('not-published', 'uncommitted')
    codes, _ = why(broker.assert_published, facility='orders', broadcast=True)
    assert codes == ('uncommitted', 'not-published')


@pytest.mark.django_db
def test_uncommitted_several(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    transaction.on_commit(notify)
    transaction.on_commit(notify)
    _, lines = why(mary.receive)
    assert lines[0] == 'nothing published: 2 callbacks wait for a commit, or ran'


def test_thread(broker: Broker) -> None:
    begun, end = threading.Event(), threading.Event()

    def notify_later() -> None:
        begun.set()
        end.wait(20)
        notify()

    mary = broker.connect('news', subscribe='broadcast', name='mary')
    thread = threading.Thread(target=notify_later, name='Thread-3')
    thread.start()
    begun.wait(20)
    line = notify_later.__code__.co_firstlineno + 2
    try:
        for call in (mary.receive, mary.assert_nothing_received, mary.assert_not_received):
            codes, lines = why(call)
            assert codes == ('thread',)
            assert lines == [
                '1 thread started by this test still runs',
                f'  Thread-3 (notify_later, tests/testing/explain/test_reasons.py:{line})',
                '  -> join it before asserting: what it publishes later nobody can know',
            ]
    finally:
        end.set()
        thread.join()
    assert mary.receive() == 'hi'


def test_nothing_published_at_all(broker: Broker) -> None:
    codes, lines = why(broker.connect('news', name='mary').receive)
    assert codes == ('not-published',)
    assert lines == [
        'mary got nothing: nothing was published',
        '  -> publish it before asserting; if a view is to do it, was it reached? Look at its '
        'status_code',
    ]


def test_nothing_like_it_published(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    tell(broker, 'hello')
    codes, lines = why(mary.assert_received, 'hi')
    assert (codes, lines[0]) == (('not-published',), "mary got nothing: nothing published is 'hi'")
    assert "published: broadcast:news 'hello'" in lines[1]
    assert lines[2] == "  received: 'hello'"


# Who sent it may not publish


def test_sender_that_asked_for_no_channel_to_publish_on(broker: Broker) -> None:
    john = broker.connect('news', name='john')
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    john.send('hi')
    for call in (
        mary.receive,
        functools.partial(mary.assert_received, 'hi'),
        broker.assert_published,
    ):
        codes, lines = why(call)
        assert codes[0] == 'may-not-publish'
        assert lines[:4] == [
            'nothing published: john may not publish to news',
            "  john sent: 'hi'",
            '  john connected without publish=',
            "  -> connect('news', publish='broadcast'), for instance",
        ]
    codes, _ = why(mary.assert_received, 'ho')
    assert codes == ('not-published',)


def test_sender_that_is_refused(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = None
    john = broker.connect('news', publish='broadcast', name='john')
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    john.send(b'hi')
    codes, lines = why(mary.receive)
    assert codes == ('may-not-publish',)
    assert lines == [
        'nothing published: john may not publish to news',
        "  john sent: 'hi'",
        '  refused by WS4REDIS_ALLOWED_CHANNELS (None: publishing needs a user), which gave [] '
        "of ['publish-broadcast']",
        '  -> log in a user who may (connect(user=...)), or change the rule',
    ]


def test_sender_without_the_identity_that_the_channel_is_named_after(broker: Broker) -> None:
    john = broker.connect('news', publish='user', name='john')
    john.send('hi')
    codes, lines = why(broker.assert_published, 'hi')
    assert codes == ('may-not-publish', 'not-published')
    assert lines[2:4] == [
        '  no channel for publish=user',
        "  -> connect(..., publish='user', user=...): only a logged-in user has a channel",
    ]


def test_sender_stands_before_what_was_already_read(broker: Broker) -> None:
    john = broker.connect('news', name='john')
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    tell(broker, 'hi')
    mary.receive()
    john.send('ho')
    codes, _ = why(mary.receive)
    assert codes == ('may-not-publish', 'already-read')
    broker.publish('hi', facility='chat', broadcast=True)
    codes, _ = why(mary.receive)
    assert codes == ('facility', 'may-not-publish', 'already-read')


def test_sender_that_may_publish_is_not_blamed(broker: Broker) -> None:
    john = broker.connect('news', publish='broadcast', name='john')
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    john.send('hi')
    mary.receive()
    codes, _ = why(mary.receive)
    assert codes == ('already-read',)


# Not published as asked


def test_name_of_the_audience_that_is_misspelt(broker: Broker) -> None:
    broker.publish('hi', facility='news', users=['john'])
    for keywords, channel in (({}, 'user:jon'), ({'facility': 'news'}, 'user:jon:news')):
        codes, lines = why(broker.assert_published, 'hi', users=['jon'], **keywords)
        assert (codes, lines[0]) == (('not-published',), f"not published: 'hi' to {channel}")
        assert lines[-1] == "  -> did the assertion mean user 'john', or the publisher 'jon'?"


def test_audience_of_another_kind_is_no_misspelling(broker: Broker) -> None:
    broker.publish('hi', facility='news', groups=['john'])
    _, lines = why(broker.assert_published, 'hi', users=['john'], facility='news')
    assert lines[0] == "not published: 'hi' to user:john:news"
    assert not any('->' in line for line in lines)


def test_channel_is_shown_without_the_end_that_any_facility_leaves_open(broker: Broker) -> None:
    broker.publish('hi', facility='news', users=['john'])
    broker.publish('hi', facility='chat', users=['john'])
    codes, lines = why(broker.assert_published, 'hi', users=['john'])
    assert (codes, lines[0]) == (('times',), 'published twice to user:john, not once')
    codes, lines = why(broker.assert_published, 'ho', facility='', users=['john'])
    assert lines[0] == "not published: 'ho' to user:john:"


@pytest.mark.parametrize('message', ['hi', 'ho'])
def test_never_is_asked_for_by_another_name(broker: Broker, message: str) -> None:
    tell(broker, 'hi')
    with pytest.raises(ValueError, match=r'assert_not_published\(\)'):
        broker.assert_published(message, times=0)


# What came and should not have


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


# The failure itself


def test_failure_is_a_plain_assertion_error_with_codes() -> None:
    error = failure([Reason('one', 'first', ('evidence',), 'remedy'), Reason('two', 'second')])
    assert type(error) is AssertionError
    assert error.reasons == ('one', 'two')  # type: ignore[attr-defined]
    assert str(error) == 'first\n  evidence\n  -> remedy\nsecond'


def test_first_line_that_is_too_long_is_whole_in_the_evidence() -> None:
    first = f'{"mary" * 20} got nothing'
    lines = Reason('code', first, ('evidence',)).lines()
    assert len(lines[0]) == LINE
    assert lines[1:] == [f'  {first}', '  evidence']


def test_frames_of_the_kit_are_hidden_in_unittest() -> None:
    class Case(unittest.TestCase):
        def test(self) -> None:
            with Broker() as broker:
                broker.connect('news', name='mary').receive()

    result = unittest.TestResult()
    Case('test').run(result)
    [(_, traceback)] = result.failures
    assert 'mary got nothing: nothing was published' in traceback
    assert 'ws4redis/testing' not in traceback
