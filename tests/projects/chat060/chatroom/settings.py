# -*- coding: utf-8 -*-
"""Settings of the chat."""
from __future__ import unicode_literals

import os

BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SECRET_KEY = 'public, as everything in here'
DEBUG = True
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']

INSTALLED_APPS = (
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    'django.contrib.messages',
    'django.contrib.staticfiles',
    'django.contrib.admin',
    'ws4redis',
    'chatroom',
)

# Django, not ws4redis: MIDDLEWARE_CLASSES until Django 1.10.
MIDDLEWARE = (
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
    # Django, not ws4redis: SessionAuthenticationMiddleware stood here until Django 2.0.
    'django.contrib.messages.middleware.MessageMiddleware',
    'django.middleware.clickjacking.XFrameOptionsMiddleware',
)

ROOT_URLCONF = 'chatroom.urls'

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.sqlite3',
        'NAME': os.environ.get('SITE060_DATABASE', os.path.join(BASE_DIR, 'db.sqlite3')),
    },
}

TEMPLATES = [
    {
        'BACKEND': 'django.template.backends.django.DjangoTemplates',
        'APP_DIRS': True,
        'OPTIONS': {
            'context_processors': [
                'django.contrib.auth.context_processors.auth',
                # Django, not ws4redis: its admin has asked for this one since Django 3.1.
                'django.template.context_processors.request',
                'django.template.context_processors.static',
                'django.contrib.messages.context_processors.messages',
                'ws4redis.context_processors.default',
            ],
        },
    },
]

LANGUAGE_CODE = 'en-us'
TIME_ZONE = 'UTC'
USE_TZ = True
STATIC_URL = '/static/'
LOGIN_URL = '/admin/login/'

# The development server dispatches requests for websockets
WSGI_APPLICATION = 'ws4redis.django_runserver.application'

WEBSOCKET_URL = '/ws/'

WS4REDIS_CONNECTION = {
    'host': '127.0.0.1',
    'port': int(os.environ.get('SITE060_REDIS_PORT', 6379)),
    'db': 0,
}

WS4REDIS_EXPIRE = 3600
WS4REDIS_PREFIX = 'chat060'
WS4REDIS_HEARTBEAT = '--heartbeat--'
WS4REDIS_SUBSCRIBER = 'chatroom.redis_store.PresenceSubscriber'
WS4REDIS_ALLOWED_CHANNELS = 'chatroom.access.get_allowed_channels'
