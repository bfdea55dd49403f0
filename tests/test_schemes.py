"""The schemes of URLs of Redis servers, and memory://."""

from __future__ import annotations

import pytest

from ws4redis.schemes import SCHEMES, is_memory


@pytest.mark.parametrize('value', ['memory://', 'memory://?allow=1'])
def test_memory_is_told_by_its_scheme(value: str) -> None:
    assert is_memory(value)


@pytest.mark.parametrize('value', ['redis://localhost', 'memory:', '', {'host': 'memory://'}, None])
def test_nothing_else_is_memory(value: object) -> None:
    assert not is_memory(value)


def test_every_scheme_is_that_of_a_url() -> None:
    assert all(scheme.endswith('://') for scheme in SCHEMES)
