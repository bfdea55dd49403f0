"""Names of channels: what can be a part of one, how they are put together and taken apart, and
what a log shows.
"""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ws4redis.core.channel import (
    ChannelParts,
    channel_names,
    check_name,
    prefix_of,
    printable,
    split_channel,
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


# Taken apart


@settings(deadline=None)
@given(ADDRESSES, st.sampled_from(['', 'shop:', 'a:b:', 'session:']))
def test_parts_of_a_channel_are_those_it_was_made_of(
    address: tuple[str, str, str], prefix: str
) -> None:
    kind, name, facility = address
    [channel] = channel_names(prefix, facility, broadcast=False, **{kind: [name]})
    assert split_channel(channel, prefix) == ChannelParts(kind, name, facility)


@pytest.mark.parametrize(
    ('channel', 'prefix', 'parts'),
    [
        ('broadcast:a:b', '', ('broadcast', '', 'a:b')),
        ('shop:broadcast:news', 'shop:', ('broadcast', '', 'news')),
        ('user:mary', '', ('user', 'mary', '')),
        ('broadcast:news', 'shop:', None),
        ('shop:broadcast:news', '', None),
        ('users:mary:news', '', None),
        ('tasks:7', '', None),
        ('', '', None),
    ],
)
def test_name_of_another_form_is_none_of_ours(
    channel: str, prefix: str, parts: tuple[str, str, str] | None
) -> None:
    assert split_channel(channel, prefix) == parts


@pytest.mark.parametrize(('name', 'prefix'), [('shop', 'shop:'), ('', ''), (None, '')])
def test_prefix_has_its_colon_if_there_is_one(name: str | None, prefix: str) -> None:
    assert prefix_of(name) == prefix


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
