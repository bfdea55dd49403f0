"""Audiences: any iterable of names and objects, and the name of each entry."""

import enum
import warnings
from collections import namedtuple
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import models
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, ngettext_lazy, override

from ws4redis.core.audience import SELF, SelfType, audience_names, entry_name, username_of
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

    name = 'staff'

    def __str__(self) -> str:
        return 'its text'


NotDjangos.__name__ = 'Group'


class Phone:
    """What a site's own field gives for a username."""

    def __str__(self) -> str:
        return '+431234'


class Role(models.TextChoices):
    """Choices of a model."""

    EDITOR = 'editor'


class Colour(str, enum.Enum):  # noqa: UP042
    """A str whose text is another one."""

    RED = 'red'


class Level(int, enum.Enum):
    """An int whose text is another one."""

    ONE = 1


class Plain(enum.Enum):
    """Neither."""

    ONE = 1


Row = namedtuple('Row', ['username'])
IDENTIFIER = UUID('12345678-1234-5678-1234-567812345678')


@pytest.mark.parametrize(
    ('entry', 'name'),
    [
        ('mary', 'mary'),
        (7, '7'),
        (0, '0'),
        (User(username='mary', first_name='Maria'), 'mary'),
        (Group(name='staff'), 'staff'),
        (Team(name='staff'), 'staff'),
        (Account('mary'), 'mary'),
        (Account(7), '7'),
        (Account(IDENTIFIER), str(IDENTIFIER)),
        (Account(gettext_lazy('mary')), 'mary'),
        (Account(Phone()), '+431234'),
        (Account(Colour.RED), 'red'),
        (IDENTIFIER, '12345678-1234-5678-1234-567812345678'),
        (gettext_lazy('editors'), 'editors'),
        (ngettext_lazy('editor', 'editors', 2), 'editors'),
        (format_lazy('{}-{}', 'north', gettext_lazy('lab')), 'north-lab'),
        (lazy(lambda: 'late', str)(), 'late'),
        (mark_safe('mary'), 'mary'),  # noqa: S308
        (Role.EDITOR, 'editor'),
        (Colour.RED, 'red'),
        (Level.ONE, '1'),
        (SimpleLazyObject(lambda: 7), '7'),
        (SimpleLazyObject(lambda: IDENTIFIER), str(IDENTIFIER)),
        (SimpleLazyObject(lambda: gettext_lazy('editors')), 'editors'),
        (SimpleLazyObject(lambda: User(username='mary')), 'mary'),
        (SimpleLazyObject(lambda: Group(name='staff')), 'staff'),
        (SimpleLazyObject(lambda: 'mary'), 'mary'),
    ],
)
def test_the_name_of_an_entry(entry: object, name: str) -> None:
    """A User gives its username, a Group its name; a name is itself."""
    assert entry_name('user', entry) == name


def test_a_lazy_text_is_what_it_is_now() -> None:
    """It is looked up when the channel is named."""
    with override('de'):
        assert entry_name('group', gettext_lazy('Yes')) == 'Ja'


NO_NAMES = [
    (b'john', 'bytes'),
    (bytearray(b'john'), 'bytearray'),
    (True, 'bool'),
    (False, 'bool'),
    (1.5, 'float'),
    (1j, 'complex'),
    (['john'], 'list'),
    (('john',), 'tuple'),
    ((7, 'john'), 'tuple'),
    (Row('john'), 'Row'),
    ({'username': 'john'}, 'dict'),
    ({'john'}, 'set'),
    (object(), 'object'),
    (Phone(), 'Phone'),
    (NotDjangos(), 'Group'),
    (Plain.ONE, 'Plain'),
    (SimpleNamespace(get_username='no method'), 'SimpleNamespace'),
    (SimpleNamespace(username='john'), 'SimpleNamespace'),
    (User, 'ModelBase'),
    (Group, 'ModelBase'),
    (Account('john').get_username, 'method'),
    (User.objects, 'UserManager'),
    (SessionStore('abcdefghijkl'), 'SessionStore'),
    (lazy(lambda: ['john'], list)(), '__proxy__'),
    (lazy(lambda: b'john', bytes)(), '__proxy__'),
    (lazy(lambda: 7.5, float)(), '__proxy__'),
    (SimpleLazyObject(lambda: b'john'), 'bytes'),
    (SimpleLazyObject(lambda: True), 'bool'),
    (SimpleLazyObject(lambda: ('john',)), 'tuple'),
]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('entry', 'found'), NO_NAMES, ids=lambda value: type(value).__name__)
def test_an_entry_that_is_no_name_is_refused_and_shown(
    kind: str, entry: object, found: str
) -> None:
    """`user:b'john'` and `user:('john',)` were channels of which nobody heard."""
    with pytest.raises(TypeError) as refused:
        entry_name(kind, entry)
    text = str(refused.value)
    assert text.startswith(f'{kind}s contains ')
    assert f', which is {found}: an entry is a str, an int, a UUID, a lazy text, ' in text
    if kind != 'session':
        assert f'{kind}s contains {repr(entry)[:80]}' in text


@pytest.mark.parametrize('entry', [('john',), Row('john'), {'username': 'john'}])
def test_a_row_of_a_query_is_told_of_flat(entry: object) -> None:
    """values_list('username') gives tuples."""
    with pytest.raises(TypeError, match='flat=True'):
        entry_name('user', entry)


@pytest.mark.parametrize('entry', [['john'], b'john', object()])
def test_what_no_query_gives_is_not_told_of_flat(entry: object) -> None:
    with pytest.raises(TypeError) as refused:
        entry_name('user', entry)
    assert 'flat' not in str(refused.value)


@pytest.mark.parametrize(
    'entry', [b'abcdefghijkl', ('abcdefghijkl',), {'key': 'abcdefghijkl'}, [b'abcdefghijkl']]
)
def test_a_session_key_is_not_shown_in_full(entry: object) -> None:
    """It is a login, and errors get into logs."""
    with pytest.raises(TypeError, match='abcd') as refused:
        entry_name('session', entry)
    assert 'efgh' not in str(refused.value)


def test_an_entry_that_cannot_be_shown_is_named_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError('no database')

    with pytest.raises(TypeError, match='users contains an object of Broken, which is Broken'):
        entry_name('user', Broken())


def test_an_entry_of_many_words_is_cut() -> None:
    with pytest.raises(TypeError) as refused:
        entry_name('user', ['john'] * 1000)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    'given',
    [b'john', bytearray(b'john'), True, 1.5, ['john'], ('john',), object(), mock.Mock(), Plain],
)
def test_get_username_has_to_give_a_name(given: object) -> None:
    with pytest.raises(TypeError, match=rf'^get_username\(\) gives {type(given).__name__}'):
        entry_name('user', Account(given))


def test_a_user_without_a_name_has_the_empty_one() -> None:
    """Not the text of None."""
    assert username_of(Account(None)) == ''
    assert username_of(User(username='mary')) == 'mary'


@pytest.mark.parametrize(
    'entry',
    [
        None,
        SimpleLazyObject(lambda: None),
        '',
        gettext_lazy(''),
        Account(None),
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
    """What stands for a string is one, and not its letters."""
    with pytest.warns(DeprecationWarning):
        assert audience_names('user', SimpleLazyObject(lambda: 'mary')) == ['mary']
    with pytest.warns(DeprecationWarning):
        [name] = audience_names('group', gettext_lazy('editors'))
    assert entry_name('group', name) == 'editors'


def test_a_list_is_not_deprecated() -> None:
    """What the documentation shows warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        audience_names('user', ['mary', SELF])


class Fields(Account):
    """A site's own user, of which dict() makes a dict."""

    def __iter__(self) -> Iterator[tuple[str, object]]:
        yield 'username', self.name


@pytest.mark.parametrize(
    ('audience', 'found'),
    [
        *((value, type(value).__name__) for value in (7, 0, 1, 1.5, b'mary', bytearray(b'mary'))),
        (memoryview(b'mary'), 'memoryview'),
        (object(), 'object'),
        (IDENTIFIER, 'UUID'),
        (User(username='mary'), 'User'),
        (Group(name='x'), 'Group'),
        (Team(name='x'), 'Team'),
        (AnonymousUser(), 'AnonymousUser'),
        (Account('mary'), 'Account'),
        (Fields('mary'), 'Fields'),
        (User, 'ModelBase'),
        (User.objects, 'UserManager'),
        (SimpleLazyObject(lambda: User(username='mary')), 'User'),
        (SimpleLazyObject(AnonymousUser), 'AnonymousUser'),
        (SimpleLazyObject(lambda: Group(name='x')), 'Group'),
        (SimpleLazyObject(lambda: Fields('mary')), 'Fields'),
        (SimpleLazyObject(lambda: 7), 'int'),
        (SimpleLazyObject(lambda: b'mary'), 'bytes'),
        (SimpleLazyObject(lambda: None), 'NoneType'),
    ],
)
def test_what_is_no_audience_raises_and_says_what_is(audience: object, found: str) -> None:
    """A clear error, also for one user in place of a list: request.user is lazy."""
    with pytest.raises(TypeError) as refused:
        audience_names('group', audience)
    assert str(refused.value) == (
        f'groups is {found}: it takes a list of groups or names, SELF among them: '
        'write groups=[...]'
    )


def test_a_lazy_list_is_an_audience() -> None:
    assert audience_names('user', SimpleLazyObject(lambda: ['mary', 'john'])) == ['mary', 'john']


def test_self_shows_as_self() -> None:
    """In errors and traces."""
    assert repr(SELF) == 'SELF'
    assert isinstance(SELF, SelfType)
