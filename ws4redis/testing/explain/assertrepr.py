"""Plain asserts about what was received or published explain themselves."""

from typing import TYPE_CHECKING, Any

from ws4redis.testing.client import Received
from ws4redis.testing.explain.matching import Wanted
from ws4redis.testing.explain.published import nothing_published
from ws4redis.testing.explain.reasons import Reason
from ws4redis.testing.explain.received import missing_from, other_type, why_not_received
from ws4redis.testing.publications import Publications

if TYPE_CHECKING:
    import pytest

__all__ = ['explain_comparison']

OURS = (Received, Publications)

LINES = 60
"""Lines of a difference that are shown."""


def explain_comparison(
    config: 'pytest.Config', op: str, left: object, right: object
) -> list[str] | None:
    """The lines of a failed comparison in which a Received or Publications takes part; None if
    there is nothing to add.
    """
    ours, expected = (left, right) if isinstance(left, OURS) else (right, left)
    if not isinstance(ours, OURS):
        return None
    missing: list[object] = []
    more: list[Any] = []
    if op == '==':
        if isinstance(expected, (list, tuple)):
            missing, more = missing_from(ours, expected), missing_from(expected, ours)
    elif op == 'in':
        missing, more = [left], list(ours)
    else:
        return None
    answers = [reason for item in missing for reason in _why_not(ours, item, more)]
    lines = [line for reason in dict.fromkeys(answers) for line in reason.lines()]
    plain = [_plain(side) for side in (left, right)]
    return _difference(config, op, *plain) + (['', *lines] if lines else [])


def _why_not(ours: Received | Publications, item: object, more: list[Any]) -> list[Reason]:
    """Why an item is not there; more are those that nobody expected."""
    if isinstance(ours, Received):
        client = ours._owner
        other = other_type(client._end, item, more)
        if other is not None:
            return [other]
        wanted = Wanted(item, checked=False)
        return why_not_received(client._broker, client._end, wanted)
    return nothing_published(ours._owner)


def _plain(side: object) -> object:
    return list(side) if isinstance(side, OURS) else side


def _difference(config: 'pytest.Config', op: str, left: object, right: object) -> list[str]:
    """What pytest says of the same comparison of plain lists."""
    answers = config.hook.pytest_assertrepr_compare(config=config, op=op, left=left, right=right)
    for answer in answers:
        if answer:
            return list(answer)[:LINES]
    return [f'{left!r} {op} {right!r}']
