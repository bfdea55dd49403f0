"""The constraints of `make test-lowest` are what setup.py says."""

import re

import pytest

from tests.tools.lowest import SETUP, constraints, requirements


def test_every_requirement_of_the_package_has_a_lowest_version() -> None:
    source = SETUP.read_text('utf-8')
    found = constraints(requirements(source))
    assert {line.partition('==')[0] for line in found} >= {
        'django',
        'redis',
        'gevent',
        'websockets',
        'fakeredis',
        'mypy',
    }
    for line in found:
        name, _, version = line.partition('==')
        assert re.search(rf"'{name}(\[\w+\])?>={re.escape(version)}',", source), line


def test_lower_bound_becomes_the_only_version() -> None:
    source = "RUNTIME = ['b[c]>=2.1']\nEXTRAS = {'one': ['a>=1'], 'two': ['a>=1', 'd>=3.0.2']}\n"
    assert constraints(requirements(source)) == ['a==1', 'b==2.1', 'd==3.0.2']


@pytest.mark.parametrize('requirement', ['django', 'django==5.2', 'django<7'])
def test_requirement_without_a_lower_bound_is_refused(requirement: str) -> None:
    with pytest.raises(ValueError, match='no lower bound'):
        constraints([requirement])
