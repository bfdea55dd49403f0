"""The WSGI application: WEBSOCKET_URL goes to websockets, everything else to Django."""

import os

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'journey.settings')

from ws4redis.wsgi import get_wsgi_application  # noqa: E402  (the settings module has to be named first)

application = get_wsgi_application()
