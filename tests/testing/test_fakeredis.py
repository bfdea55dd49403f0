"""Where fakeredis differs from Redis, and where it does not: the table of docs/fakeredis.md, seen
on both.

Each test does the same on both and says what each of them does: it fails when fakeredis has become
like Redis, so that the row can go, and when it has become unlike in another way.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis
import time_machine

from ws4redis.testing.redis_process import RedisProcess

TABLE = Path(__file__).resolve().parent.parent.parent / 'docs' / 'fakeredis.md'

Client = Any


@pytest.fixture
def real(redis_url: str) -> Iterator[Client]:
    with contextlib.closing(redis.Redis.from_url(redis_url, protocol=2)) as client:
        yield client


@pytest.fixture
def fake() -> Iterator[Client]:
    with contextlib.closing(
        fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    ) as client:
        yield client


@pytest.fixture
def both(real: Client, fake: Client) -> tuple[Client, Client]:
    return real, fake


@pytest.fixture
def settled(redis_process: RedisProcess) -> Iterator[Client]:
    """A Redis server of this test alone, whose settings may be changed."""
    with contextlib.closing(redis.Redis.from_url(redis_process.url, protocol=2)) as client:
        yield client


@contextlib.contextmanager
def listening(client: Client, *channels: str, patterns: tuple[str, ...] = ()) -> Iterator[Any]:
    """A pub/sub object whose subscriptions are acknowledged."""
    with contextlib.closing(client.pubsub()) as pubsub:
        for subscribe, names in ((pubsub.subscribe, channels), (pubsub.psubscribe, patterns)):
            for name in names:
                subscribe(name)
                pubsub.parse_response()
        yield pubsub


def ask(pubsub: Any, *command: str) -> Any:
    """Send a command on a pub/sub connection and give the answer."""
    pubsub.connection.send_command(*command, check_health=False)
    return pubsub.connection.read_response(disable_decoding=True)


def heard(pubsub: Any) -> list[list[bytes]]:
    """What has arrived, proved by a PING behind it."""
    pubsub.connection.send_command('PING', 'end', check_health=False)
    replies: list[Any] = []
    while (reply := pubsub.connection.read_response(disable_decoding=True)) != [b'pong', b'end']:
        replies.append(reply)
    return replies


def error(call: Callable[[], Any]) -> str:
    """The error with which this is refused."""
    with pytest.raises(redis.ResponseError) as caught:
        call()
    return str(caught.value)


# Where they differ


def test_keyspace_notifications(real: Client, fake: Client) -> None:
    def notified(client: Client) -> list[bytes]:
        with listening(client, patterns=('*',)) as pubsub:
            client.set('key', 'value')
            client.delete('key')
            return [reply[2] for reply in heard(pubsub)]

    assert notified(real) == []
    assert b'__keyevent@0__:set' in notified(fake)


def test_expiry_follows_the_clock_of_the_test(real: Client, fake: Client) -> None:
    for client in (real, fake):
        client.set('key', 'value', ex=100)
    with time_machine.travel(time.time() + 200):
        assert real.get('key') == b'value'
        assert fake.get('key') is None


def test_order_of_patterns(real: Client, fake: Client) -> None:
    # So many that a server, which shuffles them anew at each start, does not happen on this order.
    patterns = ('a*', '?x', '*x', 'ax*', '[a]x', '*', '??', 'a?', '[a-b]x', '*x*', 'a*x', 'ax')

    def ways(client: Client) -> list[str]:
        with listening(client, patterns=patterns) as pubsub:
            client.publish('ax', 'message')
            return [reply[1].decode() for reply in heard(pubsub) if reply[2] == b'ax']

    assert ways(fake) == list(patterns)
    assert sorted(ways(real)) == sorted(patterns)
    assert ways(real) != list(patterns)


def test_connection_that_ends_is_unsubscribed(real: Client, fake: Client) -> None:
    def left(client: Client) -> tuple[int, list[bytes], list[tuple[bytes, int]], int]:
        with listening(client, 'news', patterns=('new*',)) as pubsub:
            pubsub.connection.disconnect()
            # The server reads the end of one connection and the command of another in no particular
            # order.
            deadline = time.monotonic() + 5
            while client.pubsub_numsub('news') != [(b'news', 0)] and time.monotonic() < deadline:
                pass
            return (
                client.pubsub_numpat(),
                client.pubsub_channels(),
                client.pubsub_numsub('news'),
                client.publish('news', 'x'),
            )

    assert left(real) == (0, [], [(b'news', 0)], 0)
    assert left(fake) == (1, [b'news'], [(b'news', 0)], 0)


def test_unsubscribing_from_nothing_is_answered(real: Client, fake: Client) -> None:
    def answers(client: Client) -> list[Any]:
        with listening(client, 'news') as pubsub:
            assert ask(pubsub, 'UNSUBSCRIBE') == [b'unsubscribe', b'news', 0]
            pubsub.connection.send_command('UNSUBSCRIBE', check_health=False)
            pubsub.connection.send_command('PING', 'end', check_health=False)
            replies = []
            while (reply := pubsub.connection.read_response(disable_decoding=True)) != b'end':
                replies.append(reply)
            return replies

    assert answers(real) == [[b'unsubscribe', None, 0]]
    assert answers(fake) == []


def test_slow_subscriber_is_dropped(settled: Client, fake: Client) -> None:
    def listeners(client: Client) -> int:
        client.config_set('client-output-buffer-limit', 'pubsub 1mb 1mb 1')
        with listening(client, 'news'):
            found = [client.publish('news', 'x' * 1_000_000) for _ in range(30)]
        return int(found[-1])

    assert listeners(settled) == 0
    assert listeners(fake) == 1


def test_memory_is_limited(settled: Client, fake: Client) -> None:
    for client in (settled, fake):
        assert client.config_set('maxmemory', '1mb')
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        for number in range(3):
            settled.set(f'key {number}', 'x' * 1_000_000)
    for number in range(3):
        assert fake.set(f'key {number}', 'x' * 1_000_000)


def test_killed_connection(real: Client, fake: Client) -> None:
    with listening(real, 'news') as pubsub:
        assert real.client_kill_filter(_type='pubsub') == 1
        with pytest.raises(redis.ConnectionError):
            pubsub.connection.read_response()
    with listening(fake, 'news') as pubsub:
        assert fake.client_kill_filter(_type='pubsub') == 1
        assert fake.publish('news', 'hello') == 0
        assert pubsub.get_message(timeout=0) is None


def test_outage_outlives_a_subscription(redis_process: RedisProcess) -> None:
    with (
        contextlib.closing(redis.Redis.from_url(redis_process.url, protocol=2)) as client,
        listening(client, 'news') as pubsub,
    ):
        redis_process.stop()
        redis_process.start()
        with pytest.raises(redis.ConnectionError):
            pubsub.connection.read_response()
        assert client.pubsub_numsub('news') == [(b'news', 0)]
    server = fakeredis.FakeServer()
    with (
        contextlib.closing(fakeredis.FakeRedis(server=server, protocol=2)) as client,
        listening(client, 'news') as pubsub,
    ):
        server.connected = False
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.connected = True
        assert client.publish('news', 'hello') == 1
        assert heard(pubsub) == [[b'message', b'news', b'hello']]


def test_servers_are_shared_by_address() -> None:
    with contextlib.ExitStack() as stack:
        one, two, other = (
            stack.enter_context(contextlib.closing(fakeredis.FakeRedis(host=host)))
            for host in ('shared', 'shared', 'other')
        )
        one.set('key', 'of another test')
        assert two.get('key') == b'of another test'
        assert other.get('key') is None
        one.delete('key')


@pytest.mark.parametrize(
    'command', [('EVAL', "return 'done'", '0'), ('SCRIPT', 'LOAD', 'return 1')]
)
def test_scripts(real: Client, fake: Client, command: tuple[str, ...]) -> None:
    assert real.execute_command(*command)
    assert error(lambda: fake.execute_command(*command)).startswith(
        f"unknown command '{command[0].lower()}"
    )


MISSING = [
    ('INFO',),
    ('CONFIG GET', 'maxmemory'),
    ('MEMORY USAGE', 'key'),
    ('OBJECT', 'ENCODING', 'key'),
    ('SLOWLOG LEN',),
    ('LATENCY RESET',),
    ('WAIT', '0', '0'),
    ('QUIT',),
]


@pytest.mark.parametrize('command', MISSING, ids=lambda command: command[0])
def test_missing_commands(real: Client, fake: Client, command: tuple[str, ...]) -> None:
    for client in (real, fake):
        client.set('key', 'value')
    assert real.execute_command(*command) is not None
    assert error(lambda: fake.execute_command(*command)).startswith('unknown command')


def test_missing_commands_monitor(real: Client, fake: Client) -> None:
    with real.monitor() as monitor:
        real.ping()
        assert monitor.next_command()['command'] == 'PING'
    assert error(lambda: fake.monitor().__enter__()).startswith('unknown command')


def test_descriptor_of_a_connection(real: Client, fake: Client) -> None:
    with listening(real, 'news') as pubsub:
        number = pubsub.connection._sock.fileno()
        assert os.readlink(f'/proc/self/fd/{number}').startswith('socket:')
    with listening(fake, 'news') as pubsub:
        assert type(pubsub.connection._sock).__module__.startswith('fakeredis')
        number = pubsub.connection._sock.fileno()
        # Whatever file has this number, it is not this connection.
        assert number > 0 and not hasattr(pubsub.connection._sock, 'family')


def test_commands_while_subscribed(redis_url: str) -> None:
    with contextlib.ExitStack() as stack:
        real = stack.enter_context(contextlib.closing(redis.Redis.from_url(redis_url, protocol=3)))
        fake = stack.enter_context(
            contextlib.closing(fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=3))
        )
        assert ask(stack.enter_context(listening(real, 'news')), 'GET', 'key') is None
        pubsub = stack.enter_context(listening(fake, 'news'))
        assert 'allowed in this context' in error(lambda: ask(pubsub, 'GET', 'key'))


def test_error_texts(real: Client, fake: Client) -> None:
    command = ('SET', 'key', 'value', 'PX', '0')
    assert error(lambda: real.execute_command(*command)) == "invalid expire time in 'set' command"
    assert error(lambda: fake.execute_command(*command)) == 'invalid expire time in set'


def test_order_of_keys(real: Client, fake: Client) -> None:
    names = [f'key {number}'.encode() for number in range(50)]
    for client in (real, fake):
        for name in names:
            client.set(name, 'value')
    assert fake.keys() == names
    assert sorted(real.keys()) == sorted(names)
    assert real.keys() != names


def rows() -> set[str]:
    """The names in the first column of the table."""
    return set(re.findall(r'^\| (\w+) \|', TABLE.read_text('utf-8'), re.MULTILINE)) - {'Test'}


def test_table_has_a_test_for_each_row_and_a_row_for_each_difference() -> None:
    differ, _, _ = Path(__file__).read_text('utf-8').partition('\n# Where they do not\n')
    tests = set(re.findall(r'^def test_(\w+)', differ, re.MULTILINE)) - {'missing_commands_monitor'}
    assert rows() == {name for name in tests if not name.startswith('table_')}


# Where they do not


def test_publish_counts_by_name_and_by_pattern(both: tuple[Client, Client]) -> None:
    for client in both:
        with listening(client, 'news', patterns=('n*', '*s')) as pubsub:
            assert client.publish('news', 'hello') == 3
            assert [reply[0] for reply in heard(pubsub) if reply[-2] == b'news'] == [
                b'message',
                b'pmessage',
                b'pmessage',
            ]


def test_publish_crosses_database_numbers(redis_url: str) -> None:
    server = fakeredis.FakeServer()
    with contextlib.ExitStack() as stack:
        clients = [
            (
                redis.Redis.from_url(redis_url, protocol=2),
                redis.Redis.from_url(redis_url, db=1, protocol=2),
            ),
            (
                fakeredis.FakeRedis(server=server, protocol=2),
                fakeredis.FakeRedis(server=server, db=1, protocol=2),
            ),
        ]
        for zero, one in clients:
            stack.callback(zero.close)
            stack.callback(one.close)
            with listening(zero, 'news') as pubsub:
                assert one.publish('news', 'hello') == 1
                assert heard(pubsub) == [[b'message', b'news', b'hello']]


def test_error_inside_multi_leaves_the_rest_done(both: tuple[Client, Client]) -> None:
    for client in both:
        results = (
            client.pipeline()
            .set('key', 'value')
            .lpush('key', 'x')
            .get('key')
            .execute(raise_on_error=False)
        )
        assert results[0] is True and results[2] == b'value'
        assert isinstance(results[1], redis.ResponseError)


def test_error_before_exec_leaves_nothing_done(both: tuple[Client, Client]) -> None:
    for client in both:
        pipeline = client.pipeline(transaction=False)
        for command in (('MULTI',), ('SET', 'key'), ('PUBLISH', 'news', 'hello'), ('EXEC',)):
            pipeline.execute_command(*command)
        results = pipeline.execute(raise_on_error=False)
        assert results[0] == b'OK' and results[2] == b'QUEUED'
        assert isinstance(results[1], redis.ResponseError)
        assert isinstance(results[3], redis.exceptions.ExecAbortError)


def test_key_of_another_type(both: tuple[Client, Client]) -> None:
    for client in both:
        client.rpush('list', 'x')
        client.set('text', 'value')
        assert error(lambda client=client: client.get('list')).startswith('WRONGTYPE')  # type: ignore[misc]
        assert client.mget('list', 'text', 'missing') == [None, b'value', None]


@pytest.mark.parametrize(
    'pattern',
    ['a[^b]', 'a[b', 'a\\*', 'a[z-a]', '[]a]*', 'a[!b]', 'a[\\]]', 'a[]]', 'a[^]]', 'a?', '*'],
)
def test_glob_patterns(both: tuple[Client, Client], pattern: str) -> None:
    real, fake = both
    for client in both:
        client.mset(
            dict.fromkeys(['a', 'ab', 'a^', 'a]', 'a\\', 'a*', 'ax', 'a!', 'a[b', ']'], 'value')
        )
    assert sorted(real.keys(pattern)) == sorted(fake.keys(pattern))


@pytest.mark.parametrize('milliseconds', ['0', '-1', '1.5', 'x', ''])
def test_set_refuses_times_that_are_none(both: tuple[Client, Client], milliseconds: str) -> None:
    for client in both:
        assert error(partial(client.execute_command, 'SET', 'key', 'value', 'PX', milliseconds))
        assert client.get('key') is None
