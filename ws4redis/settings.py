"""Every setting: its type, default, unit and meaning. A setting is read when it is asked for, from
Django's settings.

Write `from ws4redis import settings` and `settings.WS4REDIS_EXPIRE`; a name imported from here
would be frozen. A test may set an attribute of this module: it counts until Django's setting of
that name is next overridden or restored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args

from django.conf import settings as django_settings
from django.core.signals import setting_changed

__all__ = ['SETTINGS', 'Setting']


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: in Django's settings.
        annotation: its type, the same as below for type checkers.
        default: what counts if it is not set.
        unit: of a number, or what else it is.
        meaning: in a sentence.
        above: what a number has to be more than; None if it has no limit.
    """

    name: str
    annotation: Any
    default: Any
    unit: str
    meaning: str
    above: float | None = 0

    @property
    def is_number(self) -> bool:
        """Whether it takes a number."""
        return bool({int, float} & self._types)

    @property
    def is_whole(self) -> bool:
        """Whether it takes no fraction."""
        return int in self._types

    @property
    def may_be_none(self) -> bool:
        """Whether it takes None."""
        return type(None) in self._types

    @property
    def _types(self) -> set[Any]:
        return (
            set(get_args(self.annotation))
            if isinstance(self.annotation, UnionType)
            else {self.annotation}
        )


_ALL = (
    Setting(
        'WEBSOCKET_URL',
        str,
        '/ws/',
        'path',
        'Requests below this path are websockets; what follows it is the facility.',
    ),
    Setting(
        'WS4REDIS_CONNECTION',
        str | dict[str, Any],
        {'host': 'localhost', 'port': 6379, 'db': 0, 'password': None},
        'URL or dict',
        'The Redis server: redis://, rediss://, unix:// or memory://, or the arguments of '
        'redis.Redis as a dict. Sites on different database numbers of one server hear each '
        'other: each needs a WS4REDIS_PREFIX.',
    ),
    Setting(
        'WS4REDIS_PREFIX',
        str | None,
        None,
        'text',
        'Stands before every channel and key, with a colon; None or empty for none.',
    ),
    Setting(
        'WS4REDIS_EXPIRE',
        float | None,
        3600,
        'seconds',
        'How long the last message of a channel stays in Redis for those who come later; 0 or '
        'None keeps none.',
        above=None,
    ),
    Setting(
        'WS4REDIS_HEARTBEAT',
        str | None,
        None,
        'text',
        'Sent to every websocket every 4 seconds and swallowed when it comes from one; None '
        'turns both off.',
    ),
    Setting(
        'WS4REDIS_SUBSCRIBER',
        str | type,
        'ws4redis.subscriber.RedisSubscriber',
        'dotted path',
        'The class that serves a websocket.',
    ),
    Setting(
        'WS4REDIS_ALLOWED_CHANNELS',
        str | Callable[..., Any] | None,
        None,
        'callable or dotted path',
        'Called with (request, channels); what it returns replaces the channels asked for. None: '
        'publishing only for logged-in users.',
    ),
    Setting(
        'WS4REDIS_PROCESS_REQUEST',
        str | Callable[..., Any] | None,
        None,
        'callable or dotted path',
        "Called with (request); puts session and user on it. None: Django's session and user.",
    ),
    Setting(
        'WS4REDIS_ALLOWED_ORIGINS',
        Sequence[str],
        [],
        'list of origins',
        "Origins besides the request's own host and CSRF_TRUSTED_ORIGINS: "
        "'https://www.example.com' or 'https://*.example.com'.",
    ),
    Setting(
        'WS4REDIS_REQUIRE_ORIGIN',
        bool,
        False,
        'bool',
        'Whether a request without an Origin, which no browser sends, is refused.',
    ),
    Setting(
        'WS4REDIS_MAX_MESSAGE_SIZE',
        int,
        1 << 20,
        'bytes',
        'The largest message that a client may send; then 1009.',
    ),
    Setting(
        'WS4REDIS_MAX_PENDING', int, 1 << 20, 'bytes', 'What may wait for a slow reader; then 1013.'
    ),
    Setting('WS4REDIS_MAX_FACILITY', int, 255, 'bytes', 'The longest facility in a URL; then 400.'),
    Setting(
        'WS4REDIS_MESSAGE_RATE',
        float | None,
        100,
        'messages a second',
        'What a client may send, twice as many at once; then 1008. None for no limit.',
    ),
    Setting(
        'WS4REDIS_MAX_WEBSOCKETS',
        int | None,
        None,
        'websockets',
        'The most in one process; then 503. None for no limit.',
    ),
    Setting(
        'WS4REDIS_PING_INTERVAL',
        float | None,
        20,
        'seconds',
        'Silence from a client after which it is sent a ping; None for none.',
    ),
    Setting(
        'WS4REDIS_PING_TIMEOUT',
        float,
        20,
        'seconds',
        'How long the answer to a ping may take; then the websocket is dropped.',
    ),
    Setting(
        'WS4REDIS_DRAIN_TIMEOUT',
        float,
        10,
        'seconds',
        'How long websockets may take to close when the process ends.',
    ),
    Setting(
        'WS4REDIS_RECHECK',
        float | None,
        60,
        'seconds',
        'How often the rights of open websockets are looked up again; None for never.',
    ),
    Setting(
        'WS4REDIS_THREADS',
        int,
        32,
        'threads',
        "Run the site's code in a process that gevent has not patched.",
    ),
    Setting(
        'WS4REDIS_BLOCKED_WARNING',
        float,
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
        return getattr(django_settings, name, setting.default)


def _forget_what_a_test_set(*, setting: str, **kwargs: object) -> None:
    if setting in SETTINGS:
        globals().pop(setting, None)


setting_changed.connect(_forget_what_a_test_set, dispatch_uid='ws4redis.settings')
