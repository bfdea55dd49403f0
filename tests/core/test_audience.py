"""Audiences become channel names: who counts, what is refused, what a log shows, and Redis'
patterns.
"""

import re
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils.functional import SimpleLazyObject
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ws4redis.core.audience import (
    SELF,
    SelfType,
    audience_names,
    channel_names,
    check_name,
    entry_name,
    glob_escape,
    glob_pattern,
    printable,
)
from ws4redis.exceptions import ChannelNameError

KINDS = ['user', 'group', 'session']
CONTROL = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
KEY = 'k7w9x2mq4v8z1b3n5c6d0f'


# Names


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'name',
    ['john', 'John Doe', 'jörg', '李雷', 'a/b', 'a*b[c]?', '0', ' ', 'é' * 200, '\u2028', '\xa0'],
)
def test_an_ordinary_name_makes_a_channel(kind: str, name: str) -> None:
    """Only ':' and control characters are refused; blanks, wildcards and any language are names."""
    assert check_name(kind, name) == name


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('bad', [':', *CONTROL])
def test_a_colon_or_control_character_makes_no_channel(kind: str, bad: str) -> None:
    """Wherever it stands, and the error is a ValueError that says which character."""
    for where in ('{}john', 'jo{}hn', 'john{}', '{}'):
        with pytest.raises(ValueError, match=re.escape(f'contains {bad!r}')) as caught:
            check_name(kind, where.format(bad))
        assert isinstance(caught.value, ChannelNameError)
        assert caught.value.kind == kind


@pytest.mark.parametrize('kind', KINDS)
def test_an_empty_name_makes_no_channel(kind: str) -> None:
    """No identity, no channel."""
    with pytest.raises(ChannelNameError, match=f'^{kind} name is empty$'):
        check_name(kind, '')


def test_the_error_about_a_session_key_does_not_show_it() -> None:
    """A session key is a login."""
    with pytest.raises(ChannelNameError) as caught:
        check_name('session', f'{KEY}:')
    assert KEY not in str(caught.value)
    assert KEY[4:8] not in str(caught.value)
    assert "'k7w9...'" in str(caught.value)


def test_the_error_about_a_user_shows_the_name() -> None:
    """Whoever reads the log finds the account."""
    with pytest.raises(ChannelNameError, match="user name 'mary:x' contains ':'"):
        check_name('user', 'mary:x')


class Account:
    """A site's own user class, which knows only its name."""

    def __init__(self, name: object) -> None:
        self.name = name

    def get_username(self) -> object:
        return self.name

    def __str__(self) -> str:
        return 'not the name'


class Team(Group):
    """A site's group class."""

    class Meta:
        proxy = True
        app_label = 'tests'

    def __str__(self) -> str:
        return f'team {self.name}'


class NotDjangos:
    """Called Group as well, and something else."""

    def __str__(self) -> str:
        return 'its text'


NotDjangos.__name__ = 'Group'


@pytest.mark.parametrize(
    ('entry', 'name'),
    [
        ('mary', 'mary'),
        (7, '7'),
        (0, '0'),
        (User(username='mary', first_name='Maria'), 'mary'),
        (Group(name='staff'), 'staff'),
        (Team(name='staff'), 'staff'),
        (NotDjangos(), 'its text'),
        (Account('mary'), 'mary'),
        (Account(7), '7'),
        (SimpleLazyObject(lambda: User(username='mary')), 'mary'),
        (SimpleLazyObject(lambda: Group(name='staff')), 'staff'),
        (SimpleLazyObject(lambda: 'mary'), 'mary'),
        (SimpleNamespace(get_username='no method'), "namespace(get_username='no method')"),
    ],
)
def test_the_name_of_an_entry(entry: object, name: str) -> None:
    """A User gives its username, a Group its name, anything else its text."""
    assert entry_name('user', entry) == name


@pytest.mark.parametrize(
    'entry',
    [
        None,
        '',
        AnonymousUser(),
        SimpleLazyObject(AnonymousUser),
        User(username=''),
        Account(''),
        Group(name=''),
        User(username='a:b'),
        Group(name='staff:chat'),
        'a\nb',
    ],
)
def test_an_entry_without_a_usable_name_is_refused(entry: object) -> None:
    """Nobody's name, and an ambiguous name, make no channel."""
    with pytest.raises(ChannelNameError):
        entry_name('user', entry)


# Audiences


def generated() -> Iterator[str]:
    yield 'mary'
    yield 'john'


@pytest.mark.parametrize(
    'audience',
    [
        ['mary', 'john'],
        ('mary', 'john'),
        {'mary': 1, 'john': 2},
        generated(),
        {'mary': 1, 'john': 2}.keys(),
        iter(['mary', 'john']),
    ],
)
def test_any_iterable_is_an_audience(audience: Any) -> None:
    """Lists, tuples, mappings, generators and views, in their order."""
    assert audience_names('user', audience) == ['mary', 'john']


@pytest.mark.parametrize('audience', [{'mary', 'john'}, frozenset(['mary', 'john'])])
def test_a_set_is_an_audience(audience: Any) -> None:
    assert sorted(map(str, audience_names('user', audience))) == ['john', 'mary']


@pytest.mark.django_db
def test_a_queryset_is_an_audience() -> None:
    """Its rows are the entries."""
    User.objects.create(username='mary')
    User.objects.create(username='john')
    names = [
        entry_name('user', entry) for entry in audience_names('user', User.objects.order_by('pk'))
    ]
    assert names == ['mary', 'john']


@pytest.mark.parametrize('audience', [None, False, [], ()])
def test_nobody_is_no_entry(audience: object) -> None:
    """None and False mean nobody, and warn of nothing."""
    assert audience_names('user', audience) == []


def test_self_stands_beside_other_entries() -> None:
    """SELF is handed on as it is: who that is depends on the request."""
    assert audience_names('user', ['mary', SELF, 7]) == ['mary', SELF, 7]
    assert audience_names('user', SELF) == [SELF]


@pytest.mark.parametrize('kind', KINDS)
def test_true_means_self_and_is_deprecated(kind: str) -> None:
    with pytest.warns(
        DeprecationWarning, match=rf'^{kind}s=True is deprecated: write {kind}s=\[SELF\]$'
    ):
        assert audience_names(kind, True) == [SELF]


@pytest.mark.parametrize('kind', KINDS)
def test_a_lone_string_is_one_name_and_is_deprecated(kind: str) -> None:
    """One name, not its letters."""
    with pytest.warns(
        DeprecationWarning, match=rf"^{kind}s='name' is deprecated: write {kind}s=\['name'\]$"
    ):
        assert audience_names(kind, 'mary') == ['mary']


def test_a_lazy_lone_string_is_one_name_too() -> None:
    """What stands for a string is one."""
    with pytest.warns(DeprecationWarning):
        assert audience_names('user', SimpleLazyObject(lambda: 'mary')) == ['mary']


def test_a_list_is_not_deprecated() -> None:
    """What the documentation shows warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        audience_names('user', ['mary', SELF])


@pytest.mark.parametrize(
    'audience',
    [7, 0, 1, 1.5, b'mary', bytearray(b'mary'), User(username='mary'), Group(name='x'), object()],
)
def test_what_is_no_audience_raises_and_says_what_is(audience: object) -> None:
    """A clear error."""
    with pytest.raises(
        TypeError, match=r'^groups is \w+: it takes a list of groups or names, SELF among them$'
    ):
        audience_names('group', audience)


def test_self_shows_as_self() -> None:
    """In errors and traces."""
    assert repr(SELF) == 'SELF'
    assert isinstance(SELF, SelfType)


# Channels


def test_the_four_kinds_of_channels() -> None:
    """The names that other programs use."""
    assert channel_names(
        '', 'chat', broadcast=True, group=['staff'], user=['mary', 'john'], session=['abc']
    ) == [
        'broadcast:chat',
        'group:staff:chat',
        'user:mary:chat',
        'user:john:chat',
        'session:abc:chat',
    ]


def test_the_prefix_stands_first() -> None:
    """On every kind."""
    assert channel_names('shop:', 'chat', broadcast=True, user=['mary']) == [
        'shop:broadcast:chat',
        'shop:user:mary:chat',
    ]


def test_a_channel_is_named_once() -> None:
    """Somebody named twice gets a message once."""
    assert channel_names('', 'chat', broadcast=False, user=['mary', 'mary'], group=['mary']) == [
        'user:mary:chat',
        'group:mary:chat',
    ]


def test_nobody_has_no_channel() -> None:
    """And no literal '{facility}' either."""
    assert channel_names('', 'chat', broadcast=False, user=[], group=[], session=[]) == []


@pytest.mark.parametrize('facility', ['', 'a:b', 'a/b/c', ':', 'broadcast:x', '{facility}', 'é'])
def test_a_facility_may_be_anything(facility: str) -> None:
    """It stands last, so nothing in it is ambiguous."""
    assert channel_names('', facility, broadcast=True, user=['mary']) == [
        f'broadcast:{facility}',
        f'user:mary:{facility}',
    ]


NAMES = st.text(min_size=1, max_size=6).filter(
    lambda name: not re.search(r'[:\x00-\x1f\x7f-\x9f]', name)
)
ADDRESSES = st.tuples(st.sampled_from(KINDS), NAMES, st.text(max_size=6))


@settings(deadline=None)
@given(ADDRESSES, ADDRESSES)
@example(('group', 'staff', 'chat:foo'), ('group', 'staff:chat', 'foo'))
def test_two_addresses_never_share_a_channel(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    """The channel tells its kind, name and facility apart, for every name that is not
    refused.
    """
    channels = []
    for kind, name, facility in (one, other):
        try:
            channels += channel_names(
                '', facility, broadcast=False, **{kind: [check_name(kind, name)]}
            )
        except ChannelNameError:
            return
    assert (channels[0] == channels[1]) is (one == other)


# What a log shows


@pytest.mark.parametrize(
    ('channel', 'shown'),
    [
        (f'session:{KEY}:chat', 'session:k7w9...:chat'),
        (f'shop:session:{KEY}:chat', 'shop:session:k7w9...:chat'),
        (f'a:b:session:{KEY}:chat', 'a:b:session:k7w9...:chat'),
        (f'session:{KEY}:', 'session:k7w9...:'),
        (f'session:{KEY}', 'session:k7w9...'),
        (f'session:session:{KEY}:chat', 'session:session:k7w9...:chat'),
        (f'session:{KEY}:a:b', 'session:k7w9...:a:b'),
        ('broadcast:chat', 'broadcast:chat'),
        ('user:mary:chat', 'user:mary:chat'),
        ('group:session:chat', 'group:session:chat'),
        ('broadcast:sessions', 'broadcast:sessions'),
        (b'user:m\xff:chat', 'user:m\\xff:chat'),
        ('broadcast:é'.encode(), 'broadcast:é'),
    ],
)
def test_a_log_shows_four_characters_of_a_session_key(channel: str | bytes, shown: str) -> None:
    """With any prefix, as text and as bytes; other channels are shown whole."""
    assert printable(channel) == shown
    if isinstance(channel, str):
        assert printable(channel.encode()) == shown


KEYS = st.text('abcdef0123456789', min_size=8, max_size=40)


@settings(deadline=None)
@given(KEYS, st.sampled_from(['', 'shop:', 'a:b:', 'session:']), st.text(max_size=8))
def test_no_session_key_is_ever_printed(key: str, prefix: str, facility: str) -> None:
    """Beyond its first four characters."""
    channel = f'{prefix}session:{key}:{facility}'
    for shown in (printable(channel), printable(channel.encode('utf-8', 'surrogatepass'))):
        assert shown.startswith(f'{prefix}session:{key[:4]}...:')


# Redis' patterns


def fake_redis_matches(pattern: bytes, name: bytes) -> bool:
    """Whether a subscription to this pattern gets a message of this channel, on a fake server of
    its own.
    """
    client: Any = fakeredis.FakeRedis(server=fakeredis.FakeServer(), version=(7,))
    with client.pubsub() as subscription:
        subscription.psubscribe(pattern)
        return bool(client.publish(name, b'x'))


ALPHABET = [
    b'a',
    b'b',
    b'c',
    b'-',
    b'^',
    b'[',
    b']',
    b'*',
    b'?',
    b'\\',
    b':',
    b'\n',
    b'\xff',
    b'&',
    b'|',
    b'~',
    b'z',
    b'.',
    b'$',
]
TEXTS = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=10).map(b''.join)


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example(b'*', b'\n')
@example(b'[a-c]', b'b')
@example(b'[c-a]', b'b')
@example(b'[^a-c]', b'b')
@example(b'[a-]', b'a')
@example(b'[a-]', b']')
@example(b'[]', b'a')
@example(b'[]', b'[]')
@example(b'[^]', b'a')
@example(b'[]]', b']')
@example(b'[ab', b'b')
@example(b'[^ab', b'c')
@example(b'[\\]]', b']')
@example(b'[\\^a]', b'^')
@example(b'[a-\\]b', b'bb')
@example(b'a\\', b'a\\')
@example(b'\\*', b'*')
@example(b'\\*', b'a')
@example(b'a**', b'a')
@example(b'[', b'[')
@example(b'[&&a||b~~c--]', b'-')
@example(b'?', b'\xff')
def test_a_pattern_matches_as_redis_matches(pattern: bytes, name: bytes) -> None:
    """Wildcards, classes, escapes and malformed patterns, as PSUBSCRIBE has them."""
    assert bool(glob_pattern(pattern).fullmatch(name)) is fake_redis_matches(pattern, name)


@pytest.mark.parametrize(
    ('pattern', 'yes', 'no'),
    [
        (b'*', [b'a', b'a:b', b'\n', b'\xff\x00'], []),
        (b'a*c', [b'ac', b'abc', b'a\nc'], [b'a', b'acb', b'xac']),
        (b'a?c', [b'abc', b'a\nc', b'a\xffc'], [b'ac', b'abbc', 'aéc'.encode()]),
        (b'[abc]x', [b'ax', b'cx'], [b'dx', b'x', b'abcx']),
        (b'[a-c]', [b'a', b'b', b'c'], [b'd', b'-', b'A']),
        (b'[^a-c]', [b'd', b'^', b'-'], [b'a', b'b']),
        (b'[a^]', [b'a', b'^'], [b'b']),
        (b'\\[a\\]', [b'[a]'], [b'a']),
        (b'a.c', [b'a.c'], [b'abc']),
        (b'(a|b)+', [b'(a|b)+'], [b'a']),
    ],
)
def test_a_pattern_by_hand(pattern: bytes, yes: list[bytes], no: list[bytes]) -> None:
    """The rules as Redis documents them, without asking a server."""
    regex = glob_pattern(pattern)
    assert [name for name in yes if not regex.fullmatch(name)] == []
    assert [name for name in no if regex.fullmatch(name)] == []


@settings(deadline=None)
@given(TEXTS.map(lambda text: text.decode('latin-1')) | st.text(min_size=1, max_size=12), TEXTS)
@example('user:*:chat', b'user:mary:chat')
@example('[ab]', b'a')
@example('a\\', b'a\\')
def test_escaped_text_matches_itself_alone(text: str, other: bytes) -> None:
    """Text from a client becomes no wildcard in a pattern, here and in Redis."""
    name = text.encode('utf-8', 'surrogatepass')
    escaped = glob_escape(text).encode('utf-8', 'surrogatepass')
    regex = glob_pattern(escaped)
    assert regex.fullmatch(name)
    assert bool(regex.fullmatch(other)) is (other == name)
    assert fake_redis_matches(escaped, name)
    assert fake_redis_matches(escaped, other) is (other == name)


def test_escaped_text_may_stand_between_wildcards() -> None:
    """What an override writes: its own wildcards around a client's text."""
    regex = glob_pattern(f'shop:{glob_escape("a*[b]")}:*'.encode())
    assert regex.fullmatch(b'shop:a*[b]:x')
    assert not regex.fullmatch(b'shop:axb:x')
