"""RedisMessage, and the names of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group, User

from ws4redis.exceptions import ChannelNameError
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


# RedisMessage


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('grün', 'grün'.encode()),
        ('', b''),
        (b'\xff\x00', b'\xff\x00'),
        (bytearray(b'abc'), b'abc'),
        ([b'message', b'channel', b'data'], b'data'),
        ([b'pmessage', b'chan*', b'channel', b'data'], b'data'),
        (['message', 'channel', 'data'], b'data'),
        ((b'message', b'channel', b'data'), b'data'),
    ],
)
def test_message_is_its_payload_as_bytes(value: object, expected: bytes) -> None:
    message = RedisMessage(value)
    assert message == expected
    assert isinstance(message, RedisMessage)
    assert isinstance(message, bytes)


def test_message_that_no_browser_sent_is_neither_text_nor_binary() -> None:
    message = RedisMessage([b'message', b'channel', b'data'])
    assert message is not None
    assert message.binary is None


def test_message_of_a_message_is_the_same_message() -> None:
    assert RedisMessage(RedisMessage('hello')) == b'hello'


@pytest.mark.parametrize(
    'reply', [[b'subscribe', b'channel', 1], [b'pong', b''], [], [b'message', b'channel']]
)
def test_reply_that_holds_no_message_gives_none(reply: list[object]) -> None:
    assert RedisMessage(reply) is None


@pytest.mark.parametrize(
    'value', ['beat', b'beat', bytearray(b'beat'), [b'message', b'channel', b'beat']]
)
def test_heartbeat_text_gives_none(value: object, settings: Settings) -> None:
    assert RedisMessage(value) == b'beat'
    settings.WS4REDIS_HEARTBEAT = 'beat'
    assert RedisMessage(value) is None


@pytest.mark.parametrize('value', [None, 1, 1.5, {'a': 1}, object()])
def test_message_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=f'message is {type(value).__name__}'):
        RedisMessage(value)


# Channel names


def names(request: object = None, **audience: Any) -> list[str]:
    """The channels that a store names for the facility chat."""
    return RedisStore()._get_message_channels(request, 'chat', **audience)


def test_channels_have_the_names_of_release_0_6_0() -> None:
    assert names(broadcast=True) == ['broadcast:chat']
    assert names(groups=['staff'], users=['john'], sessions=['abc']) == [
        'group:staff:chat',
        'user:john:chat',
        'session:abc:chat',
    ]


def test_prefix_stands_before_each_channel(settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    assert names(broadcast=True, users=['john']) == ['shop:broadcast:chat', 'shop:user:john:chat']


@pytest.mark.parametrize('prefix', [None, ''])
def test_no_prefix_is_no_colon(prefix: str | None, settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = prefix
    assert names(broadcast=True) == ['broadcast:chat']


def test_facility_may_contain_colons_and_slashes_and_be_empty() -> None:
    store = RedisStore()
    assert store._get_message_channels(None, 'a:b/c', broadcast=True) == ['broadcast:a:b/c']
    assert store._get_message_channels(None, '', broadcast=True) == ['broadcast:']


def test_missing_facility_is_refused() -> None:
    """Release 0.6.0 had a literal channel `broadcast:{facility}`."""
    with pytest.raises(ValueError, match='facility is missing'):
        RedisStore()._get_message_channels(broadcast=True)


def test_channel_named_twice_is_one() -> None:
    assert names(users=['john', User(username='john')]) == ['user:john:chat']


@pytest.mark.parametrize(
    'audience',
    [{'users': ['a:b']}, {'groups': ['staff:chat']}, {'sessions': ['a\nb']}, {'users': ['']}],
)
def test_name_that_would_be_ambiguous_makes_no_channel(audience: dict[str, list[str]]) -> None:
    """Group `staff:chat` + `foo` was group `staff` + facility `chat:foo`."""
    with pytest.raises(ChannelNameError):
        names(**audience)


def test_self_without_a_request_is_refused() -> None:
    for audience in ('users', 'groups', 'sessions'):
        with pytest.raises(ValueError, match='needs request='):
            names(**{audience: [SELF]})


def test_entries_may_be_objects_or_anything_that_has_a_text() -> None:
    assert names(users=[User(username='john'), 7], groups=[Group(name='staff'), 'x']) == [
        'group:staff:chat',
        'group:x:chat',
        'user:john:chat',
        'user:7:chat',
    ]


@pytest.mark.parametrize('kind', [list, tuple, set, frozenset, iter])
def test_audience_is_any_iterable(kind: Any) -> None:
    assert names(users=kind(['john'])) == ['user:john:chat']


def test_audience_may_be_a_generator() -> None:
    assert names(users=(name for name in ('john', 'mary'))) == ['user:john:chat', 'user:mary:chat']


@pytest.mark.django_db
def test_audience_may_be_a_queryset() -> None:
    User.objects.create(username='john')
    Group.objects.create(name='staff')
    assert names(users=User.objects.all(), groups=Group.objects.all()) == [
        'group:staff:chat',
        'user:john:chat',
    ]


@pytest.mark.parametrize('value', [7, 1.5, b'john', object()])
def test_audience_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match='users is'):
        names(users=value)


@pytest.mark.parametrize('value', [None, False, (), []])
def test_empty_audience_is_nobody(value: object) -> None:
    assert names(users=value, groups=value, sessions=value) == []


def test_broadcast_may_be_any_true_value() -> None:
    """`broadcast=1` was ignored."""
    assert names(broadcast=1) == ['broadcast:chat']


# The channels to which it publishes


class SharedByMistake(RedisStore):
    """A set in the class."""

    _publishers = {'all'}


def test_set_of_a_class_is_not_shared_by_its_objects() -> None:
    one, other = SharedByMistake(), SharedByMistake()
    one._publishers.add('of one')
    assert one._publishers == {'all', 'of one'}
    assert other._publishers == {'all'}


def test_class_names_no_channels() -> None:
    assert RedisStore._publishers == frozenset()


def test_what_is_assigned_is_what_is_there() -> None:
    store = RedisStore()
    store._publishers = names = {'raw'}
    assert store._publishers is names
    del store._publishers
    assert store._publishers == set()


def test_channels_of_a_set_are_published_in_one_order_and_those_of_a_list_in_its_own(
    broker: Broker,
) -> None:
    store = RedisStore()
    store._publishers = {f'channel {number}' for number in range(9)}
    store.publish_message('hello')
    assert [publication.channel for publication in broker.published] == sorted(store._publishers)
    broker.reset()
    store._publishers = ['b', 'a']  # type: ignore[assignment]
    store.publish_message('hello')
    assert [publication.channel for publication in broker.published] == ['b', 'a']
