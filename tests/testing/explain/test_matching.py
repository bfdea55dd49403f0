"""Which message an assertion means."""

from __future__ import annotations

import datetime
import decimal
import functools
import re
from typing import Any
from unittest import mock

import pytest

from ws4redis.testing import ANY
from ws4redis.testing.explain.matching import Wanted


class Approximately:
    """A matcher object that can be called too, as those of some libraries can."""

    def __eq__(self, other: object) -> bool:
        return str(other).startswith('about')

    def __hash__(self) -> int:
        return 0

    def is_about(self, other: object) -> bool:
        return self == other

    def __call__(self, other: object) -> bool:
        raise AssertionError('it compares, nobody calls it')


@pytest.mark.parametrize(
    ('wanted', 'matching', 'others'),
    [
        ('grün', ['grün', 'grün'.encode()], ['Grün', 'grün ', b'gr\xfcn', '']),
        (b'gr\xfcn', [b'gr\xfcn'], ['grün', b'gr']),
        (bytearray(b'abc'), ['abc', b'abc'], ['ab']),
        ('', ['', b''], [' ']),
        (re.compile('[0-9]{2}'), ['a 42 b', b'42'], ['4', b'\xff42\xff'[:1]]),
        (re.compile(b'\xff.'), [b'a\xff1'], ['ÿ1', b'a']),
        (lambda text: text.startswith('a'), ['abc', b'abc'], ['ba']),
        (mock.ANY, ['abc', b'\xff'], []),
        (Approximately(), ['about 3', b'about 3'], ['3']),
        ('abc'.__contains__, ['b', b'bc'], ['d']),
        (Approximately().is_about, ['about 3'], ['3']),
        (functools.partial(str.startswith, 'abc'), ['ab'], ['b']),
    ],
)
def test_message_is_text_bytes_pattern_callable_or_what_compares(
    wanted: Any, matching: list[Any], others: list[Any]
) -> None:
    assert [
        message for message in [*matching, *others] if Wanted(wanted).matches(message)
    ] == matching


@pytest.mark.parametrize(
    ('json', 'matching', 'others'),
    [
        (
            {'a': 1},
            ['{"a": 1}', b'{ "a":1 }'],
            ['{"a": 1, "b": 2}', '{"a": "1"}', 'no json', b'\xff'],
        ),
        ([1, 2], ['[1, 2]'], ['[2, 1]', '[1, 2, 3]']),
        ((1, 2), ['[1, 2]'], ['[1]']),
        (None, ['null'], ['0', '""']),
        ({1: 'one'}, ['{"1": "one"}'], ['{"one": 1}']),
        (datetime.date(2026, 1, 2), ['"2026-01-02"'], ['"2026-01-03"']),
        ({'price': decimal.Decimal('1.50')}, ['{"price": "1.50"}'], ['{"price": 1.5}']),
        ({'id': mock.ANY, 'a': 1}, ['{"id": 7, "a": 1}'], ['{"a": 1}', '{"id": 7, "a": 2}']),
    ],
)
def test_json_is_compared_as_django_encodes_it(
    json: Any, matching: list[Any], others: list[Any]
) -> None:
    assert [
        message for message in [*matching, *others] if Wanted(json=json).matches(message)
    ] == matching


@pytest.mark.parametrize(
    ('part', 'matching', 'others'),
    [
        ({'a': 1}, ['{"a": 1}', '{"a": 1, "b": 2}'], ['{"b": 1}', '[{"a": 1}]']),
        ({'a': {'b': 1}}, ['{"a": {"b": 1, "c": 2}}'], ['{"a": {"c": 2}}', '{"a": 1}']),
        ({}, ['{}', '{"a": 1}'], ['[]', '1']),
        ([1, 1], ['[1, 2, 1]'], ['[1, 2]']),
        ([{'id': 1}], ['[{"id": 2}, {"id": 1, "x": 0}]'], ['[{"id": 2}]', '{"id": 1}']),
        (1, ['1'], ['2']),
    ],
)
def test_json_contains_is_a_part(part: Any, matching: list[Any], others: list[Any]) -> None:
    assert [
        message for message in [*matching, *others] if Wanted(json_contains=part).matches(message)
    ] == matching


@pytest.mark.parametrize('message', [{'state': 'new'}, ['a'], ('a',), {'a'}, 7, 1.5, True, None])
def test_message_that_nothing_can_equal_is_refused(message: Any) -> None:
    with pytest.raises(
        TypeError, match=f'message is {type(message).__name__}, .* json= compares JSON'
    ):
        Wanted(message)


def test_nothing_given_means_every_message() -> None:
    assert Wanted().matches('anything')
    assert Wanted().anything
    assert not Wanted('x').anything
    assert (repr(ANY), object() == ANY) == ('ANY', True)


@pytest.mark.parametrize(
    'arguments', [{'message': 'a', 'json': 1}, {'json': 1, 'json_contains': 1}]
)
def test_one_way_of_saying_which_is_enough(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=' and '.join(arguments)):
        Wanted(**arguments)


def test_repr_says_what_was_asked_for() -> None:
    assert [
        repr(Wanted('hi')),
        repr(Wanted(json={'a': 1})),
        repr(Wanted(json_contains=[1])),
        repr(Wanted()),
    ] == [
        "'hi'",
        "json {'a': 1}",
        'json with [1]',
        'a message',
    ]
