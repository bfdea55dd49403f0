"""WebsocketWSGIServer: a request becomes a websocket or gets an answer; whatever fails leaves
nothing behind.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
import redis
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError, connections
from django.http import Http404, HttpRequest
from django.test import RequestFactory

from ws4redis.core import handshake
from ws4redis.core.handshake import Accepted, accept
from ws4redis.exceptions import HandshakeError, UnavailableError
from ws4redis.handshake import HANDSHAKE
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected
from ws4redis.testing.browser_end import MemoryEnd
from ws4redis.testing.client import WebSocketClient
from ws4redis.testing.driver import MemoryHandshake, MemoryTransport
from ws4redis.wsgi_server import WebsocketWSGIServer

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoDbBlocker, Settings


@pytest.fixture
def broker(django_db_blocker: DjangoDbBlocker) -> Iterator[Broker]:
    """With the real application, which looks at the database connections when a request has
    ended.
    """
    with django_db_blocker.unblock(), Broker() as broker:
        yield broker


@pytest.fixture
def site_as_seen(django_db_blocker: DjangoDbBlocker) -> Iterator[Broker]:
    """A broker that shows what a browser would see."""
    with django_db_blocker.unblock(), Broker(raise_server_exceptions=False) as broker:
        yield broker


class Answer:
    """What a WSGI server gets of the application."""

    def __init__(self) -> None:
        self.status = ''
        self.headers: dict[str, str] = {}
        self.body = b''
        self.raised: Exception | None = None

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, dict(headers)
        return len


UPGRADE = {
    'upgrade': 'websocket',
    'connection': 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}


def call(
    server: WebsocketWSGIServer,
    broker: Broker,
    path: str = '/ws/news',
    *,
    method: str = 'GET',
    headers: dict[str, str] = UPGRADE,
    script_name: str = '',
) -> Answer:
    """Call the application as a WSGI server does."""
    request = RequestFactory().generic(method, path, headers=headers)
    environ = request.environ
    environ['SCRIPT_NAME'] = script_name
    # As it comes from a server; Django has decoded it.
    environ['PATH_INFO'] = environ['PATH_INFO'].encode().decode('latin-1')
    environ[HANDSHAKE] = MemoryHandshake(
        MemoryEnd(broker, f'ws://testserver{path}', 'browser', (), None)
    )
    answer = Answer()
    try:
        answer.body = b''.join(server(environ, answer.start))
    except OSError as exc:
        answer.raised = exc
    return answer


def server_of(
    broker: Broker, cls: type[WebsocketWSGIServer] = WebsocketWSGIServer
) -> WebsocketWSGIServer:
    """An application whose websockets the broker drives."""
    return cls(driver=broker._engine.driver)


def nothing_left(broker: Broker) -> bool:
    """Whether no websocket, channel or subscription is left."""
    exchange = broker._engine.driver.exchange
    numbers = dict(broker.redis.pubsub_numsub('broadcast:news', 'extra'))
    return not exchange.recipients and not exchange.channel_count and not any(numbers.values())


# The end of a handshake that succeeds


def test_call_ends_as_if_the_client_had_gone(broker: Broker) -> None:
    """The servers pass over it without a word and write nothing more."""
    answer = call(server_of(broker), broker)
    assert isinstance(answer.raised, BrokenPipeError)
    assert answer.raised.errno == errno.EPIPE


def test_access_log_has_the_line_of_a_101(broker: Broker) -> None:
    answer = call(server_of(broker), broker)
    assert answer.status == '101 Switching Protocols'
    assert answer.headers == {}


def test_open_websocket_is_logged_with_its_channels(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, 'ws4redis.wsgi_server'):
        broker.connect('news', subscribe='broadcast')
    assert "websocket 'news': open, subscribe-broadcast" in caplog.text


NAMES = 'subscribe-session, subscribe-group, subscribe-user'


@pytest.mark.parametrize(
    ('user', 'groups', 'said'),
    [
        (None, None, f'{NAMES} (nobody: {NAMES})'),
        ('john', None, f'{NAMES} (nobody: subscribe-group)'),
        ('john', ['staff'], NAMES),
    ],
    ids=['anonymous', 'without groups', 'with all'],
)
def test_names_that_mean_nobody_are_said_to(
    broker: Broker,
    db: None,
    caplog: pytest.LogCaptureFixture,
    user: str | None,
    groups: list[str] | None,
    said: str,
) -> None:
    who = get_user_model().objects.create_user(user) if user is not None else None
    with caplog.at_level(logging.INFO, 'ws4redis.wsgi_server'):
        broker.connect('news', subscribe=['user', 'group', 'session'], user=who, groups=groups)
    [line] = [record.getMessage() for record in caplog.records if ': open, ' in record.getMessage()]
    assert line == f"websocket 'news': open, {said}"


def test_websockets_are_those_that_are_open(broker: Broker) -> None:
    server = server_of(broker)
    assert server.websockets == []
    client = broker.connect('news')
    assert server.websockets == [client._end]
    client.close()
    assert server.websockets == []


def test_database_connections_are_closed_after_the_handshake(
    broker: Broker, tmp_path: Path
) -> None:
    """Every `subscribe-user` socket kept one open."""
    connections.settings['file'] = {
        **connections.settings['default'],
        'NAME': str(tmp_path / 'database.sqlite3'),
    }
    for headers in (UPGRADE, {}):
        connections['file'].ensure_connection()
        call(server_of(broker), broker, headers=headers)
        assert connections['file'].connection is None
    del connections['file']
    del connections.settings['file']


# Refusals


@pytest.mark.parametrize(
    ('method', 'changes', 'status', 'text'),
    [
        ('GET', {'upgrade': None}, 400, b'Client does not wish to upgrade to a websocket\n'),
        ('POST', {}, 400, b'Client does not wish to upgrade to a websocket\n'),
        (
            'GET',
            {'connection': 'keep-alive'},
            400,
            b'Client does not wish to upgrade to a websocket\n',
        ),
        ('GET', {'sec-websocket-version': None}, 426, None),
        ('GET', {'sec-websocket-version': '8'}, 426, None),
        ('GET', {'sec-websocket-key': None}, 400, None),
        ('GET', {'sec-websocket-key': 'short'}, 400, None),
        ('GET', {'content-length': '5'}, 400, None),
        ('GET', {'transfer-encoding': 'chunked'}, 400, None),
    ],
)
def test_request_that_is_no_upgrade_is_refused(
    broker: Broker, method: str, changes: dict[str, str | None], status: int, text: bytes | None
) -> None:
    headers = {name: value for name, value in {**UPGRADE, **changes}.items() if value is not None}
    answer = call(server_of(broker), broker, method=method, headers=headers)
    assert answer.raised is None
    assert answer.status.startswith(f'{status} ')
    assert answer.headers['Connection'] == 'close'
    assert answer.headers['Content-Length'] == str(len(answer.body))
    assert text is None or answer.body == text
    if status == 426:
        assert answer.headers['Sec-WebSocket-Version'] == '13'
    assert nothing_left(broker)


def test_refusals_are_counted_and_logged(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    call(server_of(broker), broker, headers={})
    assert broker._engine.driver.exchange.agenda.counters.refused == 1
    assert "refused '/ws/news' with 400" in caplog.text


def test_path_that_is_not_below_websocket_url_is_not_found(broker: Broker) -> None:
    answer = call(server_of(broker), broker, '/other/news')
    assert answer.status == '404 Not Found'
    assert b'/ws/' not in answer.body


@pytest.mark.parametrize(
    ('facility', 'allowed'),
    [
        ('x' * 255, True),
        ('x' * 256, False),
        ('%C3%BC' * 127, True),
        ('%C3%BC' * 128, False),
        ('', True),
        ('a/b:c', True),
    ],
)
def test_facility_has_a_limit_in_bytes(broker: Broker, facility: str, allowed: bool) -> None:
    """Any client filled Redis with keys of its own naming."""
    answer = call(server_of(broker), broker, f'/ws/{facility}')
    assert answer.status == ('101 Switching Protocols' if allowed else '400 Bad Request')


@pytest.mark.parametrize(
    ('facility', 'allowed'),
    [
        ('%00', False),
        ('a%0Ab', False),
        ('a%0d%0ab', False),
        ('%1f', False),
        ('news%7F', False),
        ('%C2%80', False),
        ('%C2%9F', False),
        ('%20', True),
        ('%2500', True),
        ('%9F', True),
        ('%C2%A0', True),
        ('%E2%80%A8', True),
    ],
)
def test_facility_has_no_control_character(broker: Broker, facility: str, allowed: bool) -> None:
    """Such a name was refused for users, and written into logs and Redis for facilities."""
    answer = call(server_of(broker), broker, f'/ws/{facility}?subscribe-broadcast')
    assert answer.status == ('101 Switching Protocols' if allowed else '400 Bad Request')


def test_limit_of_the_facility_is_a_setting(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_MAX_FACILITY = 3
    assert call(server_of(broker), broker, '/ws/abc').status.startswith('101')
    assert call(server_of(broker), broker, '/ws/abcd').status.startswith('400')


def test_facility_of_a_site_that_is_mounted_somewhere_is_the_rest_of_its_own_path(
    broker: Broker,
) -> None:
    answer = call(server_of(broker), broker, '/ws/news?subscribe-broadcast', script_name='/shop')
    assert answer.status.startswith('101')
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)]


def test_query_string_with_too_many_names_is_a_bad_request(broker: Broker) -> None:
    path = '/ws/news?' + '&'.join(f'n{number}' for number in range(2000))
    assert call(server_of(broker), broker, path).status == '400 Bad Request'


def test_unknown_names_are_ignored_and_logged_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    client = broker.connect(
        '/ws/news?subscribe-all&SUBSCRIBE-Broadcast&Token&publish-nobody=1&echo=false'
    )
    assert client.channels == ['broadcast:news']
    lines = [
        record.getMessage() for record in caplog.records if 'unknown names' in record.getMessage()
    ]
    assert len(lines) == 1
    assert lines[0].endswith("'subscribe-all', 'token', 'publish-nobody'")


def test_parameters_of_the_sites_own_are_no_unknown_names(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.connect('/ws/news?subscribe-broadcast&Room=9&token=abc')
    assert 'unknown names' not in caplog.text
    assert 'abc' not in caplog.text, 'values may be secrets'


def test_names_alone_make_a_request_that_listens_on_nothing(broker: Broker) -> None:
    """No names at all leave the socket open."""
    client = broker.connect('/ws/news')
    assert client.open
    assert client.channels == []


@pytest.mark.parametrize(
    ('asked', 'taken'), [((), None), (('chat',), 'chat'), (('chat', 'superchat'), 'chat')]
)
def test_first_subprotocol_that_was_asked_for_is_taken(
    broker: Broker, asked: tuple[str, ...], taken: str | None
) -> None:
    assert broker.connect('news', subprotocols=asked).subprotocol == taken


def test_server_that_gives_its_socket_to_nobody_is_told_so(broker: Broker) -> None:
    class Keeping(type(broker._engine.driver)):  # type: ignore[misc]
        def find_transport(self, environ: dict[str, Any], start_response: Any) -> MemoryTransport:
            raise UnavailableError('Websockets are not served here', status=501)

    broker._engine.driver.__class__ = Keeping
    assert call(server_of(broker), broker).status == '501 Not Implemented'


def test_redis_away_at_the_handshake_is_unavailable(broker: Broker) -> None:
    with broker.outage(), pytest.raises(HandshakeRejected) as refused:
        broker.connect('news', subscribe='broadcast')
    assert refused.value.status_code == 503
    assert refused.value.body == b'Try again later\n'
    assert nothing_left(broker)
    assert broker.connect('news', subscribe='broadcast').channels == ['broadcast:news']


def test_client_that_goes_before_it_is_taken_over_leaves_nothing(
    site_as_seen: Broker,
) -> None:
    class Cut(MemoryTransport):
        def detach(self) -> tuple[MemoryEnd, bytes]:
            raise ConnectionResetError('gone')

    class CutDriver(type(site_as_seen._engine.driver)):  # type: ignore[misc]
        def find_transport(self, environ: dict[str, Any], start_response: Any) -> MemoryTransport:
            return Cut(super().find_transport(environ, start_response).client)

    site_as_seen._engine.driver.__class__ = CutDriver
    Counting.reset()
    server = server_of(site_as_seen)
    server.Subscriber = Counting
    assert call(server, site_as_seen, '/ws/news?subscribe-broadcast').status.startswith('503')
    assert Counting.released == Counting.made == 1
    assert nothing_left(site_as_seen)


# The subscriber: release() once for each that was made


class Counting(RedisSubscriber):
    """Counts how many were made and released."""

    made = released = 0

    @classmethod
    def reset(cls) -> None:
        cls.made = cls.released = 0

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        type(self).made += 1

    def release(self) -> None:
        type(self).released += 1
        super().release()


FAILURES = [
    (PermissionDenied('not you'), 403),
    (Http404('no room'), 404),
    (OperationalError('away'), 503),
    (redis.ConnectionError('away'), 503),
    (RuntimeError('redis://:s3cret@db.internal'), 500),
    (HandshakeError('Bad room', status=400), 400),
]


@pytest.mark.parametrize(
    ('exception', 'status'), FAILURES, ids=lambda value: getattr(value, '__class__', value).__name__
)
@pytest.mark.parametrize('name', ['set_pubsub_channels', 'get_file_descriptor'])
def test_subscriber_that_fails_refuses_the_handshake_and_is_released_once(
    site_as_seen: Broker, name: str, exception: Exception, status: int
) -> None:
    """Also if set_pubsub_channels() raised half-way; no detail reaches the client."""

    class Failing(Counting):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe('extra')
            if name == 'set_pubsub_channels':
                raise exception

        def get_file_descriptor(self) -> int | None:
            raise exception

    Failing.reset()
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('/ws/news?subscribe-broadcast', subscriber=Failing)
    assert refused.value.status_code == status
    assert b's3cret' not in refused.value.body
    assert Failing.released == Failing.made == 1
    assert nothing_left(site_as_seen)


def test_subscriber_is_released_once_when_its_websocket_has_ended(broker: Broker) -> None:
    for end in (WebSocketClient.close, WebSocketClient.drop):
        Counting.reset()
        client = broker.connect('news', subscribe='broadcast', subscriber=Counting)
        assert (Counting.made, Counting.released) == (1, 0)
        end(client)
        assert (Counting.made, Counting.released) == (1, 1)
        assert nothing_left(broker)


def test_subscriber_that_cannot_be_made_leaves_nothing(site_as_seen: Broker) -> None:
    class Unmakeable(Counting):
        def __init__(self, connection: Any) -> None:
            raise RuntimeError('bug')

    Unmakeable.reset()
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('news', subscribe='broadcast', subscriber=Unmakeable)
    assert refused.value.status_code == 500
    assert (Unmakeable.made, Unmakeable.released) == (0, 0)
    assert nothing_left(site_as_seen)


def test_no_subscriber_is_made_for_a_request_that_is_refused_before(broker: Broker) -> None:
    Counting.reset()
    with pytest.raises(HandshakeRejected):
        broker.connect('news', origin='https://evil.example', subscriber=Counting)
    assert (Counting.made, Counting.released) == (0, 0)


def test_release_that_fails_changes_nothing_about_the_refusal(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreleasable(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            raise PermissionDenied

        def release(self) -> None:
            raise RuntimeError('bug')

    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('news', subscriber=Unreleasable)
    assert refused.value.status_code == 403
    assert 'Unreleasable.release() failed' in caplog.text


@pytest.mark.parametrize('path', ['no.such.module.Subscriber', 'ws4redis.subscriber.Misspelt'])
def test_subscriber_class_that_cannot_be_imported_refuses_the_handshake(
    site_as_seen: Broker, settings: Settings, path: str
) -> None:
    settings.WS4REDIS_SUBSCRIBER = path
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('/ws/news?subscribe-broadcast')
    assert refused.value.status_code == 500


def test_subscriber_class_follows_the_setting_unless_it_was_assigned(settings: Settings) -> None:
    server = WebsocketWSGIServer()
    assert server.Subscriber is RedisSubscriber
    settings.WS4REDIS_SUBSCRIBER = f'{__name__}.Counting'
    assert server.Subscriber is Counting
    server.Subscriber = RedisSubscriber
    assert server.Subscriber is RedisSubscriber
    assert WebsocketWSGIServer().Subscriber is Counting


def test_possible_channels_are_the_class_lists(broker: Broker) -> None:
    class Server(RedisSubscriber):
        subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-server']
        publish_channels = ['publish-server']

    server = WebsocketWSGIServer()
    server.Subscriber = Server
    assert server.possible_channels == [
        *RedisSubscriber.subscription_channels,
        'subscribe-server',
        'publish-server',
    ]


def test_subscribers_get_the_connection_that_the_server_was_made_with(broker: Broker) -> None:
    own = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    kept: list[Any] = []

    class Keeping(RedisSubscriber):
        def __init__(self, connection: Any) -> None:
            super().__init__(connection)
            kept.append(connection)

    server = WebsocketWSGIServer(redis_connection=own, driver=broker._engine.driver)
    server.Subscriber = Keeping
    assert call(server, broker).status.startswith('101')
    assert kept == [own]


def test_request_stays_usable_as_long_as_the_websocket_is_open(
    broker: Broker, django_user_model: Any, db: None
) -> None:

    class Keeping(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self.request = request
            super().set_pubsub_channels(request, channels)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            request = self.request
            said.append(
                (
                    request.user.username,
                    request.session['cart'],
                    request.headers['x-token'],
                    request.GET['room'],
                )
            )
            request.session['cart'] = 8
            request.session.save()

    said: list[Any] = []
    john = django_user_model.objects.create(username='john')
    from django.test import Client

    client = Client()
    client.force_login(john)
    session = client.session
    session['cart'] = 7
    session.save()
    websocket = broker.connect(
        '/ws/news?room=9', client=client, headers={'X-Token': 'abc'}, subscriber=Keeping
    )
    websocket.send('hello')
    assert said == [('john', 7, 'abc', '9')]
    assert client.session['cart'] == 8


# Steps that a site overrides


def test_steps_of_the_server_can_be_overridden(broker: Broker) -> None:
    called: list[str] = []

    class OwnServer(WebsocketWSGIServer):
        def assure_protocol_requirements(self, environ: dict[str, Any]) -> None:
            called.append('assure_protocol_requirements')
            super().assure_protocol_requirements(environ)

        def process_request(self, request: Any) -> None:
            called.append('process_request')
            assert isinstance(request, WSGIRequest)
            super().process_request(request)

        def process_subscriptions(self, request: Any) -> tuple[list[str], bool]:
            called.append('process_subscriptions')
            channels, echo = super().process_subscriptions(request)
            assert (channels, echo) == (['subscribe-user'], True)
            return ['subscribe-broadcast'], False

        def upgrade_websocket(self, environ: dict[str, Any], start_response: Any) -> Accepted:
            called.append('upgrade_websocket')
            return super().upgrade_websocket(environ, start_response)

    server = server_of(broker, OwnServer)
    assert call(server, broker, '/ws/news?subscribe-user&echo').status.startswith('101')
    assert called == [
        'assure_protocol_requirements',
        'process_request',
        'process_subscriptions',
        'upgrade_websocket',
    ]
    assert broker.redis.pubsub_numsub('broadcast:news') == [(b'broadcast:news', 1)]


def test_request_is_read_once_and_again_after_a_site_has_changed_it(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    taken: list[str | None] = []

    def counted(environ: dict[str, Any]) -> Accepted:
        read.append(environ.get('HTTP_SEC_WEBSOCKET_PROTOCOL', ''))
        return accept(environ)

    class OwnServer(WebsocketWSGIServer):
        def process_request(self, request: Any) -> None:
            super().process_request(request)
            request.environ['HTTP_SEC_WEBSOCKET_PROTOCOL'] = 'chat'

        def upgrade_websocket(self, environ: dict[str, Any], start_response: Any) -> Accepted:
            accepted = super().upgrade_websocket(environ, start_response)
            taken.append(accepted.subprotocol)
            return accepted

    monkeypatch.setattr(handshake, 'accept', counted)
    call(server_of(broker), broker, '/ws/news')
    assert read == ['']
    call(server_of(broker, OwnServer), broker, '/ws/news')
    assert read == ['', '', 'chat']
    assert taken == ['chat']


STEPS = [
    'assure_protocol_requirements',
    'process_request',
    'process_subscriptions',
    'upgrade_websocket',
]


@pytest.mark.parametrize(
    ('exception', 'status'), FAILURES, ids=lambda value: getattr(value, '__class__', value).__name__
)
@pytest.mark.parametrize('step', STEPS)
def test_overridden_step_that_raises_refuses_the_handshake(
    site_as_seen: Broker, step: str, exception: Exception, status: int
) -> None:
    class OwnServer(WebsocketWSGIServer):
        pass

    def fail(*arguments: Any) -> Any:
        raise exception

    setattr(OwnServer, step, fail)
    answer = call(server_of(site_as_seen, OwnServer), site_as_seen, '/ws/news?subscribe-broadcast')
    assert answer.raised is None
    assert answer.status.startswith(f'{status} ')
    assert answer.headers['Connection'] == 'close'
    assert b's3cret' not in answer.body
    assert nothing_left(site_as_seen)


def test_session_that_fails_when_it_is_asked_for_groups_refuses_the_handshake(
    site_as_seen: Broker, settings: Settings
) -> None:
    class Session:
        session_key = 'key'

        def get(self, name: str, default: object = None) -> object:
            raise OperationalError('away')

    def callback(request: HttpRequest) -> None:
        request.session = Session()  # type: ignore[assignment]

    settings.WS4REDIS_PROCESS_REQUEST = callback
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('news', subscribe='group')
    assert refused.value.status_code == 503
    assert nothing_left(site_as_seen)


# Messages that go nowhere


def test_messages_of_one_who_may_publish_nowhere_are_counted_and_logged_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    client = broker.connect('news', subscribe='broadcast', publish='broadcast')
    for text in ('one', 'two', 'three'):
        client.send(text)
    assert client.open
    assert broker.published == []
    assert broker._engine.driver.exchange.agenda.counters.published_nowhere == 3
    assert caplog.text.count('may publish nowhere') == 1


def test_message_that_an_override_takes_is_not_counted_as_lost(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    class Taking(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            taken.append(message)

    taken: list[bytes] = []
    broker.connect('news', subscriber=Taking).send('one')
    assert taken == [b'one']
    assert broker._engine.driver.exchange.agenda.counters.published_nowhere == 0
    assert 'may publish nowhere' not in caplog.text


def test_messages_of_a_logged_in_user_are_not_counted_as_lost(
    broker: Broker, django_user_model: Any, db: None
) -> None:
    john: User = django_user_model.objects.create(username='john')
    broker.connect('news', publish='broadcast', user=john).send('one')
    assert broker._engine.driver.exchange.agenda.counters.published_nowhere == 0


# Limits


def test_message_that_is_too_large_closes_with_1009(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_MAX_MESSAGE_SIZE = 10
    client = broker.connect('news')
    client.send('x' * 10)
    assert client.open
    client.send('x' * 11)
    assert (client.close_code, client.close_reason) == (1009, 'message too large')


def test_too_many_messages_close_with_1008(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_MESSAGE_RATE = 2
    client = broker.connect('news')
    for _ in range(4):
        client.send('x')
    assert client.open
    client.send('x')
    assert client.close_code == 1008
