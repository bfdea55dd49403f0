"""Who may import whom, read from the source with ast; and what must not be loaded, seen in
processes of their own.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'ws4redis'

LAYERS = (
    '__init__.py',
    'seam.py',
    'schemes.py',
    'exceptions.py',
    'settings.py',
    'signals.py',
    'signalling.py',
    'core/__init__.py',
    'core/channel.py',
    'core/wording.py',
    'core/audience.py',
    'core/query.py',
    'core/glob.py',
    'core/text.py',
    'core/heartbeat.py',
    'core/library.py',
    'core/frames.py',
    'core/entries.py',
    'core/handshake.py',
    'core/websocket.py',
    'core/replies.py',
    'core/feed.py',
    'core/agenda.py',
    'core/limits.py',
    'core/echo.py',
    'core/joining.py',
    'core/liveness.py',
    'core/recheck.py',
    'core/recipient.py',
    'core/handle.py',
    'core/exchange.py',
    'core/outputs.py',
    'core/driver.py',
    'gate.py',
    'memory.py',
    'core/serving.py',
    'redis_client.py',
    'limits.py',
    'identity.py',
    'publishing.py',
    'redis_store.py',
    'publisher.py',
    'subscription.py',
    'subscriber.py',
    'subscriber_methods.py',
    'store.py',
    'policies.py',
    'origin.py',
    'access.py',
    'handshake.py',
    'workers.py',
    'status.py',
    'pump.py',
    'uwsgi_host.py',
    'takeover.py',
    'checks/settings.py',
    'checks/environment.py',
    'checks/__init__.py',
    'checks/log.py',
    'hub.py',
    'transport.py',
    'hub_driver.py',
    'loop.py',
    'memberships.py',
    'wsgi_server.py',
    'wsgi.py',
    'django_runserver.py',
    'uwsgi_runserver.py',
    'context_processors.py',
    'templatetags/__init__.py',
    'templatetags/ws4redis.py',
    'apps.py',
    'management/__init__.py',
    'management/commands/__init__.py',
    'management/commands/runserver.py',
    'testing/__init__.py',
    'testing/explain/__init__.py',
    'testing/fakes/__init__.py',
    'testing/contract/__init__.py',
    'testing/live/__init__.py',
    'testing/redis_process.py',
    'testing/servers.py',
    'testing/clock.py',
    'testing/timing.py',
    'testing/explain/matching.py',
    'testing/publications.py',
    'testing/guard.py',
    'testing/explain/threads.py',
    'testing/explain/trace.py',
    'testing/explain/reasons.py',
    'testing/explain/channels.py',
    'testing/explain/published.py',
    'testing/explain/miss.py',
    'testing/explain/received.py',
    'testing/explain/codes.py',
    'testing/asynchronous.py',
    'testing/audience.py',
    'testing/browser_end.py',
    'testing/standing.py',
    'testing/client.py',
    'testing/faults.py',
    'testing/explain/assertrepr.py',
    'testing/driver.py',
    'testing/handshake.py',
    'testing/opening.py',
    'testing/engine.py',
    'testing/stored.py',
    'testing/fakes/websocket.py',
    'testing/fakes/alone.py',
    'testing/fakes/stores.py',
    'testing/broker.py',
    'testing/contract/subscriber.py',
    'testing/runner.py',
    'testing/live/loop.py',
    'testing/live/client.py',
    'testing/live/server.py',
    'testing/contract/site.py',
    'testing/contract/steps.py',
    'testing/contract/cases/audience.py',
    'testing/contract/cases/messages.py',
    'testing/contract/cases/publishing.py',
    'testing/contract/cases/echo.py',
    'testing/contract/cases/persisting.py',
    'testing/contract/cases/joining.py',
    'testing/contract/cases/limits.py',
    'testing/contract/cases/protocol.py',
    'testing/contract/cases/closing.py',
    'testing/contract/cases/handshake.py',
    'testing/contract/cases/rights.py',
    'testing/contract/cases/faults.py',
    'testing/contract/cases/overrides.py',
    'testing/contract/cases/hooks.py',
    'testing/contract/cases/__init__.py',
    'testing/contract/certify.py',
    'testing/__main__.py',
    'testing/plugin.py',
)
"""Every source file; each imports only from those above it."""

IMPURE = {
    '_thread', 'asyncio', 'concurrent', 'contextvars', 'ctypes', 'datetime', 'fcntl', 'http', 'io',
    'mmap', 'multiprocessing', 'os', 'pathlib', 'queue', 'random', 'sched', 'secrets', 'select',
    'selectors', 'shutil', 'signal', 'socket', 'socketserver', 'ssl', 'subprocess', 'sys',
    'tempfile', 'threading', 'time', 'urllib', 'uuid', 'weakref',
}  # fmt: skip
"""Of the standard library, what core/ does without: the world outside, clocks, chance, threads,
and when memory is freed.
"""

PURE_WEBSOCKETS = {
    'datastructures',
    'exceptions',
    'extensions',
    'frames',
    'headers',
    'http11',
    'protocol',
    'server',
    'typing',
}
"""The Sans-I/O half of websockets."""

SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob('*.py'))
CORE = [name for name in SOURCES if name.startswith('core/')]
CASES = 'testing/contract/cases/'
"""Cases of the contract, which are tests themselves: test_cases.py runs them all."""

WITH_TESTS = [
    name for name in SOURCES if not name.endswith('__init__.py') and not name.startswith(CASES)
]


def parse(name: str) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse((PACKAGE / name).read_text('utf-8'), name)


def is_for_type_checkers(node: ast.AST) -> bool:
    """Whether it is `if TYPE_CHECKING:`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == 'TYPE_CHECKING'
    )


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below this one that run: those under TYPE_CHECKING do not."""
    for child in ast.iter_child_nodes(node):
        if is_for_type_checkers(child):
            assert isinstance(child, ast.If)
            for statement in child.orelse:
                yield statement
                yield from running(statement)
        else:
            yield child
            yield from running(child)


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of all that a file imports; `from a import b` gives a.b, which
    may be a module.
    """
    for node in running(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f'line {node.lineno}: a relative import; this package names its modules in full'
            )
            yield from ((node.lineno, f'{node.module}.{alias.name}') for alias in node.names)


def source_of(dotted: str) -> str | None:
    """Return the source file that holds this name; None if it is not of this package."""
    package, *parts = dotted.split('.')
    if package != 'ws4redis':
        return None
    for length in range(len(parts), -1, -1):
        for candidate in (
            '/'.join(parts[:length]) + '.py',
            '/'.join([*parts[:length], '__init__.py']),
        ):
            if candidate in SOURCES:
                return candidate
    raise AssertionError(f'{dotted} is nowhere')


def impurity(dotted: str) -> str | None:
    """Return why core/ may not import this; None if it may."""
    root, _, rest = dotted.partition('.')
    if root == 'ws4redis':
        source = source_of(dotted)
        assert source is not None
        return (
            None if source.startswith('core/') or source == 'exceptions.py' else 'not of the core'
        )
    if root == 'websockets':
        return (
            None
            if rest.partition('.')[0] in PURE_WEBSOCKETS
            else 'not of the Sans-I/O half of websockets'
        )
    if root not in sys.stdlib_module_names:
        return 'a package from outside'
    # abc and the like; collections.abc begins with collections.
    return 'impure' if root in IMPURE else None


@pytest.mark.parametrize('name', SOURCES)
def test_source_file_has_its_layer(name: str) -> None:
    assert name in LAYERS


@pytest.mark.parametrize('name', LAYERS)
def test_layer_is_a_source_file(name: str) -> None:
    assert name in SOURCES


@pytest.mark.parametrize('name', [name for name in SOURCES if name in LAYERS])
def test_source_file_imports_from_layers_above_its_own(name: str) -> None:
    below = LAYERS[LAYERS.index(name) :]
    found = [
        f'line {line}: {dotted}'
        for line, dotted in imports(parse(name))
        if source_of(dotted) in below
    ]
    assert found == []


@pytest.mark.parametrize('name', CORE)
def test_core_imports_nothing_impure(name: str) -> None:
    found = [
        f'line {line}: {dotted}: {why}'
        for line, dotted in imports(parse(name))
        if (why := impurity(dotted))
    ]
    assert found == []


@pytest.mark.parametrize('name', CORE)
def test_core_opens_and_prints_nothing(name: str) -> None:
    calls = [
        node.func.id
        for node in running(parse(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert {'open', 'print', 'input', '__import__'} & set(calls) == set()


def test_library_never_imports_its_testing() -> None:
    found = [
        f'{name}:{line}'
        for name in SOURCES
        if not name.startswith('testing/')
        for line, dotted in imports(parse(name))
        if dotted.startswith('ws4redis.testing')
    ]
    assert found == []


def identifiers(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a file's code has; its texts and comments do not count."""
    for node in ast.walk(tree):
        for field in ('id', 'attr', 'name', 'arg'):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name


def test_code_outside_testing_knows_of_tests_through_the_seam_alone() -> None:
    found = {
        (name, identifier)
        for name in SOURCES
        if name != 'seam.py' and not name.startswith('testing/')
        for identifier in identifiers(parse(name))
        if re.search('test|broker', identifier.lower())
    }
    assert found == {
        ('memory.py', 'in_test_environment'),
        ('settings.py', '_forget_what_a_test_set'),
    }


def test_seam_is_read_by_few() -> None:
    readers = {
        name
        for name in SOURCES
        if not name.startswith('testing/')
        for _, dotted in imports(parse(name))
        if dotted.startswith('ws4redis.seam')
    }
    assert readers == {'memory.py', 'redis_client.py', 'publishing.py', 'redis_store.py', 'loop.py'}


def test_nothing_imports_the_sandbox() -> None:
    places = [
        *PACKAGE.rglob('*.py'),
        *(ROOT / 'tests').rglob('*.py'),
        *(ROOT / 'benchmarks').rglob('*.py'),
    ]
    found = [
        f'{path.relative_to(ROOT)}:{node.lineno}'
        for path in places
        for node in ast.walk(ast.parse(path.read_text('utf-8')))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for dotted in [alias.name for alias in node.names] + [getattr(node, 'module', None) or '']
        if dotted.partition('.')[0] in ('sandbox', 'chatserver', 'orders')
    ]
    assert found == []


def test_no_file_is_called_utils() -> None:
    assert [
        path
        for place in ('ws4redis', 'tests', 'sandbox')
        for path in (ROOT / place).rglob('utils.py')
    ] == []


@pytest.mark.parametrize('name', WITH_TESTS)
def test_source_file_has_its_tests(name: str) -> None:
    path = Path(name)
    tests = ROOT / 'tests' / path.parent / f'test_{path.name}'
    assert tests.is_file(), f'{tests.relative_to(ROOT)} is missing'
    assert any(
        getattr(node, 'name', '').lower().startswith('test')
        for node in ast.walk(ast.parse(tests.read_text('utf-8')))
    )


GUARDED = {
    (
        'testing/driver.py',
        '_next_reply',
        'read_response',
    ): 'the answer to a PING on the pub/sub connection',
    ('testing/live/server.py', 'end', 'join'): 'a view that still runs when the server ends',
    (
        'testing/live/client.py',
        '__init__',
        'settimeout',
    ): 'a read and a write over TCP, in _read() and _put()',
    (
        'testing/live/loop.py',
        'happens',
        'get',
    ): 'what the loop says once, also for wait_until_subscribed()',
    (
        'testing/publications.py',
        '_until_pong',
        'can_read',
    ): 'the answer to a PING on the connection that hears what is published',
    ('testing/redis_process.py', '_wait_until_ready', 'Timer'): 'the start of a redis-server',
    ('testing/redis_process.py', 'stop', 'wait'): 'reaps a process that was killed',
}
"""Where ws4redis.testing waits for the world outside: file, function, what it calls; a guard
ends each, and raises.
"""

WAITING = {'sleep', 'select', 'poll', 'wait', 'communicate', 'settimeout', 'Timer'}
"""Calls that wait, whatever their arguments."""


def waits(name: str) -> set[tuple[str, str, str]]:
    """Where a file calls something that waits, or gives it a time."""
    functions = [
        node
        for node in running(parse(name))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    found = set()
    for function in functions:
        for node in running(function):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
                called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
                if (
                    called in WAITING
                    or is_given_a_time(node)
                    or (called == 'join' and is_a_thread(node.func))
                ):
                    found.add((name, function.name, called))
    return found


def is_given_a_time(call: ast.Call) -> bool:
    """Whether it is called with a time-out other than zero."""
    times = [keyword.value for keyword in call.keywords if keyword.arg == 'timeout']
    return any(not (isinstance(time, ast.Constant) and time.value == 0) for time in times)


def is_a_thread(function: ast.expr) -> bool:
    """Whether this is a method of something called thread."""
    owner = getattr(function, 'value', None)
    return str(getattr(owner, 'attr', getattr(owner, 'id', ''))).endswith('thread')


def test_testing_waits_where_it_is_listed_and_nowhere_else() -> None:
    assert {
        place for name in SOURCES if name.startswith('testing/') for place in waits(name)
    } == set(GUARDED)


PREAMBLE = """
import sys
forbidden = []
def refuse(event, arguments):
    if event in ('socket.__new__', 'socket.connect', 'time.sleep', '_thread.start_new_thread',
                 'subprocess.Popen'):
        forbidden.append(event)
sys.addaudithook(refuse)
def loaded(*names):
    return sorted(set(names) & set(sys.modules))
"""
DJANGO = """
import django
django.setup()
from django.test.utils import setup_test_environment
setup_test_environment()
"""
BROKER = """
from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker
with Broker() as broker:
    client = broker.connect('news', subscribe='broadcast')
    RedisPublisher(facility='news', broadcast=True).publish_message('hello', expire=10)
    assert client.receive() == 'hello'
    broker.advance(60)
    client.close()
"""


def run(code: str) -> None:
    """Run this in an interpreter of its own, in which nothing has been loaded yet, and expect
    its assertions to hold.
    """
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'DJANGO_SETTINGS_MODULE': 'tests.settings',
    }
    command = [sys.executable, '-W', 'error', '-c', PREAMBLE + code]
    process = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(
    'package',
    ['ws4redis', 'ws4redis.testing', 'ws4redis.seam', 'ws4redis.schemes', 'ws4redis.testing.guard'],
)
def test_package_loads_nothing(package: str) -> None:
    run(
        f"import {package}\nassert not loaded('django', 'redis', 'gevent', 'fakeredis', "
        f"'websockets', 'pytest')"
    )


def test_core_loads_neither_gevent_nor_redis() -> None:
    modules = '\n'.join(
        f'import ws4redis.{name[:-3].replace("/", ".")}'
        for name in CORE
        if not name.endswith('__init__.py')
    )
    run(
        f"{modules}\nassert not loaded('gevent', 'redis', 'fakeredis'), loaded('gevent', "
        f"'redis', 'fakeredis')"
    )


@pytest.mark.parametrize(
    'module', ['access', 'apps', 'memberships', 'publisher', 'redis_client', 'subscriber', 'wsgi']
)
def test_module_that_django_loads_never_loads_gevent(module: str) -> None:
    run(
        f"{DJANGO}\nimport ws4redis.{module}\nassert not loaded('gevent', "
        f"'ws4redis.loop')\nassert forbidden == []"
    )


def test_publishing_never_loads_gevent() -> None:
    run(
        DJANGO
        + """
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer
from ws4redis.seam import seam
seam.server = RedisServer('memory://')
RedisPublisher(facility='news', broadcast=True).publish_message('hello')
assert not loaded('gevent', 'ws4redis.loop', 'ws4redis.wsgi_server')
"""
    )


def test_broker_needs_neither_gevent_nor_the_loop() -> None:
    run(
        DJANGO
        + BROKER
        + "assert not loaded('gevent', 'ws4redis.loop'), loaded('gevent', 'ws4redis.loop')"
    )


def test_broker_makes_no_socket_and_no_thread_and_never_sleeps() -> None:
    run(
        DJANGO + BROKER + 'assert forbidden == [], forbidden\nimport threading\nassert '
        'threading.active_count() == 1'
    )
