"""One uWSGI for pages and websockets."""
import os

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'chatroom.settings')

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from ws4redis.uwsgi_runserver import uWSGIWebsocketServer

pages = get_wsgi_application()
websockets = uWSGIWebsocketServer()


def application(environ, start_response):
    """Look at the path to see whose request it is."""
    if environ.get('PATH_INFO').startswith(settings.WEBSOCKET_URL):
        return websockets(environ, start_response)
    return pages(environ, start_response)
