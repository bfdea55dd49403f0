"""Test publishing, persisting, expiry and subscribers without a Redis server, a socket or a
sleep.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.client import HandshakeRejected, WebSocketClient
    from ws4redis.testing.contract.subscriber import SubscriberCase, subscriber_contract
    from ws4redis.testing.explain.matching import ANY
    from ws4redis.testing.fakes.stores import (
        FakeRedisPublisher,
        FakeRedisStore,
        FakeRedisSubscriber,
    )
    from ws4redis.testing.fakes.websocket import FakeWebSocket
    from ws4redis.testing.live.client import LiveClient
    from ws4redis.testing.live.server import LiveServer
    from ws4redis.testing.publications import Publication, Publications
    from ws4redis.testing.runner import DiscoverRunner, GuardMixin

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
        'ANY': 'explain.matching',
        'Broker': 'broker',
        'DiscoverRunner': 'runner',
        'GuardMixin': 'runner',
        'HandshakeRejected': 'client',
        'Publication': 'publications',
        'Publications': 'publications',
        'WebSocketClient': 'client',
        'FakeRedisPublisher': 'fakes.stores',
        'FakeRedisStore': 'fakes.stores',
        'FakeRedisSubscriber': 'fakes.stores',
        'FakeWebSocket': 'fakes.websocket',
        'LiveServer': 'live.server',
        'LiveClient': 'live.client',
        'SubscriberCase': 'contract.subscriber',
        'subscriber_contract': 'contract.subscriber',
    }

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        # Late, since pytest imports this package in every run of everybody who has it installed.
        from importlib import import_module

        try:
            return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
        except ImportError:
            # If a package of the site's own hides the websockets library, this says so.
            import_module('ws4redis.core.library')
            raise

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
