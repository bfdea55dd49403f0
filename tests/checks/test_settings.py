"""System checks: every setting that cannot work has an id and a repair, and the defaults are
silent.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import CheckMessage

from tests.test_origin import ALLOW_NOBODY, ALLOW_SOMEBODY, BELOW
from ws4redis import settings
from ws4redis.checks import check_all
from ws4redis.checks import settings as checks
from ws4redis.redis_store import RedisStore
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscriber_methods import METHODS

if TYPE_CHECKING:
    from pytest_django import Settings


class Bare:
    """Has none of the documented methods."""

    subscription_channels = ['subscribe-broadcast']
    publish_channels = ['publish-broadcast']


class Misspelt(RedisStore):
    """Has what release 0.6.0 documents, one of the methods under its misspelt name only."""

    subscription_channels = ['subscribe-broadcast']
    publish_channels = ['publish-broadcast']

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None: ...

    def send_persited_messages(self, websocket: Any) -> None: ...

    def parse_response(self) -> None: ...

    def get_file_descriptor(self) -> None: ...

    def release(self) -> None: ...


class NoLists(RedisSubscriber):
    subscription_channels = None  # type: ignore[assignment]


NUMBERS = [
    'WS4REDIS_MAX_MESSAGE_SIZE',
    'WS4REDIS_MAX_PENDING',
    'WS4REDIS_MAX_FACILITY',
    'WS4REDIS_MESSAGE_RATE',
    'WS4REDIS_MAX_WEBSOCKETS',
    'WS4REDIS_PING_INTERVAL',
    'WS4REDIS_PING_TIMEOUT',
    'WS4REDIS_DRAIN_TIMEOUT',
    'WS4REDIS_RECHECK',
    'WS4REDIS_THREADS',
    'WS4REDIS_BLOCKED_WARNING',
]
MAY_BE_NONE = {
    'WS4REDIS_MESSAGE_RATE',
    'WS4REDIS_MAX_WEBSOCKETS',
    'WS4REDIS_PING_INTERVAL',
    'WS4REDIS_RECHECK',
}
WHOLE = {
    'WS4REDIS_MAX_MESSAGE_SIZE',
    'WS4REDIS_MAX_PENDING',
    'WS4REDIS_MAX_FACILITY',
    'WS4REDIS_MAX_WEBSOCKETS',
    'WS4REDIS_THREADS',
}

FAULTS: list[tuple[str, Any, str]] = [
    ('WEBSOCKET_URL', 'ws/', 'E001'),
    ('WEBSOCKET_URL', '/ws', 'E001'),
    ('WEBSOCKET_URL', None, 'E001'),
    ('WS4REDIS_CONNECTION', 'http://localhost', 'E002'),
    ('WS4REDIS_CONNECTION', 'redis://localhost:port/0', 'E002'),
    ('WS4REDIS_CONNECTION', {'hots': 'localhost'}, 'E002'),
    ('WS4REDIS_CONNECTION', 6379, 'E002'),
    ('WS4REDIS_CONNECTION', 'redis://localhost/0?x=1', 'E002'),
    ('WS4REDIS_CONNECTION', None, 'E002'),
    ('WS4REDIS_CONNECTION', {'sentinels': [('localhost', 26379)]}, 'E004'),
    ('WS4REDIS_CONNECTION', {'startup_nodes': []}, 'E004'),
    ('WS4REDIS_CONNECTION', {'decode_responses': True}, 'W001'),
    ('WS4REDIS_CONNECTION', 'redis://localhost/0?decode_responses=true', 'W001'),
    ('WS4REDIS_CONNECTION', 'redis://localhost/2', 'W012'),
    ('WS4REDIS_CONNECTION', 'rediss://:secret@redis.example.com:6380/2', 'W012'),
    ('WS4REDIS_CONNECTION', 'redis://localhost?db=2', 'W012'),
    ('WS4REDIS_CONNECTION', 'redis://localhost/0?db=2', 'W012'),
    ('WS4REDIS_CONNECTION', 'unix:///run/redis.sock?db=2', 'W012'),
    ('WS4REDIS_CONNECTION', {'db': 1}, 'W012'),
    ('WS4REDIS_CONNECTION', {'host': 'localhost', 'db': '1'}, 'W012'),
    ('WS4REDIS_CONNECTION', {'unix_socket_path': '/run/redis.sock', 'db': 15}, 'W012'),
    ('WS4REDIS_PREFIX', 7, 'E005'),
    ('WS4REDIS_EXPIRE', '3600', 'E006'),
    ('WS4REDIS_EXPIRE', math.inf, 'E006'),
    ('WS4REDIS_EXPIRE', True, 'E006'),
    ('WS4REDIS_HEARTBEAT', '', 'E007'),
    ('WS4REDIS_HEARTBEAT', 4, 'E007'),
    ('WS4REDIS_REQUIRE_ORIGIN', 'no', 'E008'),
    *((name, value, 'E009') for name in NUMBERS for value in ('1', 0, -1, math.nan, True)),
    *((name, None, 'E009') for name in NUMBERS if name not in MAY_BE_NONE),
    *((name, 1.5, 'E009') for name in sorted(WHOLE)),
    ('WS4REDIS_ALLOWED_ORIGINS', 'https://example.com', 'E010'),
    ('WS4REDIS_ALLOWED_ORIGINS', None, 'E010'),
    ('WS4REDIS_ALLOWED_ORIGINS', b'https://example.com', 'E010'),
    # Used up by its first reader, which the check would be.
    ('WS4REDIS_ALLOWED_ORIGINS', iter(['https://example.com']), 'E010'),
    ('WS4REDIS_ALLOWED_ORIGINS', map(str, ['https://example.com']), 'E010'),
    *(('WS4REDIS_ALLOWED_ORIGINS', [entry], 'E011') for entry in ALLOW_NOBODY),
    ('WS4REDIS_ALLOWED_ORIGINS', [7], 'E011'),
    ('WS4REDIS_ALLOWED_CHANNELS', 'ws4redis.policies.alow_all', 'E012'),
    ('WS4REDIS_ALLOWED_CHANNELS', ['subscribe-user'], 'E012'),
    ('WS4REDIS_PROCESS_REQUEST', 'nowhere.process', 'E013'),
    ('WS4REDIS_PROCESS_REQUEST', 7, 'E013'),
    ('WS4REDIS_SUBSCRIBER', 'ws4redis.subscriber.Redissubscriber', 'E014'),
    ('WS4REDIS_SUBSCRIBER', 'ws4redis.subscriber.facility_of', 'E014'),
    ('WS4REDIS_SUBSCRIBER', 7, 'E014'),
    ('WS4REDIS_SUBSCRIBER', f'{__name__}.NoLists', 'E015'),
    ('WS4REDIS_SUBSCRIBER', f'{__name__}.Bare', 'W002'),
    ('WS4REDIS_HARTBEAT', '--heartbeat--', 'W003'),
    ('WS4REDIS_WHATEVER', 7, 'W003'),
    ('WEBSOCKET_URI', '/ws/', 'W003'),
    ('WEBSOCKETS_URL', '/ws/', 'W003'),
    ('WS4_REDIS_PREFIX', 'shop', 'W003'),
    ('SESSION_ENGINE', 'django.contrib.sessions.backends.signed_cookies', 'W004'),
]

FINE: list[tuple[str, Any]] = [
    ('WEBSOCKET_URL', '/'),
    (
        'WS4REDIS_CONNECTION',
        {'host': 'localhost', 'port': 6379, 'db': 0, 'password': 'x', 'ssl': True},
    ),
    ('WS4REDIS_CONNECTION', {'unix_socket_path': '/run/redis.sock'}),
    ('WS4REDIS_CONNECTION', 'rediss://:secret@redis.example.com:6380/0'),
    ('WS4REDIS_CONNECTION', 'redis://localhost'),
    ('WS4REDIS_CONNECTION', 'redis://localhost/2?db=0'),
    ('WS4REDIS_CONNECTION', 'unix:///run/redis.sock'),
    ('WS4REDIS_CONNECTION', 'unix:///run/redis.sock?db=0'),
    ('WS4REDIS_CONNECTION', {'db': '0'}),
    ('WS4REDIS_CONNECTION', {'db': None}),
    ('WS4REDIS_CONNECTION', 'memory://?allow=1'),
    ('WS4REDIS_CONNECTION', {'decode_responses': False}),
    ('WS4REDIS_PREFIX', ''),
    ('WS4REDIS_PREFIX', 'shop'),
    ('WS4REDIS_EXPIRE', None),
    ('WS4REDIS_EXPIRE', 0),
    ('WS4REDIS_EXPIRE', 0.5),
    ('WS4REDIS_HEARTBEAT', '--heartbeat--'),
    ('WS4REDIS_REQUIRE_ORIGIN', True),
    *((name, 5) for name in NUMBERS),
    *((name, 0.5) for name in NUMBERS if name not in WHOLE),
    *((name, None) for name in sorted(MAY_BE_NONE)),
    ('WS4REDIS_ALLOWED_ORIGINS', ['HTTPS://Example.com.:443', 'https://*.EXAMPLE.com.']),
    ('WS4REDIS_ALLOWED_ORIGINS', (*ALLOW_SOMEBODY, *BELOW)),
    ('WS4REDIS_ALLOWED_ORIGINS', {'https://example.com'}),
    ('WS4REDIS_ALLOWED_CHANNELS', 'ws4redis.policies.allow_all'),
    ('WS4REDIS_ALLOWED_CHANNELS', lambda request, channels: channels),
    ('WS4REDIS_PROCESS_REQUEST', 'ws4redis.access.process_request'),
    ('WS4REDIS_SUBSCRIBER', RedisSubscriber),
    ('WS4REDIS_SUBSCRIBER', 'ws4redis.store.RedisSubscriber'),
    ('WS4REDIS_SUBSCRIBER', f'{__name__}.Misspelt'),
    ('WS4REDISTRIBUTION', 'not ours'),
]


def found() -> list[CheckMessage]:
    return check_all(None)


def test_defaults_are_silent() -> None:
    assert found() == []


@pytest.mark.parametrize(('name', 'value', 'number'), FAULTS)
def test_value_that_cannot_work_is_named_with_its_repair(
    settings: Settings, name: str, value: Any, number: str
) -> None:
    setattr(settings, name, value)
    (message,) = found()
    assert message.id == f'ws4redis.{number}'
    assert message.is_serious() is number.startswith('E')
    assert message.hint and message.hint[-1] in '.?'
    assert message.msg.endswith('.')
    named = {
        'WS4REDIS_SUBSCRIBER': 'WS4REDIS_SUBSCRIBER|NoLists|Bare',
        'SESSION_ENGINE': 'Sessions in signed cookies',
    }
    assert re.search(named.get(name, name), message.msg)


@pytest.mark.parametrize(('name', 'value'), FINE)
def test_value_that_works_is_silent(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert found() == []


def test_faults_are_all_told_at_once(settings: Settings) -> None:
    settings.WEBSOCKET_URL = 'ws'
    settings.WS4REDIS_PREFIX = 7
    settings.WS4REDIS_ALLOWED_ORIGINS = ['example.com', 'example.org']
    assert [message.id for message in found()] == [
        f'ws4redis.{number}' for number in ('E001', 'E005', 'E011', 'E011')
    ]


def test_memory_is_refused_where_it_would_lose_messages(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a test run memory:// is allowed whatever DEBUG says.
    monkeypatch.setattr(checks, 'memory_allowed', lambda value: False)
    settings.WS4REDIS_CONNECTION = 'memory://'
    (message,) = found()
    assert (message.id, message.is_serious()) == ('ws4redis.E003', True)
    assert message.hint is not None and 'memory://?allow=1' in message.hint


def test_password_is_in_no_message(settings: Settings) -> None:
    for value in (
        'redis://:sec/ret@localhost:6379/0',
        'redis://:secret@localhost:port/0',
        'http://:secret@localhost/0',
    ):
        settings.WS4REDIS_CONNECTION = value
        (message,) = found()
        assert 'sec' not in message.msg.replace('seconds', ''), message.msg


@pytest.mark.parametrize(
    'value',
    ['redis://localhost/2', 'redis://localhost?db=2', 'unix:///run/redis.sock?db=2', {'db': 2}],
)
@pytest.mark.parametrize(('prefix', 'told'), [('shop', False), ('', True), (None, True)])
def test_database_number_divides_no_messages_and_a_prefix_does(
    settings: Settings, value: Any, prefix: str | None, told: bool
) -> None:
    settings.WS4REDIS_CONNECTION = value
    settings.WS4REDIS_PREFIX = prefix
    assert [message.id for message in found()] == ['ws4redis.W012'] * told


def test_missing_methods_are_named(settings: Settings) -> None:
    settings.WS4REDIS_SUBSCRIBER = Bare
    (message,) = found()
    assert message.msg == f'Bare lacks {", ".join(METHODS)}.'


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('WS4REDIS_HARTBEAT', 'Did you mean WS4REDIS_HEARTBEAT?'),
        ('WS4REDIS_ALLOWED_CHANNEL', 'Did you mean WS4REDIS_ALLOWED_CHANNELS?'),
        ('WS4REDIS_EXPIRES', 'Did you mean WS4REDIS_EXPIRE?'),
        ('WS4REDIS_MAX_WEBSOCKET', 'Did you mean WS4REDIS_MAX_WEBSOCKETS?'),
        ('WS4REDIS_SOMETHING_THAT_RESEMBLES_NOTHING_OF_OURS', 'ws4redis does not read it.'),
        ('WS4REDIS_PORT', 'ws4redis does not read it.'),
        ('WS4REDIS_CACHE', 'ws4redis does not read it.'),
        ('WS4REDIS_TIMEOUT', 'ws4redis does not read it.'),
        ('WS4REDIS_', 'ws4redis does not read it.'),
    ],
)
def test_misspelt_setting_is_named_with_the_right_one(
    settings: Settings, name: str, hint: str
) -> None:
    setattr(settings, name, 1)
    (message,) = found()
    assert message.hint == hint


def test_every_setting_has_a_check() -> None:
    checked = {name for name, _, number in FAULTS if number.startswith('E')}
    assert set(settings.SETTINGS) - checked == set()


def test_every_id_is_tried_here() -> None:
    tried = {f'ws4redis.{number}' for _, _, number in FAULTS} | {'ws4redis.E003'}
    source = Path(checks.__file__).read_text('utf-8')
    assert set(re.findall(r"'(ws4redis\.[EW]\d{3})'", source)) == tried


def test_ids_are_one_range_without_a_gap_and_each_stands_in_one_file() -> None:
    files = sorted(Path(checks.__file__).parent.glob('*.py'))
    ids = [
        found
        for file in files
        for found in sorted(set(re.findall(r'ws4redis\.([EW]\d{3})', file.read_text('utf-8'))))
    ]
    for kind in 'EW':
        numbers = sorted(int(found[1:]) for found in ids if found[0] == kind)
        assert numbers == list(range(1, len(numbers) + 1))
