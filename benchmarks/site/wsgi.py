"""The application that gunicorn serves."""

from ws4redis.wsgi import get_wsgi_application

application = get_wsgi_application()
