"""What projects of release 0.6.0 rely on: one flat list, each test named after its row.

U15 (context processor, JavaScript) and U20 (count_listeners) have files of their own, the uWSGI part of U11 its server tests.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.http import BadHeaderError, HttpRequest
from django.test import Client, RequestFactory

import ws4redis.publisher
import ws4redis.redis_store
import ws4redis.settings
import ws4redis.store
import ws4redis.subscriber
import ws4redis.wsgi_server
from tests import overrides
from ws4redis import exceptions
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer, connection_arguments
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings

CHAT = '/ws/chat?subscribe-broadcast&publish-broadcast'


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """As a site of release 0.6.0 has it: everybody may publish."""
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
    with Broker() as broker:
        yield broker


@pytest.fixture
def john(db: None) -> User:
    return User.objects.create(username='john')


def request_of(user: Any, session: Any = None) -> HttpRequest:
    """A request with this user and session."""
    request = RequestFactory().get('/')
    request.user = user
    request.session = session if session is not None else SessionStore()
    return request


# U1: Redis layout


def test_u1_channel_and_key_share_a_name_and_hold_the_raw_message(broker: Broker) -> None:
    for audience, name in (
        ({'broadcast': True}, 'broadcast:chat'),
        ({'users': ['john']}, 'user:john:chat'),
        ({'groups': ['staff']}, 'group:staff:chat'),
        ({'sessions': ['abc']}, 'session:abc:chat'),
    ):
        RedisPublisher(facility='chat', **audience).publish_message('grün', expire=60)
        assert broker.published[-1].channel == name
        assert broker.redis.get(name) == 'grün'.encode()
        assert broker.redis.type(name) == b'string'
        assert 0 < broker.redis.ttl(name) <= 60


def test_u1_other_programs_publish_and_persist_by_themselves(broker: Broker) -> None:
    broker.redis.set('broadcast:chat', b'persisted by redis-cli', ex=60)
    client = broker.connect(CHAT)
    broker.redis.publish('broadcast:chat', b'published by redis-cli')
    assert client.receive_all() == ['persisted by redis-cli', 'published by redis-cli']


def test_u1_prefix_stands_before_the_names(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    client = broker.connect(CHAT)
    broker.redis.publish('shop:broadcast:chat', 'hello')
    assert client.receive_all() == ['hello']


# U2: persisting


def test_u2_persisted_message_comes_before_live_ones_and_at_every_reconnect(broker: Broker) -> None:
    broker.publish('old', facility='chat', broadcast=True)
    broker.publish('persisted', facility='chat', broadcast=True)
    for _ in range(2):
        client = broker.connect(CHAT)
        broker.publish('live', facility='chat', broadcast=True, expire=0)
        assert client.receive_all() == ['persisted', 'live']
        client.close()


def test_u2_message_from_a_browser_is_persisted_too(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = 30
    broker.connect(CHAT).send('from a browser')
    assert broker.persisted(facility='chat', broadcast=True) == b'from a browser'
    assert broker.published[0].expire == 30
    broker.advance(30)
    assert broker.persisted(facility='chat', broadcast=True) is None


def test_u2_expire_beats_the_setting_and_zero_publishes_without_persisting(broker: Broker) -> None:
    publisher = RedisPublisher(facility='chat', broadcast=True)
    publisher.publish_message('older', expire=5)
    publisher.publish_message('not persisted', expire=0)
    publisher.publish_message('not persisted', expire=-1)
    assert [publication.expire for publication in broker.published] == [5, 0, 0]
    assert broker.persisted(facility='chat', broadcast=True) == b'older'


def test_u2_setting_may_be_none(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = None
    RedisPublisher(facility='chat', broadcast=True).publish_message('hello')
    assert broker.persisted(facility='chat', broadcast=True) is None


# U3: fetch_message


def test_u3_fetch_message_looks_at_session_user_group_broadcast(broker: Broker, john: User) -> None:
    session = SessionStore()
    session['ws4redis:memberof'] = ['staff']
    session.save()
    request = request_of(john, session)
    assert RedisPublisher().fetch_message(request, 'chat') is None
    for audience, name in (
        ({'broadcast': True}, 'broadcast'),
        ({'groups': ['staff']}, 'group'),
        ({'users': [john]}, 'user'),
        ({'sessions': [session.session_key]}, 'session'),
    ):
        RedisPublisher(facility='chat', **audience).publish_message(name)
        assert RedisPublisher().fetch_message(request, facility='chat', audience='any') == name.encode()
        assert RedisPublisher().fetch_message(request, facility='chat', audience=name) == name.encode()


def test_u3_unknown_audience_is_a_value_error(broker: Broker) -> None:
    with pytest.raises(ValueError, match='audience'):
        RedisPublisher().fetch_message(request_of(AnonymousUser()), 'chat', 'everybody')


# U4: audiences


def test_u4_entries_go_through_str(broker: Broker) -> None:
    class Number:
        def __str__(self) -> str:
            return 'seven'

    publisher = RedisPublisher(
        facility='chat', users=[User(username='john'), 7, Number()], groups=[Group(name='staff')], sessions=['key']
    )
    assert set(publisher._publishers) == {
        'user:john:chat',
        'user:7:chat',
        'user:seven:chat',
        'group:staff:chat',
        'session:key:chat',
    }


@pytest.mark.parametrize('kind', [list, tuple, set, frozenset, iter])
def test_u4_any_iterable_is_accepted(kind: Any) -> None:
    assert RedisPublisher(facility='chat', users=kind(['john']))._publishers == ['user:john:chat']


def test_u4_true_and_a_lone_string_are_accepted_with_a_warning(john: User) -> None:
    request = request_of(john)
    with pytest.warns(DeprecationWarning, match='SELF'):
        assert RedisPublisher(facility='chat', users=True, request=request)._publishers == ['user:john:chat']
    with pytest.warns(DeprecationWarning, match='name'):
        assert RedisPublisher(facility='chat', users='john')._publishers == ['user:john:chat']


# U5: RedisMessage


def test_u5_redis_message_is_bytes(settings: Settings) -> None:
    assert issubclass(RedisMessage, bytes)
    for value in ('hello', b'hello', bytearray(b'hello'), [b'message', b'channel', b'hello']):
        assert RedisMessage(value) == b'hello'
        assert isinstance(RedisMessage(value), RedisMessage)
    settings.WS4REDIS_HEARTBEAT = 'beat'
    assert RedisMessage('beat') is None
    assert RedisMessage([b'message', b'channel', b'beat']) is None
    with pytest.raises(TypeError):
        RedisMessage(7)


# U6: the query string


def test_u6_names_alone_count_in_any_case(broker: Broker) -> None:
    client = broker.connect('/ws/chat?Subscribe-BROADCAST=no&publish-Broadcast=0&ECHO=false&unknown=1')
    client.send('echoed')
    assert client.receive_all() == ['echoed']


def test_u6_no_name_at_all_leaves_the_socket_open(broker: Broker) -> None:
    client = broker.connect('/ws/chat')
    client.send('nowhere')
    assert client.open
    assert broker.published == []


def test_u6_publishing_needs_no_subscription(broker: Broker) -> None:
    client = broker.connect('/ws/chat?publish-broadcast')
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['broadcast:chat']
    client.assert_nothing_received()


def test_u6_unknown_names_are_logged_once(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    broker.connect('/ws/chat?subscribe-nobody&x')
    assert caplog.text.count('unknown names') == 1


# U7: the facility


@pytest.mark.parametrize(
    ('path', 'channel'),
    [
        ('/ws/chat', 'broadcast:chat'),
        ('/ws/a/b/c', 'broadcast:a/b/c'),
        ('/ws/', 'broadcast:'),
        ('/ws/gr%C3%BCn%20haus', 'broadcast:grün haus'),
        ('/ws/a:b', 'broadcast:a:b'),
        ('/ws/x/ws/y', 'broadcast:x/ws/y'),
    ],
)
def test_u7_facility_is_the_decoded_path_after_websocket_url(broker: Broker, path: str, channel: str) -> None:
    assert broker.connect(f'{path}?subscribe-broadcast').channels == [channel]


def test_u7_facility_has_a_limit(broker: Broker) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        broker.connect('/ws/' + 'x' * 256)
    assert refused.value.status_code == 400


# U8: callbacks


def deny(request: HttpRequest, channels: list[str]) -> list[str]:
    """A callback by its dotted path."""
    raise PermissionDenied


def test_u8_allowed_channels_may_be_a_callable_or_a_dotted_path(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = lambda request, channels: {'subscribe-broadcast'}
    assert broker.connect('/ws/chat?subscribe-user&publish-user').channels == ['broadcast:chat']
    settings.WS4REDIS_ALLOWED_CHANNELS = f'{__name__}.deny'
    with pytest.raises(HandshakeRejected) as refused:
        broker.connect('/ws/chat')
    assert refused.value.status_code == 403


class OldUser:
    """A user class of a site's own, from the days when is_authenticated was a method."""

    def is_authenticated(self) -> bool:
        return True

    def get_username(self) -> str:
        return 'old'


class OldSession:
    """What a site puts in the place of a session."""

    session_key = 'old-key'

    def get(self, name: str, default: Any = None) -> Any:
        return ['veterans'] if name == 'ws4redis:memberof' else default


def process_request(request: Any) -> None:
    """A callback by its dotted path."""
    request.user = OldUser()
    request.session = OldSession()


def only_user(request: Any) -> None:
    """A callback that knows no sessions."""
    request.user = OldUser()


def test_u8_process_request_may_set_duck_typed_users_and_sessions(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = f'{__name__}.process_request'
    client = broker.connect('/ws/chat?subscribe-user&subscribe-group&subscribe-session&publish-group')
    assert set(client.channels) == {'user:old:chat', 'group:veterans:chat', 'session:old-key:chat'}
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['group:veterans:chat']


def test_u8_process_request_may_set_only_a_user(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = only_user
    client = broker.connect('/ws/chat?subscribe-user&subscribe-group&subscribe-session')
    assert client.channels == ['user:old:chat']


# U9: echo


def test_u9_own_message_comes_back_only_with_echo(broker: Broker) -> None:
    client, other, echoing = broker.connect(CHAT), broker.connect(CHAT), broker.connect(f'{CHAT}&echo')
    client.send('from the first')
    echoing.send('from the third')
    assert client.receive_all() == ['from the third']
    assert other.receive_all() == ['from the first', 'from the third']
    assert echoing.receive_all() == ['from the first', 'from the third']


def test_u9_second_socket_of_the_same_user_gets_it(broker: Broker, john: User) -> None:
    one, other = (broker.connect('/ws/chat?subscribe-user&publish-user', user=john) for _ in range(2))
    one.send('hello')
    assert other.receive_all() == ['hello']
    one.assert_nothing_received()


# U10: the subscriber


def test_u10_subscriber_has_the_methods_and_attributes_of_release_0_6_0(broker: Broker) -> None:
    subscriber = broker.connect(CHAT).subscriber
    assert isinstance(subscriber._connection, redis.Redis)
    assert subscriber._publishers == {'broadcast:chat'}
    assert list(subscriber._subscription.channels) == [b'broadcast:chat']
    assert subscriber._expire == 3600
    assert subscriber._get_message_channels(request=None, facility='chat', users=['john']) == ['user:john:chat']
    assert RedisSubscriber.get_prefix() == ''
    for name in (
        'set_pubsub_channels',
        'send_persisted_messages',
        'send_persited_messages',
        'parse_response',
        'get_file_descriptor',
        'release',
        'publish_message',
    ):
        assert callable(getattr(subscriber, name))


def test_u10_class_lists_define_the_valid_names(broker: Broker) -> None:
    class Quiet(RedisSubscriber):
        subscription_channels = ['subscribe-broadcast']
        publish_channels: list[str] = []

    client = broker.connect(f'{CHAT}&subscribe-user', subscriber=Quiet)
    client.send('hello')
    assert client.channels == ['broadcast:chat']
    assert broker.published == []


def test_u10_release_is_a_disconnect_hook_for_failed_handshakes_too(broker: Broker) -> None:
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            if request.GET.get('fail'):
                raise PermissionDenied

        def release(self) -> None:
            released.append('released')

    with pytest.raises(HandshakeRejected):
        broker.connect('/ws/chat?fail=1', subscriber=Releasing)
    assert released == ['released']
    broker.connect('/ws/chat', subscriber=Releasing).close()
    assert released == ['released'] * 2


def test_u10_expire_of_the_subscriber_can_be_assigned(broker: Broker) -> None:
    client = broker.connect(CHAT)
    client.subscriber._expire = 9
    client.send('hello')
    assert broker.published[0].expire == 9


# U11: the server, the pool, the settings


def test_u11_server_has_the_methods_that_sites_override(broker: Broker) -> None:
    server = ws4redis.wsgi_server.WebsocketWSGIServer(redis_connection=None, host=broker.driver)
    assert server.Subscriber is RedisSubscriber
    assert server.possible_channels == [*RedisSubscriber.subscription_channels, *RedisSubscriber.publish_channels]
    assert not server.websockets
    channels, echo = server.process_subscriptions(RequestFactory().get('/ws/chat?subscribe-user&echo'))
    assert (channels, echo) == (['subscribe-user'], True)
    with pytest.raises(exceptions.HandshakeError, match='does not wish to upgrade'):
        server.assure_protocol_requirements(RequestFactory().get('/ws/chat').environ)


def test_u11_connection_pool_of_the_publisher_is_there(broker: Broker) -> None:
    client = redis.Redis(connection_pool=ws4redis.publisher.redis_connection_pool)
    client.set('key', 'value')
    assert broker.redis.get('key') == b'value'


def test_u11_settings_of_the_module_can_be_set_by_tests(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws4redis.settings, 'WS4REDIS_EXPIRE', 11)
    monkeypatch.setattr(ws4redis.settings, 'WS4REDIS_PREFIX', 'test')
    RedisPublisher(facility='chat', broadcast=True).publish_message('hello')
    [publication] = broker.published
    assert (publication.channel, publication.expire) == ('test:broadcast:chat', 11)


# U12: groups in the session


def test_u12_groups_are_written_into_the_session_at_login(john: User) -> None:
    john.groups.add(Group.objects.create(name='staff'), Group.objects.create(name='editors'))
    client = Client()
    client.force_login(john)
    assert set(client.session['ws4redis:memberof']) == {'staff', 'editors'}


def test_u12_projects_write_it_themselves(broker: Broker, john: User) -> None:
    client = broker.connect('/ws/chat?subscribe-group', user=john, groups=['a group of the project'])
    assert client.channels == ['group:a group of the project:chat']


def test_u12_login_without_a_session_is_no_error(john: User) -> None:
    user_logged_in.send(sender=User, user=john, request=HttpRequest())


# U13: answers


def test_u13_server_closes_with_1001() -> None:
    with Broker() as broker:
        client = broker.connect('/ws/chat')
    assert client.close_code == 1001


@pytest.mark.parametrize(('asked', 'taken'), [((), None), (('one',), 'one'), (('one', 'two'), 'one')])
def test_u13_first_subprotocol_is_echoed(broker: Broker, asked: tuple[str, ...], taken: str | None) -> None:
    assert broker.connect('/ws/chat', subprotocols=asked).subprotocol == taken


@pytest.mark.parametrize(
    ('headers', 'status', 'text'),
    [
        ({'Upgrade': ''}, 400, b'Client does not wish to upgrade to a websocket\n'),
        ({'Sec-WebSocket-Version': ''}, 426, None),
    ],
)
def test_u13_plain_request_is_a_400_and_a_missing_version_a_426(
    broker: Broker, headers: dict[str, str], status: int, text: bytes | None
) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        broker.connect('/ws/chat', headers=headers)
    assert refused.value.status_code == status
    assert text is None or refused.value.body == text


# U14: heartbeat


def test_u14_heartbeat_goes_out_every_four_seconds_and_is_swallowed_when_it_comes(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    client = broker.connect(CHAT)
    broker.advance(12.5)
    assert client.heartbeats == 3
    client.send('--heartbeat--')
    assert broker.published == []
    client.assert_nothing_received()


def test_u14_none_turns_both_off(broker: Broker) -> None:
    client = broker.connect(CHAT)
    broker.advance(12.5)
    assert client.heartbeats == 0
    client.send('None')
    assert [publication.text for publication in broker.published] == ['None']


# U16: WS4REDIS_CONNECTION, exceptions


def test_u16_connection_may_be_a_dict_or_a_url() -> None:
    for value in ({'host': 'redis.internal', 'port': 6390, 'db': 3}, 'redis://redis.internal:6390/3'):
        arguments = connection_arguments(value)[1]
        assert (arguments['host'], arguments['port'], arguments['db']) == ('redis.internal', 6390, 3)
    assert connection_arguments({'ssl': True})[0] is redis.SSLConnection
    assert connection_arguments({'unix_socket_path': '/run/redis.sock'})[1]['path'] == '/run/redis.sock'
    assert RedisServer({'ssl': True, 'ssl_cert_reqs': 'none'}).pool.connection_kwargs['ssl_cert_reqs'] == 'none'


@pytest.mark.parametrize('prefix', [None, ''])
def test_u16_no_prefix(settings: Settings, prefix: str | None) -> None:
    settings.WS4REDIS_PREFIX = prefix
    assert RedisStore.get_prefix() == ''


def test_u16_exceptions_have_the_bases_of_release_0_6_0() -> None:
    assert issubclass(exceptions.WebSocketError, OSError)
    assert issubclass(exceptions.FrameTooLargeException, exceptions.WebSocketError)
    assert issubclass(exceptions.HandshakeError, BadHeaderError)
    assert issubclass(exceptions.UpgradeRequiredError, BadHeaderError)
    with pytest.raises(OSError, match='closed') as caught:
        raise exceptions.WebSocketError('websocket is closed')
    assert caught.value.errno != errno.EPIPE


# U17: plain strings


@pytest.mark.parametrize('message', ['hello', b'hello', RedisMessage('hello')])
def test_u17_str_bytes_and_redis_message_are_published(broker: Broker, message: Any) -> None:
    RedisPublisher(facility='chat', broadcast=True).publish_message(message)
    assert [publication.message for publication in broker.published] == [b'hello']


# U18: import paths


def test_u18_import_paths_resolve_to_the_same_objects() -> None:
    assert ws4redis.store.RedisStore is ws4redis.redis_store.RedisStore is RedisStore
    assert ws4redis.store.RedisSubscriber is ws4redis.subscriber.RedisSubscriber is RedisSubscriber
    assert ws4redis.publisher.RedisPublisher is RedisPublisher
    assert ws4redis.redis_store.RedisMessage is RedisMessage
    assert ws4redis.redis_store.SELF is SELF


# U19: pipeline_publish_message


@pytest.mark.parametrize('arguments', [{}, {'transaction': True}, {'transaction': False}, {'expire': 9}])
def test_u19_pipeline_publish_message_publishes_and_persists(broker: Broker, arguments: dict[str, Any]) -> None:
    publisher = RedisPublisher(facility='chat', broadcast=True, users=['john'])
    publisher.pipeline_publish_message('hello', **arguments)
    assert {publication.channel for publication in broker.published} == {'broadcast:chat', 'user:john:chat'}
    for name in ('broadcast:chat', 'user:john:chat'):
        assert broker.redis.get(name) == b'hello'
        assert broker.ttl(channel=name) == pytest.approx(arguments.get('expire', 3600), abs=1)


# U21: audiences of a site's own


def test_u21_unknown_keywords_go_on_to_the_sites_method(broker: Broker) -> None:
    overrides.LabPublisher(facility='chat', server=True, broadcast=True).publish_message('hello')
    assert {publication.channel for publication in broker.published} == {'server:chat', 'broadcast:chat'}


# U22: classes of another kind


@pytest.mark.parametrize('name', ['FromRedisStore', 'FromNothing'])
def test_u22_subscriber_may_derive_from_redis_store_only_or_be_a_copy(broker: Broker, settings: Settings, name: str) -> None:
    settings.WS4REDIS_SUBSCRIBER = f'tests.overrides.{name}'
    broker.publish('persisted', facility='chat', broadcast=True)
    client = broker.connect(CHAT)
    broker.publish('live', facility='chat', broadcast=True)
    assert client.receive_all() == ['persisted', 'live']
    client.send('from a browser')
    assert broker.persisted(facility='chat', broadcast=True) == b'from a browser'


# U23: no WS4REDIS_CONNECTION


def test_u23_default_is_localhost_6379_database_0() -> None:
    assert ws4redis.settings.WS4REDIS_CONNECTION == 'redis://localhost:6379/0'
    arguments = connection_arguments(ws4redis.settings.WS4REDIS_CONNECTION)[1]
    assert (arguments['host'], arguments['port'], arguments['db']) == ('localhost', 6379, 0)


# U24: no WS4REDIS_ALLOWED_CHANNELS


def test_u24_publishing_is_for_logged_in_users_and_allow_all_restores_it(settings: Settings, john: User) -> None:
    with Broker() as broker:
        broker.connect(CHAT).send('anonymous')
        assert broker.published == []
        broker.connect(CHAT, user=john).send('john')
        settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
        broker.connect(CHAT).send('anonymous')
        assert [publication.text for publication in broker.published] == ['john', 'anonymous']


def test_u24_names_of_a_sites_own_are_withheld_too(john: User) -> None:
    with Broker() as broker:
        for user in (None, john):
            client = broker.connect('/ws/chat?publish-server', subscriber=overrides.LabSubscriber, user=user)
            client.send('hello')
        assert [publication.channel for publication in broker.published] == ['server:chat']
