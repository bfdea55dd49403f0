"""The visitor that watches a page: whatever goes wrong behind it fails the test, unless the test
has asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.visitor import Visitor
from tests.processes.sandbox import SandboxServer
from tests.processes.serving import GUARD

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"


def visit(browser: Browser, server: SandboxServer, code: str = '', asked_for: str = '') -> None:
    """Open a page of the site, run this code in it, wait for what it gives, and leave."""
    visitor = Visitor(browser, server)
    if asked_for:
        visitor.asks_for(asked_for)
    try:
        guard = f'new Promise((done, fail) => setTimeout(fail, {GUARD * 1000}))'
        visitor.open('/chats/').evaluate(f'Promise.race([{code or 0}, {guard}]).then(() => 0)')
    finally:
        visitor.leave()


@pytest.mark.parametrize(
    ('code', 'fault'),
    [
        ('console.error("alas")', 'console: alas'),
        ('console.warn("take care")', 'console: take care'),
        (
            'new Promise((done) => { addEventListener("error", done); '
            'setTimeout(() => { throw new Error("alas"); }); })',
            'thrown: alas',
        ),
        ('fetch("/nowhere/")', 'status of 404'),
        (
            'new Promise((done) => { const script = document.createElement("script"); '
            'script.src = "http://example.invalid/"; script.onerror = done; '
            'document.body.append(script); })',
            'example.invalid',
        ),
        ('document.body.setAttribute("style", "color: red")', 'Content Security Policy'),
    ],
)
def test_fault_fails_the_test_unless_it_was_asked_for(
    browser: Browser, server: SandboxServer, code: str, fault: str
) -> None:
    with pytest.raises(AssertionError, match=fault):
        visit(browser, server, code)
    visit(browser, server, code, asked_for='.')


def test_page_without_faults_passes(browser: Browser, server: SandboxServer) -> None:
    visit(browser, server)


@pytest.mark.parametrize(
    ('policy', 'passes'),
    [(POLICY, True), ('', False), (f"{POLICY}; style-src-attr 'unsafe-inline'", False)],
)
def test_page_without_a_strict_policy_is_a_fault(
    browser: Browser, server: SandboxServer, policy: str, passes: bool
) -> None:
    visitor = Visitor(browser, server)
    headers = {
        'Content-Type': 'text/html',
        **({'Content-Security-Policy': policy} if policy else {}),
    }
    visitor.context.route(
        '**/page/', lambda route: route.fulfill(body='<title>A page</title>', headers=headers)
    )
    visitor.open('/page/')
    if passes:
        visitor.leave()
        return
    with pytest.raises(AssertionError, match='policy of'):
        visitor.leave()
