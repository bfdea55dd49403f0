"""Operations: the figures are true, and stop when there are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.browser.inspection import inspect
from tests.browser.visitor import Visitor, charted, expect
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

BURST = 200


def figure(page: Page, chart: str, value: float) -> None:
    """Wait until a chart's last figure is this."""
    expect(page.locator(f'[data-chart={chart}] output')).to_have_text(str(value))


def drawn(page: Page) -> Page:
    """The page, when its charts have begun."""
    expect(page.locator('[data-chart=in]')).to_have_attribute('data-values')
    return page


def ticks(page: Page, figures: int) -> None:
    """Wait until the charts have so many figures more."""
    wanted = len(charted(page, 'in')) + figures
    page.wait_for_function(
        'n => JSON.parse(document.querySelector("[data-chart=in]").dataset.values).length >= n',
        arg=wanted,
    )


def test_charts_add_up_to_what_was_published(visitor: Visitor) -> None:
    page = drawn(visitor.open('/operations/', websockets=1))
    for _ in range(2):
        with page.expect_response('**/operations/burst/'):
            page.get_by_role('button', name=f'Publish {BURST} messages').click()
    expect(page.get_by_text(f'{BURST} messages published.')).to_be_visible()
    # The figures of the second in which it happened are there when those of the next are.
    ticks(page, 2)
    arrived = charted(page, 'in')
    # Each figure is sent through the loop as well, and counts itself.
    assert sum(arrived) - len(arrived) == 2 * BURST, arrived
    assert charted(page, 'out') == arrived, 'one page listens to both facilities'
    assert set(charted(page, 'websockets')) == {2}
    assert all(latency > 0 for latency in charted(page, 'latency'))
    for chart in ('in', 'out', 'websockets', 'pending', 'latency', 'gaps'):
        drawing = page.locator(f'[data-chart={chart}] polyline').get_attribute('points')
        assert drawing is not None and len(drawing.split(' ')) == len(charted(page, chart))


def test_websockets_of_all_pages_are_counted(
    visitor: Visitor, arrive: Callable[..., Visitor], server: SandboxServer
) -> None:
    page = visitor.open('/operations/', websockets=1)
    board = arrive(server).open('/', websockets=2)
    figure(page, 'websockets', 4)
    board.close()
    figure(page, 'websockets', 2)


def test_redis_goes_away_and_comes_back_and_websockets_stay_open(visitor: Visitor) -> None:
    page = drawn(visitor.open('/operations/', websockets=1))
    board = visitor.open('/', websockets=2)
    opened_before = len(visitor.websockets)

    page.get_by_role('button', name='Take Redis away').click()
    expect(page.get_by_text('Redis is out of reach.')).to_be_visible()
    expect(page.locator('#silence')).to_contain_text('No figures come')
    stopped = charted(page, 'in')
    expect(page.locator('#state')).to_have_text('Connected')

    visitor.asks_for('status of 503')
    page.get_by_role('button', name=f'Publish {BURST} messages').click()
    expect(page.get_by_text('Redis is away. Try again later.')).to_be_visible()
    assert charted(page, 'in') == stopped
    inspect(page)

    page.get_by_role('button', name='Bring it back').click()
    expect(page.get_by_text('Redis is back.')).to_be_visible()
    figure(page, 'gaps', 1)
    expect(page.locator('#silence')).to_be_empty()
    expect(board.locator('.state[data-state=open]')).to_have_count(2)
    assert len(visitor.websockets) == opened_before and not any(
        one.is_closed() for one in visitor.websockets
    )


def test_charts_stop_with_the_loop_and_begin_again_with_it(
    redis_server: SandboxServer, arrive: Callable[..., Visitor]
) -> None:
    visitor = arrive(redis_server)
    page = drawn(visitor.open('/operations/', websockets=1))
    visitor.asks_for('WebSocket connection to .* failed')
    redis_server.stop()
    expect(page.locator('#state')).to_have_text('Disconnected, trying again')
    expect(page.locator('#silence')).to_contain_text('the loop has stopped')
    stopped = page.locator('[data-chart=in]').get_attribute('data-values')
    assert stopped is not None and json.loads(stopped)

    redis_server.start()
    # The network of the browser comes back as well: then it does not wait.
    visitor.context.set_offline(True)
    visitor.context.set_offline(False)
    expect(page.locator('[data-chart=in]')).not_to_have_attribute('data-values', stopped)
    expect(page.locator('#state')).to_have_text('Connected')
    expect(page.locator('#silence')).to_be_empty()
