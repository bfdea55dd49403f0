"""What a module offers is there, under the names by which existing projects import it."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from make_reference import PUBLIC, Section

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.seam import seam
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, FakeWebSocket, LiveServer
from ws4redis.wsgi_server import WebsocketWSGIServer

DOCS = Path(__file__).resolve().parent.parent / 'docs'
PACKAGE = Path(__file__).resolve().parent.parent / 'ws4redis'


def _modules() -> list[str]:
    sources = [path.relative_to(PACKAGE.parent).with_suffix('') for path in PACKAGE.rglob('*.py')]
    return sorted('.'.join(path.parts) for path in sources if path.name != '__init__') + [
        'ws4redis.testing'
    ]


@pytest.fixture
def memory_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A server of this test's own, so that looking at a lazy attribute reaches for nothing else."""
    server = RedisServer('memory://')
    monkeypatch.setattr(seam, 'server', server)
    yield server
    server.close()


@pytest.mark.parametrize('name', _modules())
def test_module_has_what_its_all_names(name: str, memory_server: RedisServer) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [entry for entry in module.__all__ if not hasattr(module, entry)] == []


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('ws4redis.publisher.RedisPublisher', RedisPublisher),
        ('ws4redis.publisher.StrictRedis', redis.StrictRedis),
        ('ws4redis.subscriber.RedisSubscriber', RedisSubscriber),
        ('ws4redis.redis_store.RedisStore', RedisStore),
        ('ws4redis.redis_store.RedisMessage', RedisMessage),
        ('ws4redis.redis_store.SELF', SELF),
        ('ws4redis.store.RedisStore', RedisStore),
        ('ws4redis.store.RedisSubscriber', RedisSubscriber),
        ('ws4redis.wsgi_server.WebsocketWSGIServer', WebsocketWSGIServer),
    ],
)
def test_import_path_of_existing_projects_gives_the_same_object(
    path: str, expected: object
) -> None:
    module, _, name = path.rpartition('.')
    assert getattr(importlib.import_module(module), name) is expected


def test_publisher_and_subscriber_are_redis_stores() -> None:
    assert issubclass(RedisPublisher, RedisStore)
    assert issubclass(RedisSubscriber, RedisStore)


def test_websocket_server_has_the_names_that_sites_override() -> None:
    server = WebsocketWSGIServer(redis_connection=None)
    assert server.Subscriber is RedisSubscriber
    assert server.possible_channels == [
        *RedisSubscriber.subscription_channels,
        *RedisSubscriber.publish_channels,
    ]
    signatures = {
        'assure_protocol_requirements': ['environ'],
        'process_request': ['request'],
        'process_subscriptions': ['request'],
        'upgrade_websocket': ['environ', 'start_response'],
    }
    for name, parameters in signatures.items():
        assert list(inspect.signature(getattr(server, name)).parameters) == parameters


def test_websocket_server_lists_the_websockets_of_its_driver() -> None:
    with Broker() as broker:
        client = broker.connect('news')
        assert WebsocketWSGIServer(driver=broker._engine.driver).websockets == [client._end]


def test_connection_pool_of_the_publisher_is_that_of_the_server_in_force(
    memory_server: RedisServer,
) -> None:
    publisher = importlib.import_module('ws4redis.publisher')
    assert publisher.redis_connection_pool is memory_server.pool
    assert RedisPublisher()._connection.connection_pool is memory_server.pool


def test_module_without_the_name_says_so() -> None:
    for name in (
        'ws4redis.publisher',
        'ws4redis.django_runserver',
        'ws4redis.settings',
        'ws4redis.testing',
    ):
        with pytest.raises(AttributeError, match='no_such_name'):
            importlib.import_module(name).no_such_name  # noqa: B018


def test_development_server_has_application_and_server_class() -> None:
    from ws4redis import django_runserver

    assert issubclass(django_runserver.WebsocketRunServer, WebsocketWSGIServer)
    assert isinstance(django_runserver.application.websockets, WebsocketWSGIServer)
    assert django_runserver.application is django_runserver.application


def test_wsgi_application_puts_websockets_in_front_of_django() -> None:
    from django.core.handlers.wsgi import WSGIHandler

    from ws4redis.wsgi import get_wsgi_application

    application = get_wsgi_application()
    assert isinstance(application.django, WSGIHandler)
    assert isinstance(application.websockets, WebsocketWSGIServer)


def _defined(module: Any) -> set[str]:
    """The names without an underscore that a module makes itself."""
    tree = ast.parse(Path(module.__file__).read_text('utf-8'))
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith('_') and name != 'logger'}


@pytest.mark.parametrize('section', PUBLIC, ids=lambda section: section.module)
def test_reference_names_all_that_a_module_offers(
    section: Section, memory_server: RedisServer
) -> None:
    module = importlib.import_module(section.module)
    assert [name for name in section.names if not hasattr(module, name)] == []
    assert [name for name in section.names if name not in module.__all__] == []
    if section.whole:
        assert set(module.__all__) == set(section.names)
        assert _defined(module) <= set(section.names)


def test_what_the_pages_import_is_public() -> None:
    public = {(section.module, name) for section in PUBLIC for name in section.names}
    modules = {section.module for section in PUBLIC if section.whole}
    private = [
        f'{page.name}: from {module} import {name}'
        for page in (*DOCS.glob('*.md'), DOCS.parent / 'README.md')
        if page.name not in ('design.md', 'compatibility.md')
        for module, names in re.findall(
            r'^\s*from (ws4redis[\w.]*) import (.+)$', page.read_text('utf-8'), re.MULTILINE
        )
        for name in re.findall(r'\w+', names.partition(' as ')[0])
        if (module, name) not in public and f'{module}.{name}' not in modules
    ]
    assert private == []


CLIENT = {
    *('send', 'send_json', 'send_raw', 'ping', 'close', 'drop', 'asend', 'aclose'),
    *('receive', 'receive_text', 'receive_bytes', 'receive_json', 'receive_all', 'areceive'),
    *('stop_reading', 'resume_reading', 'received', 'unread', 'heartbeats', 'pongs'),
    *('assert_received', 'assert_not_received', 'assert_nothing_received', 'assert_closed'),
    *('open', 'closed', 'close_code', 'close_reason', 'subprotocol', 'channels', 'subscriber'),
    *('session', 'name'),
}
CALLS = {'connect', 'clients', 'settle', 'advance', 'outage', 'drop_subscribers', 'lose_publishes'}
"""What Broker and LiveServer have in common."""

KIT: dict[str, set[str]] = {
    'Broker': {
        *CALLS,
        *('aconnect', 'asettle', 'aadvance', 'publish', 'published', 'capture', 'persisted', 'ttl'),
        *('assert_published', 'assert_not_published', 'assert_nothing_published', 'redis', 'now'),
        *('make_subscriber', 'explain', 'reset'),
        # As docs/usage.md and docs/testing.md have them.
        *('namespace', 'kernel_buffer', 'raise_server_exceptions'),
    },
    'WebSocketClient': CLIENT,
    'LiveClient': CLIENT,
    'LiveServer': {*CALLS, 'broker', 'host', 'port', 'url', 'ws_url', 'wait_until_subscribed'},
    'Publication': {'channel', 'facility', 'message', 'text', 'json', 'expire', 'source'},
    'Publications': set(dir(list)),
    'FakeWebSocket': {
        *('send', 'send_persisted', 'close', 'closed', 'sent', 'drop'),
        *('close_code', 'close_reason', 'receive', 'get_file_descriptor'),
    },
}
"""Every public name of the classes of ws4redis.testing that a test is given."""


def test_classes_of_the_kit_have_their_public_names_and_no_other() -> None:
    with Broker() as broker, LiveServer(broker) as live:
        broker.publish('hello', facility='news', broadcast=True)
        objects: list[object] = [broker, live, broker.connect('news'), live.connect('news')]
        objects += [broker.published, broker.published[0]]
        objects.append(FakeWebSocket(scripted=['hello'], file_descriptor=3))
        names = {
            type(one).__name__: {name for name in dir(one) if not name.startswith('_')}
            for one in objects
        }
    expected = {
        name: {one for one in listed if not one.startswith('_')} for name, listed in KIT.items()
    }
    assert names == expected
