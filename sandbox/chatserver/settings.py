"""Settings of the sandbox, a site for trying out ws4redis on one machine. Not for production."""

import os
from pathlib import Path

SANDBOX_DIR = Path(__file__).resolve().parent.parent

# Anybody can read this key here, so whatever it signs can be forged: a real site keeps its own out
# of the repository.
SECRET_KEY = 'insecure-sandbox-key-for-development-only'
DEBUG = True
ALLOWED_HOSTS: list[str] = []

INSTALLED_APPS = [
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    # Before staticfiles: both have a runserver, and this one serves the websockets too.
    'ws4redis',
    'django.contrib.staticfiles',
    'chatserver',
    'orders',
    'tour',
]
MIDDLEWARE = [
    'django.middleware.security.SecurityMiddleware',
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
    'django.middleware.clickjacking.XFrameOptionsMiddleware',
    'chatserver.middleware.content_security_policy',
    'chatserver.middleware.RedisIsAway',
]
ROOT_URLCONF = 'chatserver.urls'
WSGI_APPLICATION = 'chatserver.wsgi.application'
TEMPLATES = [
    {
        'BACKEND': 'django.template.backends.django.DjangoTemplates',
        'APP_DIRS': True,
        'OPTIONS': {
            'context_processors': [
                'django.template.context_processors.request',
                'django.contrib.auth.context_processors.auth',
                'ws4redis.context_processors.default',
            ],
        },
    },
]
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.sqlite3',
        'NAME': os.environ.get('SANDBOX_DATABASE', SANDBOX_DIR / 'db.sqlite3'),
    },
}

DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'

LOGIN_URL = 'login'
LOGIN_REDIRECT_URL = 'chats'
LOGOUT_REDIRECT_URL = 'chats'

LANGUAGE_CODE = 'en'
USE_TZ = True
TIME_ZONE = 'UTC'
STATIC_URL = '/static/'

WEBSOCKET_URL = '/ws/'
# memory:// needs no Redis and belongs to one process: enough for runserver.
# REDIS_URL=redis://localhost:6379/0 takes Redis.
WS4REDIS_CONNECTION = os.environ.get('REDIS_URL', 'memory://')
WS4REDIS_HEARTBEAT = '--heartbeat--'
WS4REDIS_EXPIRE = 3600
WS4REDIS_SUBSCRIBER = 'orders.tenants.TenantSubscriber'
WS4REDIS_ALLOWED_CHANNELS = 'chatserver.policies.allowed_channels'
# The board has two users in one page; without that, the visitor's session needs no callback.
WS4REDIS_PROCESS_REQUEST = 'tour.panes.process_request'

# Seconds between two figures of the operations page (None: no figures), and between two words of
# the long task.
TOUR_TICK: float | None = 1.0
TOUR_PROGRESS_PAUSE = 0.5

LOGGING = {
    'version': 1,
    'disable_existing_loggers': False,
    'handlers': {'console': {'class': 'logging.StreamHandler'}},
    'loggers': {'ws4redis': {'handlers': ['console'], 'level': 'INFO'}},
}
