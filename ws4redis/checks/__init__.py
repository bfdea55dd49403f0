"""System checks: all of them, as `manage.py check` runs them.

A finding's id stands where it is made, written out, so that a search for it ends there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage

from ws4redis.checks import environment, settings

if TYPE_CHECKING:
    from django.apps import AppConfig

__all__ = ['check_all']


def check_all(app_configs: 'Sequence[AppConfig] | None', **kwargs: object) -> list[CheckMessage]:
    """Everything that is found, but for what `manage.py check --deploy` asks besides."""
    checks = (*settings.CHECKS, *environment.CHECKS)
    return [message for check in checks for message in check()]
