"""Broker: the real application, exchange and redis-py in one test, on a server of its own."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self

import redis
from django.test.utils import override_settings

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.redis_store import current_heartbeat
from ws4redis.schemes import MEMORY
from ws4redis.testing.asynchronous import AsyncBroker, OwnThread, names_twin, twin
from ws4redis.testing.client import HandshakeRejected, WebSocketClient, check_response
from ws4redis.testing.clock import Clock
from ws4redis.testing.driver import MemoryDriver
from ws4redis.testing.explain import reasons
from ws4redis.testing.explain.matching import ANY, Wanted, dumps
from ws4redis.testing.explain.threads import threads_now
from ws4redis.testing.explain.trace import Trace
from ws4redis.testing.fakes.alone import make_subscriber
from ws4redis.testing.handshake import (
    SAME,
    Application,
    address,
    check_identity,
    cookies_of,
    environ_of,
    name_of,
    uri_of,
)
from ws4redis.testing.publications import Publications, Record, check_expire, place, source
from ws4redis.testing.servers import BrokerServer, enter, leave
from ws4redis.testing.timing import Advance, age, check_sessions, seconds_of

__all__ = ['ANY', 'SAME', 'Broker']

__unittest = True


class Broker(AsyncBroker):
    """Stands for Redis, the websocket loop and the browsers in one test; a context manager.

    Inside it every publisher of the process publishes here. All of it runs in the test's thread, on
    the test's database connection, and nothing ever waits.

    Args:
        url: 'memory://'; 'server' for a redis-server from PATH, which the test run starts; or the
            URL of a server that is in use otherwise, where all names get a prefix of this Broker's
            own.
        raise_server_exceptions: whether what the site's callbacks and overrides raise comes out of
            the call that drove it; False shows what a browser would see.
    """

    last: 'ClassVar[Broker | None]' = None
    """The one that was begun last, for the report of a failing test."""

    kernel_buffer = 1 << 18
    """Bytes that a client takes in although it has stopped reading, as a socket's buffers would."""

    def __init__(self, url: str = MEMORY, *, raise_server_exceptions: bool = True) -> None:
        self.raise_server_exceptions = raise_server_exceptions
        self.url = url
        # Where the test makes it, which may be another thread than the one that begins it for an
        # asynchronous test.
        self.thread = OwnThread()
        self._clients = 0
        self._ending: contextlib.ExitStack | None = None

    # Life

    def __enter__(self) -> Self:
        if self._ending is not None:
            raise RuntimeError(
                'this Broker has begun already: a block inside its block takes a Broker of its own'
            )
        self._begin()
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        self._end()
        if exc_type is None:
            self._raise_errors()

    def _begin(self) -> None:
        Broker.last = self
        self.threads_before = threads_now()
        self.clock = Clock()
        self.trace = Trace(self.clock.now)
        self.lost: dict[int, int] = {}
        self._losing = (0, 0)
        with contextlib.ExitStack() as ending:
            self._store = BrokerServer(self.url)
            self.server = self._store.server
            ending.callback(self._store.close)
            ending.callback(leave, enter(self.server))
            self.driver = MemoryDriver(self.server, self.clock)
            self._record = Record(
                self.server, f'{self._store.namespace}*', self.clock.now, self._said
            )
            ending.callback(self._record.close)
            ending.callback(self.driver.stop)
            self._ending = ending.pop_all()
        self._application = Application(driver=self.driver)
        if self._store.shared:
            self._record.raw_name = self._raw_name_used
            self.driver.subscribed = self._record.hear
        self._time = Advance(
            self.clock,
            self.driver.deadline,
            self.settle,
            self._age,
            None if self.server.in_memory else self._server_time,
        )

    def _end(self) -> None:
        self._check()
        assert self._ending is not None
        ending, self._ending = self._ending, None
        self.server.gate.closed = False
        ending.close()
        # It leads back here, and what no ring holds together is freed at once.
        del self._time

    def _check(self) -> None:
        """Refuse use outside the block: nothing would be known, and assertions that nothing came
        would hold for ever.
        """
        if self._ending is None:
            raise RuntimeError(
                'this Broker has ended, or has not begun: use it inside `with Broker() as broker:`'
            )

    def close_clients(self) -> None:
        """Close every websocket, as a server does that ends."""
        self.driver.close_all()
        self.settle()

    def reset(self) -> None:
        """Begin anew: no websockets, no keys, nothing published."""
        self._end()
        self._begin()

    # Publishing

    def publish(
        self,
        message: Any = ANY,
        *,
        json: Any = ANY,
        facility: str,
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        expire: float | None = None,
    ) -> None:
        """Publish through a RedisPublisher.

        Args:
            message: str or bytes; json: an object instead of it.
            facility, users, groups, sessions, broadcast, expire: as RedisPublisher and
                publish_message() take them.

        Raises:
            TypeError: neither or both of message and json are given.
            ValueError: there is no audience.
        """
        self._check()
        if (message is ANY) == (json is ANY):
            raise TypeError('publish() takes a message, or an object as json=')
        if active_server() is not self.server:
            raise RuntimeError(
                'another Broker has begun inside this one: publish there, or after its block'
            )
        publisher = RedisPublisher(
            facility=facility, users=users, groups=groups, sessions=sessions, broadcast=broadcast
        )
        if not publisher._publishers:
            raise ValueError(
                'publish() reaches nobody: it takes broadcast=True, users=, groups= or sessions='
            )
        publisher.publish_message(message if json is ANY else dumps(json), expire)
        self.settle()

    @property
    def published(self) -> Publications:
        """Every PUBLISH so far, whoever made it."""
        self.settle()
        return Publications(self._record.publications, self)

    def _said(self, publication: str) -> None:
        self.trace.note(f'published {publication}')

    def _raw_name_used(self, channel: bytes) -> None:
        self.trace.note(
            f'raw name {channel.decode("utf-8", "replace")} on a server that others use '
            f'({place(source() or "?")})'
        )

    @contextlib.contextmanager
    def capture(self) -> Iterator[Publications]:
        """The Publications of this block; complete when it has ended."""
        begin = len(self.published)
        found = Publications((), self)
        try:
            yield found
        except BaseException:
            # What the block has raised is what the test is to see.
            with contextlib.suppress(Exception):
                found[:] = self.published[begin:]
            raise
        found[:] = self.published[begin:]

    def assert_published(
        self,
        message: Any = ANY,
        *,
        json: Any = ANY,
        json_contains: Any = ANY,
        facility: Any = ANY,
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        expire: Any = ANY,
        times: int = 1,
    ) -> None:
        """It was published on every channel that the audience names; without an audience, wherever
        it was published.

        Args:
            message: equal text or bytes, a compiled pattern, a callable, or any object that
                compares.
            json: what the message is from JSON; json_contains: a part of it.
            facility, users, groups, sessions, broadcast: as RedisPublisher takes them.
            expire: seconds that it was stored with.
            times: how often on each channel.
        """
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        if times < 1:
            raise ValueError(
                f'times={times}: assert_not_published() says that it was not published'
            )
        self.settle()
        check_expire(expire)
        channels = self._channels(facility, users, groups, sessions, broadcast)
        found = self.published.matching(wanted, facility, channels, expire)
        if not found or any(len(publications) != times for publications in found.values()):
            where = 'any facility' if facility is ANY else str(facility)
            raise reasons.failure(reasons.why_not_published(self, wanted, where, found, times))

    def assert_not_published(
        self,
        message: Any = ANY,
        *,
        json: Any = ANY,
        json_contains: Any = ANY,
        facility: Any = ANY,
        users: Any = (),
        groups: Any = (),
        sessions: Any = (),
        broadcast: bool = False,
        expire: Any = ANY,
    ) -> None:
        """It was published on none of the channels; the arguments are those of
        assert_published().
        """
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        self.settle()
        self._check_threads()
        check_expire(expire)
        channels = self._channels(facility, users, groups, sessions, broadcast)
        found = self.published.matching(wanted, facility, channels, expire)
        publications = [publication for of_it in found.values() for publication in of_it]
        if publications:
            raise reasons.failure([reasons.unexpected(f'published: {wanted!r}', publications)])

    def assert_nothing_published(self) -> None:
        """Nothing was published: a fact, since everything that was sent to Redis has been heard."""
        __tracebackhide__ = True
        self.settle()
        self._check_threads()
        publications = self.published
        if publications:
            raise reasons.failure([reasons.unexpected('something was published', publications)])

    def _check_threads(self) -> None:
        __tracebackhide__ = True
        found = reasons.running_threads(self)
        if found:
            raise reasons.failure(found)

    def _channels(
        self, facility: Any, users: Any, groups: Any, sessions: Any, broadcast: bool
    ) -> list[str] | None:
        """Names of channels, or what they begin with if the facility is ANY; None if there is no
        audience.
        """
        name = '' if facility is ANY else facility
        publisher = RedisPublisher(
            facility=name, users=users, groups=groups, sessions=sessions, broadcast=broadcast
        )
        return [
            str(channel).removeprefix(self._store.namespace) for channel in publisher._publishers
        ] or None

    # What is persisted

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
        """The persisted message of one channel; None if there is none.

        Args:
            facility, users, groups, sessions, broadcast: name one channel, as RedisPublisher takes
                them.
            channel: its name instead, as Publication has it.
        """
        name = self._one_channel(channel, facility, users, groups, sessions, broadcast)
        self.settle()
        with self._behind_the_gate() as store:
            value: bytes | None = store.get(name)
        return value

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
        """Seconds that the persisted message of one channel still lives; None if there is none."""
        name = self._one_channel(channel, facility, users, groups, sessions, broadcast)
        self.settle()
        with self._behind_the_gate() as store:
            left = store.pttl(name)
        return left / 1000 if left >= 0 else None

    def _one_channel(
        self,
        channel: str | None,
        facility: str,
        users: Any,
        groups: Any,
        sessions: Any,
        broadcast: bool,
    ) -> str:
        self._check()
        if channel is not None:
            if facility or users or groups or sessions or broadcast:
                raise ValueError(
                    'channel is given: it is the whole name, without facility and audience'
                )
            return self._store.namespace + channel
        publisher = RedisPublisher(
            facility=facility, users=users, groups=groups, sessions=sessions, broadcast=broadcast
        )
        names = list(publisher._publishers)
        if len(names) != 1:
            raise ValueError(
                f'the audience names {len(names)} channels ({", ".join(names)}): name one'
            )
        return str(names[0])

    @property
    def redis(self) -> 'redis.Redis':
        """A client of this broker's server."""
        self._check()
        return self.server.client

    # Connecting

    @names_twin('aconnect')
    def connect(
        self,
        url_or_facility: str = '',
        *,
        subscribe: str | Sequence[str] = (),
        publish: str | Sequence[str] = (),
        echo: bool = False,
        user: Any = None,
        force_user: Any = None,
        groups: Sequence[str] | None = None,
        session: Any = None,
        client: Any = None,
        headers: Mapping[str, str] | None = None,
        origin: Any = SAME,
        subprotocols: Sequence[str] = (),
        subscriber: Any = None,
        allowed_channels: Any = ANY,
        name: str = '',
    ) -> WebSocketClient:
        """Open a websocket, through the real application.

        Args:
            url_or_facility: '/ws/chat?subscribe-user' with its query string, or the facility alone.
            subscribe, publish: names without 'subscribe-' and 'publish-', one or several.
            echo: whether it gets its own messages back.
            user: a saved user, who is logged in for it.
            force_user: any user object, without session or database.
            groups: group names for the session, as ws4redis:memberof.
            session: a session key, or a session object.
            client: a django.test.Client, whose cookies are sent.
            headers: more request headers.
            origin: its Origin header; None sends none.
            subprotocols: those to ask for.
            subscriber: a class instead of WS4REDIS_SUBSCRIBER.
            allowed_channels: a callable instead of WS4REDIS_ALLOWED_CHANNELS.
            name: what failures call it.

        Raises:
            HandshakeRejected: the server refuses.
            TypeError, ValueError: an unknown channel name, or arguments that contradict each other.
            Exception: what the site's code raised, with raise_server_exceptions.
        """
        # What was published until now is not for the one who joins.
        self.settle()
        check_identity(user, force_user, groups, session, client)
        groups = (groups,) if isinstance(groups, str) else groups
        overrides: dict[str, Any] = {}
        if subscriber is not None:
            overrides['WS4REDIS_SUBSCRIBER'] = subscriber
        if allowed_channels is not ANY:
            overrides['WS4REDIS_ALLOWED_CHANNELS'] = allowed_channels
        with override_settings(**overrides) if overrides else contextlib.nullcontext():
            path, query = address(
                url_or_facility,
                subscribe,
                publish,
                echo,
                lambda: self._application.possible_channels,
            )
            cookies = cookies_of(user, groups if force_user is None else None, session, client)
            self._clients += 1
            shown = name or name_of(user or force_user) or f'client {self._clients}'
            uri = uri_of(path, query)
            websocket = WebSocketClient(self, uri, shown, tuple(subprotocols), current_heartbeat())
            forced = (force_user, groups) if force_user is not None else None
            environ = environ_of(websocket, path, query, cookies, headers or {}, origin, forced)
            self._handshake(websocket, environ)
        self.settle()
        return websocket

    aconnect = twin(connect)

    def _handshake(self, websocket: WebSocketClient, environ: dict[str, Any]) -> None:
        answer: list[Any] = []
        self._record.read()
        number = len(self._record.publications)

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            answer[:] = [status, headers]
            return None

        try:
            body = b''.join(self._application(environ, start_response))
        except BrokenPipeError:
            check_response(websocket)
            websocket.joined = dataclasses.replace(
                websocket.joined, channels=websocket.channels, number=number, at=self.clock.now()
            )
            self.trace.note(
                f'{websocket.name} joined {", ".join(websocket.channels) or "no channel"}'
            )
            self._raise_errors()
            return
        refusal = self.driver.refusal
        reason = refusal.reason if refusal is not None else ''
        self.trace.note(f'{websocket.name} refused, {answer[0]}: {reason}')
        self._raise_errors()
        raise HandshakeRejected(int(answer[0].split()[0]), dict(answer[1]), body, reason)

    def make_subscriber(
        self,
        cls: Any = None,
        *,
        request: Any = None,
        facility: str = '',
        channels: str | Sequence[str] = (),
    ) -> Any:
        """A subscriber alone, without a websocket: the test calls its methods, as the loop would.

        It listens here: after publish() its parse_response() gives the messages one by one, then
        raises NothingToRead. release() frees it; what is left at the broker's end is released
        there.

        Args:
            cls: its class; None takes WS4REDIS_SUBSCRIBER.
            request: the handshake, with `echo` in its query string or not; None makes an anonymous
                visitor's.
            facility: that of the request that is made here.
            channels: what was asked for and allowed, 'subscribe-broadcast' for instance: one name
                or several.

        Raises:
            TypeError, ValueError: an unknown channel name, or arguments that contradict each other.
            Exception: what set_pubsub_channels() raised; then it has been released.
        """
        return make_subscriber(
            self.driver, cls, request=request, facility=facility, channels=channels
        )

    @property
    def clients(self) -> list[WebSocketClient]:
        """Those that are still open on the server's side."""
        return list(self.driver.websockets)

    # For the clients

    def take_from_client(self, client: WebSocketClient, data: bytes) -> None:
        """Bytes that a client has sent."""
        self.driver.receive_from_client(client, data)

    def writable(self, recipient: Any) -> None:
        """A client reads again."""
        self.driver.writable(recipient)

    def shown(self, channel: bytes) -> str:
        """A channel's name without this Broker's own prefix."""
        return channel.decode('utf-8', 'replace').removeprefix(self._store.namespace)

    # Time and faults

    @property
    def now(self) -> float:
        """The broker's time, seconds since the epoch."""
        return self.clock.now()

    @names_twin('asettle')
    def settle(self) -> None:
        """Until everything that was published has arrived, every answer too, and no timer is
        due.
        """
        self._check()
        self._time.notice()
        if self.server.in_memory:
            # So that the trace has what others publish before those who get it.
            self._record.read()
        self.driver.settle()
        self._record.read()
        self._find_lost()
        self._raise_errors()

    def explain(self) -> str:
        """What has happened so far: the last 50 events, each with its time and the line that
        caused it.
        """
        self.settle()
        return str(self.trace)

    @names_twin('aadvance')
    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass, without waiting: timers run in their order, persisted messages expire.

        Raises:
            TypeError, ValueError: the time is no number, or negative.
            RuntimeError: an open client's session would end by then, and no clock tool is active
                that moves Django's clock.
        """
        left = seconds_of(seconds)
        self.settle()
        target = self.now + left
        check_sessions(self.clock, self.clients, target)
        self.trace.note(f'advance({left:g})')
        self._time.to(target)

    def _server_time(self) -> float:
        with self._behind_the_gate() as store:
            seconds, microseconds = store.time()
        return float(seconds + microseconds / 1e6)

    def _age(self, milliseconds: int) -> None:
        with self._behind_the_gate() as store:
            age(store, self._store.keys(), milliseconds)

    @contextlib.contextmanager
    def _behind_the_gate(self) -> Iterator[Any]:
        """The store, for the test's own looks at it, in an outage too."""
        gate = self.server.gate
        closed, gate.closed = gate.closed, False
        try:
            yield self.redis
        finally:
            gate.closed = closed

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Redis is away inside the block: connections are cut and new ones refused; at its end
        the feed is back.
        """
        self.settle()
        gate = self.server.gate
        before, gate.closed = gate.closed, True
        self.trace.note('outage() begins')
        self.driver.feed_lost('outage()')
        self.driver.settle()
        try:
            yield
        finally:
            gate.closed = before
            self.trace.note('outage() ends')
            if not before:
                self.driver.reconnect()
            self.settle()

    def drop_subscribers(self) -> None:
        """Cut the pub/sub connection, as CLIENT KILL TYPE pubsub does; when this returns it is
        back, and has caught up.
        """
        self.settle()
        self.trace.note('drop_subscribers()')
        self.driver.cut('drop_subscribers()')
        self.settle()

    def lose_publishes(self, n: int = 1) -> None:
        """Lose the next messages that come from Redis, as a connection does that is cut unnoticed;
        what is stored stays.

        Raises:
            ValueError: n is less than one.
        """
        self.settle()
        self.driver.lose(n)
        self.trace.note(f'lose_publishes({n})')
        self._losing = n, len(self.published)

    def _find_lost(self) -> None:
        """Which Publications the fault has taken: the driver knows channel and payload, in
        order.
        """
        asked, begin = self._losing
        for message in self.driver.lost[len(self.lost) :]:
            for publication in self._record.publications[begin:]:
                taken = (
                    publication.number not in self.lost and publication.message == message.payload
                )
                if taken and publication.channel == self.shown(message.channel):
                    self.lost[publication.number] = asked
                    self.trace.note(f'lose_publishes({asked}) took {publication}')
                    break

    def _raise_errors(self) -> None:
        errors, self.driver.errors = self.driver.errors, []
        if errors and self.raise_server_exceptions:
            for other in errors[1:]:
                errors[0].add_note(f"the site's code raised this too: {other!r}")
            raise errors[0]
