"""What was published, and the assertions about it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis
from asgiref.sync import async_to_sync

from tests.conftest import require
from ws4redis.publisher import RedisPublisher
from ws4redis.testing import ANY, Broker, Publication
from ws4redis.testing.publications import facility_of, place, short, source
from ws4redis.testing.redis_process import find_redis_server

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def tell(broker: Broker, message: Any, facility: str = 'news', **audience: Any) -> None:
    broker.publish(message, facility=facility, **(audience or {'broadcast': True}))


def reasons_of(error: pytest.ExceptionInfo[AssertionError]) -> tuple[str, ...]:
    codes: tuple[str, ...] = error.value.reasons  # type: ignore[attr-defined]
    return codes


# assert_published


def test_published_once_on_each_channel_of_the_audience(broker: Broker) -> None:
    tell(broker, 'hi', users=['john', 'mary'], groups=['staff'])
    broker.assert_published('hi', facility='news', users=['john', 'mary'], groups=['staff'])
    broker.assert_published('hi', facility='news', users=['mary'])
    broker.assert_published('hi', users=['mary'])
    broker.assert_published('hi')
    broker.assert_published()
    with pytest.raises(AssertionError, match="not published: 'hi' to user:paul:news"):
        broker.assert_published('hi', facility='news', users=['john', 'paul'])
    with pytest.raises(AssertionError, match="not published: 'hi' to broadcast:news"):
        broker.assert_published('hi', facility='news', broadcast=True)


def test_name_that_begins_with_another_is_another(broker: Broker) -> None:
    tell(broker, 'hi', users=['johnny'])
    with pytest.raises(AssertionError, match='not published'):
        broker.assert_published('hi', users=['john'])


def test_times_counts_on_each_channel(broker: Broker) -> None:
    for _ in range(2):
        tell(broker, 'hi')
    broker.assert_published('hi', facility='news', broadcast=True, times=2)
    with pytest.raises(
        AssertionError, match='published twice to broadcast:news, not once'
    ) as error:
        broker.assert_published('hi', facility='news', broadcast=True)
    assert reasons_of(error) == ('times',)
    with pytest.raises(
        AssertionError, match='published twice to broadcast:news, not 3 times'
    ) as error:
        broker.assert_published('hi', times=3)
    lines = str(error.value).splitlines()
    assert [line.partition(' (')[0] for line in lines[1:3]] == [
        "  published: broadcast:news 'hi', expire 3600"
    ] * 2
    assert lines[3] == '  -> publish it as often as expected, or say times='


@pytest.mark.parametrize(
    'wanted', [b'{"a": 1, "b": 2}', re.compile('"a": 1'), lambda text: '"b"' in text, ANY]
)
def test_message_may_be_asked_for_in_many_ways(broker: Broker, wanted: Any) -> None:
    broker.publish(json={'a': 1, 'b': 2}, facility='news', broadcast=True)
    broker.assert_published(wanted)
    broker.assert_published(json={'a': 1, 'b': 2})
    broker.assert_published(json_contains={'b': 2})
    with pytest.raises(AssertionError, match="not published: json {'a': 1} to any facility"):
        broker.assert_published(json={'a': 1})


def test_expire_is_what_it_was_stored_with(broker: Broker) -> None:
    broker.publish('hi', facility='news', broadcast=True, expire=60)
    broker.assert_published('hi', expire=60)
    broker.assert_not_published('hi', expire=0)
    for audience in (
        {},
        {'facility': 'news', 'broadcast': True},
        {'broadcast': True},
        {'facility': 'news'},
    ):
        with pytest.raises(AssertionError) as error:
            broker.assert_published('hi', expire=61, **audience)
        assert reasons_of(error) == ('expire',)
        lines = str(error.value).splitlines()
        assert lines[0] == "published with expire=60, not as asked: 'hi'"
        assert lines[1].startswith("  published: broadcast:news 'hi', expire 60 (")
        assert lines[2] == '  -> say expire=60, or publish it with the other'


def test_failure_lists_what_was_published_where(broker: Broker) -> None:
    broker.publish('hi', facility='newz', broadcast=True)
    here = source()
    line = int(here.rpartition(':')[2]) - 1
    with pytest.raises(AssertionError) as error:
        broker.assert_published('hi', facility='news', broadcast=True)
    assert str(error.value).splitlines() == [
        "not published: 'hi' to broadcast:news",
        f"  published: broadcast:newz 'hi', expire 3600 "
        f'(tests/testing/test_publications.py:{line})',
        "  -> did the assertion mean facility 'newz', or the publisher 'news'?",
    ]


def test_plain_publisher_counts_as_any_other(broker: Broker) -> None:
    RedisPublisher(facility='news', broadcast=True).publish_message('hi')
    broker.assert_published('hi', facility='news', broadcast=True)


# The opposite


def test_not_published_on_none_of_the_channels(broker: Broker) -> None:
    tell(broker, 'hi', users=['john'])
    broker.assert_not_published('hi', facility='news', users=['mary'])
    broker.assert_not_published('ho')
    broker.assert_not_published(facility='chat')
    with pytest.raises(AssertionError, match="published: 'hi'") as error:
        broker.assert_not_published('hi', facility='news', users=['mary', 'john'])
    assert reasons_of(error) == ('published',)
    assert "user:john:news 'hi'" in str(error.value)


def test_nothing_published(broker: Broker) -> None:
    broker.assert_nothing_published()
    broker.redis.publish('raw', 'hi')
    with pytest.raises(AssertionError, match=r"raw 'hi' \(by another client\)"):
        broker.assert_nothing_published()


@pytest.mark.parametrize('name', ['assert_nothing_published', 'assert_not_published'])
def test_thread_that_still_runs_leaves_the_opposite_unproved(broker: Broker, name: str) -> None:
    begun, end = threading.Event(), threading.Event()

    def notify_later() -> None:
        begun.set()
        end.wait(20)

    thread = threading.Thread(target=notify_later)
    thread.start()
    begun.wait(20)
    try:
        with pytest.raises(
            AssertionError, match='1 thread started by this test still runs'
        ) as error:
            getattr(broker, name)()
        assert reasons_of(error) == ('thread',)
    finally:
        end.set()
        thread.join()
    getattr(broker, name)()


@pytest.mark.row('T7')
def test_misspelt_audience_is_an_error(broker: Broker) -> None:
    for name in ('assert_published', 'assert_not_published'):
        with pytest.raises(TypeError, match='user'):
            getattr(broker, name)('hi', user=['john'])


# capture


def test_capture_gives_what_its_block_published(broker: Broker) -> None:
    tell(broker, 'before')
    with broker.capture() as published:
        tell(broker, 'one')
        broker.redis.publish('raw', 'two')
    tell(broker, 'after')
    assert [publication.text for publication in published] == ['one', 'two']
    assert published == broker.published[1:3]


def test_capture_is_complete_when_its_block_fails(broker: Broker) -> None:
    with pytest.raises(ZeroDivisionError), broker.capture() as published:
        tell(broker, 'one')
        raise ZeroDivisionError
    assert [publication.text for publication in published] == ['one']


# One Publication


def test_publication_has_text_and_json() -> None:
    publication = Publication('broadcast:news', 'news', b'{"a": 1}', 60, 'x.py:1')
    assert (publication.text, publication.json()) == ('{"a": 1}', {'a': 1})
    assert str(publication) == 'broadcast:news \'{"a": 1}\', expire 60 (x.py:1)'


@pytest.mark.parametrize(
    ('channel', 'facility'),
    [
        ('broadcast:news', 'news'),
        ('user:john:a:b', 'a:b'),
        ('group:staff:', ''),
        ('session:abc:news', 'news'),
        ('tasks:7', None),
        ('', None),
    ],
)
def test_facility_of_a_channel(channel: str, facility: str | None) -> None:
    assert facility_of(channel) == facility


def test_channel_of_another_prefix_is_none_of_ours(settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    assert facility_of('shop:broadcast:news') == 'news'
    assert facility_of('broadcast:news') is None


def test_source_of_a_coroutine_is_the_innermost_line_of_the_project(broker: Broker) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    async_to_sync(publisher.apublish_message)('of a coroutine')
    here = source()
    line = int(here.rpartition(':')[2]) - 1
    broker.assert_published('of a coroutine')
    assert broker.published[0].source == f'{__file__}:{line}'


def test_thread_or_coroutine_without_a_line_of_the_project_is_told_from_another_client(
    broker: Broker,
) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    timer = threading.Timer(0, publisher.publish_message, ('by a timer', 0))
    timer.start()
    timer.join()
    asyncio.run(publisher.apublish_message('by an executor', 0))
    broker.redis.publish('broadcast:news', 'by hand')
    assert [(publication.source, str(publication)) for publication in broker.published] == [
        ('', "broadcast:news 'by a timer' (by a thread of a library)"),
        ('', "broadcast:news 'by an executor' (by a thread of a library)"),
        (None, "broadcast:news 'by hand' (by another client)"),
    ]


def test_publications_are_numbered_from_one_on(broker: Broker) -> None:
    tell(broker, 'one')
    tell(broker, 'two')
    assert [publication._circumstances.number for publication in broker.published] == [1, 2]


def test_place_is_relative_to_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(f'{tmp_path}/shop/views.py:12') == 'shop/views.py:12'
    assert place('/elsewhere/views.py:12') == '/elsewhere/views.py:12'


@pytest.mark.parametrize(
    ('message', 'shown'),
    [('hi', "'hi'"), (b'hi', "'hi'"), (b'\xff', "b'\\xff'"), ('x' * 100, "'" + 'x' * 55 + "...'")],
)
def test_message_is_shown_shortened(message: Any, shown: str) -> None:
    assert short(message) == shown


def test_publications_of_a_transaction_are_heard_too(broker: Broker) -> None:
    with redis.Redis(connection_pool=broker._engine.server.pool).pipeline(
        transaction=True
    ) as pipeline:
        pipeline.publish('broadcast:news', 'one')
        pipeline.publish('broadcast:news', 'two')
        pipeline.execute()
    broker.assert_published(re.compile('one|two'), facility='news', broadcast=True, times=2)


@pytest.mark.parametrize('url', ['memory://', 'server'])
def test_record_goes_on_after_its_connection_was_killed(url: str) -> None:
    if url == 'server':
        require(
            'redis',
            find_redis_server(),
            'put redis-server on PATH (Debian: apt-get install redis-server)',
        )
    with Broker(url) as broker:
        # Nobody has joined, so there is no other connection that subscribes.
        for client in broker.redis.client_list():
            if url == 'memory://' or client['psub'] == '1':
                broker.redis.client_kill_filter(_id=client['id'])
        with pytest.raises(redis.ConnectionError):
            broker.settle()
        broker.settle()
        tell(broker, 'hi')
        broker.assert_published('hi')
