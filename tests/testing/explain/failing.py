"""What a failing assertion says: its codes and its lines."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ws4redis.testing import Broker
from ws4redis.testing.explain.reasons import LINE

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def why(
    call: Callable[..., object], *arguments: Any, **keywords: Any
) -> tuple[tuple[str, ...], list[str]]:
    """Codes and lines of a failure."""
    with pytest.raises(AssertionError) as error:
        call(*arguments, **keywords)
    lines = str(error.value).splitlines()
    assert all(len(line) <= LINE for line in lines if not line.startswith(' '))
    return error.value.reasons, lines  # type: ignore[attr-defined]


def above() -> str:
    """The place of the line before the caller's, as failures show it."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    path = Path(frame.f_back.f_code.co_filename).relative_to(ROOT)
    return f'{path}:{frame.f_back.f_lineno - 1}'


def tell(broker: Broker, message: str, expire: float = 0) -> None:
    """Publish to everybody."""
    broker.publish(message, facility='news', broadcast=True, expire=expire)
