"""What every driver has to have of its own."""

import pytest

from tests.core.simulation import World
from ws4redis.core.driver import Driver
from ws4redis.core.outputs import Outputs


def test_driver_adds_all_of_them_and_nothing_else_is_missing() -> None:
    assert Driver.__abstractmethods__ == Outputs.__abstractmethods__
    assert not World.__abstractmethods__


@pytest.mark.parametrize('name', sorted(Outputs.__abstractmethods__))
def test_driver_that_lacks_one_cannot_be_made(name: str) -> None:
    lacking = type('Lacking', (World,), {name: getattr(Outputs, name)})
    with pytest.raises(TypeError, match=name):
        lacking()
