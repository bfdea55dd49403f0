"""A long task, as the one sees it who has started it: over a reload, to its end, and when it
dies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect, opened
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

Arrive = Callable[..., Visitor]


def percent(page: Page) -> int:
    """What is written beside the bar, which shows the same."""
    bar, words = page.evaluate(
        '[document.getElementById("bar").value, document.getElementById("percent").textContent]'
    )
    assert words == f'{bar} %'
    return int(bar)


def started(page: Page, button: str) -> Page:
    """Press the button, and wait until the task is under way."""
    page.get_by_role('button', name=button, exact=True).click()
    expect(page.locator('#words')).to_have_text('The task runs.')
    expect(page.locator('#percent')).to_have_text(re.compile(r'^(1\d|[2-9]\d) %$'))
    return page


def test_bar_survives_a_reload_and_says_that_its_task_has_failed(
    visitor: Visitor, arrive: Arrive, server: SandboxServer
) -> None:
    page = visitor.open('/progress/', websockets=1)
    bystander = arrive(server).open('/progress/', websockets=1)
    started(page, 'Start one that fails')
    before = percent(page)
    page.reload()
    expect(page.locator('#words')).to_have_text('The task runs.')
    assert before <= percent(page) < 60
    second = visitor.open('/progress/', websockets=1)
    for tab in (page, second):
        expect(tab.locator('#words')).to_have_text(
            'The task has failed: the printer is out of paper.'
        )
        assert percent(tab) == 60
    # It is of this session alone.
    expect(bystander.locator('#words')).to_have_text('Nothing was started yet.')


def test_task_dies_with_its_server_unless_it_is_a_process_of_its_own(
    redis_server: SandboxServer, arrive: Arrive
) -> None:
    visitor, other = arrive(redis_server), arrive(redis_server)
    page = visitor.open('/progress/', websockets=1)
    outliving = other.open('/progress/', websockets=1)
    started(outliving, 'Start it in a process of its own')
    started(page, 'Start')
    for who in (visitor, other):
        who.asks_for('WebSocket connection to .* failed')
    redis_server.kill()
    reached = percent(page)
    redis_server.start()
    # Nobody publishes any more: what another tab shows can only be the last message, which Redis
    # has kept.
    late = visitor.open('/progress/', websockets=1)
    for tab in (page, late):
        expect(tab.locator('#words')).to_have_text(
            re.compile(r'^No word from the task since .+: it has died\.$')
        )
        expect(tab.locator('#task')).to_have_attribute('data-task', 'dead')
    opened(page)
    assert percent(late) == percent(page) >= reached > 0

    # The one that is started next is alive.
    started(late, 'Start')

    expect(outliving.locator('#words')).to_have_text('The task is done.')
    assert percent(outliving) == 100
    assert 'ResourceWarning' not in redis_server.said()
