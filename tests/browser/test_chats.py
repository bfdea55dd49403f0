"""The chats: a page for each audience, people who may hear, and somebody who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

Arrive = Callable[..., Visitor]


def messages(page: Page) -> Locator:
    """The texts in the log."""
    return page.locator('#messages li span')


def say(page: Page, text: str) -> None:
    """Over the websocket."""
    form = page.get_by_role('region', name='Send over the websocket')
    form.get_by_label('Message').fill(text)
    form.get_by_role('button', name='Send').click()


def post(page: Page, text: str, **choices: str) -> None:
    """Through the view."""
    form = page.get_by_role('region', name='Send through a Django view')
    for label, choice in choices.items():
        form.get_by_label(label.capitalize()).select_option(choice)
    form.get_by_label('Message').fill(text)
    form.get_by_role('button', name='Post').click()
    expect(form.get_by_label('Message')).to_have_value('')
    expect(page.locator('#outcome')).to_have_text('Published.')


def test_everybody_talks_to_everybody_without_logging_in(
    visitor: Visitor, arrive: Arrive, server: SandboxServer
) -> None:
    here, there = (
        visitor.open('/broadcast/', websockets=1),
        arrive(server).open('/broadcast/', websockets=1),
    )
    say(here, 'good morning')
    expect(messages(here)).to_have_text(['good morning'])
    expect(messages(there)).to_have_text(['good morning'])
    post(there, 'and to you')
    for page in (here, there):
        expect(messages(page)).to_have_text(['good morning', 'and to you'])
    # Who comes later gets the last one, which is kept.
    expect(messages(arrive(server).open('/broadcast/', websockets=1))).to_have_text(['and to you'])


def test_message_to_a_user_stays_from_the_page_of_a_third(
    arrive: Arrive, server: SandboxServer
) -> None:
    pages = {
        name: arrive(server).log_in(name).open('/user/', websockets=1)
        for name in ('john', 'mary', 'eve')
    }
    post(pages['john'], 'for mary', user='mary')
    expect(messages(pages['mary'])).to_have_text(['for mary'])
    # Later messages to the same websockets: what was published before them would be there.
    for name in ('john', 'eve'):
        post(pages['john'], f'for {name}', user=name)
        expect(messages(pages[name])).to_have_text([f'for {name}'])
    say(pages['eve'], 'to myself')
    expect(messages(pages['eve'])).to_have_text(['for eve', 'to myself'])
    for name in ('john', 'mary'):
        post(pages['eve'], 'that was all', user=name)
        expect(messages(pages[name])).to_have_text([f'for {name}', 'that was all'])


def test_group_hears_its_members_and_nobody_else_does(
    arrive: Arrive, server: SandboxServer
) -> None:
    pages = {
        name: arrive(server).log_in(name).open('/group/', websockets=1)
        for name in ('john', 'mary', 'eve')
    }
    post(pages['mary'], 'moderators only', group='moderators')
    post(pages['mary'], 'all of us', group='chatters')
    expect(messages(pages['mary'])).to_have_text(['moderators only', 'all of us'])
    expect(messages(pages['john'])).to_have_text(['all of us'])
    # Eve is in no group, and her websocket listens nowhere.
    expect(messages(pages['eve'])).to_have_count(0)
    assert "on 'group-chat': open, subscribe-group" in server.said()


def test_session_is_all_windows_of_one_browser(arrive: Arrive, server: SandboxServer) -> None:
    john, elsewhere = arrive(server).log_in('john'), arrive(server).log_in('john')
    one, two, other = (who.open('/session/', websockets=1) for who in (john, john, elsewhere))
    post(one, 'to my windows')
    say(two, 'and back')
    for page in (one, two):
        expect(messages(page)).to_have_text(['to my windows', 'and back'])
    post(other, 'here as well')
    expect(messages(other)).to_have_text(['here as well'])


def test_stranger_is_asked_to_log_in_and_led_back(visitor: Visitor) -> None:
    page = visitor.open('/chats/')
    for name in ('User chat', 'Group chat', 'Session chat', 'Orders'):
        page.get_by_role('main').get_by_role('link', name=name).click()
        expect(page.get_by_role('heading', level=1)).to_have_text('Log in')
        page.go_back()
    page.get_by_role('main').get_by_role('link', name='User chat').click()
    page.get_by_label('Username').fill('john')
    page.get_by_label('Password').fill('wrong')
    page.get_by_role('main').get_by_role('button', name='Log in').click()
    expect(page.get_by_text('Please enter a correct username and password')).to_be_visible()
    page.get_by_label('Password').fill('secret')
    page.get_by_role('main').get_by_role('button', name='Log in').click()
    expect(page.locator('.state')).to_have_text('Connected.')
    expect(page.get_by_role('heading', level=1)).to_have_text('User chat')


def test_logging_out_in_one_tab_closes_the_websockets_of_the_others(
    arrive: Arrive, server: SandboxServer
) -> None:
    john, mary = arrive(server).log_in('john'), arrive(server).log_in('mary')
    page, session = (john.open(path, websockets=1) for path in ('/user/', '/session/'))
    hers = mary.open('/user/', websockets=1)
    tab = john.open('/chats/')
    tab.get_by_role('button', name='Log out').click()
    expect(tab.get_by_role('link', name='Log in')).to_be_visible()
    for closed in (page, session):
        expect(closed.locator('#state')).to_have_text(
            'Closed by the server: you may no longer use this chat.'
        )
        expect(closed.get_by_role('button', name='Send')).to_be_disabled()
    # What is posted all the same is answered by the page that asks to log in.
    form = page.get_by_role('region', name='Send through a Django view')
    form.get_by_label('User').select_option('mary')
    form.get_by_label('Message').fill('from nobody')
    john.asks_for('status of 403')
    form.get_by_role('button', name='Post').click()
    expect(page.locator('#outcome')).to_have_text('Not published: you are logged out.')

    say(hers, 'undisturbed')
    expect(messages(hers).last).to_have_text('undisturbed')
    john.log_in('john')
    page.reload()
    expect(page.locator('#state')).to_have_text('Connected.')


def test_what_is_written_while_the_server_answers_stays(visitor: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route) if route.request.method == 'POST' else route.continue_()

    for path in ('**/broadcast/', '**/board/send/'):
        visitor.context.route(path, hold)
    chat, board = visitor.open('/broadcast/', websockets=1), visitor.open('/', websockets=2)
    form = chat.get_by_role('region', name='Send through a Django view')
    tile = board.locator('.pane[data-name=john] .tile[data-audience=broadcast]')
    for sending, message, button in (
        (form, form.get_by_label('Message'), 'Post'),
        (tile, tile.get_by_role('textbox'), 'Send'),
    ):
        message.fill('the first')
        with visitor.context.expect_event('request', lambda request: request.method == 'POST'):
            sending.get_by_role('button', name=button).click()
        message.fill('the second')
        with visitor.context.expect_event(
            'requestfinished', lambda request: request.method == 'POST'
        ):
            held.pop().continue_()
    expect(chat.locator('#outcome')).to_have_text('Published.')
    expect(form.get_by_label('Message')).to_have_value('the second')
    expect(board.get_by_text('the first')).to_have_count(2)
    expect(tile.get_by_role('textbox')).to_have_value('the second')
