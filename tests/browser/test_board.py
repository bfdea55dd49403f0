"""The live board, as two visitors use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.visitor import Visitor, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

AUDIENCES = ('broadcast', 'user', 'group', 'session')
PANES = ('john', 'mary')
REACHED = [
    ('john', 'broadcast', '', {('john', 'broadcast'), ('mary', 'broadcast')}),
    ('john', 'user', 'mary', {('mary', 'user')}),
    ('mary', 'user', 'mary', {('mary', 'user')}),
    ('mary', 'user', 'john', {('john', 'user')}),
    ('john', 'group', 'chatters', {('john', 'group'), ('mary', 'group')}),
    ('john', 'group', 'moderators', {('mary', 'group')}),
    ('john', 'session', '', {('john', 'session')}),
    ('mary', 'session', '', {('mary', 'session')}),
]


def tile(page: Page, pane: str, audience: str) -> Locator:
    """One of the eight tiles."""
    return page.locator(f'.pane[data-name={pane}] .tile[data-audience={audience}]')


def messages(page: Page, pane: str, audience: str) -> Locator:
    """What has arrived in it."""
    return tile(page, pane, audience).get_by_role('listitem')


def send(page: Page, pane: str, audience: str, text: str, to: str = '') -> None:
    """Fill a tile's form in, and press the button."""
    sending = tile(page, pane, audience)
    if to:
        sending.get_by_role('combobox').select_option(to)
    sending.get_by_role('textbox').fill(text)
    sending.get_by_role('button', name='Send').click()


def closing(page: Page) -> None:
    """Send to all, and wait until both panes have it: whatever was sent before has arrived by
    then.
    """
    send(page, 'mary', 'broadcast', 'that was all')
    for pane in PANES:
        expect(messages(page, pane, 'broadcast').last).to_contain_text('that was all')


def where(page: Page, text: str) -> set[tuple[str, str]]:
    """The tiles that show a text."""
    tiles = [(pane, audience) for pane in PANES for audience in AUDIENCES]
    return {
        (pane, audience)
        for pane, audience in tiles
        if text in tile(page, pane, audience).get_by_role('log').inner_text()
    }


def test_message_reaches_its_tiles_in_both_panes_and_no_other(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    for number, (pane, audience, to, _) in enumerate(REACHED):
        send(page, pane, audience, f'message {number}.', to)
        expect(tile(page, pane, audience).get_by_role('textbox')).to_have_value('')
    closing(page)
    for number, (_, _, _, reached) in enumerate(REACHED):
        assert where(page, f'message {number}.') == reached


def test_round_trip_is_shown_behind_the_message(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    send(page, 'john', 'broadcast', 'how long')
    for pane in PANES:
        expect(messages(page, pane, 'broadcast').last).to_have_text(
            re.compile(r'^john how long \d+(\.\d)? ms$')
        )


def test_second_visitor_gets_what_is_for_all_and_for_the_users(
    visitor: Visitor, arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    page, other = visitor.open('/', websockets=2), arrive(server).open('/', websockets=2)
    send(page, 'john', 'session', 'for this pane')
    send(page, 'mary', 'user', 'for john everywhere', 'john')
    send(page, 'mary', 'broadcast', 'for everybody')
    expect(messages(other, 'john', 'user')).to_have_text(['mary for john everywhere'])
    expect(messages(other, 'john', 'broadcast')).to_have_text(['mary for everybody'])
    expect(messages(page, 'john', 'session')).to_have_count(1)
    # The session of the other visitor's pane is another one, and what came later is there.
    expect(messages(other, 'john', 'session')).to_have_count(0)


@pytest.mark.parametrize('left', PANES)
def test_pane_that_logs_out_is_closed_by_the_server_and_does_not_come_back(
    visitor: Visitor, left: str
) -> None:
    [other] = set(PANES) - {left}
    page = visitor.context.new_page()
    page.clock.install()
    page.goto('/')
    states = {pane: page.locator(f'.pane[data-name={pane}] .state') for pane in PANES}
    for state in states.values():
        expect(state).to_have_text('Connected')
    page.get_by_role('button', name=f'Log {left} out').click()
    expect(states[left]).to_have_text('Closed by the server')
    expect(page.get_by_text('Logged out. Load the page again to log in.')).to_be_visible()

    # Past the time of a first attempt to come back, and before a pane that hears nothing meanwhile
    # gives up.
    page.clock.run_for('00:10')
    send(page, other, 'broadcast', 'still here')
    expect(messages(page, other, 'broadcast')).to_have_count(1)
    expect(states[other]).to_have_text('Connected')
    expect(states[left]).to_have_text('Closed by the server')
    assert where(page, 'still here') == {(other, 'broadcast')}
    assert len(visitor.websockets) == 2

    visitor.asks_for('status of 403')
    send(page, left, 'broadcast', 'let me')
    expect(tile(page, left, 'broadcast').locator('output')).to_have_text(f'{left} is logged out.')


def test_page_that_is_loaded_again_logs_in_again(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    page.get_by_role('button', name='Log john out').click()
    expect(page.get_by_text('Closed by the server')).to_be_visible()
    page.reload()
    expect(page.locator('.state[data-state=open]')).to_have_count(2)
    send(page, 'mary', 'user', 'welcome back', 'john')
    expect(messages(page, 'john', 'user')).to_contain_text(['welcome back'])


def test_tile_shows_the_last_messages_and_keeps_its_height(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    before = tile(page, 'john', 'session').bounding_box()
    for number in range(7):
        send(page, 'john', 'session', f'{number} ' + 'a long story ' * 12)
        expect(messages(page, 'john', 'session').last).to_contain_text(f'john {number} ')
    expect(messages(page, 'john', 'session')).to_have_count(5)
    after = tile(page, 'john', 'session').bounding_box()
    assert before is not None and after is not None and after['height'] == before['height']


def test_message_is_text_and_never_markup(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    send(page, 'john', 'broadcast', '<img src=x onerror=alert(1)>')
    expect(messages(page, 'mary', 'broadcast')).to_contain_text(['<img src=x onerror=alert(1)>'])


def test_server_that_fails_is_told_beside_the_form(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    visitor.context.route(
        '**/board/send/', lambda route: route.fulfill(status=500, body='<h1>Server Error</h1>')
    )
    visitor.asks_for('status of 500')
    send(page, 'john', 'broadcast', 'hello')
    expect(tile(page, 'john', 'broadcast').locator('output')).to_have_text(
        'The server answered 500.'
    )
    expect(tile(page, 'john', 'broadcast').get_by_role('textbox')).to_have_value('hello')
