"""How a subscriber is called: which class it is, which of its methods there are, which spelling
counts, what it has left to read.

What counts are the methods, not the type: a site's class need not derive from RedisSubscriber.
"""

from collections.abc import Callable
from typing import Any, Final

from django.utils.module_loading import import_string

from ws4redis import settings
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscription import ExchangeRedis, Subscription, own_connection

__all__ = [
    'can_read',
    'method',
    'missing_methods',
    'needs_persisted',
    'overrides_parse_response',
    'persisted_name',
    'possible_channels',
    'subscriber_class',
]

PERSISTED: Final = ('send_persisted_messages', 'send_persited_messages')
"""Both spellings; the second is that of release 0.6.0."""

METHODS: Final = (
    'set_pubsub_channels',
    PERSISTED[0],
    'parse_response',
    'get_file_descriptor',
    'release',
    'publish_message',
)
"""What is called."""


def subscriber_class() -> Any:
    """The class of WS4REDIS_SUBSCRIBER."""
    value = settings.WS4REDIS_SUBSCRIBER
    return import_string(value) if isinstance(value, str) else value


def possible_channels(cls: Any) -> list[str]:
    """The names that a query string may have, of a subscriber's class."""
    return [*cls.subscription_channels, *cls.publish_channels]


def method(subscriber: Any, name: str) -> Callable[..., Any]:
    """The subscriber's method of this name; RedisSubscriber's, bound to it, if the site's class
    has none.
    """
    found = getattr(subscriber, name, None)
    if found is None:
        found = getattr(RedisSubscriber, name).__get__(subscriber)
    result: Callable[..., Any] = found
    return result


def missing_methods(cls: type) -> list[str]:
    """The methods that a class lacks, for which RedisSubscriber's are called."""
    called = {PERSISTED[0]: persisted_name(cls)}
    return [name for name in METHODS if not callable(getattr(cls, called.get(name, name), None))]


def persisted_name(subscriber: Any) -> str:
    """Of the two spellings of send_persisted_messages() the one that is called: that in the first
    class that defines either; an attribute of the object itself beats both.

    Args:
        subscriber: a subscriber, or its class.
    """
    cls = subscriber if isinstance(subscriber, type) else type(subscriber)
    for namespace in (
        getattr(subscriber, '__dict__', {}),
        *(vars(base) for base in cls.__mro__),
    ):
        for name in PERSISTED:
            if name in namespace:
                return name
    return PERSISTED[0]


def needs_persisted(subscriber: Any) -> bool:
    """Whether send_persisted_messages() has to be called: not if ours would only read what the
    exchange can read for many.
    """
    found = method(subscriber, persisted_name(subscriber))
    if getattr(found, '__func__', None) is not RedisSubscriber.send_persisted_messages:
        return True
    subscription = getattr(subscriber, '_subscription', None)
    if isinstance(subscription, Subscription):
        return not isinstance(getattr(subscriber, '_connection', None), ExchangeRedis)
    return bool(getattr(subscription, 'channels', None))


def overrides_parse_response(subscriber: Any) -> bool:
    """Whether each message has to go through the site's parse_response()."""
    return (
        getattr(method(subscriber, 'parse_response'), '__func__', None)
        is not RedisSubscriber.parse_response
    )


def can_read(subscriber: Any) -> bool:
    """Whether something has come on a subscriber's own connection; False without one."""
    connection = own_connection(subscriber)
    return connection is not None and bool(connection.can_read(timeout=0))
