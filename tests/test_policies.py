"""Ready-made answers for WS4REDIS_ALLOWED_CHANNELS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from ws4redis.policies import allow_all, authenticated_only, default, subscribe_only
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

ASKED = ['subscribe-user', 'subscribe-broadcast', 'publish-broadcast', 'publish-lab']
LISTENING = ['subscribe-user', 'subscribe-broadcast']


def request_of(user: object) -> HttpRequest:
    """A request of this user."""
    request = HttpRequest()
    request.user = user  # type: ignore[assignment]
    return request


JOHN = User(username='john')


@pytest.mark.parametrize(
    ('policy', 'user', 'allowed'),
    [
        (allow_all, JOHN, ASKED),
        (allow_all, AnonymousUser(), ASKED),
        (subscribe_only, JOHN, LISTENING),
        (subscribe_only, AnonymousUser(), LISTENING),
        (authenticated_only, JOHN, ASKED),
        (default, JOHN, ASKED),
        (default, AnonymousUser(), LISTENING),
    ],
)
def test_policy_answers(
    policy: Callable[[HttpRequest, list[str]], list[str]], user: object, allowed: list[str]
) -> None:
    asked = list(ASKED)
    answer = policy(request_of(user), asked)
    assert answer == allowed
    assert answer is not asked


def test_authenticated_only_refuses_others() -> None:
    with pytest.raises(PermissionDenied):
        authenticated_only(request_of(AnonymousUser()), ASKED)


@pytest.mark.parametrize('policy', [authenticated_only, default])
def test_request_without_a_user_counts_as_nobody(
    policy: Callable[[HttpRequest, list[str]], list[str]],
) -> None:
    if policy is default:
        assert policy(HttpRequest(), ASKED) == LISTENING
    else:
        with pytest.raises(PermissionDenied):
            policy(HttpRequest(), ASKED)


@pytest.mark.parametrize('name', ['allow_all', 'subscribe_only', 'authenticated_only', 'default'])
def test_policy_can_be_named_in_the_settings(name: str, settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = f'ws4redis.policies.{name}'
    with Broker() as broker:
        client = broker.connect('news', subscribe='broadcast', publish='broadcast', force_user=JOHN)
        assert client.channels == ['broadcast:news']
        client.send('hello')
        assert [publication.text for publication in broker.published] == (
            [] if name == 'subscribe_only' else ['hello']
        )


def test_authenticated_only_gives_others_403(settings: Settings) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.authenticated_only'
    with Broker() as broker, pytest.raises(HandshakeRejected) as refused:
        broker.connect('news', subscribe='broadcast')
    assert refused.value.status_code == 403
