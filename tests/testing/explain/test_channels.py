"""Names of channels, taken apart for failures."""

from typing import Any

import pytest

from ws4redis.testing import Broker
from ws4redis.testing.explain.channels import (
    asked_for,
    channels_now,
    differ_by_prefix,
    kinds,
    listens,
    parts,
)
from ws4redis.testing.publications import Pattern


@pytest.mark.parametrize(
    ('channel', 'expected'),
    [
        ('broadcast:news', ('broadcast', '', 'news')),
        ('user:john:news:sport', ('user', 'john', 'news:sport')),
        ('session:key:', ('session', 'key', '')),
        ('tenant:acme', ('', 'tenant:acme', '')),
    ],
)
def test_parts_are_kind_name_and_facility(channel: str, expected: tuple[str, str, str]) -> None:
    assert parts(channel) == expected


def test_prefix_is_no_part(settings: Any) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    assert parts('shop:group:staff:news') == ('group', 'staff', 'news')
    assert parts('group:staff:news') == ('', 'group:staff:news', '')


def test_kinds_are_those_of_one_verb() -> None:
    assert kinds('publish', ['subscribe-user', 'publish-group', 'echo']) == ['group']


def test_client_has_asked_and_listens(broker: Broker) -> None:
    client = broker.connect('/ws/news?subscribe-broadcast=yes&Publish-User&x')
    assert asked_for(client._end, 'subscribe') == ['broadcast']
    assert channels_now(client._end) == ['broadcast:news']
    client.close()
    assert channels_now(client._end) == ['broadcast:news']


def test_address_alone_says_what_a_client_over_tcp_has_asked_for(broker: Broker) -> None:
    client = broker.connect('/ws/news?Subscribe-Broadcast=yes&publish-user')
    del client._end.joined
    assert asked_for(client._end, 'subscribe') == ['broadcast']
    assert asked_for(client._end, 'publish') == ['user']


def test_name_is_equal_and_pattern_matches() -> None:
    assert listens(['a*'], 'a*') and not listens(['a*'], 'ab')
    assert listens([Pattern('a*')], 'ab') and not listens([Pattern('a?')], 'a')


def test_names_that_differ_by_a_prefix() -> None:
    assert differ_by_prefix('shop:broadcast:news', 'broadcast:news')
    assert differ_by_prefix('broadcast:news', 'shop:broadcast:news')
    assert not differ_by_prefix('broadcast:news', 'broadcast:news')
    assert not differ_by_prefix('shop:broadcast:news', 'news:broadcast')
