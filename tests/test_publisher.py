"""RedisPublisher: the API document's example, audiences, SELF, what is resolved when;
fetch_message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import fakeredis
import pytest
import redis
import redis.asyncio
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSessionStore
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.views.generic.base import View

from ws4redis import publisher as publisher_module
from ws4redis.exceptions import ChannelNameError
from ws4redis.publisher import AudienceName, RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.redis_store import SELF, RedisStore
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def john_request(rf: RequestFactory, db: None) -> HttpRequest:
    """A request of john, who has a session and is in two groups."""
    request = rf.get('/')
    request.user = User.objects.create(username='john')
    request.session = SessionStore()
    request.session['ws4redis:memberof'] = ['staff', 'editors']
    request.session.save()
    return request


@pytest.fixture
def anonymous_request(rf: RequestFactory) -> HttpRequest:
    """A request of nobody, whose session was never saved."""
    request = rf.get('/')
    request.user = AnonymousUser()
    request.session = SessionStore()
    return request


def channels(**audience: Any) -> set[str]:
    """The channels to which a publisher of the facility chat publishes."""
    return RedisPublisher(facility='chat', **audience)._publishers


CONTROLS = ['\x00', 'a\nb', '\r', '\x1f', 'news\x7f', '\x80', '\x9f']


# The API document's example: `super().init`, the missing colon and the view without an answer are
# mended.


class MyTypicalView(View):
    facility = 'unique-named-facility'
    audience: dict[str, Any] = {'broadcast': True}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.redis_publisher = RedisPublisher(facility=self.facility, **self.audience)

    def get(self, request: HttpRequest) -> HttpResponse:
        message = 'A message passed to all browsers listening on the named facility'
        self.redis_publisher.publish_message(message)
        return HttpResponse()


def test_view_of_the_api_document_reaches_all_browsers(broker: Broker, rf: RequestFactory) -> None:
    browsers = [broker.connect('unique-named-facility', subscribe='broadcast') for _ in range(2)]
    assert MyTypicalView.as_view()(rf.get('/')).status_code == 200
    for browser in browsers:
        assert (
            browser.receive() == 'A message passed to all browsers listening on the named facility'
        )
    late = broker.connect('unique-named-facility', subscribe='broadcast')
    assert late.receive() == 'A message passed to all browsers listening on the named facility'


# Audiences


def test_each_audience_has_its_channel() -> None:
    assert channels(broadcast=True) == {'broadcast:chat'}
    assert channels(users=['john']) == {'user:john:chat'}
    assert channels(groups=['staff']) == {'group:staff:chat'}
    assert channels(sessions=['abc']) == {'session:abc:chat'}


def test_audience_of_objects_takes_their_names() -> None:
    assert channels(users=[User(username='john')], groups=[Group(name='staff')]) == {
        'group:staff:chat',
        'user:john:chat',
    }


@pytest.mark.parametrize(
    'audience',
    [
        {'users': ('john', 'mary')},
        {'users': (name for name in ('john', 'mary'))},
        {'users': dict.fromkeys(('john', 'mary'))},
        {'users': map(str, ('john', 'mary'))},
    ],
)
def test_audience_is_any_iterable_and_can_be_used_more_than_once(
    broker: Broker, audience: dict[str, Any]
) -> None:
    """A generator is used up by its first reader."""
    publisher = RedisPublisher(facility='chat', **audience)
    for text in ('one', 'two'):
        publisher.publish_message(text)
    assert [(publication.channel, publication.text) for publication in broker.published] == [
        ('user:john:chat', 'one'),
        ('user:mary:chat', 'one'),
        ('user:john:chat', 'two'),
        ('user:mary:chat', 'two'),
    ]


@pytest.mark.django_db
def test_audience_may_be_a_queryset(broker: Broker) -> None:
    User.objects.create(username='john')
    User.objects.create(username='mary')
    assert channels(users=User.objects.order_by('username')) == {'user:john:chat', 'user:mary:chat'}


@pytest.mark.parametrize('kind', ['users', 'groups', 'sessions'])
@pytest.mark.parametrize('value', [7, 1.5, b'john', bytearray(b'x'), object()])
def test_audience_of_another_type_is_refused_when_the_publisher_is_made(
    kind: str, value: object
) -> None:
    with pytest.raises(TypeError, match=f'{kind} is {type(value).__name__}'):
        RedisPublisher(facility='chat', **{kind: value})  # type: ignore[arg-type]


@pytest.mark.parametrize('kind', ['users', 'groups', 'sessions'])
@pytest.mark.parametrize('entry', [b'john', ('john',), ['john'], False, 1.5, object()])
def test_entry_that_is_no_name_is_refused_when_the_publisher_is_made(
    kind: str, entry: object
) -> None:
    """It published, and nobody heard it."""
    with pytest.raises(TypeError, match=f'{kind} contains .*, which is {type(entry).__name__}'):
        RedisPublisher(facility='chat', **{kind: ['mary', entry]})  # type: ignore[arg-type]


@pytest.mark.django_db
def test_rows_of_a_query_are_told_of_flat() -> None:
    User.objects.create(username='john')
    rows: Any = User.objects.values_list('username')
    with pytest.raises(TypeError, match='flat=True'):
        RedisPublisher(facility='chat', users=rows)
    assert channels(users=User.objects.values_list('username', flat=True)) == {'user:john:chat'}
    assert channels(users=User.objects.values_list('pk', flat=True))


@pytest.mark.django_db
def test_one_user_is_told_to_stand_in_a_list(client: Client) -> None:
    """request.user of Django's middleware is lazy."""
    client.force_login(User.objects.create(username='john'))
    request: Any = RequestFactory().get('/')
    request.session = client.session
    AuthenticationMiddleware(lambda request: HttpResponse())(request)
    with pytest.raises(TypeError, match=r'users is User: .*write users=\[\.\.\.\]'):
        RedisPublisher(facility='chat', users=request.user)
    assert channels(users=[request.user]) == {'user:john:chat'}


@pytest.mark.parametrize('facility', CONTROLS)
def test_facility_with_a_control_character_is_refused_when_the_publisher_is_made(
    facility: str,
) -> None:
    with pytest.raises(ChannelNameError, match="facility name '.*' contains '.*', which no"):
        RedisPublisher(facility=facility, broadcast=True)
    with pytest.raises(ChannelNameError, match='facility name'):
        RedisPublisher().fetch_message(None, facility, 'broadcast')


@pytest.mark.parametrize('facility', ['', 'a:b', 'a/b c', 'grün', '\xa0', '%00', '\u2028'])
def test_facility_is_any_other_text(facility: str) -> None:
    publisher = RedisPublisher(facility=facility, broadcast=True)
    assert publisher._publishers == {f'broadcast:{facility}'}


@pytest.mark.parametrize(
    'audience', [{'users': ['a:b']}, {'groups': ['a\x00']}, {'sessions': ['']}, {'users': [None]}]
)
def test_name_that_makes_no_channel_is_refused_when_the_publisher_is_made(
    audience: dict[str, Any],
) -> None:
    with pytest.raises(ChannelNameError):
        RedisPublisher(facility='chat', **audience)


def test_user_without_a_name_is_nobody() -> None:
    """A channel named after the object's repr was shared by all anonymous clients."""
    with pytest.raises(ValueError, match='user name is empty: nobody is logged in'):
        RedisPublisher(facility='chat', users=[AnonymousUser()])


def test_audience_without_a_facility_is_refused() -> None:
    with pytest.raises(ValueError, match='facility is missing'):
        RedisPublisher(broadcast=True)


def test_publisher_without_arguments_publishes_nowhere(broker: Broker) -> None:
    RedisPublisher().publish_message('hello')
    assert broker.published == []


def test_unknown_audience_is_refused(broker: Broker) -> None:
    with pytest.raises(TypeError, match='servers'):
        RedisPublisher(
            facility='chat',
            servers=['a'],  # type: ignore[arg-type]
        ).publish_message('hello')


def test_method_of_a_sites_own_is_asked_only_for_the_audiences_that_were_given(
    broker: Broker,
) -> None:
    """It need not know all of ours."""

    class Labs(RedisPublisher):
        def _get_message_channels(self, request: Any, facility: str, lab: str = '') -> list[str]:
            return [f'lab:{lab}:{facility}']

        if TYPE_CHECKING:

            def __init__(self, facility: str, lab: str) -> None: ...

    Labs(facility='news', lab='physics').publish_message('hello')
    assert [publication.channel for publication in broker.published] == ['lab:physics:news']


# SELF


def test_self_means_user_groups_and_session_of_the_request(john_request: HttpRequest) -> None:
    key = john_request.session.session_key
    assert channels(users=[SELF], request=john_request) == {'user:john:chat'}
    assert channels(groups=[SELF], request=john_request) == {
        'group:staff:chat',
        'group:editors:chat',
    }
    assert channels(sessions=[SELF], request=john_request) == {f'session:{key}:chat'}


def test_self_stands_beside_other_entries(john_request: HttpRequest) -> None:
    assert channels(users=['mary', SELF], request=john_request) == {
        'user:mary:chat',
        'user:john:chat',
    }


@pytest.mark.parametrize(
    ('kind', 'name'), [('users', 'user'), ('groups', 'group'), ('sessions', 'session')]
)
@pytest.mark.parametrize('entries', [['john', SELF], [SELF, 'john'], (SELF, 'john', SELF)])
def test_self_of_nobody_is_left_out_beside_other_entries(
    kind: str, name: str, entries: Any, anonymous_request: HttpRequest
) -> None:
    assert channels(**{kind: entries}, request=anonymous_request) == {f'{name}:john:chat'}


@pytest.mark.parametrize('kind', ['users', 'sessions'])
def test_self_of_nobody_is_refused_beside_another_audience(
    kind: str, anonymous_request: HttpRequest
) -> None:
    with pytest.raises(ValueError, match='contains SELF'):
        channels(broadcast=True, groups=['staff'], request=anonymous_request, **{kind: [SELF]})


@pytest.mark.parametrize('kind', ['users', 'groups', 'sessions'])
def test_true_means_self_with_a_warning_that_names_the_caller(
    kind: str, john_request: HttpRequest
) -> None:
    with pytest.warns(DeprecationWarning, match=rf'write {kind}=\[SELF\]') as caught:
        publisher = RedisPublisher(facility='chat', request=john_request, **{kind: True})  # type: ignore[arg-type]
    assert publisher._publishers == channels(**{kind: [SELF]}, request=john_request)
    assert caught[0].filename == __file__


@pytest.mark.parametrize('kind', ['users', 'groups', 'sessions'])
def test_lone_string_is_one_entry_with_a_warning_that_names_the_caller(kind: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"write {kind}=\['name'\]") as caught:
        publisher = RedisPublisher(facility='chat', **{kind: 'john'})  # type: ignore[arg-type]
    assert publisher._publishers == channels(**{kind: ['john']})
    assert caught[0].filename == __file__


@pytest.mark.parametrize('kind', ['users', 'groups', 'sessions'])
def test_self_without_a_request_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match='needs request='):
        RedisPublisher(facility='chat', **{kind: [SELF]})  # type: ignore[arg-type]


def test_self_of_an_anonymous_request_is_refused(anonymous_request: HttpRequest) -> None:
    """No identity, no channel."""
    with pytest.raises(ValueError, match='users contains SELF, but the request has no user'):
        RedisPublisher(facility='chat', users=[SELF], request=anonymous_request)


def test_self_of_an_unsaved_session_is_refused(anonymous_request: HttpRequest) -> None:
    """Release 0.6.0 published to `session:None:...`."""
    with pytest.raises(ValueError, match='sessions contains SELF, but the request has no session'):
        RedisPublisher(facility='chat', sessions=[SELF], request=anonymous_request)


@pytest.mark.django_db
def test_self_of_a_session_that_is_not_in_the_store_is_refused(
    anonymous_request: HttpRequest,
) -> None:
    anonymous_request.session = SessionStore('text-of-a-cookie')
    with pytest.raises(ValueError, match='has no session'):
        RedisPublisher(facility='chat', sessions=[SELF], request=anonymous_request)


def test_self_of_a_signed_cookie_session_is_refused(anonymous_request: HttpRequest) -> None:
    anonymous_request.session = CookieSessionStore()
    anonymous_request.session['cart'] = 1
    anonymous_request.session.save()
    with pytest.raises(ValueError, match='has no session'):
        RedisPublisher(facility='chat', sessions=[SELF], request=anonymous_request)


def test_self_of_a_user_without_groups_is_no_group(anonymous_request: HttpRequest) -> None:
    """Being in no group is no error."""
    assert channels(groups=[SELF], request=anonymous_request) == set()


def test_self_is_resolved_when_the_publisher_is_made(
    broker: Broker, john_request: HttpRequest
) -> None:
    """A logout in the meantime changes nothing."""
    publisher = RedisPublisher(facility='chat', users=[SELF], sessions=[SELF], request=john_request)
    key = john_request.session.session_key
    john_request.user = AnonymousUser()
    john_request.session.flush()
    publisher.publish_message('bye')
    assert {publication.channel for publication in broker.published} == {
        'user:john:chat',
        f'session:{key}:chat',
    }


# What is read when


def test_prefix_and_expire_are_read_when_a_message_is_published(
    broker: Broker, settings: Settings
) -> None:
    """The API document makes the publisher in __init__."""
    publisher = RedisPublisher(facility='news', broadcast=True)
    settings.WS4REDIS_PREFIX = 'shop'
    settings.WS4REDIS_EXPIRE = 7
    publisher.publish_message('hello')
    settings.WS4REDIS_PREFIX = 'other'
    publisher.publish_message('again')
    assert [(publication.channel, publication.expire) for publication in broker.published] == [
        ('shop:broadcast:news', 7),
        ('other:broadcast:news', 7),
    ]


def test_publishers_can_be_read_and_assigned(broker: Broker) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    assert publisher._publishers == {'broadcast:news'}
    publisher._publishers = {'raw:channel'}
    publisher.publish_message('hello')
    assert [publication.channel for publication in broker.published] == ['raw:channel']


def test_added_names_stay_beside_those_that_are_named_anew(
    broker: Broker, settings: Settings
) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher._publishers.add('more')
    publisher._publishers |= {'and more'}
    settings.WS4REDIS_PREFIX = 'shop'
    assert publisher._publishers == {'shop:broadcast:news', 'more', 'and more'}
    publisher._publishers.remove('more')
    settings.WS4REDIS_PREFIX = 'other'
    publisher.publish_message('hello')
    assert [publication.channel for publication in broker.published] == [
        'and more',
        'other:broadcast:news',
    ]


def test_names_are_one_set_as_long_as_nothing_changes() -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    names = publisher._publishers
    publisher._publishers.add('more')
    assert publisher._publishers is names
    assert names == {'broadcast:news', 'more'}


def test_names_that_another_thread_goes_through_do_not_change(settings: Settings) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    names = publisher._publishers
    settings.WS4REDIS_PREFIX = 'shop'
    assert publisher._publishers == {'shop:broadcast:news'}
    assert names == {'broadcast:news'}


def test_publisher_without_one_of_its_own_names_keeps_what_is_left(
    broker: Broker, settings: Settings
) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True, users=['john'])
    publisher._publishers.discard('broadcast:news')
    settings.WS4REDIS_PREFIX = 'shop'
    publisher._publishers.add('more')
    publisher.publish_message('hello')
    assert [publication.channel for publication in broker.published] == ['more', 'user:john:news']


def test_names_that_a_test_patches_come_back() -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    with patch.object(publisher, '_publishers', {'raw'}):
        assert publisher._publishers == {'raw'}
    assert publisher._publishers == {'broadcast:news'}


def test_publisher_uses_the_connection_that_it_is_given(broker: Broker) -> None:
    own = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    RedisPublisher(facility='news', broadcast=True, connection=own).publish_message('hello')
    assert own.get('broadcast:news') == b'hello'
    assert broker.published == []


def test_connection_pool_of_the_module_is_the_one_in_use(broker: Broker) -> None:
    """Made on demand, never at import."""
    assert publisher_module.redis_connection_pool is active_server().pool
    client = redis.Redis(connection_pool=publisher_module.redis_connection_pool)
    client.publish('broadcast:news', 'hello')
    assert [publication.text for publication in broker.published] == ['hello']


def test_name_that_the_module_has_not_is_an_error() -> None:
    with pytest.raises(AttributeError, match='no attribute'):
        publisher_module.redis_pool  # type: ignore[attr-defined]  # noqa: B018


# fetch_message


def persist(text: str, **audience: Any) -> None:
    """Persist a message for an audience of the facility chat."""
    RedisPublisher(facility='chat', **audience).publish_message(text, 100)


def test_fetch_looks_at_session_user_group_broadcast_in_this_order(
    broker: Broker, john_request: HttpRequest
) -> None:
    publisher = RedisPublisher()
    assert publisher.fetch_message(john_request, 'chat') is None
    persist('to all', broadcast=True)
    assert publisher.fetch_message(john_request, 'chat') == b'to all'
    persist('to editors', groups=['editors'])
    assert publisher.fetch_message(john_request, 'chat') == b'to editors'
    persist('to john', users=['john'])
    assert publisher.fetch_message(john_request, 'chat') == b'to john'
    persist('to this browser', sessions=[john_request.session.session_key])
    assert publisher.fetch_message(john_request, 'chat') == b'to this browser'


@pytest.mark.parametrize('audience', ['session', 'user', 'group', 'broadcast'])
def test_fetch_of_one_audience_looks_nowhere_else(
    broker: Broker, john_request: HttpRequest, audience: AudienceName
) -> None:
    persist('session', sessions=[john_request.session.session_key])
    persist('user', users=['john'])
    persist('group', groups=['staff'])
    persist('broadcast', broadcast=True)
    assert RedisPublisher().fetch_message(john_request, 'chat', audience) == audience.encode()
    assert RedisPublisher().fetch_message(john_request, 'other', audience) is None


def test_fetch_for_nobody_gives_what_everybody_gets(
    broker: Broker, anonymous_request: HttpRequest
) -> None:
    persist('to john', users=['john'])
    publisher = RedisPublisher()
    assert publisher.fetch_message(anonymous_request, 'chat') is None
    assert publisher.fetch_message(anonymous_request, 'chat', 'user') is None
    persist('to all', broadcast=True)
    assert publisher.fetch_message(anonymous_request, 'chat') == b'to all'


@pytest.mark.parametrize('audience', ['everybody', '', 'users', None])
def test_fetch_of_an_unknown_audience_is_refused(
    broker: Broker, anonymous_request: HttpRequest, audience: Any
) -> None:
    with pytest.raises(ValueError, match="it takes 'any', 'session', 'user', 'group', 'broadcast'"):
        RedisPublisher().fetch_message(anonymous_request, 'chat', audience)


def test_fetch_reads_an_empty_message_as_a_message(
    broker: Broker, anonymous_request: HttpRequest
) -> None:
    persist('', broadcast=True)
    assert RedisPublisher().fetch_message(anonymous_request, 'chat') == b''


def test_fetch_follows_the_prefix(
    broker: Broker, anonymous_request: HttpRequest, settings: Settings
) -> None:
    persist('without', broadcast=True)
    settings.WS4REDIS_PREFIX = 'shop'
    assert RedisPublisher().fetch_message(anonymous_request, 'chat') is None


def test_fetch_while_redis_is_away_raises(broker: Broker, anonymous_request: HttpRequest) -> None:
    with broker.outage(), pytest.raises(redis.ConnectionError):
        RedisPublisher().fetch_message(anonymous_request, 'chat')


@pytest.mark.row('U3')
@pytest.mark.parametrize('options', [{'decode_responses': True}, {'decode_responses': False}])
@pytest.mark.parametrize('message', ['grün'.encode(), b'\xff\x00', b''])
def test_fetch_gives_bytes_whatever_the_client_makes_of_its_answers(
    anonymous_request: HttpRequest, options: dict[str, Any], message: bytes
) -> None:
    """With decode_responses it gave str, and could not read what is no text."""
    client = fakeredis.FakeRedis(**options)
    RedisPublisher(facility='chat', broadcast=True, connection=client).publish_message(message)
    publisher = RedisPublisher(connection=client)
    assert publisher.fetch_message(anonymous_request, 'chat') == message
    assert publisher.fetch_message(anonymous_request, 'chat', 'broadcast') == message
    assert asyncio.run(publisher.afetch_message(anonymous_request, 'chat')) == message
    assert publisher.fetch_message(anonymous_request, 'other') is None


def test_fetch_through_a_decoding_client_of_a_real_redis_gives_bytes(
    anonymous_request: HttpRequest, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        publisher = RedisPublisher(facility='chat', broadcast=True, connection=client)
        publisher.publish_message(b'\xff', 5)
        assert publisher.fetch_message(anonymous_request, 'chat', 'broadcast') == b'\xff'


def test_fetch_of_a_double_that_gives_text_gives_bytes(anonymous_request: HttpRequest) -> None:
    class Double:
        def mget(self, names: list[bytes]) -> list[str | None]:
            return ['grün' for _ in names]

    publisher = RedisPublisher()
    publisher._connection = Double()  # type: ignore[assignment]
    assert publisher.fetch_message(anonymous_request, 'chat') == 'grün'.encode()


@pytest.mark.parametrize(
    'make', [redis.asyncio.Redis, fakeredis.FakeAsyncRedis, type('Own', (redis.asyncio.Redis,), {})]
)
def test_asyncio_client_is_refused_by_name(make: Callable[[], Any]) -> None:
    client = make()
    for store in (RedisPublisher, RedisStore):
        with pytest.raises(TypeError, match=f'{type(client).__name__}, an asyncio client: it take'):
            store(connection=client)


@pytest.mark.parametrize('on_commit', [1, 0, None, b'default', ['default']])
def test_on_commit_of_another_type_is_refused_when_the_publisher_is_made(on_commit: Any) -> None:
    with pytest.raises(TypeError, match=f'on_commit is {type(on_commit).__name__}'):
        RedisPublisher(facility='chat', broadcast=True, on_commit=on_commit)


def test_afetch_message_fetches(broker: Broker, anonymous_request: HttpRequest) -> None:
    persist('to all', broadcast=True)
    assert (
        asyncio.run(RedisPublisher().afetch_message(anonymous_request, 'chat', 'broadcast'))
        == b'to all'
    )


def test_apublish_message_of_a_publisher_publishes(broker: Broker) -> None:
    asyncio.run(RedisPublisher(facility='news', broadcast=True).apublish_message('hello', 9))
    [publication] = broker.published
    assert (publication.channel, publication.text, publication.expire) == (
        'broadcast:news',
        'hello',
        9,
    )


@pytest.mark.parametrize(
    ('keyword', 'hint'),
    [
        ('user', 'did you mean users='),
        ('brodcast', 'did you mean broadcast='),
        ('tenant', 'an audience of your own takes'),
    ],
)
def test_unknown_keyword_is_refused_by_its_name(keyword: str, hint: str) -> None:
    wrong: dict[str, Any] = {keyword: ['john']}
    with pytest.raises(TypeError, match=rf'^RedisPublisher\(\) takes no {keyword}=: {hint}'):
        RedisPublisher(facility='news', **wrong)


def test_message_without_an_audience_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Broker() as broker:
        RedisPublisher(facility='news').publish_message('to whom?')
        assert broker.published == []
    assert "published to nobody: the publisher of 'news' names no audience" in caplog.text


@pytest.mark.parametrize(
    'audience',
    [{'users': []}, {'groups': set()}, {'sessions': iter(())}],
    ids=['list', 'set', 'iterator'],
)
def test_audience_that_happens_to_be_empty_is_no_fault(
    audience: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with Broker():
        RedisPublisher(facility='news', **audience).publish_message('x')
    assert 'published to nobody' not in caplog.text
