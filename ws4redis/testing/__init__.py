"""Test publishing, persisting, expiry and subscribers without a Redis server, a socket or a sleep."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker, Publication
    from ws4redis.testing.client import HandshakeRejected, WebSocketClient
    from ws4redis.testing.live import LiveServer
    from ws4redis.testing.live_client import LiveClient

__all__ = ['Broker', 'HandshakeRejected', 'LiveClient', 'LiveServer', 'Publication', 'WebSocketClient']

if not TYPE_CHECKING:
    _HOMES = {
        'Broker': 'broker',
        'Publication': 'broker',
        'HandshakeRejected': 'client',
        'WebSocketClient': 'client',
        'LiveServer': 'live',
        'LiveClient': 'live_client',
    }

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        # Late, since pytest imports this package in every run of everybody who has it installed.
        from importlib import import_module

        return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
