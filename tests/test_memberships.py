"""What happens to a session's groups at login, and to its websockets at logout."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.test import Client, RequestFactory

from ws4redis.access import AT_LOGIN
from ws4redis.identity import MEMBEROF
from ws4redis.memberships import connect_receivers
from ws4redis.signals import WebSockets, rights_withdrawn

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
