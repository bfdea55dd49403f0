"""The board without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPERABLE = ':is(a[href], button, input:not([type=hidden]), select, [tabindex="0"]):not(:disabled)'

FOCUSED = """(operable) => {
    const focused = document.activeElement;
    const {outlineStyle, outlineWidth} = getComputedStyle(focused);
    const {top, bottom, left, right, width, height} = focused.getBoundingClientRect();
    return {
        at: [...document.querySelectorAll(operable)].indexOf(focused),
        outlined: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 3,
        seen: width > 10 && height > 10 && top >= 5 && left >= 5
            && bottom <= innerHeight - 5 && right <= innerWidth - 5,
    };
}"""
"""Which of what can be operated has the focus, and whether it and its outline, five pixels wide,
are to be seen.
"""

MOST = 60
"""More than there is to press Tab for."""


def tab_to(page: Page, label: str, *, back: bool = False) -> None:
    """Press Tab until the element with this label, or text, has the focus."""
    for _ in range(MOST):
        page.keyboard.press('Shift+Tab' if back else 'Tab')
        names = page.evaluate(
            '[...document.activeElement.labels ?? []].map((one) => one.textContent)'
        )
        if label in (names or [page.evaluate('document.activeElement.textContent')]):
            return
    raise AssertionError(f'the focus never comes to {label}')


def test_focus_goes_through_all_of_the_board_and_is_always_seen(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    there = page.locator(OPERABLE).count()
    for at in range(there):
        page.keyboard.press('Tab')
        assert page.evaluate(FOCUSED, OPERABLE) == {'at': at, 'outlined': True, 'seen': True}


def test_first_link_skips_to_the_content(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    skip = page.get_by_role('link', name='Skip to the content')
    expect(skip).not_to_be_in_viewport()
    page.keyboard.press('Tab')
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press('Enter')
    page.keyboard.press('Tab')
    assert page.evaluate(
        '(first) => document.activeElement === document.querySelector(first)', f'main {OPERABLE}'
    )


def test_board_is_used_with_tab_enter_and_arrows_alone(visitor: Visitor) -> None:
    page = visitor.open('/', websockets=2)
    tab_to(page, 'Message of john, Broadcast')
    page.keyboard.type('by hand')
    page.keyboard.press('Enter')
    expect(page.get_by_text('by hand')).to_have_count(2)
    # The focus stays where the next message is written.
    expect(page.get_by_label('Message of john, Broadcast')).to_be_focused()

    tab_to(page, 'To which user')
    page.keyboard.press('ArrowUp')
    tab_to(page, 'Message of john, User')
    page.keyboard.type('to myself')
    page.keyboard.press('Tab')
    page.keyboard.press('Space')
    expect(page.locator('.pane[data-name=john] .tile[data-audience=user] li')).to_contain_text(
        ['to myself']
    )

    tab_to(page, 'Log john out')
    page.keyboard.press('Enter')
    expect(page.locator('.pane[data-name=john] .state')).to_have_text('Closed by the server')
    tab_to(page, 'Message of mary, Session')
    page.keyboard.type('still here')
    page.keyboard.press('Enter')
    expect(page.get_by_text('still here')).to_have_count(1)
