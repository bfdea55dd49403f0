"""Why it was not published: each cause is built exactly; first line, evidence and remedy are what a
user reads.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from tests.testing.explain.failing import tell, why
from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker
from ws4redis.testing.publications import place

if TYPE_CHECKING:
    from pytest_django import Settings


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
        place = f'tests/testing/explain/test_published.py:{notify.__code__.co_firstlineno}'
        assert lines[1] == f'  notify ({place}), given to transaction.on_commit()'
        assert 'when a capture has run it' in lines[2]
        assert 'django_capture_on_commit_callbacks(execute=True)' in lines[3]


@pytest.mark.django_db
@pytest.mark.parametrize('of_the_call', [False, True])
def test_message_that_waits_for_a_commit_is_named_by_the_line_that_has_published(
    broker: Broker,
    django_capture_on_commit_callbacks: Callable[..., Any],
    of_the_call: bool,
) -> None:
    mary = broker.connect('news', subscribe='broadcast', name='mary')

    def publish() -> None:
        publisher = RedisPublisher(facility='news', broadcast=True, on_commit=not of_the_call)
        publisher.publish_message('hi', on_commit=True if of_the_call else None)

    line = publish.__code__.co_firstlineno + 2
    where = f'tests/testing/explain/test_published.py:{line}'
    publish()
    for call in (mary.receive, broker.assert_published):
        codes, lines = why(call)
        assert codes[0] == 'uncommitted'
        assert lines[0] == 'nothing published: 1 callback waits for a commit, or has run'
        assert lines[1] == f'  publish_message ({where}), given to transaction.on_commit()'
    with django_capture_on_commit_callbacks(execute=True):
        publish()
    assert mary.receive() == 'hi'
    assert [place(str(one.source)) for one in broker.published] == [where]
    codes, lines = why(mary.receive)
    assert codes == ('already-read', 'uncommitted')
    assert '1 callback waits' in '\n'.join(lines)


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
                f'  Thread-3 (notify_later, tests/testing/explain/test_published.py:{line})',
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
