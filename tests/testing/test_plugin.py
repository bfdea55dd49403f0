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
    # In random order only where a test asks for it.
    options = ('-W', 'error', '-p', 'no:cacheprovider', '-p', 'no:randomly')
    return project.runpytest_subprocess(*plugin, *options, *arguments)


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


@pytest.mark.row('T13')
@pytest.mark.parametrize('arguments', ['ws4redis, db', 'db, ws4redis'])
def test_clients_are_closed_before_the_database_goes(
    project: pytest.Pytester, arguments: str
) -> None:
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


def test_plugin_loads_pytest_and_what_imports_nothing() -> None:
    heavy = ('django', 'redis', 'gevent', 'fakeredis', 'websockets', 'asyncio')
    code = (
        'import sys, pytest\n'
        'before = set(sys.modules)\n'
        f'import {PLUGIN}\n'
        'ours = {"ws4redis", "ws4redis.schemes", "ws4redis.seam", "ws4redis.testing", '
        '"ws4redis.testing.plugin"}\n'
        f'found = [name for name in {heavy} if name in set(sys.modules) - before]\n'
        'assert found == [], found\n'
        'assert {name for name in sys.modules if name.startswith("ws4redis")} == ours\n'
    )
    process = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize('without', [(), ('-p', 'no:django')])
def test_plugin_is_silent_where_there_is_no_django(
    project: pytest.Pytester, without: tuple[str, ...]
) -> None:
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


def test_option_takes_a_server_of_the_runs_own(project: pytest.Pytester, redis_url: str) -> None:
    project.makepyfile(
        """
        def test_where(ws4redis):
            client = ws4redis.connect('news', subscribe='broadcast')
            ws4redis.publish('hello', facility='news', broadcast=True)
            assert client.receive() == 'hello'
            version = ws4redis.redis.info('server')['redis_version']
            print('on', version, ws4redis.namespace or 'alone')
        """
    )
    for option, expected in (
        ('server', '*on [0-9]* alone'),
        (redis_url, '*on [0-9]* ws4redis-test:*'),
    ):
        result = run(project, '--ds=tests.settings', f'--ws4redis={option}', '-s')
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([expected])


@pytest.mark.parametrize('option', ['nonsense', 'http://localhost', ''])
def test_option_that_makes_no_sense_is_a_usage_error(project: pytest.Pytester, option: str) -> None:
    project.makepyfile('def test(ws4redis): pass')
    result = run(project, '--ds=tests.settings', f'--ws4redis={option}')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*--ws4redis is '{option}': it takes memory, server or a server's URL*"]
    )


def test_mark_comes_before_fixtures_that_publish_and_takes_no_arguments(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import pytest
        from ws4redis.publisher import RedisPublisher

        @pytest.fixture
        def order():
            RedisPublisher(facility='news', broadcast=True).publish_message('hi')

        @pytest.mark.ws4redis
        def test_order(order): pass
        """
    )
    result = run(project, '--ds=tests.settings')
    result.assert_outcomes(passed=1)
    assert 'published without the fixture' not in result.stdout.str()
    project.makepyfile(
        """
        import pytest

        @pytest.mark.ws4redis(url='server')
        def test_order(): pass
        """
    )
    result = run(project, '--ds=tests.settings')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*the mark ws4redis takes no arguments*'])


@pytest.mark.row('T13')
def test_failing_end_of_a_client_ends_no_other_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.contrib.auth.models import User
        from ws4redis.subscriber import RedisSubscriber

        class Broken(RedisSubscriber):
            def release(self):
                raise ZeroDivisionError('in release')

        def test_one(ws4redis, db):
            ws4redis.connect('news', subscriber=Broken)

        def test_two(ws4redis, db):
            assert User.objects.count() == 0
        """
    )
    run(project, '--ds=tests.settings').assert_outcomes(passed=2, errors=1)


@pytest.mark.row('T11')
def test_workers_of_xdist_hand_on_what_was_published(project: pytest.Pytester) -> None:
    pytest.importorskip('xdist')
    project.makepyfile(PUBLISHING)
    result = run(project, '--ds=tests.settings', '-n', '2')
    result.stdout.fnmatch_lines(
        ['ws4redis: 2 tests published without the fixture, kept in memory: *']
    )


def test_mark_is_the_fixture_without_its_object(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import unittest
        import pytest
        from ws4redis.seam import seam

        @pytest.mark.ws4redis
        def test_function():
            assert seam.in_force

        @pytest.mark.ws4redis
        class TestClass:
            def test_method(self):
                assert seam.in_force

        @pytest.mark.ws4redis
        class TestCase(unittest.TestCase):
            def test_method(self):
                assert seam.in_force

        def test_without():
            assert not seam.in_force
        """
    )
    run(project, '--ds=tests.settings', '--strict-markers').assert_outcomes(passed=4)


PUBLISHING = """
    import pytest
    from ws4redis.publisher import RedisPublisher

    def publish():
        RedisPublisher(facility='news', broadcast=True).publish_message('hi', expire=10)

    def test_without(): publish()
    def test_without_again():
        assert RedisPublisher().fetch_message(None, 'news', 'broadcast') is None
        publish()
    def test_with(ws4redis): publish()
"""


@pytest.mark.row('T11')
def test_what_is_published_without_the_fixture_is_kept_in_memory_and_named(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(PUBLISHING)
    result = run(project, '--ds=tests.settings')
    result.assert_outcomes(passed=3)
    line = (
        'ws4redis: 2 tests published without the fixture, kept in memory: test_what_is*.py:5, '
        'test_what_is*.py:5'
    )
    result.stdout.fnmatch_lines([line])


@pytest.mark.row('T11')
def test_it_may_fail_instead(project: pytest.Pytester) -> None:
    project.makepyfile(PUBLISHING)
    result = run(project, '--ds=tests.settings', '-o', 'ws4redis_unrequested=fail')
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ['*RuntimeError: published to broadcast:news without a Broker at *:5: use the fixture*']
    )


@pytest.mark.row('T11')
def test_it_may_be_real(project: pytest.Pytester) -> None:
    project.makepyfile(PUBLISHING)
    result = run(
        project, '--ds=tests.settings', '-o', 'ws4redis_unrequested=real', '-k', 'test_without'
    )
    assert 'published without the fixture' not in result.stdout.str()


@pytest.mark.row('T11')
def test_unknown_choice_is_a_usage_error(project: pytest.Pytester) -> None:
    project.makepyfile(PUBLISHING)
    result = run(project, '--ds=tests.settings', '-o', 'ws4redis_unrequested=perhaps')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ws4redis_unrequested is 'perhaps': it takes memory, fail, real"])


@pytest.mark.row('T10')
def test_failing_test_shows_what_happened(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from ws4redis.testing import Broker

        def test_with_the_fixture(ws4redis):
            mary = ws4redis.connect('news', subscribe='broadcast', name='mary')
            ws4redis.publish('hi', facility='chat', broadcast=True)
            assert mary.received == ['hi']

        def test_with_a_block():
            with Broker() as broker:
                broker.connect('news', subscribe='broadcast', name='john').receive()

        def test_without():
            assert False
        """
    )
    result = run(project, '--ds=tests.settings')
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E * mary got nothing: published to 'chat', joined 'news'",
            '*ws4redis: the last events*',
            '*+0.* s  mary joined broadcast:news',
            "*+0.* s  published broadcast:chat 'hi', expire 3600 (test_failing*.py:5)",
            '*ws4redis: the last events*',
            '*john joined broadcast:news',
        ]
    )
    assert result.stdout.str().count('the last events') == 2
    assert 'ws4redis/testing/client.py' not in result.stdout.str()


@pytest.mark.row('T16')
@pytest.mark.parametrize('server', ['memory', 'server'])
@pytest.mark.parametrize(
    'arguments', [('-n', '2'), ('--disable-socket', '--allow-unix-socket'), ('-p', 'randomly')]
)
def test_works_beside_other_plugins(
    project: pytest.Pytester,
    arguments: tuple[str, ...],
    server: str,
    request: pytest.FixtureRequest,
) -> None:
    if server == 'server':
        request.getfixturevalue('redis_url')
    plugin = {'-n': 'xdist', '--disable-socket': 'pytest_socket', '-p': 'pytest_randomly'}[
        arguments[0]
    ]
    pytest.importorskip(plugin)
    project.makepyfile(
        """
        import pytest
        from django.contrib.auth.models import User

        @pytest.mark.parametrize('number', range(6))
        def test_whole_way(ws4redis, db, settings, number):
            settings.WS4REDIS_PREFIX = f'site{number}'
            john = User.objects.create_user('john')
            client = ws4redis.connect('news', subscribe=['user', 'broadcast'], user=john)
            ws4redis.publish('hi', facility='news', users=[john], broadcast=True, expire=60)
            assert client.receive_all() == ['hi', 'hi']
            ws4redis.advance(61)
            assert ws4redis.persisted(facility='news', users=[john]) is None
        """
    )
    run(project, '--ds=tests.settings', f'--ws4redis={server}', *arguments).assert_outcomes(
        passed=6
    )
