# -*- coding: utf-8 -*-
"""Settings of the billboard."""
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
    'django.contrib.staticfiles',
    'ws4redis',
    'billboard',
)

# Django, not ws4redis: MIDDLEWARE_CLASSES until Django 1.10.
MIDDLEWARE = (
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
)

ROOT_URLCONF = 'billboard.urls'

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
                'django.template.context_processors.static',
                'ws4redis.context_processors.default',
            ],
        },
    },
]

USE_TZ = True
STATIC_URL = '/static/'

WSGI_APPLICATION = 'ws4redis.django_runserver.application'

WEBSOCKET_URL = '/ws/'

WS4REDIS_CONNECTION = {
    'port': int(os.environ.get('SITE060_REDIS_PORT', 6379)),
}

WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'
