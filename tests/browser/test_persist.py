"""Persist and expire, as somebody sees it who publishes, and somebody who comes late."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Page


def publish(page: Page, text: str, seconds: int) -> None:
    """Fill in the form, and wait until the page has got its own message."""
    page.get_by_label('Message').fill(text)
    page.get_by_label('Lifetime in seconds').fill(str(seconds))
    page.get_by_role('button', name='Publish').click()
    expect(page.get_by_text('Published, and kept.')).to_be_visible()
    expect(page.locator('#live li').last).to_have_text(text)


def test_key_and_value_are_shown_and_its_seconds_run_down(visitor: Visitor) -> None:
    page = visitor.open('/persist/', websockets=1)
    publish(page, 'the kettle is on', 60)
    expect(page.locator('#key')).to_have_text('broadcast:persist')
    expect(page.locator('#value')).to_have_text('{"text": "the kettle is on"}')
    expect(page.locator('#seconds')).to_have_text(re.compile(r'^59\.\d s left$'))
    expect(page.locator('#seconds')).to_have_text(re.compile(r'^58\.\d s left$'))
    meter = page.get_by_label('Time to live')
    assert meter.evaluate('meter => [meter.max, 57 < meter.value && meter.value < 59]') == [
        60,
        True,
    ]


def test_latecomer_gets_it_until_it_is_gone(visitor: Visitor) -> None:
    page = visitor.open('/persist/', websockets=1)
    publish(page, 'for a moment', 2)
    page.get_by_role('button', name='Join late').click()
    expect(page.locator('#latecomers li')).to_have_text(
        [re.compile('^Latecomer 1 has got “for a moment” Connected$')]
    )

    expect(page.locator('#value')).to_have_text('(nil)')
    expect(page.locator('#seconds')).to_have_text('There is no such key.')
    page.get_by_role('button', name='Join late').click()
    expect(page.locator('#latecomers .state[data-state=open]')).to_have_count(2)
    # The next message is the first that comes to the second latecomer.
    publish(page, 'the next', 2)
    expect(page.locator('#latecomers li').nth(1)).to_have_text(
        'Latecomer 2 has got “the next” Connected'
    )


def test_page_that_is_loaded_again_has_it_at_once(visitor: Visitor) -> None:
    page = visitor.open('/persist/', websockets=1)
    publish(page, 'still here', 60)
    page.reload()
    expect(page.locator('#live li')).to_have_text(['still here'])
    expect(page.locator('#value')).to_have_text('{"text": "still here"}')
    expect(page.locator('#seconds')).to_contain_text('s left')


def test_other_browser_hears_it_and_sees_the_key(
    visitor: Visitor, arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    page = visitor.open('/persist/', websockets=1)
    publish(page, 'before', 60)
    other = arrive(server).open('/persist/', websockets=1)
    expect(other.locator('#live li')).to_have_text(['before'])
    publish(page, 'after', 60)
    expect(other.locator('#live li')).to_have_text(['before', 'after'])
    expect(other.locator('#value')).to_have_text('{"text": "after"}')


def test_lifetime_that_is_none_is_refused_in_words(visitor: Visitor) -> None:
    page = visitor.open('/persist/', websockets=1)
    # The browser would not even send it.
    page.locator('#keep').evaluate('form => form.noValidate = true')
    visitor.asks_for('status of 400')
    page.get_by_label('Lifetime in seconds').fill('0')
    page.get_by_role('button', name='Publish').click()
    expect(page.locator('#outcome')).to_have_text(
        'Ensure this value is greater than or equal to 1.'
    )
