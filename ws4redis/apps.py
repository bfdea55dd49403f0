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
        from ws4redis.installation import check_deployment
        from ws4redis.memberships import connect_receivers

        checks.register(check_settings, 'ws4redis')
        checks.register(check_deployment, 'ws4redis', deploy=True)
        connect_receivers()
