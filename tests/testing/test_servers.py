"""The server of a Broker: nothing of other tests is in it, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from ws4redis.testing import Broker, servers
from ws4redis.testing.redis_process import RedisProcess
from ws4redis.testing.servers import BrokerServer

ROOT = Path(__file__).resolve().parent.parent.parent


def test_server_of_the_run_is_one_process_and_empty_each_time(redis_url: str) -> None:
    first = BrokerServer('server')
    first.server.client.set('key', 'value')
    identity = first.server.client.info('server')['process_id']
    first.close()
    second = BrokerServer('server')
    try:
        assert second.server.client.info('server')['process_id'] == identity
        assert second.server.client.dbsize() == 0
        assert (second.namespace, second.shared) == ('', False)
    finally:
        second.close()


def test_server_that_others_use_keeps_what_is_theirs(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as other:
        other.set('broadcast:news', 'of others')
        with Broker(redis_url) as broker:
            broker.publish('ours', facility='news', broadcast=True, expire=60)
            assert broker.persisted(facility='news', broadcast=True) == b'ours'
            assert other.get('broadcast:news') == b'of others'
            assert other.dbsize() == 2
            broker.advance(30)
        assert other.keys() == [b'broadcast:news']
        assert other.ttl('broadcast:news') == -1


def test_brokers_on_one_server_hear_nothing_of_each_other(redis_url: str) -> None:
    with Broker(redis_url) as one:
        client = one.connect('news', subscribe='broadcast')
        with Broker(redis_url) as other:
            other.publish('for the other', facility='news', broadcast=True)
            assert other.published[0].channel == 'broadcast:news'
        client.assert_nothing_received()
        one.assert_nothing_published()
        one.publish('for the one', facility='news', broadcast=True)
        assert client.receive() == 'for the one'


def test_names_are_shown_without_the_prefix_of_the_test(redis_url: str) -> None:
    with Broker(redis_url) as broker:
        client = broker.connect('news', subscribe='broadcast')
        assert client.channels == ['broadcast:news']
        assert broker.redis.pubsub_numsub(broker.namespace + 'broadcast:news')[0][1] == 1
        assert broker.namespace.startswith('ws4redis-test:')


def test_raw_name_on_a_server_that_others_use_is_reported_with_its_line(redis_url: str) -> None:
    with Broker(redis_url) as broker:
        client = broker.connect('news', subscribe='broadcast')
        client.subscriber._subscription.subscribe('tasks:7')
        broker.redis.publish('tasks:7', 'raw')
        assert client.receive() == 'raw'
        assert [publication.channel for publication in broker.published] == ['tasks:7']
        lines = [line for line in broker.explain().splitlines() if 'raw name' in line]
        assert len(lines) == 1
        assert 'tasks:7' in lines[0]
        assert 'tests/testing/test_servers.py:' in lines[0]


def test_worker_of_xdist_has_names_of_its_own(
    monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv('PYTEST_XDIST_WORKER', 'gw7')
    with Broker(redis_url) as broker:
        assert ':gw7:' in broker.namespace


def test_without_a_redis_server_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, '_processes', {})
    monkeypatch.setenv('PATH', '')
    with pytest.raises(RuntimeError, match='apt-get install redis-server'):
        BrokerServer('server')


@pytest.mark.parametrize('where', ['driver', 'publications'])
def test_server_that_hangs_is_an_error(
    redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with Broker(redis_process.url) as broker:
        broker.connect('news', subscribe='broadcast')
        monkeypatch.setattr(f'ws4redis.testing.{where}.ANSWER_GUARD', 0.2)
        os.kill(redis_process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(RuntimeError, match='the Redis server has not answered PING'):
                broker.settle() if where == 'driver' else broker.published
        finally:
            os.kill(redis_process.pid, signal.SIGCONT)


def test_server_of_the_run_ends_with_it(redis_url: str) -> None:
    code = (
        'import django; django.setup()\n'
        'from ws4redis.testing.servers import BrokerServer\n'
        "print(BrokerServer('server').server.client.info('server')['process_id'])\n"
    )
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'DJANGO_SETTINGS_MODULE': 'tests.settings',
    }
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
