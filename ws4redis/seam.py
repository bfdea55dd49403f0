"""The one place where tests take hold of this package: ws4redis.testing sets what stands here, the
rest of the package reads it. In production all of it is as it is made here.

It imports the standard library alone: our pytest plugin loads it in every run of everybody who has
the package installed.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ws4redis.core.echo import OwnCopies
    from ws4redis.gate import Gate
    from ws4redis.redis_client import RedisServer

__all__ = ['Seam', 'seam']


class Seam:
    """What is otherwise while tests run.

    Attributes:
        server: where every client of this package goes; None leaves it to the settings. A Broker
            sets it.
        unrequested: asked for a server when a client needs one and `server` is None; None, also as
            its answer, leaves it to the settings. Our pytest plugin and our test runner set it, so
            that no test publishes to the site's own Redis by mistake.
        on_publish: by gate, what is called with channel, payload, seconds to live and sender before
            our publishers send something through that gate. What records publications sets it.
    """

    def __init__(self) -> None:
        self.server: RedisServer | None = None
        self.unrequested: Callable[[], RedisServer | None] | None = None
        self.on_publish: dict[Gate, Callable[[bytes, bytes, float, OwnCopies | None], None]] = {}

    @property
    def in_force(self) -> bool:
        """Whether a Broker's server has taken the place of the site's."""
        return self.server is not None

    @property
    def namespace(self) -> str:
        """What stands before each name that our classes make, the prefix included: a Broker's own
        on a server that others use.
        """
        return self.server.namespace if self.server is not None else ''

    @property
    def in_test_environment(self) -> bool:
        """Whether Django has set up its test environment, as LiveServerTestCase needs it, which
        serves with DEBUG off.
        """
        utils = sys.modules.get('django.test.utils')
        return utils is not None and hasattr(utils._TestState, 'saved_data')

    def find_server(self) -> 'RedisServer | None':
        """The server that clients go to instead of the one in the settings; None if to that."""
        if self.server is not None or self.unrequested is None:
            return self.server
        return self.unrequested()

    def publishing(
        self,
        gate: 'Gate | None',
        channel: bytes,
        payload: bytes,
        seconds: float,
        sender: 'OwnCopies | None',
    ) -> None:
        """One of our publishers is about to send this.

        Args:
            gate: through which; None if the site's own client has none.
            seconds: to live; 0 or less if it is not stored.
            sender: the OwnCopies of the websocket that sends it; None for a publisher.
        """
        heard = self.on_publish.get(gate) if gate is not None else None
        if heard is not None:
            heard(channel, payload, seconds, sender)


seam = Seam()
