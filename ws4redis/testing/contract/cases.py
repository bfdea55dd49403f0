"""What holds on every way from a publisher to a browser: in memory and over TCP, on fakeredis and
on a Redis server.

Each case is a function `check_*(site)` that fails with an AssertionError, and needs no test
framework; CASES has all of them by name. A site is a Broker, or whatever else has its names: see
Site. It shows what a browser would see, so it is made with raise_server_exceptions=False; it is new
for each case, and so is the database, where a case has one.

    for name, case in CASES.items():
        with Broker(raise_server_exceptions=False) as broker:
            case(broker)
"""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import redis
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test.utils import override_settings
from websockets.frames import Close, Frame, Opcode

from ws4redis.gate import Gate
from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage, RedisStore
from ws4redis.signals import redis_gap
from ws4redis.subscriber import RedisSubscriber, facility_of
from ws4redis.testing.client import HandshakeRejected

__all__ = ['CASES', 'Case', 'Client', 'Site']


class Client(Protocol):
    """A browser's websocket, as WebSocketClient has it; every read settles first."""

    def send(self, message: str | bytes) -> None:
        """Send a text or binary message."""

    def send_json(self, obj: Any) -> None:
        """Send an object as JSON text."""

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""

    def ping(self, data: bytes = b'') -> None:
        """Send a ping."""

    def close(self, code: int = 1000, reason: str = '') -> None:
        """Close as a browser does."""

    def drop(self) -> None:
        """Vanish without a close frame."""

    def stop_reading(self) -> None:
        """Read nothing more."""

    def resume_reading(self) -> None:
        """Read on, what has gathered first."""

    def receive(self) -> str | bytes:
        """The next message that was not read yet; AssertionError if there is none."""

    def receive_text(self) -> str:
        """The next message, which is a text message."""

    def receive_bytes(self) -> bytes:
        """The next message, which is a binary message."""

    def receive_json(self) -> Any:
        """The next message, from JSON."""

    def receive_all(self) -> list[str | bytes]:
        """All messages that were not read yet."""

    def assert_nothing_received(self) -> None:
        """Nothing is unread."""

    @property
    def received(self) -> list[str | bytes]:
        """All messages so far."""

    @property
    def unread(self) -> int:
        """How many messages were not read yet."""

    @property
    def heartbeats(self) -> int:
        """How many heartbeat texts have arrived."""

    @property
    def pongs(self) -> list[bytes]:
        """The data of the pongs that have arrived."""

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""

    @property
    def close_code(self) -> int | None:
        """The close code that the server sent; 1006 if it ended without one; None while it is
        open.
        """

    @property
    def close_reason(self) -> str | None:
        """The reason that the server sent."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server took."""


class Site(Protocol):
    """Redis, the websocket loop and the browsers, as a Broker has them."""

    def publish(
        self,
        message: Any = '',
        *,
        json: Any = ...,
        facility: str,
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        expire: float | None = None,
    ) -> None:
        """Publish through a RedisPublisher, and settle."""

    def connect(
        self,
        url_or_facility: str = '',
        *,
        subscribe: Any = (),
        publish: Any = (),
        echo: bool = False,
        user: Any = None,
        groups: Any = None,
        session: Any = None,
        client: Any = None,
        headers: Any = None,
        origin: Any = ...,
        subprotocols: Any = (),
        subscriber: Any = None,
        allowed_channels: Any = ...,
        name: str = '',
    ) -> Client:
        """Open a websocket; HandshakeRejected if the server refuses it."""

    def persisted(
        self,
        *,
        facility: str = '',
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> bytes | None:
        """The persisted message of one channel; None if there is none."""

    def ttl(
        self,
        *,
        facility: str = '',
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        channel: str | None = None,
    ) -> float | None:
        """Seconds that the persisted message of one channel still lives."""

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass: timers run, messages expire."""

    def settle(self) -> None:
        """Until everything that was published has arrived, and every answer too."""

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Redis is out of reach of this process inside the block."""

    def drop_subscribers(self) -> None:
        """Cut the pub/sub connection, which is made anew."""

    def lose_publishes(self, n: int = 1) -> None:
        """The next n messages from Redis get lost on their way here."""

    @property
    def redis(self) -> 'redis.Redis':
        """A client of the server."""

    @property
    def now(self) -> float:
        """Seconds since the epoch."""


Case = Callable[[Site], None]

NEWS: Any = {'facility': 'news', 'broadcast': True}
"""The audience of most cases."""


# How the cases speak


def hear(site: Site, facility: str = 'news', **arguments: Any) -> Client:
    """Somebody who listens to everybody's messages."""
    return site.connect(facility, subscribe='broadcast', **arguments)


def talk(site: Site, facility: str = 'news', **arguments: Any) -> Client:
    """Somebody who listens, and may publish to everybody."""
    return site.connect(
        facility,
        subscribe='broadcast',
        publish='broadcast',
        allowed_channels=allow_all,
        **arguments,
    )


def tell(site: Site, *messages: str | bytes, expire: float | None = 0) -> None:
    """Publish to everybody who listens to the news."""
    for message in messages:
        site.publish(message, facility='news', broadcast=True, expire=expire)


def refusal(site: Site, *arguments: Any, **keywords: Any) -> HandshakeRejected:
    """How the server refuses this handshake."""
    try:
        site.connect(*arguments, **keywords)
    except HandshakeRejected as exc:
        return exc
    raise AssertionError('the handshake was not refused')


def away(publish: Callable[[], object]) -> bool:
    """Whether this fails since Redis is away."""
    try:
        publish()
    except redis.ConnectionError:
        return True
    return False


def channel(facility: str = 'news', **audience: Any) -> str:
    """The one channel of an audience, everybody's without one, as Redis knows it."""
    [name] = RedisPublisher(facility=facility, **audience or {'broadcast': True})._publishers
    return str(name)


def unlikely() -> str:
    """A raw name that nobody else on the server has."""
    return f'contract-{uuid.uuid4().hex}'


def elsewhere(site: Site) -> 'redis.Redis':
    """A client of the same server in another process, as it were: no fault of this one reaches
    it.
    """
    pool = site.redis.connection_pool
    arguments = {**pool.connection_kwargs, 'ws4redis_gate': Gate()}
    return redis.Redis(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **arguments)
    )


def listeners(site: Site, name: str) -> int:
    """How many processes listen on a channel."""
    site.settle()
    [(_, number)] = site.redis.pubsub_numsub(name)
    return int(number)


def frame(opcode: Opcode, data: bytes = b'', *, fin: bool = True, mask: bool = True) -> bytes:
    """A frame of a client."""
    return Frame(opcode, data, fin).serialize(mask=mask)


def text(message: str) -> bytes:
    """A text message of a client."""
    return frame(Opcode.TEXT, message.encode())


def somebody(name: str, *groups: str) -> Any:
    """A user with groups."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    users: Any = get_user_model()
    user = users.objects.create_user(name)
    for group in groups:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def logged_in(user: Any) -> Any:
    """A browser in which this user is logged in, for the handshake and for other requests."""
    from django.test import Client as DjangoClient

    client = DjangoClient()
    client.force_login(user)
    return client


# Who gets it


def check_broadcast_reaches_everybody_who_listens(site: Site) -> None:
    """A message for everybody reaches each websocket that listens, once, and no other."""
    one, two, deaf = hear(site), hear(site), site.connect('news')
    tell(site, 'hello')
    assert one.receive_all() == two.receive_all() == ['hello']
    deaf.assert_nothing_received()


def check_user_gets_what_is_for_him_alone(site: Site) -> None:
    """A message for a user reaches his websockets and nobody else's."""
    john, mary = somebody('john'), somebody('mary')
    his, hers, nobodys = (
        site.connect('news', subscribe='user', user=user) for user in (john, mary, None)
    )
    site.publish('for john', facility='news', users=[john])
    site.publish('for mary', facility='news', users=['mary'])
    assert his.receive_all() == ['for john']
    assert hers.receive_all() == ['for mary']
    nobodys.assert_nothing_received()


def check_group_reaches_its_members(site: Site) -> None:
    """A message for a group reaches those whose session names it, and nobody of a group whose
    name begins alike.
    """
    staff = site.connect('news', subscribe='group', groups=['staff', 'editors'])
    other = site.connect('news', subscribe='group', groups=['staffers'])
    site.publish('for staff', facility='news', groups=['staff'])
    site.publish('for editors', facility='news', groups=['editors'])
    assert staff.receive_all() == ['for staff', 'for editors']
    other.assert_nothing_received()


def check_groups_of_a_user_come_from_his_login(site: Site) -> None:
    """Whoever logs in listens for the groups that he has in the database."""
    john, mary = somebody('john', 'staff'), somebody('mary')
    his, hers = (site.connect('news', subscribe='group', user=user) for user in (john, mary))
    site.publish('for staff', facility='news', groups=['staff'])
    assert his.receive_all() == ['for staff']
    hers.assert_nothing_received()


def check_session_gets_what_is_for_it_alone(site: Site) -> None:
    """A message for a session reaches that browser, and not another one of the same user."""
    john = somebody('john')
    here, there = logged_in(john), logged_in(john)
    one, other = (
        site.connect('news', subscribe='session', client=client) for client in (here, there)
    )
    site.publish('here', facility='news', sessions=[here.session.session_key])
    assert one.receive_all() == ['here']
    other.assert_nothing_received()


def check_invented_session_makes_no_channel(site: Site) -> None:
    """A cookie with a session that there is not gets no session channel."""
    invented = 'x' * 32
    client = site.connect('news', subscribe=['session', 'broadcast'], session=invented)
    site.publish('not for you', facility='news', sessions=[invented])
    tell(site, 'for all')
    assert client.receive_all() == ['for all']


def check_several_audiences_in_one_call(site: Site) -> None:
    """One publish reaches users, groups, sessions and everybody, on each channel once, and
    leaves a message on each.
    """
    john, mary = somebody('john'), somebody('mary', 'staff')
    browser = logged_in(john)
    key = browser.session.session_key
    clients = [
        site.connect('news', subscribe='user', client=browser),
        site.connect('news', subscribe='user', user=mary),
        site.connect('news', subscribe='group', user=mary),
        site.connect('news', subscribe='session', client=browser),
        hear(site),
    ]
    everything = site.connect('news', subscribe=['user', 'session', 'broadcast'], client=browser)
    site.publish(
        'all',
        facility='news',
        users=[john, 'mary'],
        groups=['staff'],
        sessions=[key],
        broadcast=True,
        expire=60,
    )
    assert [client.receive_all() for client in clients] == [['all']] * 5
    assert everything.receive_all() == ['all'] * 3
    for audience in (
        {'users': [john]},
        {'users': ['mary']},
        {'groups': ['staff']},
        {'sessions': [key]},
        {'broadcast': True},
    ):
        assert site.persisted(facility='news', **audience) == b'all', audience


def check_facilities_are_apart(site: Site) -> None:
    """A message of one facility reaches no other, whatever their names have in common."""
    facilities = ['news', 'news/sport', 'new', 'news:sport', 'NEWS', '']
    clients = [hear(site, facility) for facility in facilities]
    for facility in facilities:
        site.publish(f'to {facility!r}', facility=facility, broadcast=True)
    assert [client.receive_all() for client in clients] == [
        [f'to {facility!r}'] for facility in facilities
    ]


def check_facility_may_have_any_characters(site: Site) -> None:
    """A facility goes through the URL as it is: spaces, umlauts, signs that URLs or Redis
    patterns know.
    """
    for facility in ['a b', 'grün', 'a%b', 'a?b', 'a+b', 'a#b', '*', '[x]', 'a\\b', '日本/語']:
        client = hear(site, facility)
        site.publish('hello', facility=facility, broadcast=True)
        assert client.receive_all() == ['hello'], facility


def check_unknown_name_in_the_query_string_is_ignored(site: Site) -> None:
    """Of the query string the names alone count, in any case, and unknown ones are passed over."""
    client = site.connect('/ws/news?SUBSCRIBE-Broadcast=no&subscribe-nobody&x=1')
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_prefix_stands_before_every_name(site: Site) -> None:
    """With WS4REDIS_PREFIX channels and keys carry it, and messages of other prefixes do not
    arrive.
    """
    without = channel()
    with override_settings(WS4REDIS_PREFIX='shop'):
        client = hear(site)
        assert channel() != without and channel().endswith('shop:broadcast:news')
        site.redis.publish(without, 'of another site')
        site.redis.publish(channel(), 'of this site')
        site.publish('published', facility='news', broadcast=True, expire=60)
        assert client.receive_all() == ['of this site', 'published']
        assert site.redis.get(channel()) == b'published'
        assert hear(site).receive_all() == ['published']
    assert site.persisted(**NEWS) is None
    assert hear(site).receive_all() == []


def check_name_that_makes_no_channel_is_refused(site: Site) -> None:
    """A user whose name holds a colon can be no audience, and hears nothing as another one."""
    for name in ('john:news', 'a\nb', ''):
        try:
            site.publish('hello', facility='news', users=[name])
        except ValueError:
            continue
        raise AssertionError(f'{name!r} made a channel')
    client = site.connect('x', subscribe='user', user=somebody('john:news'))
    site.redis.publish(channel('news:x', users=['john']), 'for john')
    client.assert_nothing_received()


# What it is


def check_text_arrives_as_it_is(site: Site) -> None:
    """Text of any script, empty text and text that looks like something else arrive unchanged."""
    client = hear(site)
    messages = [
        'hello',
        '',
        'grün',
        '日本語',
        '\U0001f600',
        '\x00\x01',
        ' \r\n',
        '{"a": 1}',
        '--heartbeat--',
        'null',
    ]
    tell(site, *messages)
    assert client.receive_all() == messages


def check_binary_arrives_as_binary(site: Site) -> None:
    """What is no UTF-8 arrives as a binary message, what is arrives as text, and neither spoils
    the next.
    """
    client = hear(site)
    tell(site, b'\xff\xfe', 'text', 'grün'.encode(), b'\x80', b'', b'\xed\xa0\x80')
    assert client.receive_bytes() == b'\xff\xfe'
    assert client.receive_text() == 'text'
    assert client.receive_all() == ['grün', b'\x80', '', b'\xed\xa0\x80']


def check_binary_from_a_client_stays_binary(site: Site) -> None:
    """A binary message of a browser is published raw, persisted raw, and arrives as binary."""
    client, other = talk(site), hear(site)
    client.send(b'\xff\x00\xfe')
    assert other.receive_bytes() == b'\xff\x00\xfe'
    assert site.persisted(**NEWS) == b'\xff\x00\xfe'
    assert hear(site).receive_bytes() == b'\xff\x00\xfe'


def check_json_goes_there_and_back(site: Site) -> None:
    """An object that is published or sent as JSON arrives as an equal one."""
    obj = {'name': 'Jürgen', 'tags': [1, 2.5, None, True], 'nested': {'': ''}}
    client, other = talk(site), hear(site)
    site.publish(json=obj, facility='news', broadcast=True)
    assert client.receive_json() == other.receive_json() == obj
    client.send_json(obj)
    assert other.receive_json() == obj


def check_text_of_a_client_goes_out_as_it_came(site: Site) -> None:
    """What a browser sends is published raw: empty, non-ASCII and long texts."""
    client, other = talk(site), hear(site)
    messages = ['hello', '', 'grün', '\U0001f600', 'x' * 125, 'x' * 126, 'x' * 65_535, 'x' * 65_536]
    for message in messages:
        client.send(message)
    assert other.receive_all() == messages
    client.assert_nothing_received()


def check_message_of_70_kib_both_ways(site: Site) -> None:
    """A message larger than one read of a socket arrives whole, in both directions."""
    client, other = talk(site), hear(site)
    message = ''.join(f'{number:07},' for number in range(70 * 128))
    assert len(message) == 70 * 1024
    tell(site, message)
    assert client.receive() == other.receive() == message
    client.send(message.swapcase())
    assert other.receive() == message.swapcase()


def check_message_of_just_the_limit_is_taken(site: Site) -> None:
    """A client may send 1 MiB, in one frame and in several."""
    client, other = talk(site), hear(site)
    largest = 'x' * (1 << 20)
    client.send(largest)
    assert other.receive() == largest
    parts = [largest[:400_000], largest[400_000:800_000], largest[800_000:]]
    client.send_raw(frame(Opcode.TEXT, parts[0].encode(), fin=False))
    client.send_raw(frame(Opcode.CONT, parts[1].encode(), fin=False))
    client.send_raw(frame(Opcode.CONT, parts[2].encode()))
    assert other.receive() == largest
    assert client.open


def check_message_beyond_the_limit_closes_with_1009(site: Site) -> None:
    """One byte more than WS4REDIS_MAX_MESSAGE_SIZE closes with 1009, and nothing of it is
    published.
    """
    other = hear(site)
    with override_settings(WS4REDIS_MAX_MESSAGE_SIZE=1000):
        for data in (
            frame(Opcode.BINARY, b'x' * 1001),
            frame(Opcode.TEXT, b'x' * 600, fin=False) + frame(Opcode.CONT, b'x' * 401),
            # The length alone is enough: nobody waits for a terabyte.
            b'\x82\xff' + (1 << 40).to_bytes(8, 'big') + b'mask',
        ):
            client = talk(site)
            client.send_raw(data)
            assert (client.close_code, client.close_reason) == (1009, 'message too large')
        client = talk(site)
        client.send('x' * 1000)
        assert client.open
    assert other.receive_all() == ['x' * 1000]


def check_more_than_1_mib_closes_with_1009(site: Site) -> None:
    """A client that sends one byte more than 1 MiB learns why it is closed."""
    client, other = talk(site), hear(site)
    client.send('x' * ((1 << 20) + 1))
    assert client.close_code == 1009
    other.assert_nothing_received()


# Persisted messages


def check_joining_before_between_and_after(site: Site) -> None:
    """Whoever joins gets the last persisted message and then all live ones, each once and in
    order.
    """
    before = hear(site)
    tell(site, 'one', expire=60)
    between = hear(site)
    tell(site, 'two', expire=60)
    after = hear(site)
    tell(site, 'three', expire=60)
    assert before.receive_all() == ['one', 'two', 'three']
    assert between.receive_all() == ['one', 'two', 'three']
    assert after.receive_all() == ['two', 'three']


def check_message_without_expiry_is_not_kept(site: Site) -> None:
    """With expire=0 a message reaches those who are there, and nobody who comes later."""
    client = hear(site)
    tell(site, 'hello', expire=0)
    assert client.receive_all() == ['hello']
    assert site.persisted(**NEWS) is None
    assert hear(site).receive_all() == []


def check_last_message_overwrites_the_one_before(site: Site) -> None:
    """One message is kept for each channel, the last, with its own time to live."""
    tell(site, 'one', expire=1000)
    tell(site, 'two', expire=60)
    assert site.persisted(**NEWS) == b'two'
    assert 0 < (site.ttl(**NEWS) or 0) <= 60
    assert hear(site).receive_all() == ['two']


def check_zero_leaves_an_older_message_where_it_is(site: Site) -> None:
    """What is published with expire=0 or less leaves the persisted message and its time to live
    alone.
    """
    tell(site, 'kept', expire=600)
    tell(site, 'passing', expire=0)
    tell(site, 'passing', expire=-1)
    assert site.persisted(**NEWS) == b'kept'
    assert 500 < (site.ttl(**NEWS) or 0) <= 600
    assert hear(site).receive_all() == ['kept']


def check_persisted_message_expires(site: Site) -> None:
    """A persisted message is there as long as it was told to, and not longer."""
    tell(site, 'hello', expire=600)
    site.advance(500)
    assert 50 < (site.ttl(**NEWS) or 0) <= 100
    assert hear(site).receive_all() == ['hello']
    site.advance(timedelta(seconds=100))
    assert site.persisted(**NEWS) is None and site.ttl(**NEWS) is None
    assert hear(site).receive_all() == []


def check_expiry_may_be_a_part_of_a_second(site: Site) -> None:
    """expire=600.5 is 600.5 seconds, neither a whole number of them nor milliseconds."""
    tell(site, 'hello', expire=600.5)
    left = site.ttl(**NEWS)
    assert left is not None and 590 < left <= 600.5
    site.advance(600.5)
    assert site.persisted(**NEWS) is None


def check_default_expiry_is_that_of_the_settings(site: Site) -> None:
    """Without expire a message is kept for WS4REDIS_EXPIRE, and not at all if that is None or 0."""
    with override_settings(WS4REDIS_EXPIRE=900):
        tell(site, 'kept', expire=None)
        assert 800 < (site.ttl(**NEWS) or 0) <= 900
    for nothing in (None, 0):
        with override_settings(WS4REDIS_EXPIRE=nothing):
            site.publish('passing', facility='other', broadcast=True)
            assert site.persisted(facility='other', broadcast=True) is None
    assert hear(site).receive_all() == ['kept']


def check_message_of_a_browser_is_persisted(site: Site) -> None:
    """What a browser sends is kept for WS4REDIS_EXPIRE, and goes to those who join."""
    client = talk(site)
    with override_settings(WS4REDIS_EXPIRE=900):
        client.send('hello')
        assert site.persisted(**NEWS) == b'hello'
        assert 800 < (site.ttl(**NEWS) or 0) <= 900
    assert hear(site).receive_all() == ['hello']
    assert talk(site, echo=True).receive_all() == ['hello'], 'its own, joining anew'


def check_each_channel_has_its_own_persisted_message(site: Site) -> None:
    """Whoever joins several channels gets the persisted message of each."""
    john = somebody('john')
    site.publish('for john', facility='news', users=[john], expire=60)
    site.publish('for mary', facility='news', users=['mary'], expire=60)
    tell(site, 'for all', expire=60)
    client = site.connect('news', subscribe=['user', 'broadcast'], user=john)
    assert sorted(map(str, client.receive_all())) == ['for all', 'for john']


def check_what_was_published_before_is_not_for_who_joins_afterwards(site: Site) -> None:
    """Others listen already, and nobody has looked since: the one who comes gets what is
    persisted, and nothing else.
    """
    before = hear(site)
    for message in ('one', 'two'):
        RedisPublisher(facility='news', broadcast=True).publish_message(message, 60)
    site.redis.publish(channel(), 'three')
    after = hear(site)
    assert before.receive_all() == ['one', 'two', 'three']
    assert after.receive_all() == ['two']


def check_joining_again_brings_the_persisted_message_again(site: Site) -> None:
    """A browser that reconnects gets the persisted message each time."""
    tell(site, 'hello', expire=60)
    for _ in range(3):
        client = hear(site)
        assert client.receive_all() == ['hello']
        client.close()


def check_key_of_another_type_is_no_persisted_message(site: Site) -> None:
    """A list under the name of a channel disturbs nobody who joins."""
    site.redis.rpush(channel(), 'not', 'a', 'message')
    client = hear(site)
    tell(site, 'live')
    assert client.receive_all() == ['live']


def check_publisher_fetches_the_persisted_message(site: Site) -> None:
    """fetch_message() gives what somebody who joined now would get."""
    assert RedisPublisher().fetch_message(None, 'news', 'broadcast') is None
    tell(site, b'\xffhello', expire=60)
    assert RedisPublisher().fetch_message(None, 'news', 'broadcast') == b'\xffhello'


def check_what_is_sent_before_a_close_is_stored(site: Site) -> None:
    """Whoever sends, closes and looks finds the message stored."""
    client, other = talk(site), hear(site)
    client.send_raw(text('last words') + frame(Opcode.CLOSE, Close(1000, '').serialize()))
    assert client.close_code == 1000
    assert site.persisted(**NEWS) == b'last words'
    assert other.receive_all() == ['last words']


# Other programs


def check_plain_publish_of_another_program_arrives(site: Site) -> None:
    """A PUBLISH by any Redis client on the channel's name arrives like ours, and persists
    nothing.
    """
    client = hear(site)
    site.redis.publish(channel(), 'from redis-cli')
    site.redis.publish(channel(), b'\xff')
    assert client.receive_all() == ['from redis-cli', b'\xff']
    assert site.persisted(**NEWS) is None


def check_plain_key_of_another_program_is_a_persisted_message(site: Site) -> None:
    """A string that any Redis client sets under the channel's name goes to those who join, until
    it is deleted.
    """
    site.redis.set(channel(), 'from redis-cli', ex=60)
    assert site.persisted(**NEWS) == b'from redis-cli'
    assert hear(site).receive_all() == ['from redis-cli']
    site.redis.delete(channel())
    assert hear(site).receive_all() == []


def check_other_programs_read_what_is_published(site: Site) -> None:
    """A plain pub/sub client gets the raw payload, and the persisted message is a plain string
    with a time to live.
    """
    name = channel()
    with contextlib.closing(elsewhere(site).pubsub()) as listener:
        listener.subscribe(name)
        assert listener.parse_response() == [b'subscribe', name.encode(), 1]
        tell(site, 'grün', expire=60)
        assert listener.parse_response() == [b'message', name.encode(), 'grün'.encode()]
    assert site.redis.type(name) == b'string'
    assert site.redis.get(name) == 'grün'.encode()
    assert 0 < site.redis.pttl(name) <= 60_000


def check_message_is_stored_before_it_is_published(site: Site) -> None:
    """Whoever gets a message finds it stored, with a pipeline as without."""
    name = channel()
    seen: list[Any] = []

    class Looking(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            seen.append((reply[-1], self._connection.get(name)))
            return reply

    client = hear(site, subscriber=Looking)
    publisher = RedisPublisher(facility='news', broadcast=True)
    publisher.publish_message('one', 60)
    site.settle()
    publisher.pipeline_publish_message('two', 60)
    site.settle()
    publisher.pipeline_publish_message('three', 60, transaction=False)
    assert client.receive_all() == ['one', 'two', 'three']
    assert seen == [(b'one', b'one'), (b'two', b'two'), (b'three', b'three')]


def check_publisher_takes_every_kind_of_message(site: Site) -> None:
    """str, bytes, bytearray and RedisMessage are published raw, the heartbeat is nothing, other
    types are refused.
    """
    client = hear(site)
    publisher = RedisPublisher(facility='news', broadcast=True)
    for message in ('str', b'bytes', bytearray(b'array'), RedisMessage('message'), None):
        publisher.publish_message(message)
    refused: list[Any] = [7, ['x'], {'a': 1}]
    for wrong in refused:
        with contextlib.suppress(TypeError):
            publisher.publish_message(wrong)
            raise AssertionError(f'{wrong!r} was published')
    assert client.receive_all() == ['str', 'bytes', 'array', 'message']


# Who sends


def check_no_own_echo(site: Site) -> None:
    """Without echo a websocket does not get back what it sent, also in quick succession; all
    others do.
    """
    client, other, twin = talk(site), hear(site), talk(site)
    client.send_raw(text('again') * 3 + text('last'))
    assert other.receive_all() == twin.receive_all() == ['again'] * 3 + ['last']
    client.assert_nothing_received()


def check_equal_message_of_another_arrives(site: Site) -> None:
    """What somebody else says arrives, though it equals what one has just said oneself."""
    client, other = talk(site), talk(site)
    client.send('same')
    other.send('same')
    tell(site, 'same')
    assert client.receive_all() == ['same'] * 2
    assert other.receive_all() == ['same'] * 2


def check_echo_brings_own_messages_back(site: Site) -> None:
    """With echo a websocket gets its own messages, in order among the others'."""
    client, other = talk(site, echo=True), talk(site)
    client.send('one')
    other.send('two')
    client.send('three')
    assert client.receive_all() == ['one', 'two', 'three']
    assert other.receive_all() == ['one', 'three']


def check_publishing_needs_no_subscription(site: Site) -> None:
    """A websocket that only publishes hears nothing, and is heard."""
    client = site.connect('news', publish='broadcast', echo=True, allowed_channels=allow_all)
    other = hear(site)
    client.send('hello')
    assert other.receive_all() == ['hello']
    client.assert_nothing_received()


def check_nobody_in_particular_may_not_publish(site: Site) -> None:
    """Without a callback publishing is for those who are logged in."""
    other = hear(site)
    nobody = site.connect('news', publish='broadcast')
    john = site.connect('news', publish='broadcast', user=somebody('john'))
    nobody.send('anonymous')
    john.send('from john')
    assert other.receive_all() == ['from john']
    assert nobody.open


def check_client_publishes_where_it_asked_to(site: Site) -> None:
    """What a browser sends goes to its own user, groups and session if the query string says so,
    and nowhere else.
    """
    john = somebody('john', 'staff')
    browser, listener = logged_in(john), hear(site)
    sender = site.connect('news', publish=['user', 'group', 'session'], client=browser)
    sender.send('hello')
    key = browser.session.session_key
    for audience in ({'users': ['john']}, {'groups': ['staff']}, {'sessions': [key]}):
        assert site.persisted(facility='news', **audience) == b'hello', audience
    listener.assert_nothing_received()
    assert site.persisted(**NEWS) is None


# Order and number


def check_burst_of_1000_arrives_in_order(site: Site) -> None:
    """A thousand messages at once arrive all, once and in order, at each websocket."""
    clients = [hear(site) for _ in range(3)]
    messages: list[str | bytes] = [str(number) for number in range(1000)]
    pipeline = site.redis.pipeline(transaction=False)
    for message in messages:
        pipeline.publish(channel(), message)
    pipeline.execute()
    for client in clients:
        assert client.receive_all() == messages


def check_order_holds_across_channels(site: Site) -> None:
    """Messages of several channels arrive in the order in which Redis got them."""
    client = site.connect('news', subscribe=['user', 'broadcast'], user=somebody('john'))
    names = [channel(), channel(users=['john'])]
    expected: list[str | bytes] = [str(number) for number in range(200)]
    pipeline = site.redis.pipeline(transaction=False)
    for number, message in enumerate(expected):
        pipeline.publish(names[number % 3 == 0], message)
    pipeline.execute()
    assert client.receive_all() == expected


def check_burst_of_a_client_arrives_in_order(site: Site) -> None:
    """Three hundred messages that a browser sends at once are published all, once and in order."""
    with override_settings(WS4REDIS_MESSAGE_RATE=None):
        client = talk(site)
    other = hear(site)
    messages: list[str | bytes] = [str(number) for number in range(300)]
    client.send_raw(b''.join(text(str(number)) for number in range(300)))
    assert other.receive_all() == messages
    assert client.open


def check_equal_messages_are_not_merged(site: Site) -> None:
    """A message that is published three times arrives three times."""
    client = hear(site)
    pipeline = site.redis.pipeline(transaction=False)
    for message in ('same', 'same', 'other', 'same'):
        pipeline.publish(channel(), message)
    pipeline.execute()
    assert client.receive_all() == ['same', 'same', 'other', 'same']


# Protocol


def check_message_in_fragments_with_control_frames_between(site: Site) -> None:
    """Fragments make one message, also if a character is cut in two and pings come in between."""
    client, other = talk(site), hear(site)
    data = 'größer'.encode()
    client.send_raw(
        frame(Opcode.TEXT, data[:3], fin=False)
        + frame(Opcode.PING, b'now?')
        + frame(Opcode.CONT, b'', fin=False)
    )
    tell(site, 'meanwhile')
    assert client.receive_all() == other.receive_all() == ['meanwhile']
    client.send_raw(frame(Opcode.PONG, b'unasked') + frame(Opcode.CONT, data[3:]))
    assert other.receive_all() == ['größer']
    assert client.pongs == [b'now?']
    assert client.open


def check_message_may_come_byte_by_byte(site: Site) -> None:
    """A frame may come in any number of pieces, and what is for the client does not wait for
    them.
    """
    client, other = talk(site), hear(site)
    data = text('hello')
    for at in range(len(data)):
        tell(site, 'live')
        client.send_raw(data[at : at + 1])
    assert other.receive_all() == ['live'] * len(data) + ['hello']
    assert client.receive_all() == ['live'] * len(data)


def check_ping_is_answered_and_is_no_message(site: Site) -> None:
    """A ping comes back with its data, behind what was sent before it, and nobody else hears of
    it.
    """
    client, other = talk(site), hear(site)
    client.ping()
    client.send('hello')
    client.ping(b'x' * 125)
    site.settle()
    assert client.pongs == [b'', b'x' * 125]
    assert other.receive_all() == ['hello']
    assert client.open
    client.assert_nothing_received()


def check_client_is_pinged_in_silence(site: Site) -> None:
    """A client that is silent is asked for a sign of life, and stays as long as it answers."""
    client = hear(site)
    for _ in range(5):
        site.advance(21)
    assert client.open
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_client_that_does_not_answer_is_dropped(site: Site) -> None:
    """A client that answers no ping is dropped after WS4REDIS_PING_TIMEOUT, and released."""
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    client, other = hear(site, subscriber=Releasing), hear(site)
    client.stop_reading()
    site.advance(20)
    site.advance(20)
    site.settle()
    assert released == ['released']
    client.resume_reading()
    assert client.close_code == 1006
    assert other.open


def check_heartbeat_comes_every_four_seconds(site: Site) -> None:
    """With WS4REDIS_HEARTBEAT every websocket gets that text every four seconds, and it is no
    message.
    """
    with override_settings(WS4REDIS_HEARTBEAT='--heartbeat--'):
        client = hear(site)
        for count in range(1, 4):
            site.advance(4)
            assert client.unread == 0
            assert client.heartbeats == count
        assert client.received == []


def check_heartbeat_of_a_client_is_swallowed(site: Site) -> None:
    """The heartbeat text that a client sends is neither published nor persisted, nor passed on
    if another publishes it.
    """
    with override_settings(WS4REDIS_HEARTBEAT='--heartbeat--'):
        client, other = talk(site), hear(site)
        client.send('--heartbeat--')
        client.send('message')
        site.redis.publish(channel(), '--heartbeat--')
        assert other.receive_all() == ['message']
        assert other.heartbeats == 0
        assert site.persisted(**NEWS) == b'message'


def check_first_subprotocol_is_taken(site: Site) -> None:
    """Of several subprotocols the first is taken, and none if none was asked for."""
    assert hear(site, subprotocols=['chat', 'superchat']).subprotocol == 'chat'
    assert hear(site).subprotocol is None


# Ends


def check_close_of_a_client_is_answered_with_its_code(site: Site) -> None:
    """Whatever code a client closes with comes back, and nobody else is touched."""
    other = hear(site)
    for code in (1000, 1001, 1003, 1008, 1011, 3000, 4999):
        client = hear(site)
        client.close(code, 'bye')
        assert client.closed
        assert (client.close_code, client.close_reason) == (code, 'bye')
    tell(site, 'hello')
    assert other.receive_all() == ['hello']


def check_close_without_a_code_is_answered_without(site: Site) -> None:
    """A close frame without a code gets one without, which a browser shows as 1005."""
    client = hear(site)
    client.send_raw(frame(Opcode.CLOSE))
    assert client.close_code == 1005


def check_server_closes_with_the_code_of_the_site(site: Site) -> None:
    """A subscriber may close with any code that may be sent, and its reason."""
    for code in (1000, 1001, 1008, 1011, 1013, 3000, 4999):

        class Closing(RedisSubscriber):
            code_to_send = code

            def send_persisted_messages(self, websocket: Any) -> None:
                websocket.send('not today')
                websocket.close(self.code_to_send, 'ferié')

        client = hear(site, subscriber=Closing)
        assert (client.close_code, client.close_reason) == (code, 'ferié')
        assert client.receive_all() == ['not today']


def check_violations_close_with_1002(site: Site) -> None:
    """What breaks the protocol ends that websocket with 1002, before anything of it is
    published.
    """
    other = hear(site)
    for data in (
        frame(Opcode.TEXT, b'unmasked', mask=False),
        b'\xc1\x80mask',
        b'\x83\x80mask',
        frame(Opcode.CONT, b'of nothing'),
        frame(Opcode.TEXT, b'a', fin=False) + frame(Opcode.TEXT, b'b'),
        b'\x89\xfe\x00\x7e' + b'mask' + b'x' * 126,
        b'\x09\x80mask',
        frame(Opcode.CLOSE, b'\x03'),
        frame(Opcode.CLOSE, (1005).to_bytes(2, 'big')),
    ):
        client = talk(site)
        client.send_raw(data)
        assert (client.close_code, client.close_reason) == (1002, 'protocol error'), data[:20]
    other.assert_nothing_received()


def check_text_that_is_no_utf_8_closes_with_1007(site: Site) -> None:
    """Invalid text closes with 1007, as soon as it cannot become valid any more."""
    other = hear(site)
    for data in (
        frame(Opcode.TEXT, b'\xff'),
        frame(Opcode.TEXT, b'\xce\xba\xe1', fin=False) + frame(Opcode.CONT, b'a', fin=False),
        frame(Opcode.TEXT, b'cut \xc3'),
        frame(Opcode.TEXT, b'\xed\xa0\x80'),
        frame(Opcode.CLOSE, (1000).to_bytes(2, 'big') + b'\xff'),
    ):
        client = talk(site)
        client.send_raw(data)
        assert (client.close_code, client.close_reason) == (1007, 'invalid data'), data
    other.assert_nothing_received()


def check_client_that_vanishes_is_forgotten(site: Site) -> None:
    """A client that is gone without a close frame, in the middle of a frame too, leaves nothing
    behind.
    """
    released: list[str] = []

    class Releasing(RedisSubscriber):
        def release(self) -> None:
            released.append('released')

    one, two, other = hear(site, subscriber=Releasing), hear(site, subscriber=Releasing), hear(site)
    two.send_raw(text('half')[:5])
    one.drop()
    two.drop()
    site.settle()
    assert released == ['released'] * 2
    tell(site, 'hello')
    assert other.receive_all() == ['hello']
    other.drop()
    assert listeners(site, channel()) == 0


def check_last_one_who_leaves_unsubscribes(site: Site) -> None:
    """The process listens on a channel from the first websocket that wants it to the last."""
    name = channel()
    assert listeners(site, name) == 0
    one, two = hear(site), hear(site)
    assert listeners(site, name) == 1
    one.close()
    assert listeners(site, name) == 1
    tell(site, 'hello')
    assert two.receive_all() == ['hello']
    two.close()
    assert listeners(site, name) == 0
    again = hear(site)
    tell(site, 'again')
    assert again.receive_all() == ['again']
    assert two.received == ['hello']


def check_too_many_messages_close_with_1008(site: Site) -> None:
    """A client that sends more than WS4REDIS_MESSAGE_RATE allows is closed with 1008, after what
    was within it.
    """
    other = hear(site)
    with override_settings(WS4REDIS_MESSAGE_RATE=2):
        client = talk(site)
    client.send_raw(b''.join(text(str(number)) for number in range(6)))
    assert (client.close_code, client.close_reason) == (1008, 'not allowed')
    assert other.receive_all() == ['0', '1', '2', '3']


def check_rate_recovers_with_time(site: Site) -> None:
    """What a client may send comes back as time passes."""
    other = hear(site)
    with override_settings(WS4REDIS_MESSAGE_RATE=2):
        client = talk(site)
    for second in range(3):
        client.send_raw(text(f'{second} a') + text(f'{second} b'))
        site.advance(1)
    assert client.open
    assert other.unread == 6


def check_slow_reader_is_closed_with_1013_and_nobody_waits(site: Site) -> None:
    """A client that does not read is given WS4REDIS_MAX_PENDING and then closed; all others get
    everything in time.
    """
    with override_settings(WS4REDIS_MAX_PENDING=100_000):
        slow, other = hear(site), hear(site)
    slow.stop_reading()
    messages: list[str | bytes] = []
    # Beyond what the buffers of two kernels take in; none of them beyond the limit by itself.
    for number in range(128):
        messages.append(f'{number}:' + 'x' * (1 << 15))
        tell(site, messages[-1])
        assert other.received == messages
    slow.resume_reading()
    assert (slow.close_code, slow.close_reason) == (1013, 'try again later')
    got = slow.received
    assert len(got) < len(messages) and got == messages[: len(got)]
    assert other.open


def check_reader_that_pauses_misses_nothing(site: Site) -> None:
    """A client that does not read for a while gets everything as soon as it does."""
    client, other = hear(site), hear(site)
    client.stop_reading()
    tell(site, 'one', 'two', 'three')
    assert other.receive_all() == ['one', 'two', 'three']
    client.resume_reading()
    assert client.receive_all() == ['one', 'two', 'three']


# Refused


def check_page_of_another_site_is_refused(site: Site) -> None:
    """Another Origin than the site's own is refused with 403, unless the settings name it."""
    for origin in (
        'https://evil.example',
        'null',
        'http://testserver.evil.example',
        'http://localhost.evil.example',
        '',
    ):
        assert refusal(site, 'news', subscribe='broadcast', origin=origin).status_code == 403, (
            origin
        )
    with override_settings(WS4REDIS_ALLOWED_ORIGINS=['https://*.example']):
        assert hear(site, origin='https://www.example').open
        assert refusal(site, 'news', origin='http://www.example').status_code == 403


def check_origin_is_not_needed_unless_the_settings_say_so(site: Site) -> None:
    """What is no browser sends no Origin, which WS4REDIS_REQUIRE_ORIGIN refuses."""
    assert hear(site, origin=None).open
    with override_settings(WS4REDIS_REQUIRE_ORIGIN=True):
        assert refusal(site, 'news', origin=None).status_code == 403
        assert hear(site).open


def check_callback_decides_on_the_channels(site: Site) -> None:
    """What WS4REDIS_ALLOWED_CHANNELS answers replaces what was asked for."""

    def listening_only(request: Any, channels: list[str]) -> Iterable[str]:
        assert channels == ['subscribe-user', 'publish-broadcast']
        return ('subscribe-broadcast',)

    client = site.connect(
        'news', subscribe='user', publish='broadcast', allowed_channels=listening_only
    )
    other = hear(site)
    tell(site, 'hello')
    client.send('not published')
    assert client.receive_all() == other.receive_all() == ['hello']


def check_callback_that_refuses_gives_its_status(site: Site) -> None:
    """PermissionDenied is a 403, Http404 a 404, before the upgrade and without details."""

    def denies(request: Any, channels: list[str]) -> list[str]:
        raise PermissionDenied('s3cret')

    def finds_nothing(request: Any, channels: list[str]) -> list[str]:
        raise Http404('s3cret')

    for callback, status in ((denies, 403), (finds_nothing, 404)):
        rejected = refusal(site, 'news', subscribe='broadcast', allowed_channels=callback)
        assert rejected.status_code == status
        assert b's3cret' not in rejected.body
    assert listeners(site, channel()) == 0


def check_callback_that_fails_grants_nothing(site: Site) -> None:
    """A callback that fails, answers nonsense or is not there refuses the handshake, without
    details.
    """

    def fails(request: Any, channels: list[str]) -> list[str]:
        raise RuntimeError('s3cret')

    def forgets_to_return(request: Any, channels: list[str]) -> None:
        pass

    def invents(request: Any, channels: list[str]) -> list[str]:
        return [*channels, 'subscribe-everything']

    for callback, status in (
        (fails, 500),
        (forgets_to_return, 500),
        ('ws4redis.policies.misspelt', 500),
        (invents, 403),
    ):
        rejected = refusal(site, 'news', subscribe='broadcast', allowed_channels=callback)
        assert rejected.status_code == status, callback
        assert b's3cret' not in rejected.body
    assert listeners(site, channel()) == 0


def check_path_that_is_no_websocket_is_refused(site: Site) -> None:
    """What is not below WEBSOCKET_URL becomes no websocket."""
    assert refusal(site, '/elsewhere/news').status_code == 404
    with override_settings(WEBSOCKET_URL='/live/'):
        assert refusal(site, '/ws/news').status_code == 404
        client = hear(site)
        tell(site, 'hello')
        assert client.receive_all() == ['hello']


def check_request_that_is_no_upgrade_is_refused(site: Site) -> None:
    """Another version is a 426 that names the right one, everything else that is amiss a 400."""
    rejected = refusal(site, 'news', headers={'Sec-WebSocket-Version': '12'})
    assert rejected.status_code == 426
    assert dict(rejected.headers)['Sec-WebSocket-Version'] == '13'
    for headers in (
        {'Upgrade': 'h2c'},
        {'Connection': 'keep-alive'},
        {'Sec-WebSocket-Key': 'short'},
    ):
        assert refusal(site, 'news', headers=headers).status_code == 400, headers


def check_facility_that_is_too_long_is_refused(site: Site) -> None:
    """A facility has at most WS4REDIS_MAX_FACILITY bytes, not characters."""
    assert refusal(site, 'x' * 256).status_code == 400
    assert refusal(site, 'ü' * 128).status_code == 400
    for facility in ('x' * 255, 'ü' * 127):
        client = hear(site, facility)
        site.publish('hello', facility=facility, broadcast=True)
        assert client.receive_all() == ['hello']


def check_refused_subscriber_is_released(site: Site) -> None:
    """PermissionDenied in set_pubsub_channels() is a 403, another error a 500; release() comes
    once all the same.
    """
    released: list[str] = []

    class Refusing(RedisSubscriber):
        error: type[Exception] = PermissionDenied

        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            raise self.error('s3cret')

        def release(self) -> None:
            super().release()
            released.append('released')

    class Failing(Refusing):
        error = RuntimeError

    for subscriber, status in ((Refusing, 403), (Failing, 500)):
        rejected = refusal(site, 'news', subscribe='broadcast', subscriber=subscriber)
        assert rejected.status_code == status
        assert b's3cret' not in rejected.body
    assert released == ['released'] * 2
    assert listeners(site, channel()) == 0


# Rights that are withdrawn


def check_logout_closes_the_websockets_of_that_session(site: Site) -> None:
    """Whoever logs out loses the websockets of that browser with 1008, and no other."""
    john = somebody('john')
    here, there = logged_in(john), logged_in(john)
    one, two = (site.connect('news', subscribe='user', client=here) for _ in range(2))
    other, nobody = site.connect('news', subscribe='user', client=there), hear(site)
    here.logout()
    site.settle()
    assert [(client.close_code, client.close_reason) for client in (one, two)] == [
        (1008, 'not allowed')
    ] * 2
    assert other.open and nobody.open
    site.publish('secret', facility='news', users=[john])
    assert other.receive_all() == ['secret']
    assert one.received == two.received == []


def check_user_who_is_deactivated_is_found(site: Site) -> None:
    """Rights are looked up again every WS4REDIS_RECHECK seconds: who is not active any more is
    closed with 1008.
    """
    john, mary = somebody('john'), somebody('mary')
    his, hers = (site.connect('news', subscribe='user', user=user) for user in (john, mary))
    site.advance(61)
    assert his.open and hers.open
    type(john).objects.filter(pk=john.pk).update(is_active=False)
    site.advance(61)
    assert his.close_code == 1008
    assert hers.open


def check_user_who_loses_a_group_is_found(site: Site) -> None:
    """Whoever is taken out of a group whose channel he listens on is closed with 1008, and joins
    without it.
    """
    john = somebody('john', 'staff')
    browser = logged_in(john)
    client = site.connect('news', subscribe='group', client=browser)
    john.groups.clear()
    site.advance(61)
    assert client.close_code == 1008
    again = site.connect('news', subscribe='group', client=browser)
    site.publish('for staff', facility='news', groups=['staff'])
    again.assert_nothing_received()


# Redis away


def check_outage_keeps_websockets_and_brings_what_was_persisted(site: Site) -> None:
    """Websockets outlive an outage; what was persisted meanwhile arrives once, what was not is
    lost, then all is as before.
    """
    client, name = hear(site), channel()
    tell(site, 'before', expire=600)
    with contextlib.closing(elsewhere(site)) as other, site.outage():
        other.set(name, 'persisted meanwhile', ex=600)
        other.publish(name, 'persisted meanwhile')
        other.publish(name, 'not persisted')
        assert client.open
        assert client.received == ['before']
    assert client.received == ['before', 'persisted meanwhile']
    tell(site, 'after')
    assert client.receive_all() == ['before', 'persisted meanwhile', 'after']


def check_outage_repeats_nothing(site: Site) -> None:
    """After an outage nobody gets anew what he has had, live or on joining."""
    early = hear(site)
    tell(site, 'hello', expire=600)
    late = hear(site)
    for _ in range(3):
        with site.outage():
            pass
    tell(site, 'after')
    assert early.receive_all() == late.receive_all() == ['hello', 'after']


def check_publishing_in_an_outage_raises(site: Site) -> None:
    """A publish in an outage raises redis.ConnectionError and is not made up for."""
    client = hear(site)
    with site.outage():
        assert away(
            lambda: RedisPublisher(facility='news', broadcast=True).publish_message('lost', 600)
        )
        assert away(lambda: site.redis.ping())
    client.assert_nothing_received()
    assert site.persisted(**NEWS) is None


def check_message_of_a_client_in_an_outage_closes_with_1013(site: Site) -> None:
    """What a browser sends in an outage is not dropped without a word: it is closed with 1013,
    and others stay.
    """
    client, other = talk(site), talk(site)
    with site.outage():
        client.send('lost')
        assert (client.close_code, client.close_reason) == (1013, 'try again later')
        assert other.open
    other.assert_nothing_received()
    other.send('hello')
    assert hear(site).receive_all() == ['hello']


def check_handshake_in_an_outage_is_refused_with_503(site: Site) -> None:
    """Nobody is let in who could not be served; afterwards everybody is."""
    with site.outage():
        assert refusal(site, 'news', subscribe='broadcast').status_code == 503
    client = hear(site)
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_leaving_in_an_outage_is_remembered(site: Site) -> None:
    """Who leaves in an outage is not subscribed for when it ends."""
    leaving, staying = hear(site, 'leaving'), hear(site, 'staying')
    with site.outage():
        leaving.close()
        assert leaving.close_code == 1000
    assert listeners(site, channel('leaving')) == 0
    site.publish('hello', facility='staying', broadcast=True)
    assert staying.receive_all() == ['hello']


def check_gap_is_told_to_the_site(site: Site) -> None:
    """The signal redis_gap says once how long Redis was away and how many channels may have
    missed something.
    """
    gaps: list[tuple[float, int]] = []

    def told(sender: Any, seconds: float, channels: int, **kwargs: Any) -> None:
        gaps.append((seconds, channels))

    clients = [hear(site, 'news'), hear(site, 'chat')]
    redis_gap.connect(told)
    try:
        with site.outage():
            site.advance(30)
        site.settle()
    finally:
        redis_gap.disconnect(told)
    assert [channels for _, channels in gaps] == [2]
    assert 30 <= gaps[0][0] < 60
    assert all(client.open for client in clients)


def check_pubsub_connection_that_is_cut_is_made_anew(site: Site) -> None:
    """When the pub/sub connection is cut everything is subscribed to again, and nothing is
    repeated.
    """
    client, other = hear(site), hear(site, 'chat')
    tell(site, 'before', expire=600)
    site.drop_subscribers()
    site.settle()
    tell(site, 'after')
    site.publish('chat', facility='chat', broadcast=True)
    assert client.receive_all() == ['before', 'after']
    assert other.receive_all() == ['chat']


def check_messages_that_get_lost_are_lost_alone(site: Site) -> None:
    """When messages get lost on their way nobody gets them, and the ones behind them arrive."""
    one, two = hear(site), hear(site)
    site.lose_publishes(2)
    tell(site, 'one', 'two', 'three', expire=600)
    assert one.receive_all() == two.receive_all() == ['three']
    assert hear(site).receive_all() == ['three']


# What sites override


def check_one_more_channel(site: Site) -> None:
    """A subscriber may listen on channels of its own, from the beginning or later."""
    extra, more = unlikely(), unlikely()

    class Extra(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe(extra)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self._subscription.subscribe(more)

    client = hear(site, subscriber=Extra)
    site.redis.publish(more, 'too early')
    site.redis.publish(extra, 'extra')
    tell(site, 'news')
    client.send('more, please')
    site.redis.publish(more, 'more')
    assert client.receive_all() == ['extra', 'news', 'more']


def check_channels_of_its_own(site: Site) -> None:
    """A subscriber may decide on all of its channels, with a look into the database."""
    lab = unlikely()

    class Whole(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            from django.contrib.auth.models import Group

            if facility_of(request) == 'secret':
                raise PermissionDenied
            self._publishers = set()
            self._subscription = self._connection.pubsub()
            for group in Group.objects.order_by('name'):
                self._publishers.add(f'{lab}:{group.name}')
                self._subscription.subscribe(f'{lab}:{group.name}')

    somebody('john', 'physics', 'chemistry')
    client = site.connect('news', subscriber=Whole)
    other = site.connect('news', subscriber=Whole)
    site.redis.publish(f'{lab}:physics', 'p')
    site.redis.publish(f'{lab}:biology', 'b')
    assert client.receive_all() == other.receive_all() == ['p']
    client.send('mine')
    assert other.receive_all() == ['mine'] * 2
    client.assert_nothing_received()
    site.redis.delete(f'{lab}:physics', f'{lab}:chemistry')
    assert refusal(site, 'secret', subscriber=Whole).status_code == 403


def check_one_more_audience(site: Site) -> None:
    """A store of the site's own adds an audience to publisher and subscriber."""

    class LabStore(RedisStore):
        def _get_message_channels(
            self, *arguments: Any, server: bool = False, **audiences: Any
        ) -> list[str]:
            channels = super()._get_message_channels(*arguments, **audiences)
            return [*channels, f'{self.get_prefix()}server:{arguments[1]}'] if server else channels

    class LabPublisher(RedisPublisher, LabStore):
        if TYPE_CHECKING:

            def __init__(self, facility: str, server: bool, broadcast: bool = False) -> None: ...

    class LabSubscriber(RedisSubscriber, LabStore):
        subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-server']
        publish_channels = [*RedisSubscriber.publish_channels, 'publish-server']

        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            if 'subscribe-server' in channels:
                self._subscription.subscribe(
                    *self._get_message_channels(request, facility_of(request), server=True)
                )

    lab = site.connect('/ws/news?subscribe-server&subscribe-broadcast', subscriber=LabSubscriber)
    plain = hear(site)
    LabPublisher(facility='news', server=True).publish_message('to servers')
    site.settle()
    LabPublisher(facility='news', server=True, broadcast=True).publish_message('to both')
    assert lab.receive_all() == ['to servers', 'to both', 'to both']
    assert plain.receive_all() == ['to both']


def check_messages_arrive_at_the_site(site: Site) -> None:
    """publish_message() gets each message once and in order, and may answer, swallow or pass
    on.
    """
    seen: list[Any] = []

    class Commands(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self.request = request
            super().set_pubsub_channels(request, channels)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            assert isinstance(message, RedisMessage)
            command = json.loads(message)
            seen.append(command['number'])
            if command['do'] == 'answer':
                RedisPublisher(facility='news', users=[SELF], request=self.request).publish_message(
                    f'to {command["number"]}'
                )
            elif command['do'] == 'pass on':
                super().publish_message(message, expire)

    john = somebody('john')
    client = site.connect(
        'news', subscribe='user', publish='broadcast', user=john, subscriber=Commands
    )
    other = hear(site)
    for number, do in enumerate(['swallow', 'answer', 'pass on', 'answer']):
        client.send_json({'do': do, 'number': number})
    assert client.receive_all() == ['to 1', 'to 3']
    assert [json.loads(message)['number'] for message in other.receive_all()] == [2]
    assert seen == [0, 1, 2, 3]


def check_message_is_answered_as_it_came(site: Site) -> None:
    """publish_message() knows of each message whether it was text or binary, and may answer
    through the kept websocket.
    """

    class Echo(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            self.websocket = websocket

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.websocket.send(message, binary=message.binary)

    client = site.connect('news', subscriber=Echo)
    messages: list[str | bytes] = ['text', b'text', b'', '', b'\xff', 'grün', 'grün'.encode()]
    for message in messages:
        client.send(message)
    assert client.receive_all() == messages


def check_error_closes_that_websocket_alone(site: Site) -> None:
    """An error in publish_message() closes with 1011 and tells nothing; nothing sent after
    it is published.
    """

    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            if message == b'bad':
                raise RuntimeError('s3cret')
            super().publish_message(message, expire)

    client, other = talk(site, subscriber=Failing), talk(site, subscriber=Failing)
    client.send_raw(text('good') + text('bad') + text('late'))
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    assert other.receive_all() == ['good']
    assert other.open


def check_what_it_spawns_runs(site: Site) -> None:
    """A greenlet that publish_message() spawns runs to its end."""

    class Spawning(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            import gevent

            gevent.spawn(
                RedisPublisher(facility='news', broadcast=True).publish_message,
                b'later: ' + message,
            )

    client = talk(site, subscriber=Spawning)
    client.send('hello')
    assert client.receive_all() == ['later: hello']


def check_persisted_messages_of_its_own(site: Site) -> None:
    """Either spelling of send_persisted_messages() may send what it likes, before any live
    message.
    """
    history = unlikely()

    class Sends(RedisSubscriber):
        def send_persisted_messages(self, websocket: Any) -> None:
            [name] = self._subscription.channels
            assert isinstance(name, bytes)
            for message in self._connection.lrange(history, 0, -1):
                websocket.send(message)
            self._connection.publish(name, 'live')

    class OldSpelling(RedisSubscriber):
        def send_persited_messages(self, websocket: Any) -> None:
            websocket.send('welcome')
            super().send_persited_messages(websocket)

    site.redis.rpush(history, 'one', 'two')
    tell(site, 'persisted', expire=60)
    assert hear(site, subscriber=Sends).receive_all() == ['one', 'two', 'live']
    assert hear(site, subscriber=OldSpelling).receive_all() == ['welcome', 'persisted']
    site.redis.delete(history)


def check_joining_while_somebody_publishes(site: Site) -> None:
    """What is published while somebody joins reaches him once, after what was persisted before."""

    class Racing(RedisSubscriber):
        """Publishes at the worst moment: between subscribing and reading what is persisted."""

        messages: tuple[tuple[str, float], ...] = ()

        def send_persisted_messages(self, websocket: Any) -> None:
            for message, expire in self.messages:
                RedisPublisher(facility='news', broadcast=True).publish_message(message, expire)
            super().send_persisted_messages(websocket)

    class Passing(Racing):
        messages = (('live', 0), ('more', 0))

    class Persisting(Racing):
        messages = (('live', 0), ('new', 600), ('last', 0))

    tell(site, 'old', expire=600)
    assert hear(site, subscriber=Passing).receive_all() == ['old', 'live', 'more']
    assert hear(site, subscriber=Persisting).receive_all() == ['live', 'new', 'last']
    assert hear(site).receive_all() == ['new']


def check_release_comes_once(site: Site) -> None:
    """release() comes once, however the websocket ends, and may tell the others; nothing
    depends on super().
    """
    released: list[str] = []

    class Goodbye(RedisSubscriber):
        def release(self) -> None:
            released.append('released')
            for name in self._subscription.channels:
                self._connection.publish(name, 'gone')

    class Failing(Goodbye):
        def release(self) -> None:
            super().release()
            raise RuntimeError('s3cret')

    other = hear(site)
    for subscriber in (Goodbye, Failing):
        for end in ('close', 'drop'):
            client = hear(site, subscriber=subscriber)
            getattr(client, end)()
            assert other.receive_all() == ['gone']
    site.advance(30)
    assert released == ['released'] * 4
    assert other.open
    other.close()
    assert listeners(site, channel()) == 0


def check_messages_may_be_filtered_and_rewritten(site: Site) -> None:
    """parse_response() is asked once for each message, in order; it may drop it, change it
    or read on.
    """

    class Filter(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            return None if reply[-1].startswith(b'#') else reply

    class ReadsOn(RedisSubscriber):
        def parse_response(self) -> Any:
            while True:
                reply = super().parse_response()
                if not reply[-1].startswith(b'#'):
                    return reply

    class Rewrites(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            return {b'#one': b'\xff', b'two': 'zwei', b'#three': RedisMessage('drei')}.get(
                reply[-1], reply
            )

    one, two, three, plain = (
        hear(site, subscriber=kind) for kind in (Filter, ReadsOn, Rewrites, None)
    )
    pipeline = site.redis.pipeline(transaction=False)
    for message in ('#one', 'two', '#three', 'four'):
        pipeline.publish(channel(), message)
    pipeline.execute()
    assert one.receive_all() == two.receive_all() == ['two', 'four']
    assert three.receive_all() == [b'\xff', 'zwei', 'drei', 'four']
    assert plain.receive_all() == ['#one', 'two', '#three', 'four']


def check_messages_by_pattern(site: Site) -> None:
    """Who listens by patterns gets what matches, and once what matches twice or comes by
    name too.
    """
    lab = unlikely()

    class Patterns(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self._subscription.subscribe(f'{lab}:1')
            self._subscription.psubscribe(f'{lab}:*', f'{lab}:?')

    client = hear(site, subscriber=Patterns)
    for number in (1, 2, 30):
        site.redis.publish(f'{lab}:{number}', str(number))
    site.redis.publish(lab, 'no match')
    tell(site, 'news')
    assert client.receive_all() == ['1', '2', '30', 'news']


def check_error_closes_with_1011(site: Site) -> None:
    """An error in parse_response() closes that websocket with 1011, and the others get the
    message.
    """

    class Failing(RedisSubscriber):
        def parse_response(self) -> Any:
            super().parse_response()
            raise RuntimeError('s3cret')

    client, other = hear(site, subscriber=Failing), hear(site)
    tell(site, 'hello')
    assert other.receive_all() == ['hello']
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    client.assert_nothing_received()


def check_another_client_in_place(site: Site) -> None:
    """With a client of its own that nobody watches it publishes and joins, and live messages
    do not come.
    """
    clients: list[Any] = []

    class Another(RedisSubscriber):
        def __init__(self, connection: Any) -> None:
            clients.append(elsewhere(site))
            super().__init__(clients[-1])

        def get_file_descriptor(self) -> int | None:
            return None

    other = hear(site)
    tell(site, 'persisted', expire=600)
    client = talk(site, subscriber=Another)
    assert client.receive_all() == ['persisted']
    client.send('hello')
    assert site.persisted(**NEWS) == b'hello'
    tell(site, 'live')
    assert other.received[-1] == 'live'
    client.assert_nothing_received()
    assert client.open
    client.close()
    clients[-1].close()


def check_methods_count_not_classes(site: Site) -> None:
    """A class that derives from nothing of ours serves a websocket, with the methods that it
    has.
    """

    class Nothing:
        subscription_channels = ['subscribe-broadcast']
        publish_channels = ['publish-broadcast']

        def __init__(self, connection: Any) -> None:
            self._connection = connection
            self._subscription: Any = None
            self._publishers: set[str] = set()

        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self._publishers = {channel()}
            self._subscription = self._connection.pubsub()
            self._subscription.subscribe(channel())

    tell(site, 'persisted', expire=60)
    client, other = talk(site, subscriber=Nothing), hear(site)
    assert client.receive_all() == other.receive_all() == ['persisted']
    tell(site, 'live')
    client.send('mine')
    assert client.receive_all() == ['live']
    assert other.receive_all() == ['live', 'mine']
    client.close()
    other.close()
    assert listeners(site, channel()) == 0


def check_request_may_be_kept(site: Site) -> None:
    """A subscriber that keeps its request finds user, session and headers on it as long as
    the websocket is open.
    """
    seen: list[Any] = []

    class Keeping(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            self.request = request
            super().set_pubsub_channels(request, channels)

        def note(self) -> None:
            request = self.request
            seen.append(
                (
                    request.user.get_username(),
                    request.session.session_key,
                    request.headers['X-Tenant'],
                    request.path,
                )
            )

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.note()

        def release(self) -> None:
            self.note()
            super().release()

    browser = logged_in(somebody('john'))
    client = site.connect('news', client=browser, headers={'X-Tenant': 'lab'}, subscriber=Keeping)
    client.send('hello')
    client.close()
    site.settle()
    assert seen == [('john', browser.session.session_key, 'lab', '/ws/news')] * 2


CASES: dict[str, Case] = {
    name.removeprefix('check_'): case
    for name, case in list(globals().items())
    if name.startswith('check_')
}
"""Every case by its name, in the order of this file."""
