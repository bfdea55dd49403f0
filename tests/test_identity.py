"""What SELF means in a request, and who is somebody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSessionStore
from django.db.models import Manager
from django.http import HttpRequest

from ws4redis.identity import anonymous_user, is_authenticated, own_names, stored_groups
from ws4redis.redis_store import SELF, RedisStore


def names(request: object = None, **audience: Any) -> list[str]:
    """The channels that a store names for the facility chat."""
    return RedisStore()._get_message_channels(request, 'chat', **audience)


def request_of(user: object = None, session: object = None) -> HttpRequest:
    """A request with this user and session."""
    request = HttpRequest()
    request.user = user if user is not None else AnonymousUser()  # type: ignore[assignment]
    if session is not None:
        request.session = session  # type: ignore[assignment]
    return request


def test_self_means_user_groups_and_session_of_the_request() -> None:
    session = SessionStore('abcdefgh')
    session._session_cache = {'ws4redis:memberof': ['staff', 'editors']}  # type: ignore[attr-defined]
    request = request_of(User(username='john'), session)
    assert names(request, users=['mary', SELF]) == ['user:mary:chat', 'user:john:chat']
    assert names(request, groups=[SELF]) == ['group:staff:chat', 'group:editors:chat']
    assert names(request, sessions=[SELF]) == ['session:abcdefgh:chat']


def test_self_of_an_anonymous_request_is_no_channel() -> None:
    """No identity, no channel."""
    request = request_of(AnonymousUser(), SessionStore())
    assert names(request, users=[SELF], groups=[SELF], sessions=[SELF]) == []
    assert names(HttpRequest(), users=[SELF], groups=[SELF], sessions=[SELF]) == []


@pytest.mark.django_db
def test_session_that_its_store_does_not_know_is_no_channel() -> None:
    """Any cookie text became a session channel."""
    assert names(request_of(session=SessionStore('any-text-of-a-cookie')), sessions=[SELF]) == []


def test_signed_cookie_session_is_no_channel() -> None:
    """Its key is the cookie's content."""
    session = CookieSessionStore()
    session['cart'] = 1
    session.save()
    assert session.session_key
    assert names(request_of(session=session), sessions=[SELF]) == []


def test_name_of_the_request_that_makes_no_channel_is_left_out_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = SessionStore('abcdefgh')
    session._session_cache = {'ws4redis:memberof': ['staff:chat', 'editors']}  # type: ignore[attr-defined]
    request = request_of(User(username='jo:hn'), session)
    assert names(request, users=[SELF], groups=[SELF]) == ['group:editors:chat']
    assert [record.levelname for record in caplog.records] == ['WARNING', 'WARNING']
    assert 'staff:chat' in caplog.text
    assert 'jo:hn' in caplog.text


def test_session_key_that_makes_no_channel_is_not_logged_in_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = SessionStore('abcd:secret-login')
    session._session_cache = {'cart': 1}  # type: ignore[attr-defined]
    assert names(request_of(session=session), sessions=[SELF]) == []
    assert 'abcd' in caplog.text
    assert 'secret-login' not in caplog.text


@pytest.mark.parametrize(
    ('value', 'expected'),
    [(True, True), (False, False), (lambda: True, True), (lambda: False, False)],
)
def test_is_authenticated_may_be_a_bool_or_a_method(value: object, expected: bool) -> None:
    class Somebody:
        is_authenticated = property(lambda self: value)

    assert is_authenticated(Somebody()) is expected


def test_what_has_no_is_authenticated_is_nobody() -> None:
    assert not is_authenticated(None)
    assert not is_authenticated(object())


def test_request_without_user_and_session_has_no_names() -> None:
    for kind in ('user', 'group', 'session'):
        assert own_names(kind, HttpRequest()) == []


def test_user_without_get_username_has_no_channel_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert names(request_of(SimpleNamespace(is_authenticated=True)), users=[SELF]) == []
    assert caplog.messages == ['left out a channel: SimpleNamespace has no get_username()']


def test_anonymous_user_is_nobody() -> None:
    user = anonymous_user()
    assert isinstance(user, AnonymousUser)
    assert not is_authenticated(user)


@pytest.mark.django_db
@pytest.mark.parametrize('groups', [None, [], {'staff': 1}, 'staff', Manager(), User.objects])
def test_groups_that_are_not_those_of_auth_are_not_read(groups: object) -> None:
    assert stored_groups(SimpleNamespace(groups=groups)) is None


@pytest.mark.django_db
def test_groups_of_auth_are_read_through_manager_and_queryset() -> None:
    Group.objects.create(name='staff')
    for groups in (Group.objects, Group.objects.all(), Group.objects.filter(name='staff')):
        assert stored_groups(SimpleNamespace(groups=groups)) == ['staff']
