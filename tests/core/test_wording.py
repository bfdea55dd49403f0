"""Singular and plural."""

import pytest

from ws4redis.core.wording import counted


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        (0, '0 websockets'),
        (1, '1 websocket'),
        (2, '2 websockets'),
        (1.0, '1.0 websocket'),
        (1.5, '1.5 websockets'),
    ],
)
def test_one_is_singular_and_the_rest_plural(number: float, text: str) -> None:
    assert counted(number, 'websocket') == text


@pytest.mark.parametrize(
    ('number', 'text'), [(1, '1 thread does'), (0, '0 threads do'), (7, '7 threads do')]
)
def test_verb_goes_with_it(number: int, text: str) -> None:
    assert counted(number, 'thread does', 'threads do') == text
