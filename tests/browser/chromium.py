"""Debian's chromium under Playwright: Playwright's own browsers cannot be had from a package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ['chromium', 'find_chromium']


def find_chromium() -> str | None:
    """Where it is; None if it is not installed."""
    return shutil.which('chromium')


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window.

    While it runs there is an event loop in this thread, under which Django refuses its database.
    """
    # Imported late: without Playwright the tests are skipped, not broken.
    from playwright.sync_api import sync_playwright

    # Chromium refuses to run as root with a sandbox around each page.
    arguments = ['--no-sandbox'] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
