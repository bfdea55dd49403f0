"""The Django application."""

from django.apps import AppConfig
from django.core import checks

__all__ = ['WebsocketConfig']


class WebsocketConfig(AppConfig):
    """Registers the system checks and listens to login and logout."""

    name = 'ws4redis'
    verbose_name = 'Websockets for Redis'

    def ready(self) -> None:
        from ws4redis.checks import check_settings
        from ws4redis.memberships import connect_receivers

        checks.register(check_settings, 'ws4redis')
        connect_receivers()
