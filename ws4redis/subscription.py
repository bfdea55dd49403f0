"""The exchange under redis-py's PubSub method names: what `connection.pubsub()` gives a
subscriber.
"""

from collections.abc import Iterable
from typing import Any

import redis

from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import published
from ws4redis.core.serving import ServingDriver
from ws4redis.core.text import as_bytes
from ws4redis.exceptions import NothingToRead
from ws4redis.redis_store import RedisStore

__all__ = ['ExchangeRedis', 'Subscription', 'control_channel', 'own_connection']


def control_channel() -> bytes:
    """The channel by which processes talk to each other; no subscriber may have it."""
    return RedisStore.get_prefix().encode() + b'ws4redis:control'


class ExchangeRedis(redis.Redis):
    """The redis.Redis that subscribers get: every command goes to Redis, pubsub() to the exchange
    of this process.

    Args:
        client: the one that this is in all but pubsub(), its pool and what it has been told of
            replies included.
        driver: drives the exchange.
    """

    def __init__(self, client: 'redis.Redis', driver: ServingDriver) -> None:
        vars(self).update(vars(client))
        self._driver = driver

    def pubsub(self, **kwargs: Any) -> 'Subscription':
        """A Subscription for one websocket."""
        return Subscription(self._driver)


class Subscription:
    """What one websocket listens on.

    Until the handshake has succeeded subscribe() only records; afterwards it waits for Redis'
    acknowledgement.

    Attributes:
        channels, patterns: names (bytes) as keys, as redis-py has it.
        connection: always None: there is no socket of its own.
    """

    __slots__ = ('_arrived', '_driver', '_recipient', 'channels', 'patterns')

    connection = None
    ignore_subscribe_messages = True

    def __init__(self, driver: ServingDriver) -> None:
        self._driver = driver
        self._recipient: Recipient | None = None
        self._arrived: list[bytes] | None = None
        self.channels: dict[bytes, Any] = {}
        self.patterns: dict[bytes, Any] = {}

    def attach(self, recipient: Recipient) -> tuple[list[bytes], list[bytes]]:
        """From now on this is the recipient's; gives the channels and patterns that were
        recorded.
        """
        recorded = list(self.channels), list(self.patterns)
        self.channels, self.patterns = recipient.channels, recipient.patterns
        self._recipient = recipient
        return recorded

    def offer(self, reply: list[bytes] | None) -> None:
        """The message that the next parse_response() gives; None for none."""
        self._arrived = reply

    @property
    def subscribed(self) -> bool:
        """Whether there is anything to listen on."""
        return bool(self.channels or self.patterns)

    def subscribe(self, *names: str | bytes, **handlers: Any) -> None:
        """Listen on these channels; names are raw, no prefix is added.

        Raises:
            ValueError: the control channel is among them.
            TypeError: a handler was given.
            redis.ConnectionError: Redis did not acknowledge it in time.
        """
        self._add('channels', names, handlers)

    def psubscribe(self, *patterns: str | bytes, **handlers: Any) -> None:
        """Listen on all channels that match one of these patterns; put text from a client
        through glob_escape().
        """
        self._add('patterns', patterns, handlers)

    def _add(self, what: str, names: Iterable[Any], handlers: dict[str, Any]) -> None:
        if handlers:
            raise TypeError(
                'handlers are not called here: override parse_response() to see each message'
            )
        wanted = [as_bytes(name) for name in _flat(names)]
        if control_channel() in wanted:
            raise ValueError('the control channel is for ws4redis alone')
        if self._recipient is None:
            getattr(self, what).update(dict.fromkeys(wanted))
        elif what == 'channels':
            self._driver.subscribe(self._recipient, wanted, [])
        else:
            self._driver.subscribe(self._recipient, [], wanted)

    def unsubscribe(self, *names: str | bytes) -> None:
        """Listen on these no longer; without arguments on no channel."""
        self._remove('channels', names)

    def punsubscribe(self, *patterns: str | bytes) -> None:
        """Listen by these patterns no longer; without arguments by none."""
        self._remove('patterns', patterns)

    def _remove(self, what: str, names: Iterable[Any]) -> None:
        mine: dict[bytes, Any] = getattr(self, what)
        unwanted = [as_bytes(name) for name in _flat(names)] or list(mine)
        if self._recipient is None or self._recipient.phase is Phase.GONE:
            for name in unwanted:
                mine.pop(name, None)
        elif what == 'channels':
            self._driver.unsubscribe(self._recipient, unwanted, [])
        else:
            self._driver.unsubscribe(self._recipient, [], unwanted)

    def parse_response(self, block: bool = True, timeout: float = 0) -> list[bytes]:
        """The next message that has arrived, as redis-py gives it; never waits, and gives no
        acknowledgements.

        Raises:
            NothingToRead: there is none.
        """
        reply, self._arrived = self._arrived, None
        if reply is None:
            raise NothingToRead
        return reply

    def get_message(
        self, ignore_subscribe_messages: bool = True, timeout: float | None = 0.0
    ) -> dict[str, Any] | None:
        """The next message that has arrived as redis-py's dict; None if there is none. Never
        waits.
        """
        reply, self._arrived = self._arrived, None
        message = published(reply)
        return None if message is None else message.as_dict()

    def reset(self) -> None:
        """Listen on nothing any more."""
        self.unsubscribe()
        self.punsubscribe()

    def close(self) -> None:
        """As reset()."""
        self.reset()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f'Subscription has no {name}: one connection serves all websockets of this process. '
            f'A pub/sub object of your '
            'own comes from redis.Redis(...).pubsub()'
        )


def _flat(names: Iterable[Any]) -> list[Any]:
    return [
        item
        for name in names
        for item in (name if isinstance(name, (list, tuple, set)) else [name])
    ]


def own_connection(subscriber: Any) -> Any:
    """The connection of a subscriber's own pub/sub object; None if the exchange brings its
    messages.
    """
    return getattr(getattr(subscriber, '_subscription', None), 'connection', None)
