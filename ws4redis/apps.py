"""The Django application."""

from django.apps import AppConfig
from django.core import checks

__all__ = ['WebSocketConfig']


class WebSocketConfig(AppConfig):
    """Registers the system checks and listens to login and logout."""

    name = 'ws4redis'
    verbose_name = 'Websockets for Redis'

    def ready(self) -> None:
        from ws4redis.checks import check_all
        from ws4redis.checks.environment import check_deployment
        from ws4redis.memberships import connect_receivers

        checks.register(check_all, 'ws4redis')
        checks.register(check_deployment, 'ws4redis', deploy=True)
        connect_receivers()
