"""What the suite needs from outside: a Redis server, if there is one; and the site of a test, in
all its forms.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

from tests.sites.forms import FORMS
from ws4redis.testing.redis_process import RedisProcess, find_redis_server

if TYPE_CHECKING:
    from tests.sites.production.gunicorn import Production
    from tests.sites.site import Site

PLUGIN = 'ws4redis.testing.plugin'
PLUGIN_INSTALLED = any(
    entry_point.value == PLUGIN for entry_point in entry_points(group='pytest11')
)

# Where the package is installed pytest does so by itself, since it has a plugin.
pytest.register_assert_rewrite('ws4redis.testing.contract.cases')

# A checkout that is not installed has no entry point to load the plugin by; loading it twice would
# be refused.
pytest_plugins = ['pytester'] if PLUGIN_INSTALLED else ['pytester', PLUGIN]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let -k find the tests of a row (row_F4_), and a report name it."""
    for mark in item.iter_markers('row'):
        (row,) = mark.args
        item.extra_keyword_matches.add(f'row_{row}_')
        item.user_properties.append(('row', row))


def require(name: str, found: object, remedy: str) -> None:
    """Skip the test unless something outside the suite was found; fail where WS4REDIS_REQUIRE names
    it.

    Args:
        name: as the comma-separated WS4REDIS_REQUIRE has it.
        found: falsy if it is missing.
        remedy: how to get it.
    """
    if found:
        return
    if name in os.environ.get('WS4REDIS_REQUIRE', '').split(','):
        pytest.fail(f'{name} is missing and WS4REDIS_REQUIRE names it: {remedy}', pytrace=False)
    pytest.skip(f'{name} is missing: {remedy}')


def _redis_program() -> str:
    program = find_redis_server()
    require('redis', program, 'put redis-server on PATH (Debian: apt-get install redis-server)')
    assert program is not None
    return program


@pytest.fixture(scope='session')
def _shared_redis() -> Iterator[RedisProcess]:
    """One server for the whole run (for each worker of xdist)."""
    with RedisProcess(_redis_program()) as server:
        yield server


@pytest.fixture
def redis_url(_shared_redis: RedisProcess) -> str:
    """The URL of a real Redis server, empty at the beginning of the test."""
    client = _shared_redis.client()
    client.flushall()
    client.close()
    return _shared_redis.url


@pytest.fixture
def redis_process() -> Iterator[RedisProcess]:
    """A real Redis server of this test alone, for tests that stop it and start it again."""
    with RedisProcess(_redis_program()) as server:
        yield server


@pytest.fixture(scope='session')
def _another_redis() -> Iterator[RedisProcess]:
    """A second server for the whole run, of sites that have two."""
    with RedisProcess(_redis_program()) as server:
        yield server


@pytest.fixture(scope='session')
def _production(
    _shared_redis: RedisProcess,
    _another_redis: RedisProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> 'Iterator[Production]':
    """Gunicorn for the whole run."""
    from tests.sites.production.gunicorn import Production

    production = Production(
        _shared_redis.url, _another_redis.url, tmp_path_factory.mktemp('production')
    )
    yield production
    production.end()


@pytest.fixture(params=FORMS)
def site(
    request: pytest.FixtureRequest, db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> 'Iterator[Site]':
    """A site of release 0.6.0, where everybody may publish, in each form; it logs no error that
    the test does not look at.
    """
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, 'tests.subscribers.overrides.tenant_middleware']
    settings.ROOT_URLCONF = 'tests.sites.production.urls'
    with closing(_open_site(request, settings, caplog)) as site:
        yield site
        assert site.errors() == []


def _open_site(
    request: pytest.FixtureRequest, settings: Any, caplog: pytest.LogCaptureFixture
) -> 'Site':
    # Here, since a test that has no site needs neither Django's models nor gevent.
    from tests.sites.production.gunicorn import InGunicorn
    from tests.sites.site import InBroker, InThread

    if request.param == InBroker.form:
        return InBroker(caplog)
    if request.param == InThread.form:
        return InThread(caplog)
    settings.WS4REDIS_CONNECTION = request.getfixturevalue('redis_url')
    return InGunicorn(request.getfixturevalue('_production'))
