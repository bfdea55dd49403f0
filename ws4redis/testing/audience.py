"""Audience: whom a message of a test is for, as the kit's methods take it in five keywords."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from ws4redis.core import audience
from ws4redis.publisher import RedisPublisher
from ws4redis.testing.explain.matching import ANY

__all__ = ['Audience', 'Entries']

Entries: TypeAlias = audience.Audience
"""Users, groups or sessions: objects and names, as RedisPublisher takes them."""


@dataclass(frozen=True, slots=True)
class Audience:
    """What the keywords facility, users, groups, sessions and broadcast say.

    They stand in each public signature, where a misspelt one is an error to Python, to type
    checkers and to editors alike; behind it they are this one object.

    Attributes:
        facility: a name; ANY where an assertion leaves it open.
        users, groups, sessions, broadcast: as RedisPublisher takes them.
    """

    facility: Any = ''
    users: Entries = ()
    groups: Entries = ()
    sessions: Entries = ()
    broadcast: bool = False

    def __bool__(self) -> bool:
        """Whether any of it was given."""
        return bool(self.facility or self.users or self.groups or self.sessions or self.broadcast)

    def publisher(self) -> RedisPublisher:
        """A publisher for it."""
        return RedisPublisher(
            facility='' if self.facility is ANY else self.facility,
            users=self.users,
            groups=self.groups,
            sessions=self.sessions,
            broadcast=self.broadcast,
        )

    def channels(self) -> list[str]:
        """The names of its channels in Redis, or what they begin with if the facility is ANY."""
        return sorted(self.publisher()._publishers)

    def channel(self) -> str:
        """The name of its one channel.

        Raises:
            ValueError: it has none, or several.
        """
        names = self.channels()
        if len(names) != 1:
            raise ValueError(
                f'the audience names {len(names)} channels ({", ".join(names)}): name one'
            )
        return names[0]
