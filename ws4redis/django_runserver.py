"""The application for Django's development server, under the names that existing projects use."""

from typing import TYPE_CHECKING, Any

from ws4redis.wsgi import WebSocketDispatcher, get_wsgi_application
from ws4redis.wsgi_server import WebsocketWSGIServer as WebsocketRunServer

if TYPE_CHECKING:
    application: WebSocketDispatcher

__all__ = ['WebsocketRunServer', 'application']

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name != 'application':
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        # Made when the development server asks for it, not when something imports this module.
        globals()['application'] = made = get_wsgi_application()
        return made
