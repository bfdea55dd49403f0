"""The application for Django's development server, under the names that existing projects use."""

import sys
from typing import TYPE_CHECKING, Any

from ws4redis import settings
from ws4redis.wsgi import WebSocketDispatcher, get_wsgi_application
from ws4redis.wsgi_server import WebsocketWSGIServer as WebsocketRunServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    application: WebSocketDispatcher
    _django_app: Callable[..., Iterable[bytes]]
    _websocket_app: WebsocketRunServer
    _websocket_url: str

__all__ = ['WebsocketRunServer', 'application']

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == 'application':
            # Made when the development server asks for it, not when something imports this module.
            return globals().setdefault(name, get_wsgi_application())
        if name == '_django_app':
            return _application().django
        if name == '_websocket_app':
            return _application().websockets
        if name == '_websocket_url':
            return settings.WEBSOCKET_URL
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def _application() -> WebSocketDispatcher:
    # Through the module, which makes it if nobody has yet.
    application: WebSocketDispatcher = sys.modules[__name__].application
    return application
