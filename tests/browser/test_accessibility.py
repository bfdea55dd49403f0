"""Every page for everybody: axe-core finds nothing, in light and dark, and a telephone's screen
is wide enough.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.inspection import inspect
from tests.browser.visitor import Visitor, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from ws4redis.testing.redis_process import RedisProcess

LONG = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'
"""A word that no telephone has room for."""


@pytest.mark.parametrize('path', ['/accounts/login/', '/chats/', '/tests/'])
def test_page_without_websockets(visitor: Visitor, path: str) -> None:
    inspect(visitor.open(path))


def test_board_with_messages_an_error_and_a_pane_that_is_logged_out(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    for audience, text in (
        ('broadcast', LONG),
        ('group', 'anyone for lunch?'),
        ('session', 'a note ' * 20),
    ):
        tile = page.locator(f'.pane[data-name=john] .tile[data-audience={audience}]')
        tile.get_by_role('textbox').fill(text)
        tile.get_by_role('button', name='Send').click()
        expect(tile.get_by_role('listitem')).to_have_count(1)
    page.get_by_role('button', name='Log john out').click()
    expect(page.get_by_text('Closed by the server')).to_be_visible()
    visitor.asks_for('status of 403')
    tile.get_by_role('textbox').fill('let me')
    tile.get_by_role('button', name='Send').click()
    expect(tile.locator('output')).not_to_be_empty()
    inspect(page)


def test_persist_with_a_message_a_latecomer_and_an_error(visitor: Visitor) -> None:
    page = visitor.open('/persist/', websockets=1)
    page.get_by_label('Message').fill(LONG)
    page.get_by_role('button', name='Publish').click()
    expect(page.locator('#live li')).to_have_text([LONG])
    page.get_by_role('button', name='Join late').click()
    expect(page.get_by_text(f'has got “{LONG}”')).to_be_visible()
    visitor.asks_for('status of 400')
    page.get_by_label('Message').fill(' ')
    page.get_by_role('button', name='Publish').click()
    expect(page.get_by_text('This field is required.')).to_be_visible()
    inspect(page)


@pytest.mark.parametrize('state', ['running', 'done', 'failed', 'dead'])
def test_progress_in_each_state(
    redis_server: SandboxServer,
    redis_process: RedisProcess,
    arrive: Callable[..., Visitor],
    state: str,
) -> None:
    visitor = arrive(redis_server).log_in('john')
    [key] = [
        cookie['value'] for cookie in visitor.context.cookies() if cookie['name'] == 'sessionid'
    ]
    # A dead one is what is left of one that ran; this one gives its next word in an hour.
    at, following = (time.time() - 100, 0.5) if state == 'dead' else (time.time(), 3600)
    said = {
        'state': 'running' if state == 'dead' else state,
        'percent': 45,
        'error': LONG,
        'at': at,
        'next': following,
    }
    client = redis_process.client()
    client.set(f'session:{key}:progress', json.dumps(said), ex=60)
    client.close()
    page = visitor.open('/progress/', websockets=1)
    expect(page.locator('#task')).to_have_attribute('data-task', state)
    inspect(page)


def test_operations_with_charts(visitor: Visitor) -> None:
    page = visitor.open('/operations/', websockets=1)
    page.get_by_role('button', name='Publish').click()
    expect(page.locator('[data-chart=in]')).to_have_attribute('data-values')
    inspect(page)


def test_login_that_is_wrong(visitor: Visitor) -> None:
    page = visitor.open('/accounts/login/')
    page.get_by_label('Username').fill(LONG)
    page.get_by_label('Password').fill('wrong')
    page.get_by_role('main').get_by_role('button', name='Log in').click()
    expect(page.get_by_text('Please enter a correct username and password')).to_be_visible()
    inspect(page)


@pytest.mark.parametrize('path', ['/broadcast/', '/user/', '/group/', '/session/'])
def test_chat_with_messages(
    arrive: Callable[..., Visitor], server: SandboxServer, path: str
) -> None:
    page = arrive(server).log_in('mary').open(path, websockets=1)
    page.get_by_role('region', name='Send over the websocket').get_by_label('Message').fill(LONG)
    page.get_by_role('button', name='Send').click()
    expect(page.locator('#messages li span').last).to_have_text(LONG)
    inspect(page)


def test_orders_that_are_new_and_ready(
    arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    page = arrive(server).log_in('mary').open('/orders/', websockets=1)
    for item in ('tea', 'a' * 60):
        page.get_by_label('Item').fill(item)
        page.get_by_role('button', name='Post').click()
        expect(page.locator('#messages li span').last).to_contain_text(item)
        expect(page.get_by_label('Item')).to_have_value('')
    page.reload()
    page.get_by_role('button', name='Number 1 is ready').click()
    expect(page.get_by_text('tea for mary is ready')).to_be_visible()
    inspect(page)
