"""A subscriber alone: on the test's exchange, without a websocket; the test itself calls its
methods.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import quote

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.module_loading import import_string

from ws4redis import settings
from ws4redis.core.joining import Joining
from ws4redis.core.recipient import Phase, Recipient
from ws4redis.core.replies import Published
from ws4redis.exceptions import NothingToRead
from ws4redis.identity import anonymous_user
from ws4redis.limits import current_limits
from ws4redis.redis_store import RedisMessage
from ws4redis.subscriber_methods import can_read, method, possible_channels
from ws4redis.subscription import Subscription
from ws4redis.testing.driver import MemoryDriver

__all__ = ['Alone', 'make_request', 'make_subscriber']


class _LoneRecipient(Recipient):
    """Has no browser that would answer a close frame."""

    __slots__ = ()

    def close(self, code: int, frame: bytes | None = None) -> None:
        self.abort()


class Alone:
    """Does for one subscriber what the loop does, when the test asks for it.

    parse_response() and release() of the object are replaced by those of this class, which call its
    own as the loop would: one message is offered for each call, and release() comes once.

    Args:
        driver: what drives the exchange.
        subscriber: whom to serve.
        echo: whether it gets back what it publishes itself.
        ended: called after release().
    """

    def __init__(
        self,
        driver: MemoryDriver,
        subscriber: Any,
        *,
        echo: bool = False,
        ended: Callable[[], object] | None = None,
    ) -> None:
        self._driver = driver
        self._ended = ended
        self._subscriber = subscriber
        self._parse = method(subscriber, 'parse_response')
        self._unread: deque[Published] = deque()
        # It joins for as long as it lives, so that everything that arrives is held until the test
        # asks for it.
        limits = replace(current_limits(), max_pending=sys.maxsize)
        driver.touch()
        self._recipient = _LoneRecipient(
            limits, driver.exchange.agenda, name='of a subscriber alone', echo=echo
        )
        self._recipient.subscriber = subscriber
        driver.enter(self._recipient)
        subscriber._own_copies = self._recipient.own_copies
        subscriber.parse_response = self.parse_response
        subscriber.release = self.release

    def join(self) -> None:
        """Listen on what set_pubsub_channels() has recorded, and on nothing that an earlier call
        has.
        """
        recipient, subscription = self._recipient, getattr(self._subscriber, '_subscription', None)
        self._driver.unsubscribe(recipient, list(recipient.channels), list(recipient.patterns))
        if (
            isinstance(subscription, Subscription)
            and method(self._subscriber, 'get_file_descriptor')() is None
        ):
            self._driver.subscribe(recipient, *subscription.attach(recipient))

    def parse_response(self) -> Any:
        """What the subscriber makes of the next message that has arrived; one for which it reads on
        is passed over.

        Raises:
            NothingToRead: none is left.
        """
        self._driver.settle()
        subscription = getattr(self._subscriber, '_subscription', None)
        if isinstance(subscription, Subscription):
            return self._parse_offered(subscription)
        return self._parse_own()

    def _parse_offered(self, subscription: Subscription) -> Any:
        joining, self._recipient.joining = self._recipient.joining, Joining()
        for run in joining.held if joining is not None else ():
            self._unread.extend(
                Published(run.channel, payload, run.pattern) for payload in run.payloads
            )
        while self._unread:
            subscription.offer(self._unread.popleft().as_reply())
            try:
                with contextlib.suppress(NothingToRead):
                    return self._parse()
            finally:
                subscription.offer(None)
        raise NothingToRead

    def _parse_own(self) -> Any:
        """Of a pub/sub object of its own, which is watched only by a descriptor;
        acknowledgements are no messages.
        """
        while method(self._subscriber, 'get_file_descriptor')() is not None:
            if not can_read(self._subscriber):
                break
            with contextlib.suppress(NothingToRead):
                reply = self._parse()
                if not isinstance(reply, (list, tuple)) or RedisMessage(reply) is not None:
                    return reply
        raise NothingToRead

    def release(self) -> None:
        """End it as the loop ends one: it listens on nothing any more, then its own release() is
        called.

        Raises:
            Exception: what its own raised.
        """
        del self._subscriber.parse_response, self._subscriber.release
        if self._recipient.phase is Phase.GONE:
            # The driver ends, and this is its job.
            method(self._subscriber, 'release')()
            return
        errors = self._driver.errors
        before = len(errors)
        self._recipient.abort()
        self._driver.work_off()
        if self._ended is not None:
            self._ended()
        if len(errors) > before:
            raise errors.pop()


def make_request(facility: str = '') -> Any:
    """The request of an anonymous visitor who opens a websocket of this facility, with an empty
    session.
    """
    request = RequestFactory().get(settings.WEBSOCKET_URL + quote(facility))
    request.user = anonymous_user()
    request.session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    return request


def make_subscriber(
    driver: MemoryDriver,
    cls: str | Callable[..., object] | None = None,
    *,
    request: HttpRequest | None = None,
    facility: str = '',
    channels: str | Sequence[str] = (),
) -> Any:
    """A subscriber on the driver's exchange; see Broker.make_subscriber()."""
    if request is not None and facility:
        raise ValueError(
            'facility= is for the request that is made here: a request of your own has it in its '
            'path_info'
        )
    value = settings.WS4REDIS_SUBSCRIBER if cls is None else cls
    found = import_string(value) if isinstance(value, str) else value
    names = _checked(found, [channels] if isinstance(channels, str) else list(channels))
    request = make_request(facility) if request is None else request
    subscriber: Any = found(driver.connection)
    alone = Alone(driver, subscriber, echo='echo' in request.GET)
    try:
        method(subscriber, 'set_pubsub_channels')(request, names)
        alone.join()
    except BaseException:
        subscriber.release()
        raise
    return subscriber


def _checked(cls: Any, names: list[str]) -> list[str]:
    possible = possible_channels(cls)
    for name in names:
        if name not in possible:
            raise ValueError(
                f'{name!r} is no channel of {cls.__name__}: it takes '
                f'{", ".join(map(repr, possible))}'
            )
    return names
