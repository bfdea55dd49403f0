"""The entry file of a site that runs release 0.6.0 on uWSGI, one process for Django and the
websockets.
"""

import os

import gevent.socket
import redis.connection

redis.connection.socket = gevent.socket  # type: ignore[attr-defined]
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'journey.settings')

from ws4redis.uwsgi_runserver import uWSGIWebsocketServer  # noqa: E402  (after the two lines above, as it was)

websockets = uWSGIWebsocketServer()

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

pages = get_wsgi_application()


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """Websockets below WEBSOCKET_URL, Django for the rest."""
    if environ.get('PATH_INFO').startswith(settings.WEBSOCKET_URL):
        return websockets(environ, start_response)
    return pages(environ, start_response)
