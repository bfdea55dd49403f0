"""A person before a browser: what goes wrong behind the page is kept, and the test fails if it
did not ask for that.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.processes.serving import GUARD

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        ConsoleMessage,
        Page,
        Request,
        Response,
        WebError,
        WebSocket,
    )

    from tests.processes.sandbox import SandboxServer

__all__ = ['Visitor', 'charted', 'expect', 'opened']

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; "
"""How the header begins that every page has."""


def expect(actual: Any) -> Any:
    """Playwright's expect(); it is imported late, since without Playwright these tests are
    skipped, not broken.
    """
    from playwright.sync_api import expect as of_playwright

    of_playwright.set_options(timeout=GUARD * 1000)
    return of_playwright(actual)


def opened(page: Page, websockets: int = 1) -> Page:
    """The page, when so many of its websockets are open."""
    expect(page.locator('.state[data-state=open]')).to_have_count(websockets)
    return page


def charted(page: Page, chart: str) -> list[float]:
    """The figures that a chart of the operations page shows."""
    values: list[float] = json.loads(
        page.locator(f'[data-chart={chart}]').get_attribute('data-values') or '[]'
    )
    return values


class Visitor:
    """One browser with cookies of its own, at one site.

    Args:
        browser: the program, which several visitors share.
        options: of the context, as Playwright takes them.
    """

    def __init__(self, browser: Browser, server: SandboxServer, **options: Any) -> None:
        self.server = server
        self.faults: list[str] = []
        self.websockets: list[WebSocket] = []
        """Each that a page has opened, or tried to."""
        self._asked_for: list[str] = []
        self.context = browser.new_context(base_url=server.url, **options)
        self.context.set_default_timeout(GUARD * 1000)
        self.context.on('console', self._heard)
        self.context.on('weberror', self._thrown)
        self.context.on('request', self._requested)
        self.context.on('requestfailed', self._failed)
        self.context.on('response', self._answered)
        self.context.on('page', lambda page: page.on('websocket', self._connected))

    def open(self, path: str, websockets: int = 0) -> Page:
        """A new tab with this page, when so many of its websockets are open."""
        page = self.context.new_page()
        page.goto(path)
        return opened(page, websockets)

    def log_in(self, username: str, host: str = '127.0.0.1') -> Visitor:
        """Have the cookie of a login that is no other visitor's; only a test of the form has to
        wait for the password's hash.
        """
        [key] = [logins.pop() for name, logins in self.server.logins.items() if name == username]
        self.context.add_cookies(
            [{'name': 'sessionid', 'value': key, 'url': f'http://{host}:{self.server.port}'}]
        )
        return self

    def asks_for(self, pattern: str) -> None:
        """The test brings this about: a fault whose text has the pattern is none."""
        self._asked_for.append(pattern)

    def leave(self) -> None:
        """Close the browser, and fail if something went wrong that was not asked for."""
        self.context.close()
        left = [
            fault
            for fault in self.faults
            if not any(re.search(asked, fault) for asked in self._asked_for)
        ]
        if left:
            raise AssertionError(
                '\n'.join(
                    ['behind the page something went wrong that the test did not ask for:', *left]
                )
            )

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ('error', 'warning', 'assert'):
            self.faults.append(f'console: {message.text} ({message.location["url"]})')

    def _thrown(self, error: WebError) -> None:
        self.faults.append(f'thrown: {error.error}')

    def _requested(self, request: Request) -> None:
        self._stays(request.url)

    def _connected(self, websocket: WebSocket) -> None:
        self.websockets.append(websocket)
        self._stays(websocket.url)

    def _stays(self, url: str) -> None:
        if urlsplit(url).netloc != self.server.host:
            self.faults.append(f'elsewhere: {url}')

    def _failed(self, request: Request) -> None:
        # The browser itself gives up what a page that is left, or loaded again, was still waiting
        # for.
        if request.failure != 'net::ERR_ABORTED':
            self.faults.append(f'failed: {request.url}: {request.failure}')

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == 'document':
            policy = response.headers.get('content-security-policy', '')
            if not policy.startswith(POLICY) or 'unsafe' in policy:
                self.faults.append(f'policy of {response.url}: {policy or "none"}')
