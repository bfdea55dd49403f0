"""The orders: a shop whose tenants do not hear each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Page


def order(page: Page, item: str) -> None:
    """Order something by the form."""
    page.get_by_label('Item').fill(item)
    page.get_by_role('button', name='Post').click()
    expect(page.get_by_label('Item')).to_have_value('')
    expect(page.locator('#outcome')).to_have_text('Published.')


def test_order_is_announced_made_ready_and_listed(
    arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    john, mary = (
        arrive(server).log_in(name).open('/orders/', websockets=1) for name in ('john', 'mary')
    )
    expect(john.get_by_text('Nothing was ordered before this page was loaded.')).to_be_visible()
    order(john, 'tea')
    for page in (john, mary):
        expect(page.locator('#messages li span')).to_have_text(
            ['{"order": 1, "item": "tea", "state": "new"}']
        )

    mary.reload()
    mary.get_by_role('button', name='Number 1 is ready').click()
    expect(mary.get_by_text('tea for john is ready (number 1)')).to_be_visible()
    expect(john.locator('#messages li span').last).to_have_text(
        '{"order": 1, "item": "tea", "state": "ready"}'
    )

    order(john, 'cake')
    mary.get_by_role('region', name='Send over the websocket').get_by_label('Message').fill(
        '{"ready": 2}'
    )
    mary.get_by_role('button', name='Send').click()
    expect(john.locator('#messages li span').last).to_have_text(
        '{"order": 2, "item": "cake", "state": "ready"}'
    )
    john.reload()
    expect(john.get_by_text('cake for john is ready (number 2)')).to_be_visible()


def test_another_host_is_another_tenant(
    arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    here = arrive(server).log_in('john').open('/orders/', websockets=1)
    elsewhere = arrive(server).log_in('mary', host='localhost')
    elsewhere.asks_for(f'elsewhere: (http|ws)://localhost:{server.port}/')
    page = elsewhere.open(f'http://localhost:{server.port}/orders/', websockets=1)
    expect(page.get_by_text('Nothing was ordered before this page was loaded.')).to_be_visible()
    order(here, 'coffee')
    expect(here.locator('#messages li span').last).to_contain_text('coffee')
    order(page, 'water')
    expect(page.locator('#messages li span')).to_contain_text(['water'])
