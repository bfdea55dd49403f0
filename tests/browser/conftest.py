"""A browser, the sandbox in a process of its own, and visitors that are watched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import chromium, find_chromium
from tests.browser.visitor import Visitor
from tests.conftest import require
from tests.processes.sandbox import Sandbox, SandboxServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ws4redis.testing.redis_process import RedisProcess

Arrive = Callable[..., Visitor]

LOGINS = 12
"""Of each user, for the tests of one module."""

PEOPLE = f"""
import json
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

def key(user):
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, 'django.contrib.auth.backends.ModelBackend')
    request.session.save()
    return request.session.session_key

User.objects.create_user('eve')
keys = {{user.username: [key(user) for _ in range({LOGINS})] for user in User.objects.all()}}
print(json.dumps(keys))
"""
"""Makes somebody beside john and mary, and logs all of them in; tells the session keys."""


@pytest.fixture(scope='package')
def browser() -> Iterator[Browser]:
    """One for all tests of this directory; it ends with them, since other tests cannot use
    Django's database meanwhile.
    """
    require('chromium', find_chromium(), 'put chromium on PATH (Debian: apt-get install chromium)')
    require('chromium', find_spec('playwright'), 'pip install playwright, as the extra dev does')
    require(
        'chromium',
        find_spec('axe_playwright_python'),
        'pip install axe-playwright-python, as the extra dev does',
    )
    with chromium() as launched:
        yield launched


@dataclass(frozen=True)
class Template:
    """A database file with john, mary and eve, to be copied, and keys of sessions in which they
    are logged in.
    """

    path: Path
    logins: dict[str, list[str]]

    def sandbox(self, directory: Path, redis_url: str | None = None) -> Sandbox:
        """The sandbox on a copy."""
        return Sandbox(Path(shutil.copy(self.path, directory / 'db.sqlite3')), redis_url)

    def serve(
        self, directory: Path, redis_url: str | None = None
    ) -> AbstractContextManager[SandboxServer]:
        """A server of the sandbox on a copy."""
        logins = {name: list(keys) for name, keys in self.logins.items()}
        return self.sandbox(directory, redis_url).serve(directory / 'log', logins)


@pytest.fixture(scope='session')
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The database with which each server begins."""
    path = tmp_path_factory.mktemp('sandbox') / 'db.sqlite3'
    sandbox = Sandbox(path)
    sandbox.manage('migrate')
    sandbox.manage('load_users')
    return Template(
        path,
        json.loads(
            sandbox.manage('shell', '--verbosity', '0', '--command', PEOPLE).splitlines()[-1]
        ),
    )


@pytest.fixture(scope='module')
def server(
    browser: Browser, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxServer]:
    """The sandbox on memory://, for the tests of one module."""
    with template.serve(tmp_path_factory.mktemp('server')) as server:
        yield server


@pytest.fixture
def redis_server(
    browser: Browser, template: Template, redis_process: RedisProcess, tmp_path: Path
) -> Iterator[SandboxServer]:
    """The sandbox on a Redis of its own, for one test, which may end it."""
    with template.serve(tmp_path, redis_process.url) as server:
        yield server


@pytest.fixture
def arrive(browser: Browser) -> Iterator[Arrive]:
    """Gives another visitor of a server; each of them is asked at the end what went wrong."""
    with ExitStack() as visitors:

        def another(server: SandboxServer, **options: Any) -> Visitor:
            visitor = Visitor(browser, server, **options)
            visitors.callback(visitor.leave)
            return visitor

        yield another


@pytest.fixture
def visitor(arrive: Arrive, server: SandboxServer) -> Visitor:
    """A visitor of the sandbox on memory://."""
    return arrive(server)
