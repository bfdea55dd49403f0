"""Who may have a websocket: origin, session and user, the site's callbacks failing closed, and
the later look.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
import redis
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied, TooManyFieldsSent
from django.db import OperationalError, connection
from django.http import Http404, HttpRequest, QueryDict
from django.test import Client
from django.utils.functional import SimpleLazyObject

from tests.loop.process import SocketClient
from tests.processes.project import Project
from tests.processes.serving import ServingProcess, free_port
from ws4redis import access
from ws4redis.exceptions import HandshakeError
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def site_as_seen() -> Iterator[Broker]:
    """A broker that shows what a browser would see."""
    with Broker(raise_server_exceptions=False) as broker:
        yield broker


@pytest.fixture
def john(db: None) -> User:
    return User.objects.create(username='john')


def status(broker: Broker, *arguments: Any, **keywords: Any) -> int:
    """The HTTP status of a handshake."""
    try:
        broker.connect(*arguments, **keywords)
    except HandshakeRejected as exc:
        return exc.status_code
    return 101


# Session and user


def test_logged_in_user_is_on_the_request(broker: Broker, john: User) -> None:
    seen: list[HttpRequest] = []

    def look(request: HttpRequest, channels: list[str]) -> list[str]:
        seen.append(request)
        return channels

    broker.connect('news', user=john, allowed_channels=look)
    assert seen[0].user == john
    assert seen[0].session.session_key


@pytest.mark.django_db
@pytest.mark.parametrize('cookie', [None, '', 'any-text', 'x' * 500, '../../etc/passwd'])
def test_cookie_that_is_no_session_is_nobody(broker: Broker, cookie: str | None) -> None:
    """Any cookie text became a session channel."""
    client = broker.connect('news', subscribe=['session', 'user', 'broadcast'], session=cookie)
    assert client.channels == ['broadcast:news']


@pytest.mark.django_db
def test_anonymous_session_has_its_channel(broker: Broker) -> None:
    session = SessionStore()
    session['cart'] = 1
    session.save()
    client = broker.connect('news', subscribe=['session', 'user'], session=session)
    assert client.channels == [f'session:{session.session_key}:news']


def test_signed_cookie_session_has_no_channel(broker: Broker, settings: Settings) -> None:
    """Its key is the cookie's content, and exists() is always False."""
    from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSessionStore

    settings.SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'
    session = CookieSessionStore()
    session['ws4redis:memberof'] = ['staff']
    session.save()
    client = broker.connect('news', subscribe=['session', 'group'], session=session)
    assert client.channels == ['group:staff:news']


def test_user_who_is_not_active_is_nobody(broker: Broker, john: User) -> None:
    client = Client()
    client.force_login(john)
    User.objects.update(is_active=False)
    assert broker.connect('news', subscribe=['user'], client=client).channels == []


@pytest.mark.parametrize('table', ['django_session', 'auth_user'])
def test_database_that_cannot_answer_makes_nobody_anonymous(
    site_as_seen: Broker, john: User, table: str
) -> None:
    client = Client()
    client.force_login(john)
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE {table} RENAME TO gone')
    assert status(site_as_seen, 'news', subscribe='broadcast', client=client) == 503


# WS4REDIS_PROCESS_REQUEST


def set_nothing(request: HttpRequest) -> None:
    """A callback that sets neither session nor user."""


def test_callback_may_be_a_callable_or_a_dotted_path(broker: Broker, settings: Settings) -> None:
    for callback in (set_nothing, f'{__name__}.set_nothing'):
        settings.WS4REDIS_PROCESS_REQUEST = callback
        assert broker.connect(
            'news', subscribe=['user', 'session', 'group', 'broadcast']
        ).channels == ['broadcast:news']


@pytest.mark.parametrize('user', [None, 'missing'])
def test_user_that_a_callback_leaves_out_is_anonymous_never_none(
    broker: Broker, settings: Settings, user: str | None
) -> None:
    seen: list[object] = []

    def callback(request: Any) -> None:
        if user is None:
            request.user = None

    def look(request: HttpRequest, channels: list[str]) -> list[str]:
        seen.append(request.user)
        return channels

    settings.WS4REDIS_PROCESS_REQUEST = callback
    broker.connect('news', allowed_channels=look)
    assert isinstance(seen[0], AnonymousUser)


class DuckUser:
    """A user of a site's own, with is_authenticated as it likes."""

    def __init__(self, is_authenticated: object) -> None:
        self.is_authenticated = is_authenticated

    def get_username(self) -> str:
        return 'donald'


class DuckSession:
    """A session of a site's own."""

    session_key = 'duck-key'

    def get(self, name: str, default: object = None) -> object:
        return {'ws4redis:memberof': ['ducks']}.get(name, default)


@pytest.mark.parametrize(
    ('is_authenticated', 'channels'),
    [
        (True, ['user:donald:news']),
        (lambda: True, ['user:donald:news']),
        (False, []),
        (lambda: False, []),
    ],
)
def test_callback_may_set_a_user_of_its_own(
    broker: Broker, settings: Settings, is_authenticated: object, channels: list[str]
) -> None:
    def callback(request: Any) -> None:
        request.user = DuckUser(is_authenticated)

    settings.WS4REDIS_PROCESS_REQUEST = callback
    assert broker.connect('news', subscribe=['user', 'group', 'session']).channels == channels


def test_callback_may_set_a_session_of_its_own(broker: Broker, settings: Settings) -> None:
    def callback(request: Any) -> None:
        request.user = DuckUser(True)
        request.session = DuckSession()

    settings.WS4REDIS_PROCESS_REQUEST = callback
    client = broker.connect('news', subscribe=['user', 'group', 'session'], publish=['group'])
    assert set(client.channels) == {'user:donald:news', 'group:ducks:news', 'session:duck-key:news'}
    client.send('quack')
    assert [publication.channel for publication in broker.published] == ['group:ducks:news']


def test_lazy_user_is_looked_up_at_the_handshake(site_as_seen: Broker, settings: Settings) -> None:
    """A database away must refuse now, not make somebody anonymous later."""

    def away() -> User:
        raise OperationalError('server closed the connection')

    def callback(request: Any) -> None:
        request.user = SimpleLazyObject(away)

    settings.WS4REDIS_PROCESS_REQUEST = callback
    assert status(site_as_seen, 'news') == 503


EXCEPTIONS = [
    (PermissionDenied('not you'), 403),
    (Http404('no such room'), 404),
    (TooManyFieldsSent('read of request.GET'), 400),
    (OperationalError('connection refused'), 503),
    (redis.ConnectionError('away'), 503),
    (redis.TimeoutError('away'), 503),
    (ConnectionRefusedError('away'), 503),
    (TimeoutError('away'), 503),
    (AttributeError('typo'), 500),
    (ImportError('typo'), 500),
    (KeyError('room'), 500),
    (RuntimeError('bug'), 500),
]


@pytest.mark.parametrize(
    ('exception', 'expected'),
    EXCEPTIONS,
    ids=lambda value: getattr(value, '__class__', value).__name__,
)
@pytest.mark.parametrize('setting', ['WS4REDIS_PROCESS_REQUEST', 'WS4REDIS_ALLOWED_CHANNELS'])
def test_exception_of_a_callback_refuses_the_handshake(
    site_as_seen: Broker, settings: Settings, setting: str, exception: Exception, expected: int
) -> None:
    """An AttributeError inside it granted every channel asked for."""

    def callback(*arguments: object) -> list[str]:
        raise exception

    setattr(settings, setting, callback)
    assert status(site_as_seen, 'news', subscribe='broadcast') == expected
    assert site_as_seen.clients == []


@pytest.mark.parametrize('setting', ['WS4REDIS_PROCESS_REQUEST', 'WS4REDIS_ALLOWED_CHANNELS'])
@pytest.mark.parametrize(
    'path',
    [
        'tests.test_access.misspelt',
        'tests.no_such_module.callback',
        'nodots',
        '',
        'tests.test_access.EXCEPTIONS',
    ],
)
def test_name_that_does_not_resolve_to_a_callable_refuses_the_handshake(
    site_as_seen: Broker,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    setting: str,
    path: str,
) -> None:
    """A misspelt name granted every channel asked for."""
    setattr(settings, setting, path)
    assert status(site_as_seen, 'news', subscribe='broadcast') == 500
    assert setting in caplog.text
    assert access.check_dotted_path(setting)


def test_callback_that_can_be_called_passes_its_check(settings: Settings) -> None:
    assert access.check_dotted_path('WS4REDIS_PROCESS_REQUEST') is None
    settings.WS4REDIS_PROCESS_REQUEST = f'{__name__}.set_nothing'
    assert access.check_dotted_path('WS4REDIS_PROCESS_REQUEST') is None


def test_unexpected_exception_is_logged_with_one_traceback(
    site_as_seen: Broker, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(request: HttpRequest) -> None:
        raise RuntimeError('bug')

    settings.WS4REDIS_PROCESS_REQUEST = callback
    assert status(site_as_seen, 'news') == 500
    assert [record.levelname for record in caplog.records if record.exc_info] == ['ERROR']


def test_query_string_that_django_refuses_is_not_the_callbacks_fault(
    site_as_seen: Broker, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger could fill the log with tracebacks."""
    settings.WS4REDIS_PROCESS_REQUEST = lambda request: request.GET['room']
    assert status(site_as_seen, '/ws/news?' + 'x=1&' * 1001) == 400
    assert 'WS4REDIS_PROCESS_REQUEST: The number of GET/POST parameters exceeded' in caplog.text
    assert [record for record in caplog.records if record.exc_info] == []


def test_expected_refusal_is_logged_without_a_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(request: HttpRequest, channels: list[str]) -> list[str]:
        raise PermissionDenied('not you')

    assert status(broker, 'news', allowed_channels=callback) == 403
    assert 'not you' in caplog.text
    assert not any(record.exc_info for record in caplog.records)


def test_no_detail_of_an_exception_reaches_the_client(
    site_as_seen: Broker, settings: Settings
) -> None:
    """Host names and passwords were sent to clients."""
    for exception in (
        RuntimeError,
        PermissionDenied,
        Http404,
        OperationalError,
        redis.ConnectionError,
    ):

        def callback(
            request: HttpRequest, channels: list[str], exception: type[Exception] = exception
        ) -> list[str]:
            raise exception('redis://:s3cret@db.internal')

        with pytest.raises(HandshakeRejected) as refused:
            site_as_seen.connect('news', allowed_channels=callback)
        assert b's3cret' not in refused.value.body
        assert 's3cret' not in str(refused.value.headers)


# WS4REDIS_ALLOWED_CHANNELS


def none_allowed(request: HttpRequest, channels: list[str]) -> list[str]:
    return []


def test_answer_of_the_callback_replaces_what_was_asked_for(broker: Broker) -> None:
    asked: list[list[str]] = []

    def callback(request: HttpRequest, channels: list[str]) -> list[str]:
        asked.append(channels)
        return ['subscribe-broadcast']

    client = broker.connect(
        'news', subscribe=['user', 'session'], echo=True, allowed_channels=callback
    )
    assert asked == [['subscribe-session', 'subscribe-user']]
    assert client.channels == ['broadcast:news']


def test_callback_may_be_a_dotted_path(broker: Broker) -> None:
    client = broker.connect(
        'news', subscribe='broadcast', allowed_channels=f'{__name__}.none_allowed'
    )
    assert client.channels == []
    assert client.open


@pytest.mark.parametrize('answer', [tuple, set, iter, lambda names: (name for name in names)])
def test_answer_is_any_iterable(broker: Broker, answer: Callable[[list[str]], Any]) -> None:
    def callback(request: HttpRequest, channels: list[str]) -> Any:
        return answer(channels)

    assert broker.connect('news', subscribe='broadcast', allowed_channels=callback).channels == [
        'broadcast:news'
    ]


class Decisions:
    """A mapping that derives from none."""

    def keys(self) -> list[str]:
        return ['subscribe-broadcast']

    def __getitem__(self, name: str) -> bool:
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


@pytest.mark.parametrize(
    'answer',
    [
        None,
        'subscribe-broadcast',
        b'subscribe-broadcast',
        True,
        7,
        {},
        {'subscribe-broadcast': False},
        defaultdict(bool, {'subscribe-broadcast': False}),
        OrderedDict({'subscribe-broadcast': True}),
        MappingProxyType({'subscribe-broadcast': False}),
        UserDict({'subscribe-broadcast': False}),
        QueryDict('subscribe-broadcast'),
        SimpleLazyObject(lambda: {'subscribe-broadcast': False}),
        Decisions(),
    ],
)
def test_answer_that_is_no_list_refuses_the_handshake(site_as_seen: Broker, answer: object) -> None:
    def callback(request: HttpRequest, channels: list[str]) -> Any:
        return answer

    assert status(site_as_seen, 'news', subscribe='broadcast', allowed_channels=callback) == 500


@pytest.mark.parametrize('name', ['subscribe-everything', 'broadcast', 'echo', '', 7])
def test_name_that_there_is_not_in_the_answer_refuses_the_handshake(
    site_as_seen: Broker, name: Any
) -> None:
    def callback(request: HttpRequest, channels: list[str]) -> Any:
        return [*channels, name]

    assert status(site_as_seen, 'news', subscribe='broadcast', allowed_channels=callback) == 403


# Without a callback


def test_anonymous_request_may_listen_but_not_publish_and_the_log_says_so(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, 'ws4redis.access'):
        client = broker.connect('news', subscribe='broadcast', publish='broadcast')
    assert client.channels == ['broadcast:news']
    assert 'publish-broadcast' in caplog.text
    assert 'WS4REDIS_ALLOWED_CHANNELS' in caplog.text
    client.send('hello')
    assert broker.published == []


def test_logged_in_user_may_publish(broker: Broker, john: User) -> None:
    broker.connect('news', publish='broadcast', user=john).send('hello')
    assert [publication.text for publication in broker.published] == ['hello']


# Names that make no channel


def test_user_whose_name_makes_no_channel_misses_that_channel_alone(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    asked = ['user', 'group', 'broadcast']
    client = broker.connect(
        'news', subscribe=asked, force_user=DuckNamed('a:b'), groups=['x:y', 'staff']
    )
    assert set(client.channels) == {'group:staff:news', 'broadcast:news'}
    assert caplog.text.count('left out a channel') == 2


class DuckNamed(DuckUser):
    """A logged-in user of any name."""

    def __init__(self, name: str) -> None:
        super().__init__(True)
        self.name = name

    def get_username(self) -> str:
        return self.name


# Groups


@pytest.fixture
def member(john: User) -> Client:
    """John's browser; he was in staff and editors when he logged in."""
    for name in ('staff', 'editors'):
        john.groups.add(Group.objects.create(name=name))
    client = Client()
    client.force_login(john)
    return client


def test_groups_of_the_login_have_their_channels(broker: Broker, member: Client) -> None:
    assert set(broker.connect('news', subscribe='group', client=member).channels) == {
        'group:staff:news',
        'group:editors:news',
    }


def test_group_lost_since_login_has_no_channel_any_more(
    broker: Broker, member: Client, john: User
) -> None:
    """Rights were frozen at login."""
    john.groups.remove(Group.objects.get(name='staff'))
    assert broker.connect('news', subscribe='group', client=member).channels == [
        'group:editors:news'
    ]
    client = broker.connect('news', publish='group', client=member)
    client.send('hello')
    assert [publication.channel for publication in broker.published] == ['group:editors:news']


def test_names_that_a_project_wrote_into_the_session_are_its_own_business(
    broker: Broker, member: Client, john: User
) -> None:
    session = member.session
    session['ws4redis:memberof'] = [*session['ws4redis:memberof'], 'room-7']
    session.save()
    john.groups.clear()
    assert broker.connect('news', subscribe='group', client=member).channels == [
        'group:room-7:news'
    ]


def test_groups_are_looked_up_only_if_their_channels_are_wanted(
    broker: Broker, member: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        broker.connect('news', subscribe='broadcast', client=member)
    with django_assert_num_queries(3):
        broker.connect('news', subscribe='group', client=member)


def test_database_away_when_groups_are_looked_up_refuses_the_handshake(
    site_as_seen: Broker, member: Client
) -> None:
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE auth_user_groups RENAME TO gone')
    assert status(site_as_seen, 'news', subscribe='group', client=member) == 503


# Whether they still may


def opened_by(broker: Broker, client: Client, *subscribe: str) -> access.Access:
    """As whom this browser has opened a websocket."""
    recipient = broker.connect('news', subscribe=list(subscribe), client=client)._end.recipient
    assert recipient is not None
    assert isinstance(recipient.access, access.Access)
    return recipient.access


def test_who_has_lost_nothing_is_still_allowed(broker: Broker, member: Client) -> None:
    assert access.still_allowed(opened_by(broker, member, 'user', 'group'))


def test_who_has_logged_out_is_no_longer_allowed(broker: Broker, member: Client) -> None:
    opened = opened_by(broker, member, 'user')
    member.logout()
    assert not access.still_allowed(opened)


def test_who_was_deactivated_is_no_longer_allowed(broker: Broker, member: Client) -> None:
    opened = opened_by(broker, member, 'user')
    User.objects.update(is_active=False)
    assert not access.still_allowed(opened)


def test_whose_password_was_changed_is_no_longer_allowed(
    broker: Broker, member: Client, john: User
) -> None:
    opened = opened_by(broker, member, 'user')
    john.set_password('another')
    john.save()
    assert not access.still_allowed(opened)


def test_who_was_deleted_is_no_longer_allowed(broker: Broker, member: Client, john: User) -> None:
    opened = opened_by(broker, member, 'user')
    john.delete()
    assert not access.still_allowed(opened)


def test_who_lost_a_group_is_no_longer_allowed_if_its_channel_was_wanted(
    broker: Broker, member: Client, john: User
) -> None:
    with_groups, without = (
        opened_by(broker, member, 'user', 'group'),
        opened_by(broker, member, 'user'),
    )
    john.groups.remove(Group.objects.get(name='staff'))
    assert not access.still_allowed(with_groups)
    assert access.still_allowed(without)


def test_who_gained_a_group_is_still_allowed(broker: Broker, member: Client, john: User) -> None:
    opened = opened_by(broker, member, 'group')
    john.groups.add(Group.objects.create(name='authors'))
    assert access.still_allowed(opened)


@pytest.mark.django_db
def test_who_was_nobody_is_still_nobody(broker: Broker) -> None:
    recipient = broker.connect('news', subscribe='broadcast')._end.recipient
    assert recipient is not None
    assert recipient.access == access.Access(user_key=None, session_key=None, groups=())
    assert access.still_allowed(recipient.access)


def test_anonymous_session_that_has_ended_is_no_longer_allowed(broker: Broker, db: None) -> None:
    session = SessionStore()
    session['cart'] = 1
    session.save()
    recipient = broker.connect('news', subscribe='session', session=session)._end.recipient
    assert recipient is not None
    assert access.still_allowed(recipient.access)
    session.flush()
    assert not access.still_allowed(recipient.access)


def test_sessions_of_a_callback_are_the_sites_business(settings: Settings) -> None:
    settings.WS4REDIS_PROCESS_REQUEST = set_nothing
    assert access.still_allowed(access.Access(user_key=1, session_key='unknown', groups=()))


def test_nothing_is_decided_while_the_database_is_away(
    broker: Broker, member: Client, john: User, caplog: pytest.LogCaptureFixture
) -> None:
    opened = opened_by(broker, member, 'user')
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE django_session RENAME TO gone')
    with pytest.raises(OperationalError):
        access.still_allowed(opened)
    assert access.no_longer_allowed([opened]) == set()
    assert 'OperationalError' in caplog.text


def test_those_who_lost_their_rights_are_found_among_others(
    broker: Broker, member: Client, john: User
) -> None:
    opened = opened_by(broker, member, 'user')
    other = access.Access(user_key=None, session_key=None, groups=())
    assert access.no_longer_allowed([opened, other]) == set()
    User.objects.update(is_active=False)
    assert access.no_longer_allowed([opened, other]) == {opened}


def test_refusal_stays_what_it_is() -> None:
    refusal = HandshakeError('Bad', status=400)
    assert access.refused(refusal, 'somewhere') is refusal


def test_session_key_is_not_logged_in_full() -> None:
    assert access.session_for_log('abcdefghijkl') == 'session:abcd...'
    assert access.session_for_log(None) == 'no session'


def test_request_without_session_and_user_is_described_as_nobody() -> None:
    assert access.describe(HttpRequest(), ['subscribe-group']) == access.Access(None, None, ())


# Without django.contrib.auth

CALLBACKS = """
from types import SimpleNamespace
from django.utils.functional import SimpleLazyObject

def nothing(request): pass
def none(request): request.user = None
def lazy_none(request): request.user = SimpleLazyObject(lambda: None)

class Session(dict):
    session_key = 'duck-key'

def session(request):
    request.session = Session({'ws4redis:memberof': ['ducks'], 'ws4redis:groups': ['ducks']})

def own_session(request):
    request.session = Session({'ws4redis:memberof': ['ducks']})

def stored_session(request):
    from django.contrib.sessions.backends.signed_cookies import SessionStore
    request.session = SessionStore()
    request.session['ws4redis:memberof'] = ['ducks']

def user_without_a_name(request): request.user = SimpleNamespace(is_authenticated=True)
def lazy_user(request): request.user = SimpleLazyObject(Duck)

class Duck:
    is_authenticated = True
    def get_username(self): return 'donald'

def policy(request, channels):
    assert request.user.is_authenticated in (True, False)
    return channels
"""

WITHOUT_AUTH = """
INSTALLED_APPS = ['ws4redis']
WS4REDIS_CONNECTION = 'memory://'
WS4REDIS_ALLOWED_CHANNELS = 'callbacks.policy'
WS4REDIS_PROCESS_REQUEST = 'callbacks.{callback}'
DEBUG = True
"""

VISIT = """
from django.core.management import call_command
from ws4redis.testing import Broker
call_command('check')
with Broker() as broker:
    kinds = ('user', 'group', 'session', 'broadcast')
    wanted = '&'.join(f'subscribe-{{kind}}' for kind in kinds)
    page = broker.connect(f'/ws/news?{{wanted}}&publish-broadcast&echo')
    page.send('hello')
    assert page.receive() == 'hello'
    assert set(page.channels) == {{'broadcast:news', {channels}}}, page.channels
    broker.advance(3600)
    assert not page.closed
"""


def without_auth(tmp_path: Path, callback: str) -> Project:
    """A site without django.contrib.auth whose websockets have what this callback sets."""
    return Project(tmp_path, WITHOUT_AUTH.format(callback=callback), {'callbacks.py': CALLBACKS})


@pytest.mark.parametrize(
    ('callback', 'channels'),
    [
        ('nothing', []),
        ('none', []),
        ('lazy_none', []),
        ('session', ['session:duck-key:news']),
        ('own_session', ['session:duck-key:news', 'group:ducks:news']),
        ('stored_session', ['group:ducks:news']),
        ('lazy_user', ['user:donald:news']),
        ('user_without_a_name', []),
    ],
)
def test_site_without_auth_has_the_session_and_user_that_its_callback_sets(
    tmp_path: Path, callback: str, channels: list[str]
) -> None:
    written = ', '.join(map(repr, channels))
    log = without_auth(tmp_path, callback).run(VISIT.format(channels=written))
    assert 'Traceback' not in log
    assert ('SimpleNamespace has no get_username()' in log) == (callback == 'user_without_a_name')


def test_runserver_of_a_site_without_auth_serves_websockets(tmp_path: Path) -> None:
    project = without_auth(tmp_path, 'nothing')
    server, port = ServingProcess(tmp_path / 'output'), free_port()
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        server.launch(
            [sys.executable, '-m', 'django', 'runserver', '--noreload', f'127.0.0.1:{port}'],
            project.environ,
        )
        page = server.until(lambda: opened(port), 'runserver does not answer')
        page.send('hello')
        assert page.receive() == 'hello'
        page.drop()
    assert 'Traceback' not in server.said()


def opened(port: int) -> SocketClient | None:
    """A websocket; None while nobody listens."""
    with contextlib.suppress(ConnectionError):
        return SocketClient(port, '/ws/news?subscribe-broadcast&publish-broadcast&echo')
    return None


def test_site_without_auth_and_without_a_callback_refuses_and_says_why(tmp_path: Path) -> None:
    project = Project(tmp_path, "INSTALLED_APPS = ['ws4redis']\nDEBUG = True", {})
    log = project.run("""
        from ws4redis.testing import Broker, HandshakeRejected
        with Broker(raise_server_exceptions=False) as broker:
            try:
                broker.connect('news', subscribe='broadcast')
            except HandshakeRejected as exc:
                assert exc.status_code == 500
    """)
    assert "INSTALLED_APPS has no 'django.contrib.auth', and WS4REDIS_PROCESS_REQUEST is" in log
    assert 'Traceback' not in log
