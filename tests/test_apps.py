"""The Django application: checks and receivers are there once it is ready, and nothing else has
happened.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core import checks

from ws4redis.apps import WebSocketConfig
from ws4redis.checks import check_all
from ws4redis.memberships import store_groups, withdraw_session

ROOT = Path(__file__).resolve().parent.parent


def test_application_is_found_by_the_packages_name() -> None:
    assert isinstance(apps.get_app_config('ws4redis'), WebSocketConfig)


def test_checks_are_registered_under_the_tag_ws4redis() -> None:
    registered: list[object] = list(checks.registry.registry.get_checks())
    assert check_all in registered
    assert 'ws4redis' in checks.registry.registry.tags_available()


def test_login_and_logout_are_listened_to() -> None:
    assert store_groups in user_logged_in._live_receivers(None)[0]
    assert withdraw_session in user_logged_out._live_receivers(None)[0]


@pytest.mark.parametrize('command', ['check', 'shell'])
def test_management_command_opens_no_connection_and_starts_no_thread(command: str) -> None:
    code = """
import sys
forbidden = []
def refuse(event, arguments):
    if event in ('socket.__new__', 'socket.connect', '_thread.start_new_thread'):
        forbidden.append(event)
sys.addaudithook(refuse)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
assert forbidden == [], forbidden
assert not {'gevent', 'fakeredis', 'ws4redis.loop'} & set(sys.modules)
"""
    arguments = [command] if command == 'check' else [command, '-c', 'import ws4redis.publisher']
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'DJANGO_SETTINGS_MODULE': 'tests.settings',
    }
    process = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
