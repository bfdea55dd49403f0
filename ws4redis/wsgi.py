"""get_wsgi_application(): websockets below WEBSOCKET_URL, Django for the rest."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application as get_django_application

from ws4redis import settings
from ws4redis.wsgi_server import WebsocketWSGIServer

__all__ = ['WebSocketDispatcher', 'get_wsgi_application']


class WebSocketDispatcher:
    """A WSGI application that hands requests below WEBSOCKET_URL to the websockets and the rest to
    Django.

    Args:
        django: Django's application.
        websockets: None makes a WebsocketWSGIServer.
    """

    def __init__(
        self, django: Callable[..., Iterable[bytes]], websockets: WebsocketWSGIServer | None = None
    ) -> None:
        self.django = django
        self.websockets = websockets or WebsocketWSGIServer()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ.get('PATH_INFO', '').startswith(settings.WEBSOCKET_URL):
            return self.websockets(environ, start_response)
        return self.django(environ, start_response)


def get_wsgi_application() -> WebSocketDispatcher:
    """The application of a site whose one process serves both; name it in WSGI_APPLICATION or
    give it to the server.
    """
    return WebSocketDispatcher(get_django_application())
