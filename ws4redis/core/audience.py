"""Who is meant: the entries of `users=`, `groups=` and `sessions=`, and the name of each."""

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ws4redis.core.channel import check_name
from ws4redis.exceptions import ChannelNameError

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ['SELF', 'Audience', 'Entry', 'SelfType', 'audience_names', 'entry_name']


class SelfType:
    """The type of SELF: whoever makes the request."""

    def __repr__(self) -> str:
        return 'SELF'


SELF: Final = SelfType()
"""Whoever makes the request: in users= its user, in groups= all groups of its session, in sessions=
its session. It may stand beside other entries.
"""


class _HasUsername(Protocol):
    """A user, also one of the site's own class, and request.user."""

    def get_username(self) -> str: ...


class _Group(Protocol):
    """A Group of django.contrib.auth: what tells it from other models."""

    @property
    def permissions(self) -> Any: ...
    def natural_key(self) -> tuple[str]: ...


class _LazyText(Protocol):
    """What gettext_lazy() gives."""

    def __radd__(self, other: str) -> str: ...


Entry: TypeAlias = 'str | int | UUID | SelfType | _HasUsername | _Group | _LazyText'
"""One user, group or session, by its name or as an object."""

Audience: TypeAlias = 'Iterable[Entry] | SelfType | bool | None'
"""What users=, groups= and sessions= take. True and a lone string are deprecated."""


def _is_django_group(entry: object) -> bool:
    return any(
        base.__name__ == 'Group' and base.__module__ == 'django.contrib.auth.models'
        for base in type(entry).__mro__
    )


def entry_name(kind: str, entry: object) -> str:
    """The name of one entry of an audience: a User's username, a Group's name, the text of
    anything else.
    """
    if entry is None:
        raise ChannelNameError(kind, 'is None')
    get_username = getattr(entry, 'get_username', None)
    if callable(get_username):
        name = str(get_username())
        if not name:
            raise ChannelNameError(
                kind,
                'is empty: nobody is logged in; login_required keeps such a request from the view',
            )
        return check_name(kind, name)
    if _is_django_group(entry):
        return check_name(kind, str(entry.name))  # type: ignore[attr-defined]
    return check_name(kind, str(entry))


def audience_names(kind: str, audience: object) -> list[object]:
    """The entries of `users=`, `groups=` or `sessions=` as a list, SELF among them as it is.

    Args:
        kind: 'user', 'group' or 'session', for messages.
        audience: an iterable of entries; True means [SELF], a lone string [string] (both with a
            DeprecationWarning); None and False mean nobody.

    Raises:
        TypeError: it is something else.
    """
    if audience is None or audience is False:
        return []
    if audience is True:
        warnings.warn(
            f'{kind}s=True is deprecated: write {kind}s=[SELF]', DeprecationWarning, stacklevel=4
        )
        return [SELF]
    if audience is SELF:
        return [SELF]
    if isinstance(audience, str):
        warnings.warn(
            f"{kind}s='name' is deprecated: write {kind}s=['name']",
            DeprecationWarning,
            stacklevel=4,
        )
        return [audience]
    if not isinstance(audience, Iterable) or isinstance(audience, (bytes, bytearray)):
        raise TypeError(
            f'{kind}s is {type(audience).__name__}: it takes a list of {kind}s or names, SELF '
            f'among them'
        )
    return list(audience)
