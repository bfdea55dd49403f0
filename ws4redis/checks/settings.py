"""System checks of the settings: each that cannot work has an id and what to write instead."""

import difflib
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ws4redis import settings
from ws4redis.access import check_dotted_path
from ws4redis.memory import memory_allowed
from ws4redis.origin import allows_somebody
from ws4redis.redis_client import connection_arguments
from ws4redis.schemes import is_memory
from ws4redis.subscriber_methods import missing_methods

__all__ = ['CHECKS']

RESEMBLANCE = 0.8
"""From 0 to 1, how much of a misspelt name has to be right, behind the prefix that all of them
have.
"""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_url() -> Iterator[CheckMessage]:
    value = settings.WEBSOCKET_URL
    if not isinstance(value, str) or not value.startswith('/') or not value.endswith('/'):
        yield Error(
            f'WEBSOCKET_URL is {value!r}.',
            hint="It begins and ends with a slash: '/ws/'.",
            id='ws4redis.E001',
        )


def _check_connection() -> Iterator[CheckMessage]:
    value = settings.WS4REDIS_CONNECTION
    if is_memory(value):
        if not memory_allowed(value):
            yield Error(
                'WS4REDIS_CONNECTION is memory:// with DEBUG off.',
                hint="It belongs to one process: name a Redis server, or 'memory://?allow=1' if "
                'one process is all there is.',
                id='ws4redis.E003',
            )
        return
    if isinstance(value, dict) and ('sentinels' in value or 'startup_nodes' in value):
        yield Error(
            'WS4REDIS_CONNECTION names a Sentinel or a Cluster.',
            hint='Neither is supported: name one Redis server.',
            id='ws4redis.E004',
        )
        return
    try:
        _, arguments = connection_arguments(value)
    except ImproperlyConfigured as exc:
        yield Error(
            f'{exc}.',
            hint="A URL as 'redis://host:6379/0', or the arguments of redis.Redis.",
            id='ws4redis.E002',
        )
        return
    if arguments.get('decode_responses'):
        yield Warning(
            'WS4REDIS_CONNECTION has decode_responses=True.',
            hint='It is ignored: messages may be binary. Take it out.',
            id='ws4redis.W001',
        )
    if _has_database(arguments.get('db')) and not settings.WS4REDIS_PREFIX:
        yield Warning(
            f'WS4REDIS_CONNECTION names database {arguments["db"]}, and there is no '
            'WS4REDIS_PREFIX.',
            hint='Messages know no database: whoever publishes on another one of this Redis '
            'server is heard here. Set a WS4REDIS_PREFIX.',
            id='ws4redis.W012',
        )


def _has_database(number: object) -> bool:
    """Whether the connection asks Redis for a database; 0 is what it gets unasked."""
    return bool(number) and str(number) != '0'


def _check_prefix() -> Iterator[CheckMessage]:
    value = settings.WS4REDIS_PREFIX
    if value is not None and not isinstance(value, str):
        yield Error(
            f'WS4REDIS_PREFIX is {value!r}.',
            hint='A text without the colon, or None.',
            id='ws4redis.E005',
        )


def _check_texts() -> Iterator[CheckMessage]:
    heartbeat = settings.WS4REDIS_HEARTBEAT
    if heartbeat is not None and (not isinstance(heartbeat, str) or not heartbeat):
        yield Error(
            f'WS4REDIS_HEARTBEAT is {heartbeat!r}.',
            hint="A text as '--heartbeat--', or None.",
            id='ws4redis.E007',
        )
    if not isinstance(settings.WS4REDIS_REQUIRE_ORIGIN, bool):
        problem = f'WS4REDIS_REQUIRE_ORIGIN is {settings.WS4REDIS_REQUIRE_ORIGIN!r}.'
        yield Error(problem, hint='True or False.', id='ws4redis.E008')


def _check_expire() -> Iterator[CheckMessage]:
    expire = settings.WS4REDIS_EXPIRE
    if expire is not None and not _is_number(expire):
        yield Error(
            f'WS4REDIS_EXPIRE is {expire!r}.',
            hint='Seconds; 0 or None stores nothing.',
            id='ws4redis.E006',
        )


def _check_numbers() -> Iterator[CheckMessage]:
    for setting in settings.SETTINGS.values():
        value = getattr(settings, setting.name)
        if setting.is_number and setting.above is not None and not _fits(setting, value):
            kind = 'A whole number' if setting.is_whole else 'A number'
            none = ', or None' if setting.may_be_none else ''
            yield Error(
                f'{setting.name} is {value!r}.',
                hint=f'{kind} of {setting.unit} above {setting.above}{none}.',
                id='ws4redis.E009',
            )


def _fits(setting: settings.Setting, value: Any) -> bool:
    if value is None:
        return setting.may_be_none
    if not _is_number(value) or (setting.is_whole and not isinstance(value, int)):
        return False
    return setting.above is None or bool(value > setting.above)


def _check_origins() -> Iterator[CheckMessage]:
    value = settings.WS4REDIS_ALLOWED_ORIGINS
    # An iterator would be used up by this check.
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection):
        yield Error(
            f'WS4REDIS_ALLOWED_ORIGINS is {value!r}.', hint='A list of origins.', id='ws4redis.E010'
        )
        return
    for entry in value:
        if not isinstance(entry, str) or not allows_somebody(entry):
            yield Error(
                f'WS4REDIS_ALLOWED_ORIGINS contains {entry!r}.',
                hint='Scheme and host as browsers send them, in ASCII and without a path: '
                "'https://www.example.com' or 'https://*.example.com'.",
                id='ws4redis.E011',
            )


def _check_callbacks() -> Iterator[CheckMessage]:
    for name, number in (
        ('WS4REDIS_ALLOWED_CHANNELS', 'ws4redis.E012'),
        ('WS4REDIS_PROCESS_REQUEST', 'ws4redis.E013'),
    ):
        problem = check_dotted_path(name)
        if problem is not None:
            hint = 'A callable, or its dotted path. Until then nobody gets in.'
            yield Error(f'{problem}.', hint=hint, id=number)


def _check_subscriber() -> Iterator[CheckMessage]:
    value = settings.WS4REDIS_SUBSCRIBER
    try:
        subscriber = import_string(value) if isinstance(value, str) else value
    except Exception as exc:
        yield Error(
            f'WS4REDIS_SUBSCRIBER is {value!r}, which cannot be imported: {exc}.',
            hint="The dotted path of a class: 'ws4redis.subscriber.RedisSubscriber'.",
            id='ws4redis.E014',
        )
        return
    if not isinstance(subscriber, type):
        yield Error(
            f'WS4REDIS_SUBSCRIBER is {value!r}, which is no class.',
            hint='Name the class.',
            id='ws4redis.E014',
        )
        return
    for name in ('subscription_channels', 'publish_channels'):
        if not isinstance(getattr(subscriber, name, None), (list, tuple)):
            yield Error(
                f'{subscriber.__name__} has no list {name}.',
                hint='It names what a query string may ask for; RedisSubscriber has it.',
                id='ws4redis.E015',
            )
    missing = missing_methods(subscriber)
    if missing:
        yield Warning(
            f'{subscriber.__name__} lacks {", ".join(missing)}.',
            hint="RedisSubscriber's are used instead. Derive from it to say so.",
            id='ws4redis.W002',
        )


PREFIX = 'WS4REDIS_'
LIKENESS = 0.9
"""How much the name of a setting without our prefix has to resemble one of ours, 1 being equal."""


def _check_unknown() -> Iterator[CheckMessage]:
    known = [name.removeprefix(PREFIX) for name in settings.SETTINGS if name.startswith(PREFIX)]
    for name in dir(django_settings):
        if name in settings.SETTINGS:
            continue
        if not name.startswith(PREFIX):
            # The prefix itself may be misspelt; what resembles none of ours is somebody else's.
            close = difflib.get_close_matches(name, settings.SETTINGS, n=1, cutoff=LIKENESS)
            if close:
                yield Warning(
                    f'There is no setting {name}.',
                    hint=f'Did you mean {close[0]}?',
                    id='ws4redis.W003',
                )
        else:
            close = difflib.get_close_matches(
                name.removeprefix(PREFIX), known, n=1, cutoff=RESEMBLANCE
            )
            hint = f'Did you mean {PREFIX}{close[0]}?' if close else 'ws4redis does not read it.'
            yield Warning(f'There is no setting {name}.', hint=hint, id='ws4redis.W003')


def _check_sessions() -> Iterator[CheckMessage]:
    if django_settings.SESSION_ENGINE == 'django.contrib.sessions.backends.signed_cookies':
        yield Warning(
            'Sessions in signed cookies have no key that only their owner knows.',
            hint='subscribe-session and publish-session do nothing; another SESSION_ENGINE makes '
            'them work.',
            id='ws4redis.W004',
        )


CHECKS: Final[tuple[Callable[[], Iterator[CheckMessage]], ...]] = (
    _check_url,
    _check_connection,
    _check_prefix,
    _check_texts,
    _check_expire,
    _check_numbers,
    _check_origins,
    _check_callbacks,
    _check_subscriber,
    _check_unknown,
    _check_sessions,
)
"""In the order in which their findings are shown."""
