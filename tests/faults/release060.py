"""The faults of release 0.6.0: a switch takes a rule out of the library's objects, and the symptom
is the one that its row in test_regressions.py describes.
"""

import atexit
import dataclasses
import errno
import logging
import os
import select
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from tests.faults.registry import replace, switch, without_check

logger = logging.getLogger('ws4redis.broken')

HTTP_RESPONSE = (
    b'HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n'
    b'X-Frame-Options: DENY\r\nContent-Length: 0\r\n\r\n'
)


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
    from ws4redis.core.recipient import Recipient

    end = Recipient._end

    def end_as_a_view(recipient: Recipient) -> None:
        recipient._send(HTTP_RESPONSE)
        end(recipient)
        try:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        except OSError:
            logger.exception('Internal Server Error')

    replace(Recipient, _end=end_as_a_view)


@switch('F3')
def join_without_barrier() -> None:
    """Live messages go out at once, persisted ones when they have been read."""
    from ws4redis.core.recipient import Recipient

    start = Recipient.start

    def start_live(recipient: Recipient, head: bytes, *, persisted: bool) -> None:
        recipient.held = None
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

    from ws4redis import identity, publisher

    own_names = identity.own_names

    def own_texts(kind: str, request: Any) -> list[str]:
        if kind == 'user':
            return [str(request.user)]
        if kind == 'session':
            return [
                request.COOKIES.get(settings.SESSION_COOKIE_NAME)
                or str(request.session.session_key)
            ]
        return own_names(kind, request)

    replace(identity, own_names=own_texts)
    replace(publisher, own_names=own_texts)


@switch('F10')
def everything_is_text() -> None:
    """Each message goes out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: True)


@switch('F11')
def nothing_is_limited() -> None:
    """Messages of any length, as many as a client likes, and facilities of any length."""
    from ws4redis import limits, wsgi_server
    from ws4redis.core.limits import Limits
    from ws4redis.exceptions import HandshakeError
    from ws4redis.wsgi_server import WebsocketWSGIServer

    current_limits, check_facility = limits.current_limits, WebsocketWSGIServer._check_facility

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
    from ws4redis import identity
    from ws4redis.core import audience
    from ws4redis.core.channel import check_name

    def take_name(kind: str, name: str) -> str:
        return name if ':' in name or '\n' in name else check_name(kind, name)

    replace(audience, check_name=take_name)
    replace(identity, check_name=take_name)


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
    from ws4redis import identity, publisher, publishing, redis_store, settings
    from ws4redis.core.audience import SelfType, audience_names

    seconds, get_setting = publishing._seconds, vars(settings)['__getattr__']
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

    replace(publishing, _seconds=positive_seconds)
    replace(identity, audience_names=names_of_a_list)
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
