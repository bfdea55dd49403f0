"""What release 0.6.0 did wrong, one test or more for each fault; `make mutants` re-creates the
faults to see them found.

How fast a thousand websockets are served is measured by benchmarks/; that the example site starts
is tested by test_sandbox.py.
"""

import gc
import io
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.cache import SessionStore
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import RequestFactory, override_settings
from websockets.exceptions import ConnectionClosed, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.processes import node as javascript
from tests.processes.serving import ROOT, ServingProcess
from ws4redis import access
from ws4redis.checks import check_all, log
from ws4redis.checks.environment import check_deployment
from ws4redis.checks.log import log_findings
from ws4redis.core.feed import Feed, Kind
from ws4redis.core.frames import CloseCode
from ws4redis.core.replies import Published
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer
from ws4redis.redis_store import SELF
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, HandshakeRejected
from ws4redis.testing.browser_end import MemoryEnd

CACHED_SESSIONS = override_settings(SESSION_ENGINE='django.contrib.sessions.backends.cache')
GUARD = 10.0
"""Seconds after which a test that waits for another process fails."""

JOHN = User(username='john')
MARY = User(username='mary')


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that hands what the site's code raises to the test."""
    with Broker() as broker:
        yield broker


@pytest.fixture
def site_as_seen() -> Iterator[Broker]:
    """A broker that shows of the site's exceptions what a browser would see."""
    with Broker(raise_server_exceptions=False) as broker:
        yield broker


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All that the server writes to its clients, piece by piece."""
    pieces: list[bytes] = []
    receive_bytes = MemoryEnd.receive_bytes

    def record(client: MemoryEnd, data: bytes) -> int:
        pieces.append(data)
        return receive_bytes(client, data)

    monkeypatch.setattr(MemoryEnd, 'receive_bytes', record)
    return pieces


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def frames_of(written: list[bytes]) -> list[Frame]:
    """The frames behind the head of a 101; fails on anything else."""
    head, _, rest = b''.join(written).partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 101 ')
    stream = io.BytesIO(rest)

    def read_exact(count: int) -> Iterator[None]:
        data = stream.read(count)
        assert len(data) == count, 'the last frame is cut short'
        return data  # type: ignore[return-value]
        yield

    found = []
    while stream.tell() < len(rest):
        begin = stream.tell()
        try:
            next(Frame.parse(read_exact, mask=False))  # type: ignore[arg-type]
        except StopIteration as exc:
            found.append(exc.value)
        except ProtocolError as exc:
            pytest.fail(f'no frame, {exc}: {rest[begin : begin + 40]!r}')
    return found


def raw_publish(broker: Broker, facility: str, *messages: str) -> None:
    """Publish without letting anything arrive in between."""
    for message in messages:
        RedisPublisher(facility=facility, broadcast=True).publish_message(message)


# Bursts


@pytest.mark.row('F1')
def test_a_burst_is_delivered_at_once(broker: Broker) -> None:
    """Of five messages one was delivered, four only with the next publish."""
    listener = broker.connect('news', subscribe='broadcast')
    raw_publish(broker, 'news', 'a', 'b', 'c', 'd', 'e')
    assert listener.received == ['a', 'b', 'c', 'd', 'e']


@pytest.mark.row('F1')
def test_a_message_is_not_stuck_behind_the_acknowledgement_of_subscribe(broker: Broker) -> None:
    """A message sent in onopen waited behind the acknowledgement of SUBSCRIBE, in ten of ten
    tries.
    """
    listener = broker.connect('news', subscribe='broadcast')
    broker._engine.driver.receive_replies(
        [[b'subscribe', b'broadcast:other', 2], [b'message', b'broadcast:news', b'hello']]
    )
    assert listener.received == ['hello']


# Nothing but frames


@pytest.mark.row('F2')
def test_nothing_but_frames_is_written_when_the_client_closes(
    broker: Broker, written: list[bytes]
) -> None:
    """An HTTP body was written raw into the websocket: "One or more reserved bits are on"."""
    client = broker.connect('news', subscribe='broadcast')
    broker.publish('hello', facility='news', broadcast=True)
    client.close()
    assert [frame.opcode for frame in frames_of(written)] == [Opcode.TEXT, Opcode.CLOSE]


@pytest.mark.row('F2')
def test_nothing_but_frames_is_written_when_the_server_closes(
    broker: Broker, written: list[bytes]
) -> None:
    """The body came behind the server's own close frame, too."""
    client = broker.connect('news', subscribe='broadcast')
    broker._engine.driver.close_all()
    broker.settle()
    assert client.close_code == CloseCode.GOING_AWAY
    assert [frame.opcode for frame in frames_of(written)] == [Opcode.CLOSE]


@pytest.mark.row('F2')
def test_a_normal_close_is_a_debug_line(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Each normal close logged a traceback."""
    client = broker.connect('news', subscribe='broadcast')
    with caplog.at_level(logging.DEBUG, 'ws4redis'):
        client.close()
    assert 'closed by the client with 1000' in caplog.text
    assert [
        record for record in caplog.records if record.levelno > logging.INFO or record.exc_info
    ] == []


# Joining


class Racing(RedisSubscriber):
    """Joins while somebody publishes 'new': before SUBSCRIBE, before or after the persisted
    message is read.
    """

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        self.facility = request.path_info.removeprefix('/ws/')
        self.publish_at('subscribing')
        super().set_pubsub_channels(request, channels)

    def send_persisted_messages(self, websocket: Any) -> None:
        self.publish_at('reading')
        for name in self._subscription.channels:
            value = self._connection.get(name)
            self.publish_at('sending')
            if value is not None:
                websocket.send_persisted(name, value)
        self.publish_at('joining')

    def publish_at(self, moment: str) -> None:
        if self.facility.startswith(moment):
            RedisPublisher(facility=self.facility, broadcast=True).publish_message('new')
            self.let_it_arrive()

    def let_it_arrive(self) -> None:
        """The loop goes on reading while this code runs."""
        raise NotImplementedError


@pytest.fixture
def racing(broker: Broker) -> type[Racing]:
    """Racing on this broker."""

    class RacingHere(Racing):
        def let_it_arrive(self) -> None:
            broker._engine.driver.read_feed()

    return RacingHere


MOMENTS = ('subscribing', 'reading', 'sending', 'joining')


@pytest.mark.row('F3')
def test_joining_loses_and_repeats_nothing(broker: Broker, racing: type[Racing]) -> None:
    """Of 80 joins racing one publish one lost the message and two were stuck; it could also come
    twice.
    """
    facilities = [f'{moment}-{number}' for number in range(20) for moment in MOMENTS]
    clients = {
        facility: broker.connect(facility, subscribe='broadcast', subscriber=racing)
        for facility in facilities
    }
    received = {facility: client.received for facility, client in clients.items()}
    assert {
        facility: messages for facility, messages in received.items() if messages != ['new']
    } == {}


@pytest.mark.row('F3')
def test_joining_never_shows_an_old_message_after_a_new_one(
    broker: Broker, racing: type[Racing]
) -> None:
    """The persisted message, read before, could go out behind a newer live one."""
    broker.publish('old', facility='sending', broadcast=True)
    client = broker.connect('sending', subscribe='broadcast', subscriber=racing)
    assert client.received == ['old', 'new']


# Redis goes and comes back


@pytest.mark.row('F4')
def test_websockets_outlive_a_restart_of_redis_and_catch_up(broker: Broker) -> None:
    """Bad file descriptor, and the sockets were gone without a close frame."""
    listener = broker.connect('news', subscribe='broadcast')
    with broker.outage(), broker._engine.behind_the_gate() as store:
        # Another process reaches Redis before we do.
        store.set('broadcast:news', 'meanwhile', ex=60)
        assert listener.open
    assert listener.received == ['meanwhile']
    broker.publish('afterwards', facility='news', broadcast=True)
    assert listener.received == ['meanwhile', 'afterwards']


# A thousand websockets


@pytest.mark.row('F5')
def test_none_of_a_thousand_websockets_is_dropped_and_nothing_is_lost(broker: Broker) -> None:
    """Of 1,000 websockets that got ten messages a second 494 were dropped, and half of the
    deliveries lost.
    """
    listeners = [broker.connect('news', subscribe='broadcast') for _ in range(1000)]
    messages = [str(number) for number in range(10)]
    for message in messages:
        broker.publish(message, facility='news', broadcast=True)
        broker.advance(0.1)
    assert [listener.close_code for listener in listeners if not listener.open] == []
    assert sum(list(listener.received) == messages for listener in listeners) == 1000


# The heartbeat


@pytest.mark.row('F6')
@override_settings(WS4REDIS_HEARTBEAT='--heartbeat--')
def test_heartbeats_come_on_their_timer(broker: Broker) -> None:
    """The server sent one at every turn of its loop, five in a second."""
    listener = broker.connect('news', subscribe='broadcast')
    for number in range(20):
        broker.publish(str(number), facility='news', broadcast=True)
    assert listener.heartbeats == 0
    broker.advance(4)
    assert listener.heartbeats == 1
    broker.advance(8)
    assert listener.heartbeats == 3


# Callbacks fail closed


def members_only(request: Any, channels: list[str]) -> list[str]:
    """A callback of a site, written with nobody anonymous in mind."""
    return channels if request.user.is_member else []


@pytest.mark.row('F7')
@override_settings(WS4REDIS_ALLOWED_CHANNELS='tests.test_regressions.members_only')
def test_an_error_in_the_callback_refuses_and_is_logged(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """An AttributeError in the callback granted every channel asked for; leaving out the cookie
    was enough.
    """
    with pytest.raises(HandshakeRejected) as rejected:
        site_as_seen.connect('news', subscribe='broadcast')
    assert rejected.value.status_code == 500
    assert 'WS4REDIS_ALLOWED_CHANNELS failed' in caplog.text


@pytest.mark.row('F7')
@override_settings(WS4REDIS_ALLOWED_CHANNELS='tests.test_regressions.member_only')
def test_a_misspelt_callback_refuses(site_as_seen: Broker) -> None:
    """A dotted path that names nothing granted every channel, too."""
    with pytest.raises(HandshakeRejected) as rejected:
        site_as_seen.connect('news', subscribe='broadcast')
    assert rejected.value.status_code == 500


@pytest.mark.row('F7')
@override_settings(WS4REDIS_ALLOWED_CHANNELS='tests.test_regressions.member_only')
def test_a_misspelt_callback_is_found_at_start() -> None:
    """Nothing told the site."""
    assert 'ws4redis.E012' in [message.id for message in check_all(None)]


# Origin


@pytest.mark.row('F8')
def test_pages_of_other_sites_are_refused(broker: Broker) -> None:
    """No Origin was checked: any page could open a websocket with its visitor's cookies."""
    with pytest.raises(HandshakeRejected) as rejected:
        broker.connect('news', subscribe='broadcast', origin='http://evil.example')
    assert rejected.value.status_code == 403


@pytest.mark.row('F8')
def test_a_host_that_is_not_ours_is_refused(broker: Broker) -> None:
    """No Host was checked, so that any name could be made the site's own."""
    with pytest.raises(HandshakeRejected) as rejected:
        broker.connect(
            'news',
            subscribe='broadcast',
            headers={'Host': 'evil.example'},
            origin='http://evil.example',
        )
    assert rejected.value.status_code == 400


# No identity, no channel


@pytest.mark.row('F9')
def test_anonymous_clients_share_no_user_channel(broker: Broker) -> None:
    """SELF without a user became a channel named after the object's repr, the same for all
    anonymous clients.
    """
    assert broker.connect('news', subscribe='user').channels == []


@pytest.mark.row('F9')
@CACHED_SESSIONS
def test_a_cookie_of_any_text_makes_no_session_channel(broker: Broker) -> None:
    """Any cookie text became a session channel."""
    assert (
        broker.connect(
            'news', subscribe='session', headers={'Cookie': 'sessionid=anything'}
        ).channels
        == []
    )


@pytest.mark.row('F9')
@CACHED_SESSIONS
def test_a_request_without_session_makes_no_session_channel(broker: Broker) -> None:
    """An unsaved session became `session:None:...`."""
    assert broker.connect('news', subscribe='session').channels == []


@pytest.mark.row('F9')
@pytest.mark.parametrize('audience', ['users', 'sessions'])
def test_publishing_to_nobody_is_an_error(audience: str) -> None:
    """It went to the channel of all anonymous clients without a word."""
    request: Any = RequestFactory().get('/')
    request.user, request.session = AnonymousUser(), SessionStore()
    keywords: dict[str, Any] = {audience: [SELF]}
    with pytest.raises(ValueError, match='contains SELF'):
        RedisPublisher(facility='news', request=request, **keywords)


# Binary messages


@pytest.mark.row('F10')
def test_binary_goes_out_as_binary(broker: Broker) -> None:
    """A binary frame was persisted and sent as invalid text: one frame put a facility out of
    order for an hour.
    """
    sender = broker.connect('news', publish='broadcast', force_user=JOHN)
    listener = broker.connect('news', subscribe='broadcast')
    sender.send(b'\xff\xfe')
    assert listener.received == [b'\xff\xfe']
    newcomer = broker.connect('news', subscribe='broadcast')
    assert newcomer.received == [b'\xff\xfe']


# Limits


@pytest.mark.row('F11')
def test_a_declared_length_is_refused_before_its_bytes_come(broker: Broker) -> None:
    """A declared length of 2**40 went to recv()."""
    client = broker.connect('news', publish='broadcast', force_user=JOHN)
    client.send_raw(b'\x82\xff' + (2**40).to_bytes(8, 'big') + b'mask')
    assert client.close_code == CloseCode.TOO_LARGE


@pytest.mark.row('F11')
@override_settings(WS4REDIS_MAX_MESSAGE_SIZE=1000)
def test_a_message_that_is_too_large_is_refused(broker: Broker) -> None:
    """Messages had no limit."""
    client = broker.connect('news', publish='broadcast', force_user=JOHN)
    client.send('x' * 1000)
    assert client.open
    client.send('x' * 1001)
    assert client.close_code == CloseCode.TOO_LARGE
    assert [len(publication.message) for publication in broker.published] == [1000]


@pytest.mark.row('F11')
def test_a_long_facility_is_refused(broker: Broker) -> None:
    """Any client filled Redis with keys of its own naming."""
    with pytest.raises(HandshakeRejected) as rejected:
        broker.connect('x' * 256, subscribe='broadcast')
    assert rejected.value.status_code == 400


@pytest.mark.row('F11')
@override_settings(WS4REDIS_MESSAGE_RATE=1)
def test_a_flood_is_refused(broker: Broker) -> None:
    """Nothing limited how often a client publishes."""
    client = broker.connect('news', publish='broadcast', force_user=JOHN)
    client.send_raw(masked(Opcode.TEXT, b'flood') * 20)
    assert client.close_code == CloseCode.POLICY_VIOLATION


# What a client is told

SECRET = 'redis://admin:hunter2@internal.example'


def failing(request: Any, channels: list[str]) -> list[str]:
    """A callback whose exception has a password in it."""
    raise RuntimeError(SECRET)


class Failing(RedisSubscriber):
    """Publishing raises an exception with a password in it."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        raise RuntimeError(SECRET)


@pytest.mark.row('F12')
def test_the_answer_to_a_failed_handshake_tells_nothing(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The exception's text, with host names and passwords in it, was sent to the client."""
    with pytest.raises(HandshakeRejected) as rejected:
        site_as_seen.connect('news', subscribe='broadcast', allowed_channels=failing)
    assert rejected.value.body == b'Internal server error\n'
    assert SECRET not in str(rejected.value.headers)
    assert SECRET in caplog.text


@pytest.mark.row('F12')
def test_the_close_frame_of_a_failure_tells_nothing(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """It was the reason of the close frame, too."""
    client = site_as_seen.connect('news', publish='broadcast', force_user=JOHN, subscriber=Failing)
    client.send('hello')
    assert (client.close_code, client.close_reason) == (CloseCode.INTERNAL_ERROR, 'internal error')
    assert SECRET in caplog.text


# Ambiguous names


@pytest.mark.row('F13')
@pytest.mark.parametrize('name', ['staff:chat', 'staff\n'])
@pytest.mark.parametrize('audience', ['users', 'groups', 'sessions'])
def test_no_publisher_takes_an_ambiguous_name(audience: str, name: str) -> None:
    """Group `staff:chat` with facility `foo` was group `staff` with facility `chat:foo`."""
    keywords: dict[str, Any] = {audience: [name]}
    with pytest.raises(ValueError, match='contains'):
        RedisPublisher(facility='foo', **keywords)


@pytest.mark.row('F13')
def test_an_ambiguous_group_listens_nowhere_and_is_logged(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Its members listened on another group's channel."""
    client = broker.connect(
        'foo', subscribe='group', force_user=JOHN, groups=['staff:chat', 'sales']
    )
    assert client.channels == ['group:sales:foo']
    assert 'staff:chat' in caplog.text


# Rights end; more of it below, on a site in a process of its own


@pytest.mark.row('F14')
def test_rights_are_looked_up_again(db: None) -> None:
    """They were those of the login for ever: deactivated users kept what they had."""
    john = User.objects.create(username='john')
    with Broker() as broker:
        client = broker.connect('news', subscribe='user', user=john)
        assert client._end.recipient is not None
        who = client._end.recipient.access
        assert access.no_longer_allowed([who]) == set()
        User.objects.update(is_active=False)
        assert access.no_longer_allowed([who]) == {who}


# Lone pings and halves of frames


@pytest.mark.row('F15')
@pytest.mark.parametrize(
    'data',
    [
        pytest.param(masked(Opcode.PING, b''), id='ping'),
        pytest.param(masked(Opcode.TEXT, b'later')[:1], id='one byte of a frame'),
        pytest.param(masked(Opcode.TEXT, b'later')[:7], id='half a frame'),
    ],
)
def test_half_a_frame_does_not_stop_delivery(broker: Broker, data: bytes) -> None:
    """A lone PING or half a frame from a client stopped all delivery to it."""
    client = broker.connect('news', subscribe='broadcast')
    client.send_raw(data)
    broker.publish('hello', facility='news', broadcast=True)
    assert client.received == ['hello']


# RFC 6455 in full

LARGE = 'x' * 200_000
GREETING = 'grüße, 世界 🌍'.encode()


def in_reads(data: bytes) -> list[bytes]:
    """As a socket gives it: 64 KiB at once."""
    return [data[start : start + 65_536] for start in range(0, len(data), 65_536)]


@pytest.mark.row('F16')
@pytest.mark.parametrize(
    ('pieces', 'message'),
    [
        pytest.param(
            [masked(Opcode.TEXT, GREETING)], GREETING.decode(), id='text that is not ASCII'
        ),
        pytest.param([masked(Opcode.TEXT, b'')], '', id='empty text'),
        pytest.param(
            [masked(Opcode.BINARY, b'')], '', id='empty binary, which Redis cannot tell from text'
        ),
        pytest.param(
            in_reads(masked(Opcode.TEXT, LARGE.encode())), LARGE, id='a frame larger than one recv'
        ),
        pytest.param(
            [masked(Opcode.TEXT, GREETING[:3], fin=False), masked(Opcode.CONT, GREETING[3:])],
            GREETING.decode(),
            id='UTF-8 split over fragments',
        ),
    ],
)
def test_every_message_of_rfc_6455_is_understood(
    broker: Broker, pieces: list[bytes], message: str
) -> None:
    """It crashed, or was closed wrongfully."""
    sender = broker.connect('news', publish='broadcast', force_user=JOHN)
    listener = broker.connect('news', subscribe='broadcast')
    for piece in pieces:
        sender.send_raw(piece)
    assert (sender.close_code, listener.received == [message]) == (None, True)


@pytest.mark.row('F16')
def test_an_empty_ping_is_answered(broker: Broker, written: list[bytes]) -> None:
    """It crashed."""
    client = broker.connect('news')
    client.ping(b'')
    assert [(frame.opcode, frame.data) for frame in frames_of(written)] == [(Opcode.PONG, b'')]


# Nothing is left; more of it below, on a site in a process of its own


@pytest.mark.row('F17')
def test_nothing_is_left_of_broken_connections(broker: Broker) -> None:
    """Ten broken connections left ten entries in `websockets` for ever."""
    for _ in range(10):
        broker.connect('news', subscribe='broadcast').drop()
    assert broker.clients == []
    assert broker._engine.driver.exchange.status() == {
        'websockets': 0,
        'channels': 0,
        'patterns': 0,
        'pending_bytes': 0,
    }
    assert broker._engine.driver.exchange.feed.wanted(Kind.CHANNEL) == []


# decode_responses

DECODING = {'decode_responses': True, 'driver_info': None}


@pytest.mark.row('F19')
def test_decode_responses_does_not_reach_our_connections(tmp_path: Path) -> None:
    """With it in WS4REDIS_CONNECTION every message was dropped without a word: its type was
    'message', not b'message'.
    """
    path = tmp_path / 'redis'
    with socket.socket(socket.AF_UNIX) as redis:
        redis.bind(str(path))
        redis.listen()
        connection: Any = RedisServer(
            {'unix_socket_path': str(path), **DECODING}
        ).pubsub_connection()
        connection.connect()
        far_end, _ = redis.accept()
        with far_end:
            far_end.sendall(b'*3\r\n$7\r\nmessage\r\n$14\r\nbroadcast:news\r\n$5\r\nhello\r\n')
            reply = connection.read_response()
            connection.disconnect()
    assert Feed(float).receive(reply) == Published(b'broadcast:news', b'hello')


@pytest.mark.row('F19')
@override_settings(WS4REDIS_CONNECTION={'host': 'localhost', **DECODING})
def test_a_check_says_that_decode_responses_is_ignored() -> None:
    """Nothing told the site."""
    assert 'ws4redis.W001' in [message.id for message in check_all(None)]


# Settings and audiences of all kinds


@pytest.mark.row('F20')
@override_settings(WS4REDIS_EXPIRE=None)
def test_messages_need_not_expire(broker: Broker) -> None:
    """WS4REDIS_EXPIRE=None: TypeError."""
    broker.publish('hello', facility='news', broadcast=True)
    assert [publication.channel for publication in broker.published] == ['broadcast:news']
    assert broker.persisted(facility='news', broadcast=True) is None


@pytest.mark.row('F20')
def test_the_url_may_be_left_unset(broker: Broker) -> None:
    """WEBSOCKET_URL unset: AttributeError."""
    with override_settings():
        from django.conf import settings

        settings.WEBSOCKET_URL = '/elsewhere/'
        del settings.WEBSOCKET_URL
        assert broker.connect('/ws/news?subscribe-broadcast').channels == ['broadcast:news']


def channels_of(**audience: Any) -> list[str]:
    """The channels on which a publisher for this audience publishes."""
    with Broker() as broker:
        broker.publish('hello', facility='news', **audience)
        return sorted(publication.channel for publication in broker.published)


@pytest.mark.row('F20')
def test_an_audience_may_be_any_collection() -> None:
    """A set of names: NameError."""
    assert channels_of(users={'john', 'mary'}) == ['user:john:news', 'user:mary:news']


@pytest.mark.row('F20')
def test_an_audience_may_be_a_query(db: None) -> None:
    """A queryset: NameError."""
    User.objects.bulk_create([User(username='john'), User(username='mary')])
    assert channels_of(users=User.objects.all()) == ['user:john:news', 'user:mary:news']


@pytest.mark.row('F20')
def test_an_audience_may_be_one_name() -> None:
    """A string: NameError."""
    with pytest.deprecated_call():
        publisher = RedisPublisher(facility='news', users='john')
    assert publisher._publishers == {'user:john:news'}


@pytest.mark.row('F20')
def test_an_audience_may_be_true() -> None:
    """True: NameError."""
    request: Any = RequestFactory().get('/')
    request.user = JOHN
    with pytest.deprecated_call():
        publisher = RedisPublisher(facility='news', users=True, request=request)
    assert publisher._publishers == {'user:john:news'}


@pytest.mark.row('F20')
def test_broadcast_is_whatever_is_true() -> None:
    """`broadcast=1` was ignored."""
    assert channels_of(broadcast=1) == ['broadcast:news']


@pytest.mark.row('F20')
def test_a_missing_facility_is_an_error() -> None:
    """It was published on a channel of the literal name `broadcast:{facility}`."""
    with pytest.raises(ValueError, match='facility is missing'):
        RedisPublisher(broadcast=True)


# Echo by origin


@pytest.mark.row('F21')
def test_own_copies_are_told_by_their_origin(broker: Broker) -> None:
    """Of three quick sends without `echo` two came back."""
    sender = broker.connect('chat', subscribe='broadcast', publish='broadcast', force_user=JOHN)
    sender.send_raw(b''.join(masked(Opcode.TEXT, text) for text in (b'a', b'b', b'c')))
    assert len(broker.published) == 3
    sender.assert_nothing_received()


@pytest.mark.row('F21')
def test_an_equal_text_of_somebody_else_arrives(broker: Broker) -> None:
    """It never arrived."""
    john = broker.connect('chat', subscribe='broadcast', publish='broadcast', force_user=JOHN)
    mary = broker.connect('chat', subscribe='broadcast', publish='broadcast', force_user=MARY)
    john.send('yes')
    mary.send('yes')
    assert (john.received, mary.received) == (['yes'], ['yes'])


# Settings are read when they are needed


@pytest.mark.row('F22')
def test_settings_count_when_they_are_overridden(broker: Broker) -> None:
    """override_settings had no effect."""
    with override_settings(WS4REDIS_PREFIX='shop', WS4REDIS_EXPIRE=0):
        raw_publish(broker, 'news', 'hello')
    raw_publish(broker, 'news', 'hello')
    found = [(publication.channel, publication.expire) for publication in broker.published]
    assert found == [('shop:broadcast:news', 0), ('broadcast:news', 3600)]


IMPORTING = """
import gc, os
from tests.faults.broken import apply
apply(os.environ.get('WS4REDIS_BROKEN', ''))
import ws4redis.django_runserver, ws4redis.publisher, ws4redis.redis_store, ws4redis.settings
import ws4redis.store, ws4redis.subscriber, ws4redis.wsgi, ws4redis.wsgi_server
from django.apps import apps
from redis import ConnectionPool
print(apps.ready, sum(issubclass(type(found), ConnectionPool) for found in gc.get_objects()))
"""


@pytest.mark.row('F22')
def test_importing_sets_nothing_up_and_opens_nothing() -> None:
    """Importing the package called django.setup() and opened a pool."""
    command = [sys.executable, '-c', IMPORTING]
    importing = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (importing.stdout, importing.stderr) == ('False 0\n', '')


# The browser

BROWSER = """
const assert = require('assert'), fs = require('fs'), vm = require('vm');
let now = 0, timers = new Map(), numbers = 0;
const sockets = [];
function setTimer(call, delay, every) {
  numbers += 1;
  timers.set(numbers, {call, at: now + delay, every});
  return numbers;
}
function advance(milliseconds) {
  const end = now + milliseconds;
  for (;;) {
    const due = [...timers].filter(([, timer]) => timer.at <= end)
      .sort(([, a], [, b]) => a.at - b.at)[0];
    if (due === undefined) break;
    const [number, timer] = due;
    now = timer.at;
    if (timer.every) timer.at += timer.every; else timers.delete(number);
    timer.call();
  }
  now = end;
}
class WebSocket {
  static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3;
  constructor() { this.readyState = 0; sockets.push(this); }
  send() { assert.equal(this.readyState, 1); }
  close() { this.readyState = 2; }
  opens() { this.readyState = 1; this.onopen({}); }
  ends(code) { this.readyState = 3; this.onclose({code}); }
}
class CloseEvent { constructor(type, init) { Object.assign(this, init); } }
vm.createContext(Object.assign(globalThis, {
  WebSocket, CloseEvent,
  setTimeout: (call, delay) => setTimer(call, delay, 0),
  clearTimeout: (number) => timers.delete(number),
  setInterval: (call, delay) => setTimer(call, delay, delay),
  clearInterval: (number) => timers.delete(number),
}));
vm.runInThisContext(fs.readFileSync(process.argv[1], 'utf8'));
"""

JQUERY = 'globalThis.$ = globalThis.jQuery = {extend: Object.assign};'

SCENARIOS = {
    'without_jquery_it_connects_and_comes_back': """
        assert.equal(typeof $ + typeof jQuery, 'undefinedundefined');
        new WS4Redis({uri: 'ws://x/'});
        sockets[0].opens();
        sockets[0].ends(1006);
        advance(2000);
        assert.equal(sockets.length, 2, 'it has not come back');
    """,
    'close_ends_a_reconnection_that_waits': """
        const websocket = new WS4Redis({uri: 'ws://x/'});
        sockets[0].ends(1006);
        assert.equal(timers.size, 1, 'no reconnection waits');
        websocket.close();
        advance(1000000);
        assert.equal(sockets.length, 1, 'it reconnected after close()');
    """,
    'close_is_for_good': """
        const websocket = new WS4Redis({uri: 'ws://x/', heartbeat_msg: 'beat'});
        sockets[0].opens();
        websocket.close();
        sockets[0].ends(1000);
        assert.equal(timers.size, 0, 'a timer outlived close()');
        advance(1000000);
        assert.equal(sockets.length, 1, 'it reconnected after close()');
    """,
    'no_heartbeat_timer_outlives_its_socket': """
        new WS4Redis({uri: 'ws://x/', heartbeat_msg: 'beat'});
        sockets[0].opens();
        assert.equal(timers.size, 1, 'no heartbeat timer runs');
        sockets[0].ends(1006);
        assert.equal(timers.size, 1, 'more than the reconnection waits');
        advance(2000);
        sockets[1].opens();
        assert.equal(timers.size, 1, 'more than one heartbeat timer runs');
    """,
}


@pytest.mark.row('F23')
@pytest.mark.parametrize('scenario', SCENARIOS)
def test_the_script_leaves_no_timer_behind(scenario: str) -> None:
    """close() left the reconnect timer running, a heartbeat timer outlived its socket, and
    jQuery was needed.
    """
    browser = BROWSER if scenario.startswith('without_jquery') else JQUERY + BROWSER
    played = javascript.run_node(
        javascript.find_node(), '-e', browser + SCENARIOS[scenario], str(javascript.SCRIPT)
    )
    assert played.returncode == 0, played.stderr


# The example site


@pytest.mark.row('F24')
@override_settings(MIDDLEWARE=[])
def test_missing_middleware_is_named() -> None:
    """The example site could not be started as documented, and nothing said what was missing."""
    assert [message.id for message in check_all(None)] == ['ws4redis.W006'] * 2


@pytest.mark.row('F24')
@override_settings(WS4REDIS_ALLOWED_CHANNELS='ws4redis.policies.allow_all')
def test_redis_that_cannot_be_reached_is_named() -> None:
    """Nor did it when Redis was not there."""
    with socket.socket() as held, override_settings(WS4REDIS_CONNECTION={'port': held_port(held)}):
        assert [message.id for message in check_deployment(None)] == ['ws4redis.W010']


def held_port(sock: socket.socket) -> int:
    """A port on which nobody listens as long as this socket is there."""
    sock.bind(('localhost', 0))
    return int(sock.getsockname()[1])


@pytest.mark.row('F24')
def test_workers_without_gevent_are_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers blocked without a word when gevent was not active."""
    monkeypatch.setattr(log, '_logged', set())
    found = gevent.spawn(check_all, None).get()
    assert [message.id for message in found] == ['ws4redis.W007']
    gevent.spawn(log_findings).get()
    assert 'ws4redis.W007' in caplog.text


# Rights, what is left, and high descriptors, on a real site in a process of its own

FIRST_UNFIT = 1024
"""The first descriptor that select() does not take."""


def environment() -> dict[str, str]:
    """The environment of a process that has this checkout and its settings."""
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'DJANGO_SETTINGS_MODULE': 'tests.settings'}


class PywsgiSite(ServingProcess):
    """A site on gevent.pywsgi, not patched, as its test sees it: the loop has a thread of its
    own there.

    Args:
        database: its file.
        first_descriptor: the lowest that its websockets have.
        recheck: WS4REDIS_RECHECK.
    """

    def __init__(self, database: Path, *, first_descriptor: int = 0, recheck: float = 3600) -> None:
        super().__init__(database.with_suffix('.log'), talks=True)
        self._arguments = [str(database), str(first_descriptor), str(recheck)]
        self.port = 0

    def __enter__(self) -> 'PywsgiSite':
        self.launch([sys.executable, '-c', SERVING, *self._arguments], environment())
        try:
            self.port = int(self.read_line())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self.show('the site')

    def run(self, *command: str) -> str:
        """Let the site carry out one of the functions of COMMANDS."""
        self.write_line(' '.join(command))
        return self.read_line()

    def connect(self, path: str, session_key: str | None = None) -> ClientConnection:
        """A websocket of somebody who has this session."""
        headers = {'Cookie': f'sessionid={session_key}'} if session_key else {}
        return connect(
            f'ws://127.0.0.1:{self.port}/ws/{path}',
            additional_headers=headers,
            proxy=None,
            open_timeout=GUARD,
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PywsgiSite]:
    """A site that looks nothing up again while a test runs."""
    with PywsgiSite(tmp_path / 'db.sqlite3') as site:
        yield site


@pytest.fixture
def watchful_site(tmp_path: Path) -> Iterator[PywsgiSite]:
    """A site that looks rights up again all the time."""
    with PywsgiSite(tmp_path / 'db.sqlite3', recheck=0.05) as site:
        yield site


def next_of(websocket: ClientConnection) -> str | bytes:
    """The next message, or how the websocket ended."""
    try:
        return websocket.recv(timeout=GUARD)
    except ConnectionClosed as exc:
        return f'closed with {exc.rcvd.code if exc.rcvd is not None else 1006}'
    except TimeoutError:
        return 'nothing'


@pytest.mark.row('F14')
def test_logout_ends_the_websockets_of_its_session(site: PywsgiSite) -> None:
    """Sockets outlived logout."""
    leaver, stayer = site.run('login', 'leaver'), site.run('login', 'stayer')
    with (
        site.connect('news?subscribe-user', leaver) as left,
        site.connect('news?subscribe-broadcast', stayer) as stays,
    ):
        site.run('logout', leaver)
        assert next_of(left) == 'closed with 1008'
        site.run('publish', 'still here')
        assert next_of(stays) == 'still here'


@pytest.mark.row('F14')
@pytest.mark.parametrize('withdrawal', ['deactivate', 'leave_group', 'delete_session'])
def test_a_websocket_ends_with_the_rights_to_it(watchful_site: PywsgiSite, withdrawal: str) -> None:
    """Sockets outlived deactivation, removal from a group and a session that was deleted
    elsewhere.
    """
    loser, keeper = watchful_site.run('login', 'loser'), watchful_site.run('login', 'keeper')
    with (
        watchful_site.connect('news?subscribe-user&subscribe-group', loser) as lost,
        watchful_site.connect('news?subscribe-broadcast', keeper) as kept,
    ):
        watchful_site.run(withdrawal, loser)
        assert next_of(lost) == 'closed with 1008'
        watchful_site.run('publish', 'still here')
        assert next_of(kept) == 'still here'


@pytest.mark.row('F17')
def test_no_websocket_keeps_a_database_connection(site: PywsgiSite) -> None:
    """Every `subscribe-user` socket kept one open."""
    key = site.run('login', 'mary')
    with site.connect('news?subscribe-user', key), site.connect('other?subscribe-user', key):
        assert site.run('database_connections') == '0'


@pytest.mark.row('F17')
def test_looking_rights_up_again_keeps_no_database_connection(watchful_site: PywsgiSite) -> None:
    """Whoever asks the database off the loop closes its connection, too."""
    key = watchful_site.run('login', 'mary')
    with watchful_site.connect('news?subscribe-user', key):
        before = int(watchful_site.run('database_connections_made'))
        deadline = time.monotonic() + GUARD / 2
        # One that was kept would be used again.
        while int(watchful_site.run('database_connections_made')) < before + 10:
            assert time.monotonic() < deadline, 'a worker keeps its connection'


@pytest.mark.row('F18')
def test_descriptors_above_1023_serve_as_well(tmp_path: Path) -> None:
    """ValueError from select."""
    resource = pytest.importorskip('resource')
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * FIRST_UNFIT:
        pytest.skip(f'this system allows no process {2 * FIRST_UNFIT} descriptors')
    with PywsgiSite(tmp_path / 'db.sqlite3', first_descriptor=FIRST_UNFIT) as site:
        assert int(site.run('next_descriptor')) >= FIRST_UNFIT
        with site.connect('news?subscribe-broadcast') as listener:
            site.run('publish', 'hello')
            assert next_of(listener) == 'hello'


# What runs in the site's process


SERVING = """
import sys
import django
from django.conf import settings
settings.DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': sys.argv[1]}}
settings.ALLOWED_HOSTS = ['127.0.0.1']
settings.WS4REDIS_CONNECTION = 'memory://?allow=1'
settings.WS4REDIS_RECHECK = float(sys.argv[3])
django.setup()
from tests.test_regressions import serve
serve(int(sys.argv[2]))
"""


def serve(first_descriptor: int) -> None:
    """Serve websockets on a free port, whose number is printed, and carry out the commands that
    arrive on stdin.
    """
    from django.core.management import call_command
    from django.db import connections
    from django.db.backends.signals import connection_created
    from gevent import get_hub
    from gevent.pywsgi import WSGIServer

    from tests.faults.broken import apply
    from ws4redis.wsgi_server import WebsocketWSGIServer

    apply(os.environ.get('WS4REDIS_BROKEN', ''))
    call_command('migrate', verbosity=0)
    connections.close_all()
    connection_created.connect(_note_connection)
    _use_descriptors_up_to(first_descriptor)
    server = WSGIServer(('127.0.0.1', 0), WebsocketWSGIServer(), log=None)
    server.start()
    print(server.server_port, flush=True)
    for line in iter(partial(get_hub().threadpool.apply, sys.stdin.readline), ''):
        name, *arguments = line.split()
        answer = COMMANDS[name](*arguments)
        if not name.startswith('database'):
            # Handshakes run in this thread too: the question must not change the answer to the next
            # one.
            connections.close_all()
        print(answer, flush=True)


def _use_descriptors_up_to(first: int) -> None:
    if first:
        import resource

        resource.setrlimit(
            resource.RLIMIT_NOFILE, (2 * first, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        while os.dup(0) < first - 1:
            pass


def _request_of(session_key: str | None) -> Any:
    from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

    request: Any = RequestFactory().get('/')
    request.session = DatabaseSessionStore(session_key)
    return request


def _login(name: str) -> str:
    from django.contrib.auth import login
    from django.contrib.auth.models import Group

    user = User.objects.create(username=name)
    user.groups.add(Group.objects.get_or_create(name='staff')[0])
    request = _request_of(None)
    login(request, user)
    request.session.save()
    return str(request.session.session_key)


def _user_of(session_key: str) -> Any:
    from django.contrib.auth import get_user

    return get_user(_request_of(session_key))


def _logout(session_key: str) -> str:
    from django.contrib.auth import logout

    logout(_request_of(session_key))
    return 'done'


def _deactivate(session_key: str) -> str:
    user = _user_of(session_key)
    user.is_active = False
    user.save()
    return 'done'


def _leave_group(session_key: str) -> str:
    _user_of(session_key).groups.clear()
    return 'done'


def _delete_session(session_key: str) -> str:
    _request_of(session_key).session.delete()
    return 'done'


def _publish(*words: str) -> str:
    RedisPublisher(facility='news', broadcast=True).publish_message(' '.join(words))
    return 'done'


def _open_database_connections() -> str:
    found = [
        item
        for item in gc.get_objects()
        if issubclass(type(item), BaseDatabaseWrapper) and item.connection is not None
    ]
    return str(len(found))


_made: list[str] = []


def _note_connection(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    _made.append(connection.alias)


def _database_connections_made() -> str:
    return str(len(_made))


def _next_descriptor() -> str:
    descriptor = os.dup(0)
    os.close(descriptor)
    return str(descriptor)


COMMANDS: dict[str, Callable[..., str]] = {
    'login': _login,
    'logout': _logout,
    'deactivate': _deactivate,
    'leave_group': _leave_group,
    'delete_session': _delete_session,
    'publish': _publish,
    'database_connections': _open_database_connections,
    'database_connections_made': _database_connections_made,
    'next_descriptor': _next_descriptor,
}
