"""A reason, the row that it comes from, and the failure that gives it."""

import unittest
from typing import Any

import pytest

from ws4redis.testing import Broker
from ws4redis.testing.explain.reasons import LINE, Facts, Reason, Row, answer, failure


def test_failure_is_a_plain_assertion_error_with_codes() -> None:
    error = failure([Reason('one', 'first', ('evidence',), 'remedy'), Reason('two', 'second')])
    assert type(error) is AssertionError
    assert error.reasons == ('one', 'two')  # type: ignore[attr-defined]
    assert str(error) == 'first\n  evidence\n  -> remedy\nsecond'


def test_first_line_that_is_too_long_is_whole_in_the_evidence() -> None:
    first = f'{"mary" * 20} got nothing'
    lines = Reason('code', first, ('evidence',)).lines()
    assert len(lines[0]) == LINE
    assert lines[1:] == [f'  {first}', '  evidence']


def test_frames_of_the_kit_are_hidden_in_unittest() -> None:
    class Case(unittest.TestCase):
        def test(self) -> None:
            with Broker() as broker:
                broker.connect('news', name='mary').receive()

    result = unittest.TestResult()
    Case('test').run(result)
    [(_, traceback)] = result.failures
    assert 'mary got nothing: nothing was published' in traceback
    assert 'ws4redis/testing' not in traceback


class Meal(Facts):
    """Something to have reasons about."""

    def __init__(self, dish: str, hot: bool) -> None:
        self.dish = dish
        self.hot = hot


COLD = Row[Meal](
    code='cold',
    first='{dish!r} is cold',
    remedy='warm the {dish}',
    when=lambda meal: not meal.hot,
    evidence=lambda meal: (f'a {meal.dish} on the table',),
    examples=({'dish': 'soup'}, {'dish': 'pie'}),
)
EATEN = Row[Meal](code='eaten', first='nothing is left of the {dish}')


def test_reason_is_a_row_filled_in_with_facts() -> None:
    assert COLD.reason(Meal('soup', hot=False)) == Reason(
        'cold', "'soup' is cold", ('a soup on the table',), 'warm the soup'
    )


def test_facts_may_be_a_dict() -> None:
    row = Row[dict[str, Any]](code='count', first='{count} left', evidence=lambda f: f['names'])
    assert row.reason({'count': 1, 'names': ['one']}) == Reason('count', '1 left', ('one',))


@pytest.mark.parametrize(('hot', 'code'), [(False, 'cold'), (True, 'eaten')])
def test_first_row_that_applies_answers(hot: bool, code: str) -> None:
    assert answer((COLD, EATEN), Meal('soup', hot)).code == code


def test_row_shows_an_example_for_each_of_its_lines() -> None:
    assert COLD.shown() == ["'soup' is cold", "'pie' is cold"]
    with pytest.raises(KeyError, match='dish'):
        EATEN.shown()
