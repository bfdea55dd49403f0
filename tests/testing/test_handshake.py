"""From connect()'s arguments to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from ws4redis.policies import authenticated_only
from ws4redis.testing import Broker
from ws4redis.testing.handshake import SAME, address, uri_of

if TYPE_CHECKING:
    from pytest_django import Settings

POSSIBLE = ['subscribe-user', 'subscribe-broadcast', 'publish-user']


@pytest.mark.parametrize(
    ('url', 'subscribe', 'publish', 'echo', 'expected'),
    [
        ('news', (), (), False, ('/ws/news', '')),
        ('', 'user', (), False, ('/ws/', 'subscribe-user')),
        (
            'a b',
            ['user', 'broadcast'],
            'user',
            True,
            ('/ws/a%20b', 'subscribe-user&subscribe-broadcast&publish-user&echo'),
        ),
        (
            '/ws/news?subscribe-user',
            'broadcast',
            (),
            False,
            ('/ws/news', 'subscribe-user&subscribe-broadcast'),
        ),
        ('/elsewhere', (), (), False, ('/elsewhere', '')),
    ],
)
def test_address(
    url: str, subscribe: str, publish: str, echo: bool, expected: tuple[str, str]
) -> None:
    assert address(url, subscribe, publish, echo, lambda: POSSIBLE) == expected


@pytest.mark.parametrize(
    ('verb', 'valid'), [('subscribe', "'user', 'broadcast'"), ('publish', "'user'")]
)
def test_unknown_name_is_refused_with_the_valid_ones(verb: str, valid: str) -> None:
    asked = {'subscribe': (), 'publish': ()} | {verb: 'group'}
    with pytest.raises(ValueError, match=f"{verb}='group' is no channel: it takes {valid}"):
        address('news', asked['subscribe'], asked['publish'], False, lambda: POSSIBLE)


@pytest.mark.parametrize(
    ('query', 'uri'), [('', 'ws://testserver/ws/news'), ('echo', 'ws://testserver/ws/news?echo')]
)
def test_uri(query: str, uri: str) -> None:
    assert uri_of('/ws/news', query) == uri


def test_client_knows_what_it_asked_for_and_what_it_got(settings: Settings) -> None:
    with Broker() as broker:
        broker.publish('hi', facility='news', broadcast=True)
        client = broker.connect('news', subscribe='broadcast', publish='broadcast', echo=True)
        joined = client._end.joined
        assert joined.asked == ['subscribe-broadcast', 'publish-broadcast']
        assert joined.allowed == ['subscribe-broadcast']
        assert joined.policy == 'None: publishing needs a user'
        assert (joined.echo, joined.channels, joined.number) == (True, ['broadcast:news'], 1)
        settings.WS4REDIS_ALLOWED_CHANNELS = authenticated_only
        other = broker.connect(
            'news',
            client=None,
            subscribe=(),
            force_user=None,
            allowed_channels=lambda request, names: names,
        )
        assert other._end.joined.policy.startswith('tests.testing.test_handshake.test_client_knows')
        assert (other._end.joined.asked, other._end.joined.echo) == ([], False)


def test_user_is_logged_in_as_by_force_login(db: None) -> None:
    john = User.objects.create_user('john')
    john.groups.create(name='staff')
    client = Client()
    client.force_login(john)
    john.refresh_from_db()
    expected, at_login = dict(client.session), john.last_login
    with Broker() as broker:
        session = broker.connect('news', user=john).session
    assert dict(session) == expected
    assert session.session_key != client.session.session_key
    john.refresh_from_db()
    assert john.last_login is not None and at_login is not None and john.last_login > at_login


def test_groups_replace_those_of_the_user(db: None) -> None:
    with Broker() as broker:
        assert broker.connect('news', groups=['staff']).session['ws4redis:memberof'] == ['staff']
        john = User.objects.create_user('john')
        assert broker.connect('news', user=john, groups=['chess']).session['ws4redis:memberof'] == [
            'chess'
        ]


def test_login_of_a_test_costs_few_queries(db: None, django_assert_max_num_queries: Any) -> None:
    john = User.objects.create_user('john')
    with Broker() as broker, django_assert_max_num_queries(11):
        broker.connect('news', user=john)


def test_same_origin_has_a_name() -> None:
    assert repr(SAME) == 'SAME'
