"""loop.status(): the state of this process's websockets in plain numbers."""

import json
import os
import re
import typing
from dataclasses import fields
from pathlib import Path

import pytest

from ws4redis.core.agenda import Counters
from ws4redis.core.exchange import Exchange
from ws4redis.core.feed import Feed
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Recipient
from ws4redis.status import Status, status

FIGURES = {
    'pid',
    'websockets',
    'channels',
    'patterns',
    'pending_bytes',
    'redis',
    'running_jobs',
    'workers_waiting',
}


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(Feed(lambda: 1.0))


def test_status_has_the_figures_of_this_moment_and_every_counter(exchange: Exchange) -> None:
    assert set(status(exchange, workers_waiting=0, running_jobs=0)) == FIGURES | {
        field.name for field in fields(Counters)
    }


def test_type_has_every_figure_and_its_type(exchange: Exchange) -> None:
    found = status(exchange, workers_waiting=0, running_jobs=0)
    types = {
        name: typing.get_origin(kind) or kind
        for name, kind in typing.get_type_hints(Status).items()
    }
    assert {name: type(value) for name, value in found.items()} == types


def test_documentation_names_every_figure_and_no_other() -> None:
    page = (Path(__file__).resolve().parent.parent / 'docs/troubleshooting.md').read_text('utf-8')
    rows = re.findall(r'^\| (`\w+`(?:, `\w+`)*) \|', page.partition('## Figures')[2], re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r'\w+', row)]
    assert sorted(documented) == sorted(FIGURES | {field.name for field in fields(Counters)})


def test_status_counts_websockets_and_what_they_listen_on(exchange: Exchange) -> None:
    for name in (b'one', b'two', b'two'):
        recipient = Recipient(Limits(), exchange.agenda)
        exchange.enter(recipient)
        exchange.subscribe(recipient, [name], [b'every*'])
        recipient.websocket.send(b'12345')
    found = status(exchange, workers_waiting=3, running_jobs=4)
    expected = {
        'pid': os.getpid(),
        'websockets': 3,
        'channels': 2,
        'patterns': 1,
        'pending_bytes': 15,
        'redis': False,
        'running_jobs': 4,
        'workers_waiting': 3,
    }
    assert {name: value for name, value in found.items() if name in FIGURES} == expected


def test_status_says_whether_redis_is_there(exchange: Exchange) -> None:
    exchange.feed_connected(1.0)
    assert status(exchange, workers_waiting=0, running_jobs=0)['redis'] is True
    exchange.feed_lost(2.0)
    assert status(exchange, workers_waiting=0, running_jobs=0)['redis'] is False


def test_status_is_a_copy_that_goes_into_json(exchange: Exchange) -> None:
    counters = exchange.agenda.counters
    counters.opened = 7
    counters.closed[1001] = 2
    found = status(exchange, workers_waiting=0, running_jobs=0)
    counters.opened = 8
    counters.closed[1001] = 3
    assert (found['opened'], found['closed']) == (7, {1001: 2})
    assert json.loads(json.dumps(found))['opened'] == 7
