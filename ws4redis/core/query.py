"""The names of a query string: `?subscribe-user&publish-broadcast&echo`. Only names count, no
values.
"""

from collections.abc import Callable, Iterable

__all__ = ['query_names', 'requested_channels']


def requested_channels(
    query: Iterable[str], possible: list[str]
) -> tuple[list[str], bool, list[str]]:
    """The names of a query string that count, whether `echo` is among them, and the unknown ones.

    Only names count, in any case: `echo=false` still asks for the echo.
    """
    asked = [name.lower() for name in query]
    channels = [name for name in possible if name in asked]
    unknown = [name for name in asked if name not in possible and name != 'echo']
    return channels, 'echo' in asked, unknown


def query_names(
    subscribe: str | Iterable[str],
    publish: str | Iterable[str],
    echo: bool,
    possible: Callable[[], list[str]],
) -> list[str]:
    """The names of a query string that asks for these.

    Args:
        subscribe, publish: an audience or several, as 'user'.
        possible: gives the names that there are, such as 'subscribe-user'; asked only if audiences
            are given.

    Raises:
        ValueError: there is no such name.
    """
    names = []
    for verb, asked in (('subscribe', subscribe), ('publish', publish)):
        for short in (asked,) if isinstance(asked, str) else asked:
            wanted = f'{verb}-{short}'
            if wanted not in possible():
                valid = [found.partition('-')[2] for found in possible() if found.startswith(verb)]
                raise ValueError(
                    f'{verb}={short!r} is no channel: it takes {", ".join(map(repr, valid))}'
                )
            names.append(wanted)
    return [*names, 'echo'] if echo else names
