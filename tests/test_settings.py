"""Settings are read when asked: override_settings counts, an attribute set by a test too,
nothing is frozen at import.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.test.utils import override_settings

from ws4redis import settings as ws4redis_settings
from ws4redis.redis_store import RedisStore
from ws4redis.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from pytest_django import Settings

REPOSITORY = Path(__file__).resolve().parent.parent

# As the documentation promises them; a changed default is a change for every site.
DEFAULTS: dict[str, Any] = {
    'WEBSOCKET_URL': '/ws/',
    'WS4REDIS_CONNECTION': {'host': 'localhost', 'port': 6379, 'db': 0, 'password': None},
    'WS4REDIS_PREFIX': None,
    'WS4REDIS_EXPIRE': 3600,
    'WS4REDIS_HEARTBEAT': None,
    'WS4REDIS_SUBSCRIBER': 'ws4redis.subscriber.RedisSubscriber',
    'WS4REDIS_ALLOWED_CHANNELS': None,
    'WS4REDIS_PROCESS_REQUEST': None,
    'WS4REDIS_ALLOWED_ORIGINS': [],
    'WS4REDIS_REQUIRE_ORIGIN': False,
    'WS4REDIS_MAX_MESSAGE_SIZE': 1 << 20,
    'WS4REDIS_MAX_PENDING': 1 << 20,
    'WS4REDIS_MAX_FACILITY': 255,
    'WS4REDIS_MESSAGE_RATE': 100,
    'WS4REDIS_MAX_WEBSOCKETS': None,
    'WS4REDIS_PING_INTERVAL': 20,
    'WS4REDIS_PING_TIMEOUT': 20,
    'WS4REDIS_DRAIN_TIMEOUT': 10,
    'WS4REDIS_RECHECK': 60,
    'WS4REDIS_THREADS': 32,
    'WS4REDIS_BLOCKED_WARNING': 1,
}


def test_no_documented_setting_is_missing() -> None:
    assert set(SETTINGS) == set(DEFAULTS)


@pytest.mark.parametrize('name', sorted(SETTINGS))
def test_default_is_the_documented_one(name: str) -> None:
    assert SETTINGS[name].default == DEFAULTS[name]
    assert getattr(ws4redis_settings, name) == DEFAULTS[name]


@pytest.mark.parametrize('name', sorted(SETTINGS))
def test_setting_has_unit_and_meaning(name: str) -> None:
    assert SETTINGS[name].unit
    assert SETTINGS[name].meaning.endswith('.')


def for_type_checkers() -> dict[str, Any]:
    """The annotations that stand under TYPE_CHECKING, by name."""
    tree = ast.parse(Path(ws4redis_settings.__file__).read_text('utf-8'))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        node.target.id: eval(ast.unparse(node.annotation), vars(ws4redis_settings))
        for node in block.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def test_type_checkers_know_each_setting_by_the_type_that_its_check_goes_by() -> None:
    assert for_type_checkers() == {
        setting.name: setting.annotation for setting in SETTINGS.values()
    }


@pytest.mark.parametrize(
    ('annotation', 'number', 'whole', 'none'),
    [
        (int, True, True, False),
        (float, True, False, False),
        (int | None, True, True, True),
        (float | None, True, False, True),
        (bool, False, False, False),
        (str | None, False, False, True),
        (str, False, False, False),
        (list[int], False, False, False),
    ],
)
def test_type_of_a_setting_says_what_it_takes(
    annotation: Any, number: bool, whole: bool, none: bool
) -> None:
    setting = Setting('NAME', annotation, None, 'unit', 'Meaning.')
    assert (setting.is_number, setting.is_whole, setting.may_be_none) == (number, whole, none)


def test_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(AttributeError, match='WS4REDIS_EXPIRES'):
        ws4redis_settings.WS4REDIS_EXPIRES  # type: ignore[attr-defined]  # noqa: B018


def test_django_setting_that_is_none_of_ours_is_not_handed_out() -> None:
    with pytest.raises(AttributeError, match='SECRET_KEY'):
        ws4redis_settings.SECRET_KEY  # type: ignore[attr-defined]  # noqa: B018


def test_override_settings_counts_inside_its_block_only() -> None:
    with override_settings(WS4REDIS_PREFIX='shop', WS4REDIS_EXPIRE=7):
        assert (ws4redis_settings.WS4REDIS_PREFIX, ws4redis_settings.WS4REDIS_EXPIRE) == ('shop', 7)
        assert RedisStore.get_prefix() == 'shop:'
        assert RedisStore()._expire == 7
    assert ws4redis_settings.WS4REDIS_PREFIX is None
    assert RedisStore.get_prefix() == ''
    assert RedisStore()._expire == 3600


def test_setting_that_a_test_deletes_has_its_default() -> None:
    with override_settings(WS4REDIS_EXPIRE=7), override_settings(WS4REDIS_PREFIX='inner'):
        del django_settings.WS4REDIS_EXPIRE
        assert ws4redis_settings.WS4REDIS_EXPIRE == 3600
        assert ws4redis_settings.WS4REDIS_PREFIX == 'inner'


def test_setting_is_there_before_anything_else_has_read_djangos_settings() -> None:
    program = (
        'from ws4redis import settings\n'
        'from django.conf import settings as django_settings\n'
        'before = django_settings.configured\n'
        'print(before, settings.WS4REDIS_PREFIX, settings.WS4REDIS_EXPIRE)\n'
    )
    environment = {**os.environ, 'DJANGO_SETTINGS_MODULE': 'first_settings'}
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, 'first_settings.py').write_text(
            "SECRET_KEY = 'x'\nWS4REDIS_PREFIX = 'first'\n", 'utf-8'
        )
        environment['PYTHONPATH'] = os.pathsep.join((directory, str(REPOSITORY)))
        process = subprocess.run(
            [sys.executable, '-c', program],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert process.stdout == 'False first 3600\n', process.stderr


def test_attribute_set_by_a_test_counts_until_it_is_taken_back() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ws4redis_settings, 'WS4REDIS_EXPIRE', 5)
        assert RedisStore()._expire == 5
    assert RedisStore()._expire == 3600


def test_attribute_set_by_a_test_beats_djangos_setting(settings: Settings) -> None:
    settings.WS4REDIS_EXPIRE = 7
    ws4redis_settings.WS4REDIS_EXPIRE = 5
    assert RedisStore()._expire == 5
    del ws4redis_settings.WS4REDIS_EXPIRE
    assert RedisStore()._expire == 7


def test_attribute_left_over_ends_with_the_next_override_of_that_setting(
    settings: Settings,
) -> None:
    """monkeypatch writes the old value back as a real attribute, which would hide Django's
    setting for ever.
    """
    ws4redis_settings.WS4REDIS_EXPIRE = 5
    ws4redis_settings.WS4REDIS_PREFIX = 'left'
    settings.WS4REDIS_EXPIRE = 7
    assert ws4redis_settings.WS4REDIS_EXPIRE == 7
    assert ws4redis_settings.WS4REDIS_PREFIX == 'left'
    settings.WS4REDIS_PREFIX = None
    assert ws4redis_settings.WS4REDIS_PREFIX is None


def test_override_of_a_setting_of_somebody_else_leaves_the_module_alone(settings: Settings) -> None:
    settings.Setting = 'not ours, but an attribute of the module'
    assert hasattr(ws4redis_settings, 'Setting')


def test_importing_reads_no_settings() -> None:
    """Release 0.6.0 called django.setup() and opened a pool."""
    program = (
        'import ws4redis, ws4redis.settings, ws4redis.publisher, ws4redis.wsgi_server\n'
        'from django.conf import settings\n'
        'from django.apps import apps\n'
        'print(settings.configured, apps.ready)\n'
    )
    environment = {
        name: value for name, value in os.environ.items() if name != 'DJANGO_SETTINGS_MODULE'
    }
    process = subprocess.run(
        [sys.executable, '-W', 'error', '-c', program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stdout == 'False False\n', process.stderr
