"""What projects of release 0.6.0 rely on: one flat list, each test with the mark of its row in
docs/compatibility.md.

What goes through a websocket or Redis is tested in three forms (tests/sites): in a Broker, in
the unpatched form on memory://, and in gunicorn's gevent worker on a redis-server. Where a form is
left out, its test says why.

Context processor and JavaScript have files of their own, and uWSGI its server tests.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.http import BadHeaderError, HttpRequest
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

import ws4redis.publisher
import ws4redis.redis_store
import ws4redis.settings
import ws4redis.store
import ws4redis.subscriber
import ws4redis.wsgi_server
from tests.sites.forms import forms
from tests.sites.production.gunicorn import InGunicorn
from tests.sites.site import InBroker, Site
from tests.subscribers import overrides, probes, verbatim
from ws4redis import exceptions
from ws4redis.publisher import AudienceName, RedisPublisher
from ws4redis.redis_client import RedisServer, connection_arguments
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings

CHAT = '/ws/chat?subscribe-broadcast&publish-broadcast'

REAL_TIME = 'nobody moves the clock of another process'


@pytest.fixture
def broker() -> Iterator[Broker]:
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


def publish(message: Any, expire: float | None = None, **audience: Any) -> None:
    """Publish as a view does."""
    RedisPublisher(facility='chat', **(audience or {'broadcast': True})).publish_message(
        message, expire
    )


# Redis layout


@pytest.mark.row('U1')
def test_channel_and_key_share_a_name_and_hold_the_raw_message(site: Site) -> None:
    for audience, name in (
        ({'broadcast': True}, 'broadcast:chat'),
        ({'users': ['john']}, 'user:john:chat'),
        ({'groups': ['staff']}, 'group:staff:chat'),
        ({'sessions': ['abc']}, 'session:abc:chat'),
    ):
        publish('grün', 60, **audience)
        assert site.published[-1] == (name, 'grün')
        assert site.redis.get(name) == 'grün'.encode()
        assert site.redis.type(name) == b'string'
        assert 0 < site.redis.ttl(name) <= 60


@pytest.mark.row('U1')
def test_other_programs_publish_and_persist_by_themselves(site: Site) -> None:
    site.redis.set('broadcast:chat', b'persisted by redis-cli', ex=60)
    client = site.connect(CHAT)
    site.publish(b'published by redis-cli', channel='broadcast:chat')
    assert client.receive_all() == ['persisted by redis-cli', 'published by redis-cli']


@pytest.mark.row('U1')
def test_prefix_stands_before_the_names(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    client = site.connect(CHAT)
    site.publish('hello', channel='shop:broadcast:chat')
    site.publish('not ours', channel='broadcast:chat')
    assert client.receive_all() == ['hello']


# Persisting


@pytest.mark.row('U2')
def test_persisted_message_comes_before_live_ones_and_at_every_reconnect(site: Site) -> None:
    publish('old')
    publish('persisted')
    for _ in range(2):
        client = site.connect(CHAT)
        publish('live', expire=0)
        assert client.receive_all() == ['persisted', 'live']
        client.close()


@pytest.mark.row('U2')
def test_message_from_a_browser_is_persisted_too(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = 30
    site.connect(CHAT).send('from a browser')
    assert site.persisted('broadcast:chat') == b'from a browser'
    assert 20 < site.ttl('broadcast:chat') <= 30


@pytest.mark.row('U2')
@forms(gunicorn_redis=REAL_TIME)
def test_persisted_message_expires(site: InBroker) -> None:
    publish('hello', 30)
    assert site.persisted('broadcast:chat') == b'hello'
    site.advance(30)
    assert site.persisted('broadcast:chat') is None


@pytest.mark.row('U2')
def test_expire_beats_the_setting_and_zero_publishes_without_persisting(
    site: Site, settings: Settings
) -> None:
    settings.WS4REDIS_EXPIRE = 3600
    client = site.connect(CHAT)
    publish('older', 50)
    publish('not persisted', 0)
    publish('nor this', -1)
    assert client.receive_all() == ['older', 'not persisted', 'nor this']
    assert site.persisted('broadcast:chat') == b'older'
    assert 40 < site.ttl('broadcast:chat') <= 50


@pytest.mark.row('U2')
def test_setting_may_be_none(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = None
    client = site.connect(CHAT)
    publish('from a view')
    client.send('from a browser')
    assert site.published == [
        ('broadcast:chat', 'from a view'),
        ('broadcast:chat', 'from a browser'),
    ]
    assert site.persisted('broadcast:chat') is None


# fetch_message()


@pytest.mark.row('U3')
def test_fetch_message_looks_at_session_user_group_broadcast(site: Site, john: User) -> None:
    session = SessionStore()
    session['ws4redis:memberof'] = ['staff']
    session.save()
    request = request_of(john, session)
    assert RedisPublisher().fetch_message(request, 'chat') is None
    audiences: list[tuple[dict[str, Any], AudienceName]] = [
        ({'broadcast': True}, 'broadcast'),
        ({'groups': ['staff']}, 'group'),
        ({'users': [john]}, 'user'),
        ({'sessions': [session.session_key]}, 'session'),
    ]
    for audience, name in audiences:
        publish(name, **audience)
        assert (
            RedisPublisher().fetch_message(request, facility='chat', audience='any')
            == name.encode()
        )
        assert (
            RedisPublisher().fetch_message(request, facility='chat', audience=name) == name.encode()
        )


@pytest.mark.row('U3')
def test_what_a_browser_sent_is_fetched(site: Site) -> None:
    site.connect(CHAT).send('from a browser')
    assert RedisPublisher().fetch_message(request_of(AnonymousUser()), 'chat') == b'from a browser'


@pytest.mark.row('U3')
def test_unknown_audience_is_a_value_error(broker: Broker) -> None:
    with pytest.raises(ValueError, match='audience'):
        RedisPublisher().fetch_message(request_of(AnonymousUser()), 'chat', 'everybody')  # type: ignore[arg-type]


# Audiences


@pytest.mark.row('U4')
def test_entries_are_names_and_objects_that_have_one(broker: Broker) -> None:
    identifier = UUID(int=7)
    publisher = RedisPublisher(
        facility='chat',
        users=[User(username='john'), 7, identifier],
        groups=[Group(name='staff'), gettext_lazy('editors')],
        sessions=['key'],
    )
    assert set(publisher._publishers) == {
        'user:john:chat',
        'user:7:chat',
        f'user:{identifier}:chat',
        'group:staff:chat',
        'group:editors:chat',
        'session:key:chat',
    }


@pytest.mark.row('U4')
@pytest.mark.parametrize('entry', [b'john', ('john',), ['john'], {}, False, 1.5, object()])
def test_any_other_entry_is_a_type_error(entry: Any) -> None:
    with pytest.raises(TypeError, match=f'users contains .*, which is {type(entry).__name__}'):
        RedisPublisher(facility='chat', users=[entry])


@pytest.mark.row('U4')
def test_one_user_in_place_of_a_list_is_a_type_error() -> None:
    user: Any = SimpleLazyObject(lambda: User(username='john'))
    with pytest.raises(TypeError, match=r'users is User.*write users=\[\.\.\.\]'):
        RedisPublisher(facility='chat', users=user)


@pytest.mark.row('U17')
def test_publishing_none_publishes_nothing_and_warns(broker: Broker, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'beat'
    with pytest.warns(RuntimeWarning, match='published nothing'):
        RedisPublisher(facility='chat', broadcast=True).publish_message(RedisMessage('beat'))
    assert broker.published == []


@pytest.mark.row('U4')
@pytest.mark.parametrize('kind', [list, tuple, set, frozenset, iter])
def test_any_iterable_is_accepted(kind: Any) -> None:
    assert RedisPublisher(facility='chat', users=kind(['john']))._publishers == {'user:john:chat'}


@pytest.mark.row('U4')
def test_true_and_a_lone_string_are_accepted_with_a_warning(john: User) -> None:
    request = request_of(john)
    with pytest.warns(DeprecationWarning, match='SELF'):
        assert RedisPublisher(facility='chat', users=True, request=request)._publishers == {
            'user:john:chat'
        }
    with pytest.warns(DeprecationWarning, match='name'):
        assert RedisPublisher(facility='chat', users='john')._publishers == {'user:john:chat'}


@pytest.mark.row('U4')
def test_self_of_nobody_is_left_out_beside_others_and_refused_alone(john: User) -> None:
    request = request_of(AnonymousUser())
    publisher = RedisPublisher(facility='chat', users=[john, SELF], request=request)
    assert publisher._publishers == {'user:john:chat'}
    with pytest.raises(ValueError, match='the request has no user'):
        RedisPublisher(facility='chat', users=[SELF], request=request)


# RedisMessage


@pytest.mark.row('U5')
def test_redis_message_is_bytes(settings: Settings) -> None:
    assert issubclass(RedisMessage, bytes)
    for value in ('hello', b'hello', bytearray(b'hello'), [b'message', b'channel', b'hello']):
        assert RedisMessage(value) == b'hello'
        assert isinstance(RedisMessage(value), RedisMessage)
    settings.WS4REDIS_HEARTBEAT = 'beat'
    assert RedisMessage('beat') is None
    assert RedisMessage([b'message', b'channel', b'beat']) is None
    with pytest.raises(TypeError):
        RedisMessage(7)


# The query string


@pytest.mark.row('U6')
def test_names_alone_count_in_any_case(site: Site) -> None:
    client = site.connect(
        '/ws/chat?Subscribe-BROADCAST=no&publish-Broadcast=0&ECHO=false&unknown=1'
    )
    client.send('echoed')
    assert client.receive_all() == ['echoed']


@pytest.mark.row('U6')
def test_no_name_at_all_leaves_the_socket_open(site: Site) -> None:
    client = site.connect('/ws/chat')
    client.send('nowhere')
    assert client.open
    assert site.published == []


@pytest.mark.row('U6')
def test_publishing_needs_no_subscription(site: Site) -> None:
    client = site.connect('/ws/chat?publish-broadcast')
    client.send('hello')
    assert site.published == [('broadcast:chat', 'hello')]
    client.assert_nothing_received()


@pytest.mark.row('U6')
def test_unknown_names_are_logged_once(site: Site) -> None:
    site.connect('/ws/chat?subscribe-nobody&x')
    assert site.said().count('unknown names') == 1


# The facility


@pytest.mark.row('U7')
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
def test_facility_is_the_decoded_path_after_websocket_url(
    site: Site, path: str, channel: str
) -> None:
    client = site.connect(f'{path}?subscribe-broadcast')
    site.publish('hello', channel=channel)
    assert client.receive_all() == ['hello']


@pytest.mark.row('U7')
@pytest.mark.parametrize('path', ['/ws/%00', '/ws/a%0Ab', '/ws/%C2%9F'])
def test_facility_has_no_control_character(site: Site, path: str) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site.connect(path)
    assert refused.value.status_code == 400


@pytest.mark.row('U7')
def test_facility_has_a_limit(site: Site) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site.connect('/ws/' + 'x' * 256)
    assert refused.value.status_code == 400


# Callbacks


@pytest.mark.row('U8')
def test_answer_of_allowed_channels_replaces_the_request(site: Site) -> None:
    client = site.connect(
        '/ws/chat?subscribe-user&publish-user', allowed_channels=probes.broadcast_alone
    )
    site.assert_listeners('broadcast:chat', 1)
    client.send('nowhere')
    assert site.published == []


@pytest.mark.row('U8')
def test_permission_denied_is_a_403_before_the_upgrade(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = 'tests.subscribers.probes.deny'
    with pytest.raises(HandshakeRejected) as refused:
        site.connect('/ws/chat')
    assert refused.value.status_code == 403


@pytest.mark.row('U8')
def test_a_mapping_allows_nothing(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = probes.decide_for_each
    with pytest.raises(HandshakeRejected) as refused:
        site.connect('/ws/chat?subscribe-broadcast')
    assert refused.value.status_code == 500
    [error] = site.errors()
    assert 'WS4REDIS_ALLOWED_CHANNELS failed' in error


@pytest.mark.row('U8')
def test_process_request_may_set_duck_typed_users_and_sessions(
    site: Site, settings: Settings
) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = 'tests.subscribers.probes.set_user_and_session'
    client = site.connect('/ws/chat?subscribe-user&subscribe-group&subscribe-session&publish-group')
    for name in ('user:old:chat', 'group:veterans:chat', 'session:old-key:chat'):
        site.assert_listeners(name, 1)
    client.send('hello')
    assert site.published == [('group:veterans:chat', 'hello')]


@pytest.mark.row('U8')
def test_process_request_may_set_only_a_user(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = probes.set_user_alone
    client = site.connect('/ws/chat?subscribe-user&subscribe-group&subscribe-session')
    site.publish('for the user', channel='user:old:chat')
    assert client.receive_all() == ['for the user']


# Echo


@pytest.mark.row('U9')
def test_own_message_comes_back_only_with_echo(site: Site) -> None:
    client, other, echoing = site.connect(CHAT), site.connect(CHAT), site.connect(f'{CHAT}&echo')
    client.send('from the first')
    echoing.send('from the third')
    assert client.receive_all() == ['from the third']
    assert other.receive_all() == ['from the first', 'from the third']
    assert echoing.receive_all() == ['from the first', 'from the third']


@pytest.mark.row('U9')
def test_second_socket_of_the_same_user_gets_it(site: Site) -> None:
    site.create_user('john')
    session = site.log_in('john')
    one, other = (
        site.connect('/ws/chat?subscribe-user&publish-user', session=session) for _ in range(2)
    )
    one.send('hello')
    assert other.receive_all() == ['hello']
    one.assert_nothing_received()


# The subscriber


METHODS = (
    'set_pubsub_channels',
    'send_persisted_messages',
    'send_persited_messages',
    'parse_response',
    'get_file_descriptor',
    'release',
    'publish_message',
)


@pytest.mark.row('U10')
def test_subscriber_has_the_methods_and_attributes_of_release_0_6_0(site: Site) -> None:
    site.connect(CHAT, probes.NotesItself).send(' '.join(METHODS))
    assert site.notes() == [
        *(f'{name} True' for name in METHODS),
        "{'broadcast:chat'}, [b'broadcast:chat'], 3600, ''",
        "['user:john:chat']",
    ]


@pytest.mark.row('U10')
def test_class_lists_define_the_valid_names(site: Site) -> None:
    client = site.connect(f'{CHAT}&subscribe-user', probes.BroadcastAlone)
    client.send('hello')
    assert site.published == []
    site.publish('live', channel='broadcast:chat')
    assert client.receive_all() == ['live']
    assert 'publish-broadcast' in site.said()


@pytest.mark.row('U10')
def test_release_is_a_disconnect_hook_for_failed_handshakes_too(site: Site) -> None:
    with pytest.raises(HandshakeRejected):
        site.connect('/ws/chat?fail=1', probes.DisconnectHook)
    assert site.notes() == ['released']
    site.connect('/ws/chat', probes.DisconnectHook).close()
    assert site.notes() == ['released'] * 2


@pytest.mark.row('U10')
def test_expire_of_the_subscriber_can_be_assigned(site: Site) -> None:
    site.connect(CHAT, probes.NineSeconds).send('hello')
    assert 0 < site.ttl('broadcast:chat') <= 9


class KeysOnStore(RedisStore):
    """A publisher of a site's own."""

    def __init__(self, key: str) -> None:
        super().__init__(ws4redis.publisher.RedisPublisher()._connection)
        self._publishers.add(key)


class CallsTheStore(RedisPublisher):
    """A double as test suites have it: it goes past RedisPublisher's own constructor."""

    def __init__(self, **audience: Any) -> None:
        super(RedisPublisher, self).__init__(RedisPublisher()._connection)
        for name in self._get_message_channels(**audience):
            self._publishers.add(name)


class CallsTheStoreByName(RedisPublisher):
    """The same, written otherwise."""

    def __init__(self, **audience: Any) -> None:
        RedisStore.__init__(self, RedisPublisher()._connection)
        self._publishers.update(self._get_message_channels(**audience))


class AddsMore(RedisPublisher):
    """Has one more channel than it was asked for."""

    def __init__(self, **audience: Any) -> None:
        super().__init__(**audience)
        self._publishers.add('more')


class WithoutInit(RedisStore):
    """Never called the constructor of its base."""

    def __init__(self, key: str) -> None:
        self._publishers.add(key)


@pytest.mark.row('U10')
@pytest.mark.parametrize(
    ('make', 'channels'),
    [
        (lambda: KeysOnStore('raw'), ['raw']),
        (lambda: WithoutInit('raw'), ['raw']),
        (lambda: CallsTheStore(facility='x', broadcast=True), ['broadcast:x']),
        (lambda: CallsTheStoreByName(facility='x', users=['john']), ['user:john:x']),
        (lambda: AddsMore(facility='x', broadcast=True), ['broadcast:x', 'more']),
        (lambda: AddsMore(), ['more']),
    ],
    ids=['store', 'without-init', 'super', 'by-name', 'more', 'more-of-nothing'],
)
def test_publishers_are_a_set_of_each_object_to_which_names_are_added(
    site: Site, make: Any, channels: list[str]
) -> None:
    publisher, other = make(), make()
    assert type(publisher._publishers) is set
    assert publisher._publishers == set(channels)
    assert publisher._publishers is not other._publishers
    other._publishers.add('of the other')
    publisher.publish_message('hello')
    assert site.published == [(name, 'hello') for name in channels]


# The server, the pool, the settings


@pytest.mark.row('U11')
def test_server_has_the_methods_that_sites_override(broker: Broker) -> None:
    server = ws4redis.wsgi_server.WebsocketWSGIServer(
        redis_connection=None, driver=broker._engine.driver
    )
    assert server.Subscriber is RedisSubscriber
    assert server.possible_channels == [
        *RedisSubscriber.subscription_channels,
        *RedisSubscriber.publish_channels,
    ]
    assert not server.websockets
    channels, echo = server.process_subscriptions(
        RequestFactory().get('/ws/chat?subscribe-user&echo')
    )
    assert (channels, echo) == (['subscribe-user'], True)
    with pytest.raises(exceptions.HandshakeError, match='does not wish to upgrade'):
        server.assure_protocol_requirements(RequestFactory().get('/ws/chat').environ)


@pytest.mark.row('U11')
def test_connection_pool_of_the_publisher_is_there(broker: Broker) -> None:
    client = redis.Redis(connection_pool=ws4redis.publisher.redis_connection_pool)
    client.set('key', 'value')
    assert broker.redis.get('key') == b'value'


@pytest.mark.row('U11')
def test_settings_of_the_module_can_be_set_by_tests(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws4redis.settings, 'WS4REDIS_EXPIRE', 11)
    monkeypatch.setattr(ws4redis.settings, 'WS4REDIS_PREFIX', 'test')
    RedisPublisher(facility='chat', broadcast=True).publish_message('hello')
    [publication] = broker.published
    assert (publication.channel, publication.expire) == ('test:broadcast:chat', 11)


# Groups in the session


@pytest.mark.row('U12')
def test_groups_are_written_into_the_session_at_login(john: User) -> None:
    john.groups.add(Group.objects.create(name='staff'), Group.objects.create(name='editors'))
    client = Client()
    client.force_login(john)
    assert set(client.session['ws4redis:memberof']) == {'staff', 'editors'}


@pytest.mark.row('U12')
def test_groups_of_the_login_are_those_of_the_websocket(site: Site) -> None:
    site.create_user('john', 'staff', 'editors')
    site.connect('/ws/chat?subscribe-group', session=site.log_in('john'))
    for name in ('staff', 'editors'):
        site.assert_listeners(f'group:{name}:chat', 1)


@pytest.mark.row('U12')
def test_projects_write_it_themselves(site: Site) -> None:
    site.create_user('john')
    client = site.connect(
        '/ws/chat?subscribe-group', session=site.log_in('john', ['a group of the project'])
    )
    publish('hello', groups=['a group of the project'])
    assert client.receive_all() == ['hello']


@pytest.mark.row('U12')
def test_login_without_a_session_is_no_error(john: User) -> None:
    user_logged_in.send(sender=User, user=john, request=HttpRequest())


# Answers


@pytest.mark.row('U13')
def test_server_closes_with_1001(site: Site) -> None:
    client = site.connect('/ws/chat')
    site.end()
    assert client.close_code == 1001


@pytest.mark.row('U13')
@pytest.mark.parametrize(
    ('asked', 'taken'), [((), None), (('one',), 'one'), (('one', 'two'), 'one')]
)
def test_first_subprotocol_is_echoed(site: Site, asked: tuple[str, ...], taken: str | None) -> None:
    assert site.connect('/ws/chat', subprotocols=asked).subprotocol == taken


@pytest.mark.row('U13')
@pytest.mark.parametrize(
    ('headers', 'status', 'text'),
    [
        ({'Upgrade': ''}, 400, b'Client does not wish to upgrade to a websocket\n'),
        ({'Sec-WebSocket-Version': ''}, 426, None),
    ],
)
def test_plain_request_is_a_400_and_a_missing_version_a_426(
    site: Site, headers: dict[str, str], status: int, text: bytes | None
) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site.connect('/ws/chat', headers=headers)
    assert refused.value.status_code == status
    assert text is None or refused.value.body == text


# Heartbeat


@pytest.mark.row('U14')
@forms(gunicorn_redis=f'{REAL_TIME}: the next test has it')
def test_heartbeat_goes_out_every_four_seconds(site: InBroker, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    client = site.connect(CHAT)
    site.advance(12.5)
    assert client.heartbeats == 3


@pytest.mark.row('U14')
@forms(broker='it has the test before', thread_memory='it has the test before')
def test_first_heartbeat_goes_out_after_four_seconds(site: InGunicorn, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    begin = time.monotonic()
    client = site.connect(CHAT)
    client.wait_for_heartbeat()
    assert time.monotonic() >= begin + 4
    assert client.heartbeats == 1


@pytest.mark.row('U14')
def test_heartbeat_that_comes_in_is_swallowed(site: Site, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    client, other = site.connect(CHAT), site.connect(CHAT)
    client.send('--heartbeat--')
    client.send('hello')
    assert site.published == [('broadcast:chat', 'hello')]
    assert other.receive_all() == ['hello']


@pytest.mark.row('U14')
def test_none_is_a_text_like_any_other(site: Site) -> None:
    site.connect(CHAT).send('None')
    assert site.published == [('broadcast:chat', 'None')]


@pytest.mark.row('U14')
@forms(gunicorn_redis=REAL_TIME)
def test_none_turns_both_off(site: InBroker) -> None:
    client = site.connect(CHAT)
    site.advance(12.5)
    assert (client.heartbeats, client.receive_all()) == (0, [])


# WS4REDIS_CONNECTION, exceptions


@pytest.mark.row('U16')
def test_connection_may_be_a_dict_or_a_url() -> None:
    for value in (
        {'host': 'redis.internal', 'port': 6390, 'db': 3},
        'redis://redis.internal:6390/3',
    ):
        arguments = connection_arguments(value)[1]
        assert (arguments['host'], arguments['port'], arguments['db']) == (
            'redis.internal',
            6390,
            3,
        )
    assert connection_arguments({'ssl': True})[0] is redis.SSLConnection
    assert (
        connection_arguments({'unix_socket_path': '/run/redis.sock'})[1]['path']
        == '/run/redis.sock'
    )
    assert (
        RedisServer({'ssl': True, 'ssl_cert_reqs': 'none'}).pool.connection_kwargs['ssl_cert_reqs']
        == 'none'
    )


@pytest.mark.row('U16')
@pytest.mark.parametrize('prefix', [None, ''])
def test_no_prefix(settings: Settings, prefix: str | None) -> None:
    settings.WS4REDIS_PREFIX = prefix
    assert RedisStore.get_prefix() == ''


@pytest.mark.row('U16')
def test_exceptions_have_the_bases_of_release_0_6_0() -> None:
    assert issubclass(exceptions.WebSocketError, OSError)
    assert issubclass(exceptions.FrameTooLargeException, exceptions.WebSocketError)
    assert issubclass(exceptions.HandshakeError, BadHeaderError)
    assert issubclass(exceptions.UpgradeRequiredError, BadHeaderError)
    with pytest.raises(OSError, match='closed') as caught:
        raise exceptions.WebSocketError('websocket is closed')
    assert caught.value.errno != errno.EPIPE


# Plain strings


@pytest.mark.row('U17')
@pytest.mark.parametrize('message', ['hello', b'hello', RedisMessage('hello')])
def test_str_bytes_and_redis_message_are_published(site: Site, message: Any) -> None:
    client = site.connect(CHAT)
    publish(message)
    assert client.receive_all() == ['hello']
    assert site.persisted('broadcast:chat') == b'hello'


# Import paths


@pytest.mark.row('U18')
def test_import_paths_resolve_to_the_same_objects() -> None:
    assert ws4redis.store.RedisStore is ws4redis.redis_store.RedisStore is RedisStore
    assert ws4redis.store.RedisSubscriber is ws4redis.subscriber.RedisSubscriber is RedisSubscriber
    assert ws4redis.publisher.RedisPublisher is RedisPublisher
    assert ws4redis.redis_store.RedisMessage is RedisMessage
    assert ws4redis.redis_store.SELF is SELF


# pipeline_publish_message()


@pytest.mark.row('U19')
@pytest.mark.parametrize(
    'arguments', [{}, {'transaction': True}, {'transaction': False}, {'expire': 9}]
)
def test_pipeline_publish_message_publishes_and_persists(
    site: Site, arguments: dict[str, Any]
) -> None:
    client = site.connect(CHAT)
    publisher = RedisPublisher(facility='chat', broadcast=True, users=['john'])
    publisher.pipeline_publish_message('hello', **arguments)
    assert client.receive_all() == ['hello']
    assert sorted(site.published) == [('broadcast:chat', 'hello'), ('user:john:chat', 'hello')]
    for name in ('broadcast:chat', 'user:john:chat'):
        assert site.persisted(name) == b'hello'
        assert 0 <= arguments.get('expire', 3600) - site.ttl(name) < 9


# Audiences of a site's own


@pytest.mark.row('U21')
def test_unknown_keywords_go_on_to_the_sites_method(site: Site) -> None:
    client = site.connect('/ws/chat?subscribe-server', overrides.LabSubscriber)
    overrides.LabPublisher(facility='chat', server=True, broadcast=True).publish_message('hello')
    assert sorted(site.published) == [('broadcast:chat', 'hello'), ('server:chat', 'hello')]
    assert client.receive_all() == ['hello']


# Classes of another kind


@pytest.mark.row('U22')
@pytest.mark.parametrize('name', ['FromRedisStore', 'FromNothing'])
def test_subscriber_may_derive_from_redis_store_only_or_be_a_copy(
    site: Site, settings: Settings, name: str
) -> None:
    settings.WS4REDIS_SUBSCRIBER = f'tests.subscribers.overrides.{name}'
    publish('persisted')
    client = site.connect(CHAT)
    publish('live')
    assert client.receive_all() == ['persisted', 'live']
    client.send('from a browser')
    assert site.persisted('broadcast:chat') == b'from a browser'


@pytest.mark.row('U22')
@pytest.mark.parametrize('subscriber', [verbatim.Documented, verbatim.DocumentedMisspelt])
def test_subscriber_may_be_written_from_the_api_document_alone(
    site: Site, settings: Settings, subscriber: Any
) -> None:
    settings.WS4REDIS_SUBSCRIBER = f'tests.subscribers.verbatim.{subscriber.__name__}'
    site.redis.set('room:7', 'old')
    client = site.connect('/ws/7?subscribe-room&publish-room')
    client.send('new')
    # It publishes by itself, of which nobody can know that it is its own.
    assert client.receive_all() == ['stored in room:7> old', 'room:7> new']
    client.close()
    assert site.notes() == ['released']


# No WS4REDIS_CONNECTION


@pytest.mark.row('U23')
def test_default_is_localhost_6379_database_0() -> None:
    connection = ws4redis.settings.WS4REDIS_CONNECTION
    assert isinstance(connection, dict)
    arguments = connection_arguments(connection)[1]
    assert (
        ws4redis.publisher.StrictRedis(**connection).connection_pool.connection_kwargs['port']
        == connection['port']
    )
    assert (arguments['host'], arguments['port'], arguments['db']) == ('localhost', 6379, 0)


# No WS4REDIS_ALLOWED_CHANNELS


@pytest.mark.row('U24')
def test_publishing_is_for_logged_in_users_and_allow_all_restores_it(site: Site) -> None:
    site.create_user('john')
    site.connect(CHAT, allowed_channels=None).send('anonymous')
    assert site.published == []
    site.connect(CHAT, allowed_channels=None, session=site.log_in('john')).send('john')
    site.connect(CHAT, allowed_channels='ws4redis.policies.allow_all').send('anybody')
    assert [text for _, text in site.published] == ['john', 'anybody']


@pytest.mark.row('U24')
def test_names_of_a_sites_own_are_withheld_too(site: Site) -> None:
    site.create_user('john')
    for session in (None, site.log_in('john')):
        client = site.connect(
            '/ws/chat?publish-server',
            overrides.LabSubscriber,
            allowed_channels=None,
            session=session,
        )
        client.send('hello' if session else 'anonymous')
    assert site.published == [('server:chat', 'hello')]
