"""Takes the pictures in docs/images of a running sandbox in which something happens.

The command is make screenshots.

Needs chromium and Playwright, as tests/browser does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import chromium  # noqa: E402  (the checkout need not be installed)
from tests.browser.visitor import charted, expect, opened  # noqa: E402
from tests.processes.sandbox import Sandbox, SandboxServer  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

IMAGES = ROOT / 'docs/images'
WIDE: ViewportSize = {'width': 1280, 'height': 860}
BOARD: ViewportSize = {'width': 1280, 'height': 1110}
TELEPHONE: ViewportSize = {'width': 390, 'height': 844}
SAID = (
    ('john', 'broadcast', '', 'Good morning, everybody'),
    ('mary', 'user', 'john', 'Did you sleep well?'),
    ('mary', 'broadcast', '', 'Morning! Coffee is ready'),
    ('john', 'group', 'chatters', 'Lunch at noon?'),
    ('john', 'group', 'moderators', 'Somebody look at the lobby, please'),
    ('mary', 'session', '', 'Note to self: sugar'),
    ('mary', 'group', 'chatters', 'I am in'),
    ('john', 'user', 'mary', 'Like a stone'),
)
"""Pane, tile, to whom, text."""

SECONDS = 24
"""For which the charts are filled."""


def board(page: Page) -> None:
    """Some talk between the panes."""
    opened(page, 2)
    for pane, audience, to, text in SAID:
        tile = page.locator(f'.pane[data-name={pane}] .tile[data-audience={audience}]')
        if to:
            tile.get_by_role('combobox').select_option(to)
        tile.get_by_role('textbox').fill(text)
        tile.get_by_role('button', name='Send').click()
        expect(page.get_by_text(text).first).to_be_visible()
    # The focus is nowhere.
    page.get_by_role('heading', level=1).click()


def persist(page: Page) -> None:
    """A message that is kept, and two who came late."""
    opened(page)
    page.get_by_role('button', name='Publish').click()
    expect(page.locator('#live li')).to_have_count(1)
    for _ in range(2):
        page.get_by_role('button', name='Join late').click()
    expect(page.get_by_text('has got “')).to_have_count(2)
    page.wait_for_function('() => document.getElementById("left").value < 16')


def progress(page: Page) -> None:
    """A task that is under way."""
    opened(page)
    page.get_by_role('button', name='Start', exact=True).click()
    expect(page.locator('#percent')).to_have_text('45 %')


def operations(page: Page) -> None:
    """Bursts now and then."""
    opened(page)
    while (seconds := len(charted(page, 'in'))) < SECONDS:
        if seconds % 7 == 3:
            page.get_by_role('button', name='Publish').click()
        page.wait_for_function(
            'n => JSON.parse(document.querySelector("[data-chart=in]").dataset.values ?? "[]")'
            '.length > n',
            arg=seconds,
        )


PICTURES: tuple[
    tuple[str, str, Callable[[Page], None], ViewportSize, Literal['light', 'dark']], ...
] = (
    ('board', '/', board, BOARD, 'light'),
    ('board-dark', '/', board, BOARD, 'dark'),
    ('board-telephone', '/', board, TELEPHONE, 'light'),
    ('persist', '/persist/', persist, WIDE, 'light'),
    ('progress', '/progress/', progress, {'width': 1280, 'height': 600}, 'light'),
    ('operations', '/operations/', operations, WIDE, 'dark'),
)
"""File, page, what happens there, size, colours."""


def take(browser: Browser, server: SandboxServer) -> None:
    """Take all of them."""
    for name, path, happens, viewport, scheme in PICTURES:
        context = browser.new_context(
            base_url=server.url, viewport=viewport, color_scheme=scheme, reduced_motion='reduce'
        )
        page = context.new_page()
        page.goto(path)
        happens(page)
        data = page.screenshot(path=IMAGES / f'{name}.png')
        print(f'docs/images/{name}.png: {len(data):,} bytes')
        context.close()


def main() -> None:
    """Make a database, serve the sandbox, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        sandbox = Sandbox(Path(directory) / 'db.sqlite3')
        sandbox.manage('migrate')
        sandbox.manage('load_users')
        with sandbox.serve(Path(directory) / 'log') as server, chromium() as browser:
            take(browser, server)


if __name__ == '__main__':
    main()
