"""Every kind of reason, in the order in which the documentation lists their codes."""

from typing import Any

from ws4redis.testing.explain.published import (
    AS_ASKED,
    MAY_NOT_PUBLISH,
    PUBLISHED,
    THREAD,
    UNCOMMITTED,
)
from ws4redis.testing.explain.reasons import Row
from ws4redis.testing.explain.received import (
    AT_THE_JOIN,
    JSON_AS_TEXT,
    LIVE,
    NOT_LISTENING,
    NOT_PUBLISHED,
    OTHER_TYPE,
    RECEIVED,
)

__all__ = ['ROWS', 'by_code']

ROWS: tuple[Row[Any], ...] = (
    NOT_PUBLISHED,
    UNCOMMITTED,
    *MAY_NOT_PUBLISH,
    THREAD,
    *NOT_LISTENING,
    *AT_THE_JOIN,
    *LIVE,
    JSON_AS_TEXT,
    OTHER_TYPE,
    RECEIVED,
    PUBLISHED,
    *AS_ASKED,
)


def by_code() -> dict[str, list[Row[Any]]]:
    """The kinds of reasons by their codes."""
    found: dict[str, list[Row[Any]]] = {}
    for row in ROWS:
        found.setdefault(row.code, []).append(row)
    return found
