"""Settings of the suite for a process of its own: Redis and a database file, both named in the
environment.
"""

import os

from tests.settings import *  # noqa: F403

ALLOWED_HOSTS = ['127.0.0.1']
DATABASES = {
    'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.environ['JOURNEY_DATABASE']}
}
MIGRATION_MODULES = dict.fromkeys(('auth', 'contenttypes', 'sessions'))
MIDDLEWARE = [*MIDDLEWARE, 'tests.subscribers.overrides.tenant_middleware']  # noqa: F405
ROOT_URLCONF = 'tests.sites.production.urls'
WS4REDIS_CONNECTION = os.environ['REDIS_URL']

LOGGING = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {'line': {'format': '%(levelname)s %(name)s %(message)s'}},
    'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'line'}},
    'root': {'handlers': ['console'], 'level': 'WARNING'},
    'loggers': {'ws4redis': {'level': 'INFO'}},
}
