"""The schemes of URLs that name a Redis server, and memory://, which names none.

It imports no other file of this package: our pytest plugin looks at a URL before Django is set up.
"""

from typing import Final, TypeGuard

__all__ = ['MEMORY', 'SCHEMES', 'SERVERS', 'is_memory']

MEMORY: Final = 'memory://'
"""A Redis inside this process, on fakeredis."""

SERVERS: Final = ('redis://', 'rediss://', 'unix://')

SCHEMES: Final = (*SERVERS, MEMORY)


def is_memory(value: object) -> TypeGuard[str]:
    """Whether a value of WS4REDIS_CONNECTION is a URL of memory://."""
    return isinstance(value, str) and value.startswith(MEMORY)
