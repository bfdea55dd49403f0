"""The sandbox as a Django app: templates, static files, the command load_users."""

from django.apps import AppConfig

__all__ = ['ChatserverConfig']


class ChatserverConfig(AppConfig):
    """It has no models: users and groups are those of django.contrib.auth."""

    name = 'chatserver'
    verbose_name = 'ws4redis sandbox'
