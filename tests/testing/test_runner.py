"""Django's own runner with the guard of the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

TESTS = """
from django.test import SimpleTestCase
from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker

class Case(SimpleTestCase):
    def test_with_a_broker(self):
        self.ws4redis = self.enterContext(Broker())
        client = self.ws4redis.connect('news', subscribe='broadcast')
        RedisPublisher(facility='news', broadcast=True).publish_message('hi')
        self.assertEqual(client.receive(), 'hi')

    def test_without(self):
        RedisPublisher(facility='news', broadcast=True).publish_message('hi', expire=10)

    def test_without_again(self):
        publisher = RedisPublisher(facility='news', broadcast=True)
        self.assertIsNone(publisher.fetch_message(None, 'news', 'broadcast'))
        publisher.publish_message('hi', expire=10)
"""


def run(directory: Path, runner: str, settings: str = '') -> subprocess.CompletedProcess[str]:
    """Run the tests by manage.py test."""
    (directory / 'test_it.py').write_text(TESTS)
    (directory / 'site_settings.py').write_text(
        f'from tests.settings import *\nTEST_RUNNER = {runner!r}\n{settings}'
    )
    environment = {
        **os.environ,
        'PYTHONPATH': f'{ROOT}:{directory}',
        'DJANGO_SETTINGS_MODULE': 'site_settings',
    }
    command = [sys.executable, '-W', 'error', '-m', 'django', 'test', 'test_it']
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_is_published_without_a_broker_is_kept_in_memory_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, 'ws4redis.testing.DiscoverRunner')
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert 'Ran 3 tests' in output
    assert (
        'ws4redis: 2 tests published without the fixture, kept in memory: test_it.py:14, '
        'test_it.py:19' in output
    )


@pytest.mark.parametrize('runner', ['site_settings.Runner'])
def test_mixin_goes_in_front_of_a_runner_of_ones_own(tmp_path: Path, runner: str) -> None:
    settings = (
        'from django.test.runner import DiscoverRunner\n'
        'from ws4redis.testing import GuardMixin\n'
        'class Runner(GuardMixin, DiscoverRunner):\n'
        "    ws4redis_unrequested = 'fail'\n"
    )
    done = run(tmp_path, runner, settings)
    assert done.returncode == 1
    assert 'RuntimeError: published to broadcast:news without a Broker at' in done.stderr
    assert 'FAILED (errors=2)' in done.stderr
