"""Every setting: its type, default, unit and meaning. A setting is read when it is asked for, from
Django's settings.

Write `from ws4redis import settings` and `settings.WS4REDIS_EXPIRE`; a name imported from here
would be frozen. A test may set an attribute of this module: it counts until Django's setting of
that name is next overridden or restored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.utils.functional import empty

__all__ = ['SETTINGS', 'Setting']


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: in Django's settings.
        default: what counts if it is not set.
        unit: of a number, or what else it is.
        meaning: in a sentence.
    """

    name: str
    default: Any
    unit: str
    meaning: str


_ALL = (
    Setting(
        'WEBSOCKET_URL',
        '/ws/',
        'path',
        'Requests below this path are websockets; what follows it is the facility.',
    ),
    Setting(
        'WS4REDIS_CONNECTION',
        'redis://localhost:6379/0',
        'URL or dict',
        'The Redis server: redis://, rediss://, unix:// or memory://, or the arguments of '
        'redis.Redis as a dict.',
    ),
    Setting(
        'WS4REDIS_PREFIX',
        None,
        'text',
        'Stands before every channel and key, with a colon; None or empty for none.',
    ),
    Setting(
        'WS4REDIS_EXPIRE',
        3600,
        'seconds',
        'How long the last message of a channel stays in Redis for those who come later; 0 or '
        'None keeps none.',
    ),
    Setting(
        'WS4REDIS_HEARTBEAT',
        None,
        'text',
        'Sent to every websocket every 4 seconds and swallowed when it comes from one; None '
        'turns both off.',
    ),
    Setting(
        'WS4REDIS_SUBSCRIBER',
        'ws4redis.subscriber.RedisSubscriber',
        'dotted path',
        'The class that serves a websocket.',
    ),
    Setting(
        'WS4REDIS_ALLOWED_CHANNELS',
        None,
        'callable or dotted path',
        'Called with (request, channels); what it returns replaces the channels asked for. None: '
        'publishing only for '
        'logged-in users.',
    ),
    Setting(
        'WS4REDIS_PROCESS_REQUEST',
        None,
        'callable or dotted path',
        "Called with (request); puts session and user on it. None: Django's session and user.",
    ),
    Setting(
        'WS4REDIS_ALLOWED_ORIGINS',
        [],
        'list of origins',
        "Origins besides the request's own host and CSRF_TRUSTED_ORIGINS: "
        "'https://www.example.com' or "
        "'https://*.example.com'.",
    ),
    Setting(
        'WS4REDIS_REQUIRE_ORIGIN',
        False,
        'bool',
        'Whether a request without an Origin, which no browser sends, is refused.',
    ),
    Setting(
        'WS4REDIS_MAX_MESSAGE_SIZE',
        1 << 20,
        'bytes',
        'The largest message that a client may send; then 1009.',
    ),
    Setting(
        'WS4REDIS_MAX_PENDING', 1 << 20, 'bytes', 'What may wait for a slow reader; then 1013.'
    ),
    Setting('WS4REDIS_MAX_FACILITY', 255, 'bytes', 'The longest facility in a URL; then 400.'),
    Setting(
        'WS4REDIS_MESSAGE_RATE',
        100,
        'messages a second',
        'What a client may send, twice as many at once; then 1008. None for no limit.',
    ),
    Setting(
        'WS4REDIS_MAX_WEBSOCKETS',
        None,
        'websockets',
        'The most in one process; then 503. None for no limit.',
    ),
    Setting(
        'WS4REDIS_PING_INTERVAL',
        20,
        'seconds',
        'Silence from a client after which it is sent a ping; None for none.',
    ),
    Setting(
        'WS4REDIS_PING_TIMEOUT',
        20,
        'seconds',
        'How long the answer to a ping may take; then the websocket is dropped.',
    ),
    Setting(
        'WS4REDIS_DRAIN_TIMEOUT',
        10,
        'seconds',
        'How long websockets may take to close when the process ends.',
    ),
    Setting(
        'WS4REDIS_RECHECK',
        60,
        'seconds',
        'How often the rights of open websockets are looked up again; None for never.',
    ),
    Setting(
        'WS4REDIS_THREADS',
        32,
        'threads',
        "Run the site's code in a process that gevent has not patched.",
    ),
    Setting(
        'WS4REDIS_BLOCKED_WARNING',
        1,
        'seconds',
        'A standstill of the loop longer than this is logged with its cause.',
    ),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _ALL}

if TYPE_CHECKING:
    WEBSOCKET_URL: str
    WS4REDIS_CONNECTION: str | dict[str, Any]
    WS4REDIS_PREFIX: str | None
    WS4REDIS_EXPIRE: float | None
    WS4REDIS_HEARTBEAT: str | None
    WS4REDIS_SUBSCRIBER: str | type
    WS4REDIS_ALLOWED_CHANNELS: str | Callable[..., Any] | None
    WS4REDIS_PROCESS_REQUEST: str | Callable[..., Any] | None
    WS4REDIS_ALLOWED_ORIGINS: Sequence[str]
    WS4REDIS_REQUIRE_ORIGIN: bool
    WS4REDIS_MAX_MESSAGE_SIZE: int
    WS4REDIS_MAX_PENDING: int
    WS4REDIS_MAX_FACILITY: int
    WS4REDIS_MESSAGE_RATE: float | None
    WS4REDIS_MAX_WEBSOCKETS: int | None
    WS4REDIS_PING_INTERVAL: float | None
    WS4REDIS_PING_TIMEOUT: float
    WS4REDIS_DRAIN_TIMEOUT: float
    WS4REDIS_RECHECK: float | None
    WS4REDIS_THREADS: int
    WS4REDIS_BLOCKED_WARNING: float
else:

    def __getattr__(name: str) -> Any:
        setting = SETTINGS.get(name)
        if setting is None:
            raise AttributeError(f'{__name__} has no setting {name}')
        # A look past LazySettings, whose way to a name that a site has not set takes twice as long
        # and more: a handshake asks for thirty of them.
        holder = object.__getattribute__(django_settings, '_wrapped')
        return getattr(django_settings if holder is empty else holder, name, setting.default)


def _forget_what_a_test_set(*, setting: str, **kwargs: Any) -> None:
    if setting in SETTINGS:
        globals().pop(setting, None)


setting_changed.connect(_forget_what_a_test_set, dispatch_uid='ws4redis.settings')
