"""Findings of the system checks in the log: no WSGI server runs them, so the loop does when it
starts.
"""

import logging
import os
from collections.abc import Iterable

from django.core.checks import CheckMessage

from ws4redis.checks import environment, settings

__all__ = ['log_findings', 'log_messages']

logger = logging.getLogger('ws4redis.checks')

_logged: set[tuple[int, str]] = set()


def log_findings() -> None:
    """Log what is found in a process that serves; whose runserver it would be does not matter."""
    checks = (*settings.CHECKS, *environment.CHECKS)
    try:
        log_messages(
            message
            for check in checks
            if check is not environment.check_order
            for message in check()
        )
    except Exception:
        # A check must not cost a websocket.
        logger.exception('the system checks failed')


def log_messages(messages: Iterable[CheckMessage]) -> None:
    """Log each of these once in this process, without those that SILENCED_SYSTEM_CHECKS names."""
    for message in messages:
        line = f'{message.msg} {message.hint} ({message.id})'
        if not message.is_silenced() and (os.getpid(), line) not in _logged:
            _logged.add((os.getpid(), line))
            logger.warning('%s', line)
