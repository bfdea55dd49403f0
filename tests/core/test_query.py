"""The names of a query string: read, and written."""

import pytest

from ws4redis.core.query import query_names, requested_channels


@pytest.mark.parametrize(
    ('query', 'channels', 'echo', 'unknown'),
    [
        ([], [], False, []),
        (['subscribe-user', 'echo'], ['subscribe-user'], True, []),
        (['SUBSCRIBE-User', 'ECHO'], ['subscribe-user'], True, []),
        (['publish-user', 'subscribe-user'], ['subscribe-user', 'publish-user'], False, []),
        (['subscribe-all', 'token'], [], False, ['subscribe-all', 'token']),
    ],
)
def test_names_alone_count(
    query: list[str], channels: list[str], echo: bool, unknown: list[str]
) -> None:
    assert requested_channels(query, ['subscribe-user', 'publish-user']) == (
        channels,
        echo,
        unknown,
    )


def test_names_are_made_of_audiences() -> None:
    possible = ['subscribe-user', 'subscribe-tenant', 'publish-user']
    names = query_names(['user', 'tenant'], 'user', True, lambda: possible)
    assert names == ['subscribe-user', 'subscribe-tenant', 'publish-user', 'echo']
    assert requested_channels(names, possible) == (possible, True, [])
    with pytest.raises(ValueError, match=r"^publish='tenant' is no channel: it takes 'user'$"):
        query_names((), ['tenant'], False, lambda: possible)


def test_possible_names_are_not_asked_for_if_none_is_wanted() -> None:
    assert query_names((), (), False, lambda: pytest.fail('asked')) == []
