"""Audiences: any iterable of names and objects, and the name of each entry."""

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils.functional import SimpleLazyObject

from ws4redis.core.audience import SELF, SelfType, audience_names, entry_name
from ws4redis.exceptions import ChannelNameError

KINDS = ['user', 'group', 'session']


# Entries


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
