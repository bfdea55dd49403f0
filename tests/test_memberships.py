"""What happens to a session's groups at login, and to its websockets at logout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import Signal
from django.test import Client, RequestFactory

from tests.processes.project import Project
from ws4redis.access import AT_LOGIN
from ws4redis.identity import MEMBEROF
from ws4redis.memberships import connect_receivers
from ws4redis.signals import WebSockets, rights_withdrawn
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries


@pytest.fixture
def john(db: None) -> User:
    user = User.objects.create(username='john')
    user.groups.set([Group.objects.create(name=name) for name in ('staff', 'chess')])
    Group.objects.create(name='others')
    return user


@pytest.fixture
def withdrawn() -> Iterator[list[str]]:
    """The keys of the sessions whose rights were withdrawn."""
    keys: list[str] = []

    def note(sender: Any, session_key: str, **kwargs: Any) -> None:
        keys.append(session_key)

    rights_withdrawn.connect(note, sender=WebSockets)
    yield keys
    rights_withdrawn.disconnect(note, sender=WebSockets)


def test_login_writes_the_names_of_the_users_groups_into_the_session(
    client: Client, john: User
) -> None:
    client.force_login(john)
    assert sorted(client.session[MEMBEROF]) == ['chess', 'staff']
    assert sorted(client.session[AT_LOGIN]) == ['chess', 'staff']


def test_login_of_a_user_without_groups_writes_an_empty_list(client: Client, db: None) -> None:
    client.force_login(User.objects.create(username='mary'))
    assert client.session[MEMBEROF] == []


def test_groups_that_are_joined_after_login_come_with_the_next_one(
    client: Client, john: User
) -> None:
    client.force_login(john)
    john.groups.add(Group.objects.get(name='others'))
    assert 'others' not in client.session[MEMBEROF]
    client.force_login(john)
    assert 'others' in client.session[MEMBEROF]


def test_login_costs_one_query(
    john: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request: Any = RequestFactory().get('/')
    request.session = {}
    receivers = [
        receiver
        for receiver in user_logged_in._live_receivers(User)[0]
        if 'ws4redis' in receiver.__module__
    ]
    with django_assert_num_queries(1):
        for receiver in receivers:
            receiver(sender=User, user=john, request=request)
    assert sorted(request.session[MEMBEROF]) == ['chess', 'staff']


@pytest.mark.parametrize('request_', [SimpleNamespace(), None])
def test_login_without_a_session_is_survived(john: User, request_: Any) -> None:
    john.last_login = None
    user_logged_in.send(sender=User, user=john, request=request_)


def test_login_of_a_user_class_without_groups_writes_nothing() -> None:
    request: Any = RequestFactory().get('/')
    request.session = {}
    for receiver in user_logged_in._live_receivers(SimpleNamespace)[0]:
        if 'ws4redis' in receiver.__module__:
            receiver(sender=SimpleNamespace, user=SimpleNamespace(pk=1), request=request)
    assert request.session == {}


def test_logout_withdraws_the_rights_of_its_session(
    client: Client, john: User, withdrawn: list[str]
) -> None:
    client.force_login(john)
    key = client.session.session_key
    client.logout()
    assert withdrawn == [key]


@pytest.mark.parametrize('session', [None, SimpleNamespace(session_key=None)])
def test_logout_without_a_saved_session_withdraws_nothing(
    session: Any, withdrawn: list[str]
) -> None:
    request: Any = RequestFactory().get('/')
    if session is not None:
        request.session = session
    user_logged_out.send(sender=AnonymousUser, user=None, request=request)
    user_logged_out.send(sender=AnonymousUser, user=None, request=None)
    assert withdrawn == []


def test_receivers_are_connected_once(client: Client, john: User, withdrawn: list[str]) -> None:
    connect_receivers()
    client.force_login(john)
    client.logout()
    assert len(withdrawn) == 1


USERS = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group
from django.db import models

class Team(models.Model):
    name = models.CharField(max_length=80)

class Squad(Group):
    pass

class Base(AbstractBaseUser):
    username = models.CharField(max_length=80, unique=True)
    USERNAME_FIELD = 'username'
    objects = BaseUserManager()

    class Meta:
        abstract = True

def fail(self):
    raise ValueError('the directory of groups is away')

class User(Base):
    groups = {groups}
"""

SITE = """
INSTALLED_APPS = [
    'django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions', 'ws4redis',
    'people',
]
MIDDLEWARE = [
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
]
AUTH_USER_MODEL = 'people.User'
WS4REDIS_CONNECTION = 'memory://'
DEBUG = True
"""

LOGIN = """
from django.core.management import call_command
from django.test import Client
from people.models import *
from ws4redis.testing import Broker

call_command('makemigrations', 'people', verbosity=0)
call_command('migrate', verbosity=0)
john = User.objects.create(username='john')
{prepare}
client = Client()
client.force_login(john)
assert client.session.get('ws4redis:memberof') == {names}, dict(client.session)
with Broker() as broker:
    page = broker.connect('news', subscribe=['user', 'group'], client=client)
    assert set(page.channels) == {{'user:john:news'{channels}}}, page.channels
"""


def log_in_as(
    tmp_path: Path, groups: str, *, prepare: str = '', names: list[str] | None = None
) -> str:
    """Log in and open a websocket on a site whose user has such `groups`, and return its log."""
    project = Project(
        tmp_path,
        SITE,
        {'people/__init__.py': '', 'people/models.py': USERS.format(groups=groups)},
    )
    channels = ''.join(f', "group:{name}:news"' for name in names or ())
    return project.run(LOGIN.format(prepare=prepare, names=names, channels=channels))


@pytest.mark.row('U12')
@pytest.mark.parametrize(
    'groups',
    [
        'models.ManyToManyField(Team)',
        'models.ForeignKey(Team, null=True, on_delete=models.CASCADE)',
        'models.JSONField(default=list)',
        'property(lambda self: ["staff"])',
        'property(lambda self: Team.objects.all())',
        'None',
        '["staff"]',
        'lambda self: ["staff"]',
    ],
)
def test_login_of_a_user_whose_groups_are_not_those_of_auth_writes_nothing(
    tmp_path: Path, groups: str
) -> None:
    assert log_in_as(tmp_path, groups) == ''


@pytest.mark.row('U12')
@pytest.mark.parametrize(
    ('groups', 'prepare'),
    [
        ('models.ManyToManyField(Group)', 'john.groups.create(name="staff")'),
        ('models.ManyToManyField(Squad)', 'john.groups.create(name="staff")'),
        ('property(lambda self: Group.objects.all())', 'Group.objects.create(name="staff")'),
    ],
)
def test_login_writes_groups_of_auth_however_the_user_has_them(
    tmp_path: Path, groups: str, prepare: str
) -> None:
    assert log_in_as(tmp_path, groups, prepare=prepare, names=['staff']) == ''


def test_groups_that_raise_are_logged_once_and_the_login_goes_on(tmp_path: Path) -> None:
    log = log_in_as(tmp_path, 'property(fail)')
    assert log.count('Traceback') == 1
    assert log.count('ValueError: the directory of groups is away') == 1


class WhichRaises:
    """A session of which nothing can be read and into which nothing can be written."""

    def __setitem__(self, name: str, value: object) -> None:
        raise OSError('no session today')

    @property
    def session_key(self) -> str:
        raise OSError('no session today')


@pytest.mark.parametrize(
    ('signal', 'said'),
    [
        (user_logged_in, 'at login: the groups of User are not in its session'),
        (user_logged_out, 'at logout: the websockets of this session stay open'),
    ],
)
def test_receiver_that_fails_logs_its_exception_once_and_raises_nothing(
    john: User, caplog: pytest.LogCaptureFixture, signal: Signal, said: str
) -> None:
    request: Any = RequestFactory().get('/')
    request.session = WhichRaises()
    signal.send(sender=User, user=john, request=request)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ('ws4redis.memberships', 'ERROR')
    assert record.getMessage() == said
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


def test_receiver_of_the_site_that_raises_at_logout_keeps_no_websocket_open(
    client: Client, john: User, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**kwargs: object) -> None:
        raise ValueError('the page of the site')

    client.force_login(john)
    rights_withdrawn.connect(fail)
    try:
        with Broker() as broker:
            page = broker.connect('news', subscribe='user', client=client)
            client.logout()
            assert page.close_code == 1008
    finally:
        rights_withdrawn.disconnect(fail)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert 'the page of the site' in str(record.exc_info)
