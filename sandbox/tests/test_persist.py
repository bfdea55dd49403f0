"""Persist and expire, without waiting for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response


def keep(client: Client, text: str = 'tea', seconds: int = 20) -> Response:
    return client.post('/persist/keep/', {'text': text, 'seconds': seconds})


def test_who_comes_within_the_lifetime_gets_the_message(
    client: Client, ws4redis: Broker, db: None
) -> None:
    keep(client)
    ws4redis.advance(19)
    late = ws4redis.connect('persist', subscribe='broadcast')
    assert late.receive_json() == {'text': 'tea'}


def test_who_comes_after_it_gets_nothing(client: Client, ws4redis: Broker, db: None) -> None:
    keep(client)
    ws4redis.advance(20)
    ws4redis.connect('persist', subscribe='broadcast').assert_nothing_received()


def test_page_is_told_key_value_and_remaining_seconds(
    client: Client, ws4redis: Broker, db: None
) -> None:
    keep(client, seconds=60)
    ws4redis.advance(15)
    state = client.get('/persist/state/').json()
    assert state['key'] == 'broadcast:persist'
    assert json.loads(state['value']) == {'text': 'tea'}
    assert state['seconds'] == pytest.approx(45, abs=1)
    ws4redis.advance(45)
    assert client.get('/persist/state/').json() == {
        'key': 'broadcast:persist',
        'value': None,
        'seconds': 0,
    }


def test_value_that_is_no_text_is_shown_all_the_same(
    client: Client, ws4redis: Broker, db: None
) -> None:
    RedisPublisher(facility='persist', broadcast=True).publish_message(b'\xfftea', expire=20)
    assert client.get('/persist/state/').json()['value'] == '\ufffdtea'


@pytest.mark.parametrize(
    'wrong', [{'seconds': 0}, {'seconds': 601}, {'seconds': 'soon'}, {'text': ''}], ids=str
)
def test_what_is_not_valid_is_not_published(
    client: Client, ws4redis: Broker, db: None, wrong: dict[str, int | str]
) -> None:
    assert client.post('/persist/keep/', {'text': 'tea', 'seconds': 20, **wrong}).status_code == 400
    ws4redis.assert_nothing_published()


def test_redis_is_away(client: Client, ws4redis: Broker, db: None) -> None:
    with ws4redis.outage():
        for answer in (keep(client), client.get('/persist/state/')):
            assert answer.status_code == 503
            assert answer.json() == {'errors': {'redis': ['Redis is away. Try again later.']}}
    ws4redis.assert_nothing_published()
