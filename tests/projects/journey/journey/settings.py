"""A small site as one is deployed: Redis, a database file, DEBUG off. The tests name both and
the rest in the environment.
"""

import os

SECRET_KEY = 'a key for tests only'
DEBUG = False
ALLOWED_HOSTS = ['127.0.0.1']
USE_TZ = True

INSTALLED_APPS = [
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    'ws4redis',
    'journey',
]
MIDDLEWARE = [
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
]
ROOT_URLCONF = 'journey.urls'
WSGI_APPLICATION = os.environ.get('JOURNEY_APPLICATION', 'journey.wsgi.application')
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.sqlite3',
        'NAME': os.environ['JOURNEY_DATABASE'],
        # Several processes log in at once.
        'OPTIONS': {'timeout': 30},
    },
}
DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'
# Logging in is none of what is tested, and this is the fastest.
PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']

WEBSOCKET_URL = '/ws/'
WS4REDIS_CONNECTION = os.environ['REDIS_URL']
WS4REDIS_EXPIRE = 3600
WS4REDIS_ALLOWED_ORIGINS = os.environ.get('JOURNEY_ORIGINS', '').split()

LOGGING = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {'line': {'format': '%(levelname)s %(name)s %(message)s'}},
    'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'line'}},
    'loggers': {'ws4redis': {'handlers': ['console'], 'level': 'INFO'}},
}
