"""One database for all tests with real servers, and servers that a module's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.journey import Deployment, ServerProcess
from ws4redis.testing.redis_process import RedisProcess


@pytest.fixture(scope='session')
def journey_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database file of the journey project, with john and mary."""
    path = tmp_path_factory.mktemp('journey') / 'db.sqlite3'
    Deployment(path, 'redis://127.0.0.1:1/0').manage('prepare')
    return path


@pytest.fixture(scope='session')
def shared_site(journey_database: Path, _shared_redis: RedisProcess) -> Deployment:
    """The journey project on the Redis of the whole run; a test that uses redis_url too begins
    with an empty one.
    """
    return Deployment(journey_database, _shared_redis.url)


@pytest.fixture(scope='module')
def log_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's servers write."""
    return tmp_path_factory.mktemp('logs')


@pytest.fixture(scope='module')
def gunicorn(shared_site: Deployment, log_directory: Path) -> Iterator[ServerProcess]:
    """Gunicorn with its gevent worker."""
    with ServerProcess(shared_site, 'gunicorn-gevent', log_directory / 'gunicorn.log') as server:
        yield server


@pytest.fixture(scope='module')
def runserver(shared_site: Deployment, log_directory: Path) -> Iterator[ServerProcess]:
    """Django's development server."""
    with ServerProcess(shared_site, 'runserver', log_directory / 'runserver.log') as server:
        yield server
