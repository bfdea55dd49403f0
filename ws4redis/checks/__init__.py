"""System checks: all of them, as `manage.py check` runs them.

A finding's id stands where it is made, written out, so that a search for it ends there.
"""

from typing import Any

from django.core.checks import CheckMessage

from ws4redis.checks import environment, settings

__all__ = ['check_all']


def check_all(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Everything that is found, but for what `manage.py check --deploy` asks besides."""
    checks = (*settings.CHECKS, *environment.CHECKS)
    return [message for check in checks for message in check()]
