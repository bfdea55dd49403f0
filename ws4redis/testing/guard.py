"""What tests publish without asking for a Broker. Loaded by the plugin: at first it imports
nothing that needs Django.

A client that needs a server outside a Broker asks `seam.unrequested`; in a test run that is a
Guard. Django's mail goes into locmem in the same way.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ws4redis.schemes import MEMORY
from ws4redis.seam import seam

if TYPE_CHECKING:
    from ws4redis.core.echo import OwnCopies
    from ws4redis.redis_client import RedisServer

__all__ = ['CHOICES', 'Guard']

CHOICES = ('memory', 'fail', 'real')

REMEDIES = (
    'use the fixture ws4redis (or the mark, @pytest.mark.ws4redis); with ws4redis_unrequested = '
    'memory it is kept in memory; '
    'with ws4redis_unrequested = real it goes to WS4REDIS_CONNECTION'
)

NAMED = 3
"""Places that the summary names."""


class Guard:
    """Keeps what tests publish without a Broker away from WS4REDIS_CONNECTION.

    Args:
        choice: 'memory' keeps it in a server of its own, in memory; 'fail' raises; 'real' lets it
            through.
        place: shortens a 'file:line' for the summary.

    Attributes:
        places: where tests published without a Broker, one for each test.
    """

    def __init__(self, choice: str, place: Callable[[str], str] = str) -> None:
        if choice not in CHOICES:
            raise ValueError(f'ws4redis_unrequested is {choice!r}: it takes {", ".join(CHOICES)}')
        self.choice = choice
        self._place = place
        self._server: Any = None
        self.places: list[str] = []
        self._tests: set[str] = set()
        self._test = ''

    def __call__(self) -> 'RedisServer | None':
        """The server for somebody who has asked for none; None lets it through."""
        if self.choice == 'real' or (self.choice == 'memory' and find_spec('fakeredis') is None):
            return None
        if self._server is None:
            from ws4redis.redis_client import RedisServer

            self._server = RedisServer(MEMORY)
            seam.on_publish[self._server.gate] = self._published
        server: RedisServer = self._server
        return server

    def _published(
        self, channel: bytes, payload: bytes, seconds: float, own_copies: 'OwnCopies | None'
    ) -> None:
        from ws4redis.testing.publications import source

        place = self._place(source() or 'by a thread of a library')
        if self.choice == 'fail':
            raise RuntimeError(
                f'published to {channel.decode("utf-8", "replace")} without a Broker at {place}: '
                f'{REMEDIES}'
            )
        if self._test not in self._tests:
            self._tests.add(self._test)
            self.places.append(place)

    def begin(self, test: str) -> None:
        """A test begins: nothing of the one before is there any more."""
        self._test = test
        if self._server is not None:
            self._server.client.flushall()

    def summary(self) -> str:
        """A line about the tests that published without a Broker; empty if none did."""
        if not self.places:
            return ''
        count = len(self.places)
        tests = 'test' if count == 1 else 'tests'
        more = ' ...' if count > NAMED else ''
        places = ', '.join(self.places[:NAMED])
        return (
            f'ws4redis: {count} {tests} published without the fixture, kept in memory: '
            f'{places}{more}'
        )
