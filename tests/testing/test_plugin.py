"""The fixture ws4redis, and what the plugin costs those who have it installed and do not use it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PLUGIN, PLUGIN_INSTALLED
from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project that has this package installed, and no Django settings."""
    monkeypatch.delenv('DJANGO_SETTINGS_MODULE', raising=False)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the project's tests, in a process of its own."""
    plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
    return project.runpytest_subprocess(*plugin, '-W', 'error', '-p', 'no:cacheprovider', *arguments)


def test_fixture_is_a_broker_that_has_started(ws4redis: Broker) -> None:
    client = ws4redis.connect('news', subscribe='broadcast')
    ws4redis.publish('hello', facility='news', broadcast=True)
    assert client.receive() == 'hello'


def test_publishers_of_a_test_publish_into_the_fixture(ws4redis: Broker) -> None:
    RedisPublisher(facility='news', broadcast=True).publish_message('hello', expire=10)
    assert ws4redis.persisted(facility='news', broadcast=True) == b'hello'


def test_next_test_sees_nothing_of_this_one(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize('time', [1, 2])
        def test_begins_empty(ws4redis, time):
            assert ws4redis.published == ws4redis.clients == ws4redis.redis.keys() == []
            ws4redis.connect('news', subscribe='broadcast')
            ws4redis.publish('hello', facility='news', broadcast=True, expire=10)
            assert ws4redis.published and ws4redis.clients and ws4redis.redis.keys()
        """
    )
    run(project, '--ds=tests.settings').assert_outcomes(passed=2)


def test_what_the_sites_code_raised_fails_the_test_that_drove_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from ws4redis.subscriber import RedisSubscriber

        class Broken(RedisSubscriber):
            def release(self):
                raise ZeroDivisionError('in release')

        def test_that_leaves_a_websocket_open(ws4redis):
            ws4redis.connect('news', subscriber=Broken)
        """
    )
    result = run(project, '--ds=tests.settings')
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(['*ZeroDivisionError: in release*'])


@pytest.mark.parametrize('arguments', ['ws4redis, db', 'db, ws4redis'])
def test_t13_clients_are_closed_before_the_database_goes(project: pytest.Pytester, arguments: str) -> None:
    project.makepyfile(
        f"""
        from django.contrib.auth.models import User
        from ws4redis.subscriber import RedisSubscriber

        class Counting(RedisSubscriber):
            def release(self):
                print('users at release:', User.objects.count())
                super().release()

        def test_that_leaves_a_websocket_open({arguments}):
            User.objects.create_user('john')
            ws4redis.connect('news', subscriber=Counting)
        """
    )
    result = run(project, '--ds=tests.settings', '-s')
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(['*users at release: 1'])


def test_plugin_loads_pytest_alone() -> None:
    heavy = ('django', 'redis', 'gevent', 'fakeredis', 'websockets', 'asyncio')
    code = (
        'import sys, pytest\n'
        'before = set(sys.modules)\n'
        f'import {PLUGIN}\n'
        'ours = {"ws4redis", "ws4redis.testing", "ws4redis.testing.plugin"}\n'
        f'found = [name for name in {heavy} if name in set(sys.modules) - before]\n'
        'assert found == [], found\n'
        'assert {name for name in sys.modules if name.startswith("ws4redis")} == ours\n'
    )
    process = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize('without', [(), ('-p', 'no:django')])
def test_plugin_is_silent_where_there_is_no_django(project: pytest.Pytester, without: tuple[str, ...]) -> None:
    project.makepyfile(
        """
        import sys

        def test_without_the_fixture():
            assert not {'ws4redis.settings', 'redis', 'gevent', 'fakeredis'} & set(sys.modules)
        """
    )
    run(project, *without).assert_outcomes(passed=1)


def test_fixture_is_listed_with_a_sentence(project: pytest.Pytester) -> None:
    result = run(project, '--fixtures')
    result.stdout.fnmatch_lines(['ws4redis -- *', '*A Broker: publish, connect and assert*'])
