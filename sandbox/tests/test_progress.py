"""A long task in a thread of its own: the test joins the thread before it looks."""

import threading

import pytest
from django.http import HttpResponseBase
from django.test import Client
from pytest_django import Settings
from tour.progress import FAILS_AT, STEPS, work

from ws4redis.testing import Broker, WebSocketClient


def finished(client: Client, **fields: str) -> HttpResponseBase:
    """Start the task, and wait for the end of its thread."""
    response = client.post('/progress/start/', fields)
    for thread in threading.enumerate():
        if thread.name == 'tour-progress':
            thread.join(timeout=10)
            assert not thread.is_alive()
    return response


def key_of(client: Client) -> str:
    """The key of its session."""
    key = client.session.session_key
    assert key is not None
    return key


@pytest.fixture
def page(client: Client, ws4redis: Broker, db: None) -> WebSocketClient:
    """The websocket of the page."""
    client.get('/progress/')
    return ws4redis.connect('progress', subscribe='session', client=client)


def test_view_answers_at_once_and_the_task_tells_how_far_it_is(
    client: Client, page: WebSocketClient
) -> None:
    assert finished(client).status_code == 202
    told = [page.receive_json() for _ in range(STEPS + 1)]
    assert [each['percent'] for each in told] == [100 * step / STEPS for step in range(STEPS + 1)]
    assert [each['state'] for each in told] == ['running'] * STEPS + ['done']
    page.assert_nothing_received()


def test_page_that_is_loaded_again_gets_the_last_word(
    client: Client, ws4redis: Broker, page: WebSocketClient
) -> None:
    finished(client)
    again = ws4redis.connect('progress', subscribe='session', client=client)
    assert again.receive_json()['state'] == 'done'
    again.assert_nothing_received()


def test_last_word_is_forgotten_after_two_minutes(
    client: Client, ws4redis: Broker, page: WebSocketClient
) -> None:
    finished(client)
    ws4redis.advance(120)
    ws4redis.connect('progress', subscribe='session', client=client).assert_nothing_received()


def test_task_that_fails_says_so(client: Client, page: WebSocketClient) -> None:
    finished(client, fails='yes')
    last = page.receive_all()[-1]
    assert '"failed"' in last and 'out of paper' in last
    assert len(page.received) == FAILS_AT + 2


def test_each_word_says_when_the_next_is_due(
    client: Client, ws4redis: Broker, page: WebSocketClient, settings: Settings
) -> None:
    settings.TOUR_PROGRESS_PAUSE = 0.001
    work(key_of(client))
    assert {word.json()['next'] for word in ws4redis.published} == {0.001}


def test_pages_of_other_sessions_see_nothing_of_it(
    client: Client, ws4redis: Broker, page: WebSocketClient
) -> None:
    other = ws4redis.connect('progress', subscribe='session', groups=[])
    finished(client)
    other.assert_nothing_received()


def test_nothing_is_started_that_nobody_could_hear_of(
    client: Client, ws4redis: Broker, page: WebSocketClient
) -> None:
    with ws4redis.outage():
        assert finished(client).status_code == 503
    page.assert_nothing_received()


def test_task_that_can_tell_nobody_ends(
    client: Client, ws4redis: Broker, page: WebSocketClient, caplog: pytest.LogCaptureFixture
) -> None:
    with ws4redis.outage():
        work(key_of(client))
    assert 'the long task has ended at 5 %' in caplog.text
    page.assert_nothing_received()
