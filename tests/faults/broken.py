"""Faults to be turned on one at a time: `make mutants` sees that the tests find each of them.

    WS4REDIS_BROKEN=F1 python -m pytest -p tests.faults.broken tests/test_regressions.py
    WS4REDIS_BROKEN=joins-new-before-old python -m pytest -p tests.faults.broken
    tests/testing/contract/test_cases.py

SWITCHES are the faults of release 0.6.0: a switch takes a rule out of the library's objects, and
the symptom is the one that its row in test_regressions.py describes. MUTATIONS are faults that
somebody might make one day, for the contract to find. Those in the browser's client are in
script.py.
"""

import atexit
import contextlib
import dataclasses
import errno
import logging
import os
import select
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

__all__ = ['MUTATIONS', 'SWITCHES', 'Switch', 'apply']

logger = logging.getLogger('ws4redis.broken')

HTTP_RESPONSE = (
    b'HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n'
    b'X-Frame-Options: DENY\r\nContent-Length: 0\r\n\r\n'
)


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault.

    Attributes:
        turn_on: re-creates it, for the rest of the process.
        raises: exceptions of the library by which a test shows it, besides a failed assertion.
    """

    turn_on: Callable[[], None]
    raises: tuple[str, ...] = ()


SWITCHES: dict[str, Switch] = {}

MUTATIONS: dict[str, Callable[[], None]] = {}


def switch(name: str, *raises: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter the function as the switch of this name."""

    def enter(function: Callable[[], None]) -> Callable[[], None]:
        SWITCHES[name] = Switch(function, raises)
        return function

    return enter


def mutation(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter the function as the mutation of this name."""

    def enter(function: Callable[[], None]) -> Callable[[], None]:
        MUTATIONS[name] = function
        return function

    return enter


def apply(name: str) -> None:
    """Turn on the fault of this name; none if it is empty. Django's settings are named, it may
    be set up or not.
    """
    if name in MUTATIONS:
        MUTATIONS[name]()
    elif name:
        SWITCHES[name].turn_on()


def pytest_sessionstart() -> None:
    """Turn on what WS4REDIS_BROKEN names."""
    apply(os.environ.get('WS4REDIS_BROKEN', ''))


def replace(owner: Any, **attributes: Any) -> None:
    """Put these in the place of the owner's own."""
    for name, value in attributes.items():
        assert name in vars(owner), (
            f'{owner.__name__} has no {name} any more: its switch needs another way'
        )
        setattr(owner, name, value)


def without_check(name: str) -> None:
    """Leave one of the system checks out."""
    from ws4redis.checks import environment, settings

    (module,) = (module for module in (environment, settings) if hasattr(module, name))
    replace(module, CHECKS=tuple(check for check in module.CHECKS if check.__name__ != name))


@switch('F1')
def one_message_for_each_wake_up() -> None:
    """What came with the first reply waits in the parser until the next message."""
    from ws4redis.core.exchange import Exchange

    receive = Exchange.receive
    parsers: WeakKeyDictionary[Exchange, list[Any]] = WeakKeyDictionary()

    def receive_one(exchange: Exchange, replies: Iterable[Any], now: float) -> None:
        replies = list(replies)
        words = [reply[0] for reply in replies if isinstance(reply, list)]
        waiting = parsers.setdefault(exchange, [])
        waiting.extend(
            reply for reply in replies if isinstance(reply, list) and reply[0] == b'message'
        )
        others = [reply for reply in replies if reply not in waiting]
        # An acknowledgement is a reply too, and then the one that is handled.
        handled = [waiting.pop(0)] if b'message' in words and b'subscribe' not in words else []
        receive(exchange, [*handled, *others], now)

    replace(Exchange, receive=receive_one)


@switch('F2')
def http_body_behind_the_close_frame() -> None:
    """The view's response goes into the websocket at its end, and the error that follows is
    logged.
    """
    from ws4redis.core.recipient import Phase, Recipient

    enter = Recipient._enter

    def enter_as_a_view(recipient: Recipient, phase: Phase, code: int | None = None) -> None:
        if phase is not Phase.ENDING:
            enter(recipient, phase, code)
            return
        recipient._send(HTTP_RESPONSE)
        enter(recipient, phase, code)
        try:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        except OSError:
            logger.exception('Internal Server Error')

    replace(Recipient, _enter=enter_as_a_view)


@switch('F3')
def join_without_barrier() -> None:
    """Live messages go out at once, persisted ones when they have been read."""
    from ws4redis.core.recipient import Recipient

    start = Recipient.start

    def start_live(recipient: Recipient, head: bytes, *, persisted: bool) -> None:
        recipient.joining = None
        start(recipient, head, persisted=persisted)
        recipient.update_direct()

    replace(Recipient, start=start_live)


@switch('F4')
def websockets_end_with_the_connection_to_redis() -> None:
    """When Redis is gone every websocket is cut, without a close frame."""
    from ws4redis.core.exchange import Exchange
    from ws4redis.core.feed import FeedState

    feed_lost = Exchange.feed_lost

    def feed_lost_for_all(exchange: Exchange, now: float) -> None:
        was_up = exchange.feed.state is FeedState.UP
        feed_lost(exchange, now)
        for recipient in list(exchange.recipients) if was_up else ():
            recipient.abort()

    replace(Exchange, feed_lost=feed_lost_for_all)


@switch('F5')
def five_hundred_are_served() -> None:
    """Of more websockets than that on one channel the others are cut by the next message."""
    from ws4redis.core.exchange import Exchange

    deliver = Exchange._deliver

    def deliver_and_cut(exchange: Exchange, channel: bytes, payloads: list[bytes]) -> None:
        listeners = exchange._channels.get(channel)
        for recipient in list(listeners.members)[500:] if listeners is not None else ():
            recipient.abort()
        deliver(exchange, channel, payloads)

    replace(Exchange, _deliver=deliver_and_cut)


@switch('F6')
def heartbeat_at_every_turn() -> None:
    """Each wake-up ends with a heartbeat."""
    from ws4redis.core.exchange import Exchange
    from ws4redis.core.frames import message_frame
    from ws4redis.core.recipient import Phase

    receive = Exchange.receive

    def receive_and_beat(exchange: Exchange, replies: Iterable[Any], now: float) -> None:
        receive(exchange, replies, now)
        for recipient in exchange.recipients:
            if (
                recipient.limits.heartbeat is not None
                and recipient.transport is not None
                and recipient.phase is Phase.OPEN
            ):
                recipient._send(message_frame(recipient.limits.heartbeat, binary=False))

    replace(Exchange, receive=receive_and_beat)


@switch('F7')
def callback_fails_open() -> None:
    """A callback that fails, or that there is not, grants what was asked for."""
    from ws4redis import access
    from ws4redis.exceptions import HandshakeError

    allowed_channels = access.allowed_channels

    def allowed_or_all(request: Any, channels: list[str], possible: list[str]) -> list[str]:
        try:
            return allowed_channels(request, channels, possible)
        except HandshakeError as exc:
            if exc.status != 500:
                raise
            return channels

    replace(access, allowed_channels=allowed_or_all)
    without_check('_check_callbacks')


@switch('F8')
def any_page_and_any_host() -> None:
    """Neither Origin nor Host is looked at."""
    from ws4redis import origin

    replace(origin, check_origin=lambda request: None)


@switch('F9')
def nobody_has_a_name() -> None:
    """SELF is the text of whatever the request has."""
    from django.conf import settings

    from ws4redis import publisher, redis_store

    own_names = redis_store.own_names

    def own_texts(kind: str, request: Any) -> list[str]:
        if kind == 'user':
            return [str(request.user)]
        if kind == 'session':
            return [
                request.COOKIES.get(settings.SESSION_COOKIE_NAME)
                or str(request.session.session_key)
            ]
        return own_names(kind, request)

    replace(redis_store, own_names=own_texts)
    replace(publisher, own_names=own_texts)


@switch('F10')
def everything_is_text() -> None:
    """Each message goes out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: True)


@switch('F11')
def nothing_is_limited() -> None:
    """Messages of any length, as many as a client likes, and facilities of any length."""
    from ws4redis import wsgi_server
    from ws4redis.core.limits import Limits
    from ws4redis.exceptions import HandshakeError
    from ws4redis.wsgi_server import WebsocketWSGIServer

    current_limits, check_facility = wsgi_server.current_limits, WebsocketWSGIServer._check_facility

    def no_limits() -> Limits:
        return dataclasses.replace(current_limits(), max_message_size=2**62, message_rate=None)

    def check_place(server: WebsocketWSGIServer, request: Any) -> None:
        try:
            check_facility(server, request)
        except HandshakeError as exc:
            if exc.status != 400:
                raise

    replace(wsgi_server, current_limits=no_limits)
    replace(WebsocketWSGIServer, _check_facility=check_place)


@switch('F12')
def exceptions_are_told() -> None:
    """The client reads what the site's code raised: in the answer to its handshake, and in the
    close frame.
    """
    from ws4redis.core import handshake
    from ws4redis.core.agenda import Job, Result
    from ws4redis.core.frames import close_frame
    from ws4redis.core.recipient import Recipient
    from ws4redis.exceptions import HandshakeError

    refusal, job_done = handshake.refusal, Recipient.job_done

    def refusal_with_cause(error: HandshakeError) -> tuple[str, list[tuple[str, str]], bytes]:
        status, headers, body = refusal(error)
        told = body if error.__cause__ is None else f'{error.__cause__}\n'.encode()
        return (
            status,
            [
                (name, str(len(told)) if name == 'Content-Length' else value)
                for name, value in headers
            ],
            told,
        )

    def job_done_with_cause(recipient: Recipient, job: Job, result: Result) -> None:
        if result.exception is not None and result.outcome.value is not None:
            recipient.close(
                result.outcome.value, close_frame(result.outcome.value, str(result.exception)[:100])
            )
        job_done(recipient, job, result)

    replace(handshake, refusal=refusal_with_cause)
    replace(Recipient, job_done=job_done_with_cause)


@switch('F13')
def every_name_makes_a_channel() -> None:
    """Nothing looks for a colon or the end of a line in a name."""
    from ws4redis import redis_store
    from ws4redis.core import audience
    from ws4redis.core.channel import check_name

    def take_name(kind: str, name: str) -> str:
        return name if ':' in name or '\n' in name else check_name(kind, name)

    replace(audience, check_name=take_name)
    replace(redis_store, check_name=take_name)


@switch('F14')
def rights_are_those_of_the_login() -> None:
    """Nothing is looked up again, and nothing ends with the session."""
    from ws4redis import access
    from ws4redis.core.driver import Driver

    replace(access, still_allowed=lambda who: True)
    replace(Driver, withdraw=lambda driver, lost: None)


@switch('F15')
def reading_blocks_until_a_message_is_whole() -> None:
    """Once something came from a client, nothing is written to it before its message is there."""
    from ws4redis.core.driver import Driver
    from ws4redis.core.recipient import Phase, Recipient
    from ws4redis.core.websocket import Event, Ping, WebSocket

    parse, receive, write = WebSocket.receive_data, Recipient.receive_data, Driver._write
    reading: WeakSet[Recipient] = WeakSet()
    events: list[Event] = []

    def parse_and_note(websocket: WebSocket, data: bytes) -> list[Event]:
        events[:] = parse(websocket, data)
        return list(events)

    def receive_blocking(recipient: Recipient, data: bytes) -> None:
        receive(recipient, data)
        reading.discard(recipient)
        if recipient.phase is Phase.OPEN and all(isinstance(event, Ping) for event in events):
            reading.add(recipient)

    def write_unless_reading(driver: Driver, recipient: Recipient) -> None:
        if recipient not in reading:
            write(driver, recipient)

    replace(WebSocket, receive_data=parse_and_note)
    replace(Recipient, receive_data=receive_blocking)
    replace(Driver, _write=write_unless_reading)


@switch('F16')
def only_short_ascii_messages_in_one_piece() -> None:
    """Each frame is decoded by itself, is taken to be there with one recv, and to have a
    payload.
    """
    from websockets.frames import Frame, Opcode
    from websockets.protocol import Protocol

    from ws4redis.core.frames import CloseCode
    from ws4redis.core.websocket import Event, WebSocket

    frame_events = WebSocket._frame_events

    def events_of_a_simple_frame(
        websocket: WebSocket, frame: Frame, protocol: Protocol
    ) -> Iterator[Event]:
        if frame.opcode in (Opcode.CLOSE, Opcode.PONG):
            yield from frame_events(websocket, frame, protocol)
        elif not frame.data or len(frame.data) > 65_536:
            yield websocket._failed(CloseCode.PROTOCOL_ERROR, 'recv() gave another count of bytes')
        elif frame.opcode is not Opcode.BINARY and not bytes(frame.data).isascii():
            yield websocket._failed(CloseCode.INVALID_DATA, "'ascii' codec can't decode")
        else:
            yield from frame_events(websocket, frame, protocol)

    replace(WebSocket, _frame_events=events_of_a_simple_frame)


@switch('F17')
def broken_connections_are_kept() -> None:
    """A websocket that ended without a close frame is never forgotten, nor a database connection
    ever closed.
    """
    from ws4redis import hub_driver, wsgi_server
    from ws4redis.core.exchange import Exchange
    from ws4redis.core.recipient import Recipient

    leave = Exchange.leave

    def leave_in_order(exchange: Exchange, recipient: Recipient) -> None:
        if recipient.close_code != 1006:
            leave(exchange, recipient)

    def keep_connections() -> None:
        pass

    replace(Exchange, leave=leave_in_order)
    replace(wsgi_server, close_database_connections=keep_connections)
    replace(hub_driver, close_database_connections=keep_connections)


@switch('F18')
def select_on_the_descriptor() -> None:
    """Whether a websocket is ready is asked of select()."""
    from ws4redis.core.driver import Driver
    from ws4redis.core.frames import CloseCode
    from ws4redis.core.recipient import Recipient

    start = Driver.start

    def start_and_select(
        driver: Driver, recipient: Recipient, head: bytes, rest: bytes, **persisted: bool
    ) -> None:
        start(driver, recipient, head, rest, **persisted)
        descriptor = getattr(recipient.transport, 'descriptor', None)
        try:
            select.select([] if descriptor is None else [descriptor], [], [], 0)
        except ValueError:
            logger.exception('Internal Server Error')
            recipient.close(CloseCode.INTERNAL_ERROR)
            driver.work_off()

    replace(Driver, start=start_and_select)


@switch('F19')
def decode_responses_is_honoured() -> None:
    """Replies are text if the site has asked for it, and nothing says what that does."""
    from ws4redis.redis_client import RedisServer

    init = RedisServer.__init__

    def init_as_told(server: RedisServer, value: Any, memory: Any = None) -> None:
        init(server, value, memory)
        if isinstance(value, dict):
            server._arguments['decode_responses'] = value.get('decode_responses', False)

    replace(RedisServer, __init__=init_as_told)
    without_check('_check_connection')


@switch('F20', 'TypeError', 'AttributeError', 'NameError', 'ValueError')
def values_that_nobody_tried() -> None:
    """Each value that the documentation allowed and the code did not."""
    from ws4redis import publisher, redis_store, settings
    from ws4redis.core.audience import SelfType, audience_names

    seconds, get_setting = redis_store._seconds, vars(settings)['__getattr__']
    init, channels = publisher.RedisPublisher.__init__, redis_store.RedisStore._get_message_channels

    def positive_seconds(expire: Any) -> float:
        if expire is None:
            raise TypeError("'>' not supported between instances of 'NoneType' and 'int'")
        return seconds(expire)

    def names_of_a_list(kind: str, audience: Any) -> list[object]:
        if not isinstance(audience, (list, tuple, SelfType)):
            raise NameError("name 'basestring' is not defined")
        return audience_names(kind, audience)

    def get_setting_that_is_set(name: str) -> Any:
        # The suite's own settings leave it out as well: only where a test has deleted it the fault
        # shows.
        from django.conf import settings as django_settings

        wrapped = django_settings._wrapped  # type: ignore[misc]  # the plugin does not know it
        if name == 'WEBSOCKET_URL' and name in getattr(wrapped, '_deleted', ()):
            raise AttributeError(f"'Settings' object has no attribute {name!r}")
        return get_setting(name)

    def init_anyhow(
        self: Any, facility: str | None = None, broadcast: bool = False, **keywords: Any
    ) -> None:
        wanted = broadcast or any(keywords.get(name) for name in ('users', 'groups', 'sessions'))
        init(self, '{facility}' if facility is None and wanted else facility, broadcast, **keywords)

    def channels_if_true(
        self: Any,
        request: Any = None,
        facility: Any = None,
        broadcast: Any = False,
        **audience: Any,
    ) -> Any:
        return channels(self, request, facility, broadcast is True, **audience)

    replace(redis_store, _seconds=positive_seconds, audience_names=names_of_a_list)
    replace(publisher, audience_names=names_of_a_list)
    replace(settings, __getattr__=get_setting_that_is_set)
    replace(publisher.RedisPublisher, __init__=init_anyhow)
    replace(redis_store.RedisStore, _get_message_channels=channels_if_true)


@switch('F21')
def echo_by_the_last_message() -> None:
    """A websocket's last message is not sent to it, whoever has published it; the ones before
    are.
    """
    from ws4redis.core.echo import OwnCopies

    publishing = OwnCopies.publishing

    def publishing_last(copies: OwnCopies, channels: Iterable[bytes], payload: bytes) -> None:
        for channel in channels:
            publishing(copies, [channel], payload)
        del copies._added[:-1]

    def is_last(copies: OwnCopies, channel: bytes, payload: bytes) -> bool:
        return copies._added[-1][2] == payload

    replace(OwnCopies, publishing=publishing_last, pop_own_copy=is_last)


@switch('F22')
def settings_are_frozen() -> None:
    """Settings are copied when the package is imported, which also sets up Django and opens a
    pool.
    """
    import django
    from django.apps import apps

    from ws4redis import settings
    from ws4redis.redis_client import active_server

    # Two of them are enough: nearly every test overrides another.
    frozen = {name: getattr(settings, name) for name in ('WS4REDIS_EXPIRE', 'WS4REDIS_PREFIX')}
    get_setting = vars(settings)['__getattr__']

    def get_frozen_setting(name: str) -> Any:
        return frozen[name] if name in frozen else get_setting(name)

    replace(settings, __getattr__=get_frozen_setting)
    if not apps.ready:
        django.setup()
        # Looked at, it is made.
        assert active_server().pool is not None


@switch('F23')
def script_that_nobody_can_end() -> None:
    """close() leaves the next attempt to its timer, heartbeats outlive their websocket, and
    jQuery is needed.
    """
    from tests.processes import node as javascript

    text = javascript.without(
        javascript.SCRIPT.read_text('utf-8'),
        ('      this.#options = options;\n', '      this.#options = jQuery.extend({}, options);\n'),
        ('      clearTimeout(this.#reconnectTimer);\n      clearInterval', '      clearInterval'),
        (
            "} else if (this.#state !== 'closed') {\n        this.#wait",
            '} else {\n        this.#wait',
        ),
        (
            '      clearInterval(this.#heartbeatTimer);\n      this.#heartbeatTimer = this.#socket',
            '      this.#socket',
        ),
    )
    # As long as this process lives.
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    script = Path(directory.name) / 'ws4redis.js'
    script.write_text(text, 'utf-8')
    replace(javascript, SCRIPT=script)


@switch('F24')
def nothing_is_said_at_start() -> None:
    """Whatever is missing around the settings, no check and no line of the log names it."""
    from ws4redis.checks import environment, log

    for name in ('check_apps', 'check_order', 'check_patching'):
        without_check(name)
    replace(environment, _check_redis=lambda: ())
    replace(log, log_messages=lambda messages: None)


# Mutations: publishing and persisting


Command = tuple[Any, ...]


def change_commands(change: Callable[[list[Command]], list[Command]]) -> None:
    """Let other commands go to Redis than those with which a message is published on its
    channels.
    """
    from ws4redis import redis_store

    execute = redis_store._execute

    class Recording:
        def __init__(self, connection: Any) -> None:
            self.connection_pool = connection.connection_pool
            self._pipeline = connection.pipeline(transaction=False)
            self._commands: list[Command] = []

        def pipeline(self, transaction: bool) -> Any:
            return self

        def execute_command(self, *command: Any) -> None:
            self._commands.append(command)

        def execute(self, raise_on_error: bool) -> Any:
            for command in change(self._commands):
                self._pipeline.execute_command(*command)
            return self._pipeline.execute(raise_on_error=raise_on_error)

    def execute_others(connection: Any, *arguments: Any) -> None:
        execute(cast(Any, Recording(connection)), *arguments)

    replace(redis_store, _execute=execute_others)


@mutation('persists-for-ever')
def persist_without_a_time_to_live() -> None:
    """SET without PX."""
    change_commands(
        lambda commands: [command[:3] if command[0] == 'SET' else command for command in commands]
    )


@mutation('takes-seconds-for-milliseconds')
def expire_in_milliseconds() -> None:
    """A message that should be kept for 600 s is kept for 600 ms."""
    change_commands(
        lambda commands: [
            (*command[:4], max(1, command[4] // 1000)) if command[0] == 'SET' else command
            for command in commands
        ]
    )


@mutation('keeps-the-first-message')
def persisted_message_is_not_overwritten() -> None:
    """SET with NX."""
    change_commands(
        lambda commands: [
            (*command, 'NX') if command[0] == 'SET' else command for command in commands
        ]
    )


@mutation('deletes-instead-of-leaving')
def publishing_without_expiry_deletes() -> None:
    """What is published with expire=0 takes the persisted message away."""

    def change(commands: list[Command]) -> list[Command]:
        stored = any(command[0] == 'SET' for command in commands)
        return commands if stored else [('DEL', *(command[1] for command in commands)), *commands]

    change_commands(change)


@mutation('stores-on-the-first-channel')
def store_on_one_channel() -> None:
    """Of several audiences only the first has the message stored."""

    def change(commands: list[Command]) -> list[Command]:
        first = next((command[1] for command in commands if command[0] == 'SET'), None)
        return [command for command in commands if command[0] != 'SET' or command[1] == first]

    change_commands(change)


@mutation('publishes-to-the-first-channel')
def publish_to_one_channel() -> None:
    """Of several audiences only the first gets the message."""
    change_commands(lambda commands: commands[: 4 if commands[0][0] == 'MULTI' else 1])


@mutation('forgets-the-prefix')
def names_without_prefix() -> None:
    """WS4REDIS_PREFIX is not looked at."""
    from ws4redis.redis_store import RedisStore

    replace(RedisStore, get_prefix=staticmethod(lambda: ''))


@mutation('ignores-the-default-expiry')
def expire_is_always_an_hour() -> None:
    """WS4REDIS_EXPIRE is not looked at."""
    from ws4redis.redis_store import RedisStore

    replace(RedisStore, _expire=3600)


@mutation('swallows-connection-errors')
def publishing_never_fails() -> None:
    """Nobody learns that Redis is away."""
    import redis

    from ws4redis import redis_store

    execute = redis_store._execute

    def execute_or_not(*arguments: Any) -> None:
        with contextlib.suppress(redis.ConnectionError):
            execute(*arguments)

    replace(redis_store, _execute=execute_or_not)


# Mutations: names


def change_names(change: Callable[[str, str], str]) -> None:
    """Let a name in a channel be another."""
    from ws4redis import redis_store
    from ws4redis.core.channel import channel_names

    def other_channel_names(
        prefix: str, facility: str, *, broadcast: bool, **names: Iterable[str]
    ) -> list[str]:
        others = {kind: [change(kind, name) for name in entries] for kind, entries in names.items()}
        return channel_names(prefix, change('facility', facility), broadcast=broadcast, **others)

    replace(redis_store, channel_names=other_channel_names)


@mutation('delivers-to-another-group')
def groups_by_their_first_letters() -> None:
    """Groups whose names begin alike are one."""
    change_names(lambda kind, name: name[:5] if kind == 'group' else name)


@mutation('delivers-to-another-user')
def users_are_all_the_same() -> None:
    """All users are one."""
    change_names(lambda kind, name: 'john' if kind == 'user' else name)


@mutation('delivers-to-another-facility')
def facilities_up_to_the_slash() -> None:
    """What follows a slash in a facility does not count."""
    change_names(lambda kind, name: name.partition('/')[0] if kind == 'facility' else name)


@mutation('takes-the-first-group-alone')
def one_group_of_several() -> None:
    """SELF is the first group of the session."""
    from ws4redis import redis_store

    own_names = redis_store.own_names

    def own_first_names(kind: str, request: Any) -> list[str]:
        return own_names(kind, request)[:1]

    replace(redis_store, own_names=own_first_names)


# Mutations: joining


@mutation('joins-without-persisted-messages')
def persisted_messages_are_not_sent() -> None:
    """What was persisted is read and forgotten."""
    from ws4redis.core.joining import Joining

    replace(Joining, receive_persisted=lambda joining, channels, values: None)


@mutation('joins-new-before-old')
def persisted_messages_go_last() -> None:
    """What was held goes out before what was persisted."""
    from ws4redis.core.frames import message_frame
    from ws4redis.core.recipient import Recipient

    complete_join = Recipient.complete_join

    def complete_the_wrong_way_round(recipient: Recipient) -> list[Any]:
        joining, preamble = recipient.joining, []
        if joining is not None:
            preamble, joining.preamble = joining.preamble, []
        said = complete_join(recipient)
        for entry in preamble:
            recipient._send(message_frame(entry.payload))
        return said

    replace(Recipient, complete_join=complete_the_wrong_way_round)


@mutation('joins-with-the-same-message-twice')
def persisted_message_that_is_live_too_goes_out_twice() -> None:
    """What was persisted is not looked for in what was held."""
    from ws4redis.core.handle import Handle

    replace(Handle, send_persisted=lambda handle, channel, message: handle.send(message, None))


@mutation('loses-what-arrives-while-joining')
def nothing_is_held() -> None:
    """What arrives before the barrier is passed over."""
    from ws4redis.core.recipient import Recipient

    complete_join = Recipient.complete_join

    def complete_without_held(recipient: Recipient) -> list[Any]:
        if recipient.joining is not None:
            recipient.joining.held = []
        return complete_join(recipient)

    replace(Recipient, complete_join=complete_without_held)


# Mutations: delivering


def change_batches(change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Let consecutive messages of a channel be others."""
    from ws4redis.core.exchange import Exchange

    deliver = Exchange._deliver

    def deliver_others(exchange: Exchange, channel: bytes, payloads: list[bytes]) -> None:
        deliver(exchange, channel, change(payloads))

    replace(Exchange, _deliver=deliver_others)


@mutation('loses-the-last-of-a-batch')
def last_message_of_a_batch_is_lost() -> None:
    """Of several messages at once the last is not delivered."""
    change_batches(lambda payloads: payloads[:-1] if len(payloads) > 1 else payloads)


@mutation('loses-one-of-two-equal')
def equal_messages_are_merged() -> None:
    """Of equal messages in a batch one is delivered."""
    change_batches(lambda payloads: list(dict.fromkeys(payloads)))


@mutation('delivers-twice')
def last_message_of_a_batch_comes_twice() -> None:
    """Of several messages at once the last is delivered twice."""
    change_batches(lambda payloads: [*payloads, payloads[-1]] if len(payloads) > 1 else payloads)


@mutation('reverses-a-batch')
def batch_is_reversed() -> None:
    """The newest message of a batch goes first."""
    change_batches(lambda payloads: payloads[::-1])


@mutation('sorts-a-batch-by-channel')
def batch_is_sorted_by_channel() -> None:
    """Messages of one channel are joined although others came in between."""
    from ws4redis.core.exchange import Exchange

    receive = Exchange.receive

    def receive_sorted(exchange: Exchange, replies: Iterable[Any], now: float) -> None:
        def channel(reply: Any) -> bytes:
            return bytes(reply[1]) if isinstance(reply, list) and reply[0] == b'message' else b'~'

        receive(exchange, sorted(replies, key=channel), now)

    replace(Exchange, receive=receive_sorted)


@mutation('delivers-by-name-and-by-pattern')
def every_way_counts() -> None:
    """A message that comes by a name and by patterns is delivered by each."""
    from ws4redis.core.exchange import Exchange

    deliver = Exchange._deliver_by_pattern

    def deliver_anyhow(exchange: Exchange, message: Any) -> None:
        first_way = Exchange._first_way
        Exchange._first_way = lambda *_: message.pattern  # type: ignore[method-assign]
        deliver(exchange, message)
        Exchange._first_way = first_way  # type: ignore[method-assign]

    replace(Exchange, _deliver_by_pattern=deliver_anyhow)


@mutation('sends-binary-as-text')
def text_whatever_it_is() -> None:
    """Bytes that are no UTF-8 go out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: True)


@mutation('sends-text-as-binary')
def text_is_ascii() -> None:
    """Only ASCII goes out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: payload.isascii())


@mutation('passes-the-heartbeat-on')
def heartbeat_is_a_message() -> None:
    """A heartbeat that somebody publishes is delivered."""
    from ws4redis.core.exchange import Exchange

    enter = Exchange.enter

    def enter_without(exchange: Exchange, recipient: Any) -> None:
        enter(exchange, recipient)
        exchange.heartbeat = None

    replace(Exchange, enter=enter_without)


# Mutations: echo


@mutation('lets-the-own-echo-through')
def own_copies_are_delivered() -> None:
    """Everybody gets back what he sent."""
    from ws4redis.core.echo import OwnCopies

    replace(OwnCopies, pop_own_copy=lambda copies, channel, payload: False)


@mutation('ignores-echo')
def nobody_gets_an_echo() -> None:
    """Who asks for the echo does not get it."""
    from ws4redis.core.echo import OwnCopies

    init = OwnCopies.__init__
    replace(OwnCopies, __init__=lambda copies, recipient, echo: init(copies, recipient, False))


@mutation('takes-every-equal-message-for-an-echo')
def equal_messages_are_own_copies() -> None:
    """Who has said something never hears it from others."""
    from ws4redis.core.echo import OwnCopies

    def is_equal(copies: OwnCopies, channel: bytes, payload: bytes) -> bool:
        return (channel, payload) in copies._fold()

    replace(OwnCopies, pop_own_copy=is_equal)


# Mutations: subscribing


@mutation('unsubscribes-too-early')
def first_one_who_leaves_unsubscribes() -> None:
    """The process gives a channel up when somebody leaves, whoever stays."""
    from ws4redis.core.exchange import Exchange
    from ws4redis.core.feed import Kind

    unsubscribe = Exchange.unsubscribe

    def unsubscribe_all(
        exchange: Exchange, recipient: Any, channels: Iterable[bytes] = (), patterns: Any = ()
    ) -> None:
        given_up = list(channels)
        unsubscribe(exchange, recipient, given_up, patterns)
        exchange.feed.unsubscribe(Kind.CHANNEL, given_up)

    replace(Exchange, unsubscribe=unsubscribe_all)


@mutation('never-unsubscribes')
def channels_are_kept() -> None:
    """The process listens for ever on what anybody has ever wanted."""
    from ws4redis.core.feed import Feed

    replace(Feed, unsubscribe=lambda feed, kind, names: None)


@mutation('subscribes-to-less-after-an-outage')
def one_channel_is_forgotten() -> None:
    """The first channel is not subscribed to again."""
    from ws4redis.core.feed import Feed

    wanted, connected = Feed.wanted, Feed.connected

    def connected_with_less(feed: Feed, now: float) -> None:
        again = feed.lost_at is not None
        Feed.wanted = lambda feed, kind: wanted(feed, kind)[again:]  # type: ignore[assignment, method-assign]
        connected(feed, now)
        Feed.wanted = wanted  # type: ignore[method-assign]

    replace(Feed, connected=connected_with_less)


@mutation('does-not-catch-up')
def nothing_is_made_up_for() -> None:
    """What was persisted in an outage is not sent."""
    from ws4redis.core.exchange import Exchange

    fetched = Exchange.fetched
    replace(Exchange, fetched=lambda exchange, values, now: fetched(exchange, {}, now))


@mutation('catches-up-on-what-was-had')
def persisted_messages_are_repeated() -> None:
    """After an outage everybody gets what is persisted, whether he has had it or not."""
    from ws4redis.core.exchange import _Listeners

    replace(_Listeners, remembers=lambda listeners, payload: False)


# Mutations: ends, limits and rights


@mutation('swaps-the-close-code')
def every_close_is_a_normal_one() -> None:
    """Whatever code a client closes with, the answer is 1000."""
    from ws4redis.core import frames, recipient

    replace(recipient, close_echo=lambda data: frames.close_frame(1000))


@mutation('says-1002-for-1009')
def too_large_is_a_protocol_error() -> None:
    """A message that is too large is taken for a violation of the protocol."""
    from ws4redis.core.frames import CloseCode
    from ws4redis.core.websocket import WebSocket

    failed = WebSocket._failed

    def failed_otherwise(websocket: WebSocket, code: CloseCode, text: str) -> Any:
        return failed(
            websocket, CloseCode.PROTOCOL_ERROR if code is CloseCode.TOO_LARGE else code, text
        )

    replace(WebSocket, _failed=failed_otherwise)


@mutation('tells-what-went-wrong')
def reasons_are_told() -> None:
    """The reason of a close frame says what the log says."""
    from ws4redis.core import frames

    replace(frames, _REASONS={code: f'closed with {code.name}' for code in frames._REASONS})


@mutation('answers-no-ping')
def pings_are_passed_over() -> None:
    """Nobody gets a pong."""
    from ws4redis.core.recipient import Recipient
    from ws4redis.core.websocket import Ping

    receive = Recipient._receive
    replace(
        Recipient,
        _receive=lambda recipient, event: (
            None if isinstance(event, Ping) else receive(recipient, event)
        ),
    )


@mutation('waits-for-slow-readers')
def slow_readers_are_kept() -> None:
    """What a client does not read is kept without a limit."""
    from ws4redis.core.recipient import Recipient

    replace(Recipient, check_pending=lambda recipient: None)


@mutation('has-no-rate')
def rate_is_not_limited() -> None:
    """A client may send as much as it likes."""
    from ws4redis.core.recipient import Recipient

    replace(Recipient, _within_rate=lambda recipient: True)


@mutation('keeps-rights')
def rights_are_not_withdrawn() -> None:
    """Who logs out keeps his websockets."""
    from ws4redis.core.driver import Driver

    replace(Driver, withdraw=lambda driver, lost: None)


@mutation('releases-twice')
def release_comes_twice() -> None:
    """Who is released is released again."""
    from ws4redis import workers
    from ws4redis.core.agenda import Job, JobKind

    call = workers._call

    def call_twice(subscriber: Any, job: Job, *others: Any) -> None:
        for _ in range(2 if job.kind is JobKind.RELEASE else 1):
            call(subscriber, job, *others)

    replace(workers, _call=call_twice)


@mutation('keeps-those-who-do-not-answer')
def answer_to_a_ping_may_take_for_ever() -> None:
    """A client that does not answer is never dropped."""
    from ws4redis.core.limits import Limits
    from ws4redis.core.liveness import Liveness, Silence

    look = Liveness.look

    def look_and_forgive(liveness: Liveness, now: float, limits: Limits, **how: bool) -> Silence:
        if liveness._pinged is not None:
            liveness.hear(now)
        return look(liveness, now, limits, **how)

    replace(Liveness, look=look_and_forgive)
