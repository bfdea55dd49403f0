"""Broker: the real application, exchange and redis-py in one test, on a server of its own."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self

import redis
from asgiref.sync import sync_to_async
from django.http import HttpRequest

from ws4redis.limits import current_heartbeat
from ws4redis.publishing import as_json
from ws4redis.redis_client import active_server
from ws4redis.schemes import MEMORY
from ws4redis.testing.asynchronous import OwnThread, names_twin, twin_of
from ws4redis.testing.audience import Audience, Entries
from ws4redis.testing.browser_end import MemoryEnd
from ws4redis.testing.client import HandshakeRejected, WebSocketClient
from ws4redis.testing.engine import Engine
from ws4redis.testing.explain.matching import ANY, Wanted
from ws4redis.testing.explain.published import (
    ANY_FACILITY,
    check_threads,
    unexpected,
    why_not_published,
)
from ws4redis.testing.explain.reasons import failure
from ws4redis.testing.fakes.alone import make_subscriber
from ws4redis.testing.handshake import SAME, environ_of, uri_of
from ws4redis.testing.opening import Connects, Opening
from ws4redis.testing.publications import Publication, Publications, check_expire, matching
from ws4redis.testing.stored import Stored
from ws4redis.testing.timing import check_sessions, seconds_of

__all__ = ['ANY', 'SAME', 'Broker']

__unittest = True


class Broker(Connects[WebSocketClient], Stored):
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

    _last: 'ClassVar[Broker | None]' = None
    """The one that was begun last, for the report of a failing test."""

    kernel_buffer = 1 << 18
    """Bytes that a client takes in although it has stopped reading, as a socket's buffers would."""

    def __init__(self, url: str = MEMORY, *, raise_server_exceptions: bool = True) -> None:
        self.raise_server_exceptions = raise_server_exceptions
        self._url = url
        # Where the test makes it, which may be another thread than the one that begins it for an
        # asynchronous test.
        self._thread = OwnThread()
        self._opened = 0
        self._clients: dict[MemoryEnd, WebSocketClient] = {}
        self._begun = False

    # Life

    def __enter__(self) -> Self:
        if self._begun:
            raise RuntimeError(
                'this Broker has begun already: a block inside its block takes a Broker of its own'
            )
        self._begin()
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        self._end()
        if exc_type is None:
            self._raise_errors()

    async def __aenter__(self) -> Self:
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, *exc_info: object) -> None:
        await self._thread.call(self.__exit__, *exc_info)

    def _begin(self) -> None:
        Broker._last = self
        self._engine = Engine(self._url, self.settle)
        self._begun = True

    def _end(self) -> None:
        self._check()
        self._begun = False
        try:
            self._engine.end()
        finally:
            self._clients.clear()

    def _check(self) -> None:
        """Refuse use outside the block: nothing would be known, and assertions that nothing came
        would hold for ever.
        """
        if not self._begun:
            raise RuntimeError(
                'this Broker has ended, or has not begun: use it inside `with Broker() as broker:`'
            )

    def _close_clients(self) -> None:
        """Close every websocket, as a server does that ends."""
        self._engine.driver.close_all()
        self.settle()

    def reset(self) -> None:
        """Begin anew: no websockets, no keys, nothing published."""
        self._end()
        self._begin()

    # Publishing

    def publish(
        self,
        message: str | bytes | bytearray = ANY,
        *,
        json: object = ANY,
        facility: str,
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
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
        if active_server() is not self._engine.server:
            raise RuntimeError(
                'another Broker has begun inside this one: publish there, or after its block'
            )
        publisher = Audience(facility, users, groups, sessions, broadcast).publisher()
        if not publisher._publishers:
            raise ValueError(
                'publish() reaches nobody: it takes broadcast=True, users=, groups= or sessions='
            )
        publisher.publish_message(message if json is ANY else as_json(json), expire)
        self.settle()

    @property
    def published(self) -> Publications:
        """Every PUBLISH so far, whoever made it."""
        self.settle()
        return Publications(self._engine.record.publications, self)

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
        message: object = ANY,
        *,
        json: object = ANY,
        json_contains: object = ANY,
        facility: str = ANY,
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
        broadcast: bool = False,
        expire: float = ANY,
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
        audience = Audience(facility, users, groups, sessions, broadcast)
        found = self._matching(wanted, audience, expire)
        if not found or any(len(publications) != times for publications in found.values()):
            where = ANY_FACILITY if facility is ANY else str(facility)
            raise failure(why_not_published(self, wanted, where, found, times))

    def assert_not_published(
        self,
        message: object = ANY,
        *,
        json: object = ANY,
        json_contains: object = ANY,
        facility: str = ANY,
        users: Entries = (),
        groups: Entries = (),
        sessions: Entries = (),
        broadcast: bool = False,
        expire: float = ANY,
    ) -> None:
        """It was published on none of the channels; the arguments are those of
        assert_published().
        """
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        audience = Audience(facility, users, groups, sessions, broadcast)
        self.settle()
        # First: what a thread publishes after the look would not be seen.
        check_threads(self)
        found = self._matching(wanted, audience, expire)
        publications = [publication for of_it in found.values() for publication in of_it]
        if publications:
            raise failure([unexpected(f'published: {wanted!r}', publications)])

    def assert_nothing_published(self) -> None:
        """Nothing was published: a fact, since everything that was sent to Redis has been heard."""
        __tracebackhide__ = True
        self.settle()
        check_threads(self)
        publications = self.published
        if publications:
            raise failure([unexpected('something was published', publications)])

    def _matching(
        self, wanted: Wanted, audience: Audience, expire: float
    ) -> dict[str | None, list[Publication]]:
        """What was published as an assertion has it, by channel."""
        published = self.published
        check_expire(expire)
        names = [name.removeprefix(self.namespace) for name in audience.channels()]
        return matching(published, wanted, audience.facility, names or None, expire)

    # Its server

    @property
    def redis(self) -> 'redis.Redis':
        """A client of this broker's server."""
        self._check()
        return self._engine.server.client

    @property
    def namespace(self) -> str:
        """What stands before each name that this package makes on its server, for a test that
        publishes there as another program does; '' unless the server is in use otherwise.
        """
        self._check()
        return self._engine.namespace

    # Connecting

    @twin_of(Connects[WebSocketClient].connect)
    def aconnect(self) -> None:
        """As connect()."""

    @names_twin('aconnect')
    def _open(self, opening: Opening) -> WebSocketClient:
        __tracebackhide__ = True
        # What was published until now is not for the one who joins.
        self.settle()
        opening.check()
        force_user, groups = opening.force_user, opening.group_names()
        with opening.settings():
            path, query = opening.address(lambda: self._engine.application.possible_channels)
            cookies = opening.cookies()
            self._opened += 1
            websocket = MemoryEnd(
                self,
                uri_of(path, query),
                opening.shown_name(self._opened),
                tuple(opening.subprotocols),
                current_heartbeat(),
            )
            client = self._clients[websocket] = WebSocketClient(self, websocket)
            headers, origin = opening.headers or {}, opening.origin
            forced = (force_user, groups) if force_user is not None else None
            environ = environ_of(websocket, path, query, cookies, headers, origin, forced)
            self._handshake(websocket, environ)
        self.settle()
        return client

    def _handshake(self, websocket: MemoryEnd, environ: dict[str, Any]) -> None:
        engine = self._engine
        answer: list[Any] = []
        engine.record.read()
        number = len(engine.record.publications)

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Any:
            answer[:] = [status, headers]
            return None

        try:
            body = b''.join(engine.application(environ, start_response))
        except BrokenPipeError:
            websocket.check_response()
            websocket.joined = dataclasses.replace(
                websocket.joined, channels=websocket.channels, number=number, at=engine.clock.now()
            )
            engine.trace.note(
                f'{websocket.name} joined {", ".join(websocket.channels) or "no channel"}'
            )
            self._raise_errors()
            return
        refusal = engine.driver.refusal
        reason = refusal.reason if refusal is not None else ''
        engine.trace.note(f'{websocket.name} refused, {answer[0]}: {reason}')
        self._raise_errors()
        raise HandshakeRejected(int(answer[0].split()[0]), dict(answer[1]), body, reason)

    def make_subscriber(
        self,
        cls: str | Callable[..., object] | None = None,
        *,
        request: HttpRequest | None = None,
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
            self._engine.driver, cls, request=request, facility=facility, channels=channels
        )

    @property
    def clients(self) -> list[WebSocketClient]:
        """Those that are still open on the server's side."""
        return [self._clients[end] for end in self._engine.driver.websockets]

    # Time and faults

    @property
    def now(self) -> float:
        """The broker's time, seconds since the epoch."""
        return self._engine.clock.now()

    @names_twin('asettle')
    def settle(self) -> None:
        """Until everything that was published has arrived, every answer too, and no timer is
        due.
        """
        self._check()
        self._engine.settle()
        self._raise_errors()

    @twin_of(settle)
    def asettle(self) -> None:
        """As settle()."""

    def explain(self) -> str:
        """What has happened so far: the last 50 events, each with its time and the line that
        caused it.
        """
        self.settle()
        return str(self._engine.trace)

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
        engine = self._engine
        check_sessions(engine.clock, engine.driver.websockets, target)
        engine.trace.note(f'advance({left:g})')
        engine.advance_to(target)

    @twin_of(advance)
    def aadvance(self) -> None:
        """As advance()."""

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Redis is away inside the block: connections are cut and new ones refused; at its end
        the feed is back.
        """
        self.settle()
        try:
            with self._engine.outage():
                yield
        finally:
            self.settle()

    def drop_subscribers(self) -> None:
        """Cut the pub/sub connection, as CLIENT KILL TYPE pubsub does; when this returns it is
        back, and has caught up.
        """
        self.settle()
        self._engine.drop_subscribers()
        self.settle()

    def lose_publishes(self, n: int = 1) -> None:
        """Lose the next messages that come from Redis, as a connection does that is cut unnoticed;
        what is stored stays.

        Raises:
            ValueError: n is less than one.
        """
        self.settle()
        self._engine.lose_publishes(n)

    def _raise_errors(self) -> None:
        driver = self._engine.driver
        errors, driver.errors = driver.errors, []
        if errors and self.raise_server_exceptions:
            for other in errors[1:]:
                errors[0].add_note(f"the site's code raised this too: {other!r}")
            raise errors[0]
