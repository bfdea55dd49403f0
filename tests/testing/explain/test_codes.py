"""The table of reasons, from which the documentation has its codes."""

import re
from collections.abc import Callable

import pytest

from tests.testing.explain.failing import tell, why
from ws4redis.testing import Broker
from ws4redis.testing.explain.codes import ROWS, by_code
from ws4redis.testing.explain.reasons import LINE


def test_codes_are_words() -> None:
    assert len(by_code()) == 24
    assert all(re.fullmatch('[a-z]+(-[a-z]+)*', code) for code in by_code())


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.code)
def test_example_fills_in_the_first_line(row: object) -> None:
    shown = row.shown()  # type: ignore[attr-defined]
    assert shown and all('{' not in line for line in shown)


def misread(broker: Broker) -> Callable[[], object]:
    mary = broker.connect('/ws/news%3Fsubscribe-user', name='mary')
    broker.publish('hi', facility='news', users=['mary'])
    return mary.receive


def elsewhere(broker: Broker) -> Callable[[], object]:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.publish('hi', facility='chat', broadcast=True)
    return mary.receive


def lost(broker: Broker) -> Callable[[], object]:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker.lose_publishes(1)
    tell(broker, 'hi')
    return mary.receive


def withdrawn(broker: Broker) -> Callable[[], object]:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    broker._engine.driver.withdraw(lambda who: True)
    return mary.receive


def read_already(broker: Broker) -> Callable[[], object]:
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    tell(broker, 'one')
    tell(broker, 'two')
    mary.receive_all()
    return mary.receive


@pytest.mark.parametrize(
    ('code', 'fail'),
    [
        ('address', misread),
        ('facility', elsewhere),
        ('fault', lost),
        ('closed', withdrawn),
        ('already-read', read_already),
    ],
)
def test_failure_begins_as_the_documentation_shows_it(
    broker: Broker, code: str, fail: Callable[[Broker], Callable[[], object]]
) -> None:
    codes, lines = why(fail(broker))
    assert codes[0] == code
    assert [line for line in by_code()[code][0].shown() if len(line) <= LINE] == [lines[0]]
