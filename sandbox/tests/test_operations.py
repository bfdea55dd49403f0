"""The figures of the loop, and the buttons."""

import pytest
from django.test import Client
from pytest_django import Settings
from tour.operations import BURST, figures, tick

from ws4redis.testing import Broker


def test_tick_reaches_the_pages_that_are_open(ws4redis: Broker) -> None:
    page = ws4redis.connect('operations', subscribe='broadcast')
    tick()
    told = page.receive_json()
    assert {
        'pid',
        'websockets',
        'pending_bytes',
        'messages_from_redis',
        'messages_sent',
        'redis_gaps',
    } <= told.keys()
    assert told['latency'] >= 0


def test_figures_are_not_kept_for_those_who_come_later(ws4redis: Broker) -> None:
    tick()
    ws4redis.assert_published(facility='operations', broadcast=True, expire=0)


def test_burst_reaches_the_page(client: Client, ws4redis: Broker, db: None) -> None:
    page = ws4redis.connect('load', subscribe='broadcast')
    client.post('/operations/burst/')
    assert page.receive_all() == [str(number) for number in range(BURST)]


def test_there_are_no_figures_without_redis(ws4redis: Broker) -> None:
    with ws4redis.outage(), pytest.raises(Exception, match='out of reach'):
        figures()


def test_page_without_debug_has_no_button_for_taking_redis_away(
    client: Client, ws4redis: Broker, db: None, settings: Settings
) -> None:
    settings.DEBUG = False
    assert b'Take Redis away' not in client.get('/operations/').content
    assert client.post('/operations/take-away/', {'away': 'yes'}).status_code == 403
