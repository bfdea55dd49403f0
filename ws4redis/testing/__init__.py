"""Test publishing, persisting, expiry and subscribers without a Redis server, a socket or a
sleep.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.client import HandshakeRejected, WebSocketClient
    from ws4redis.testing.live import LiveServer
    from ws4redis.testing.live_client import LiveClient
    from ws4redis.testing.matching import ANY
    from ws4redis.testing.publications import Publication, Publications
    from ws4redis.testing.runner import DiscoverRunner, GuardMixin
    from ws4redis.testing.stores import FakeRedisPublisher, FakeRedisStore, FakeRedisSubscriber
    from ws4redis.testing.subscriber_cases import SubscriberCase, subscriber_contract
    from ws4redis.testing.websocket import FakeWebSocket

__all__ = [
    'ANY',
    'Broker',
    'DiscoverRunner',
    'FakeRedisPublisher',
    'FakeRedisStore',
    'FakeRedisSubscriber',
    'FakeWebSocket',
    'GuardMixin',
    'HandshakeRejected',
    'LiveClient',
    'LiveServer',
    'Publication',
    'Publications',
    'SubscriberCase',
    'WebSocketClient',
    'subscriber_contract',
]

if not TYPE_CHECKING:
    _HOMES = {
        'ANY': 'matching',
        'Broker': 'broker',
        'DiscoverRunner': 'runner',
        'GuardMixin': 'runner',
        'HandshakeRejected': 'client',
        'Publication': 'publications',
        'Publications': 'publications',
        'WebSocketClient': 'client',
        'FakeRedisPublisher': 'stores',
        'FakeRedisStore': 'stores',
        'FakeRedisSubscriber': 'stores',
        'FakeWebSocket': 'websocket',
        'LiveServer': 'live',
        'LiveClient': 'live_client',
        'SubscriberCase': 'subscriber_cases',
        'subscriber_contract': 'subscriber_cases',
    }

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        # Late, since pytest imports this package in every run of everybody who has it installed.
        from importlib import import_module

        return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
