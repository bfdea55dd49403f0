"""LiveServer: Django's pages, static files and the real websocket loop on one real port, for
browser tests.
"""

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import QuietWSGIRequestHandler, _MediaFilesHandler, _StaticFilesHandler
from django.test.utils import modify_settings
from django.utils.encoding import iri_to_uri

from ws4redis.core.frames import CloseCode
from ws4redis.core.recipient import Phase
from ws4redis.core.wording import counted
from ws4redis.limits import current_heartbeat
from ws4redis.testing.broker import Broker
from ws4redis.testing.client import HandshakeRejected
from ws4redis.testing.handshake import SAME
from ws4redis.testing.live.client import LiveClient, TcpEnd
from ws4redis.testing.live.loop import LiveLoop
from ws4redis.testing.opening import Connects, Opening
from ws4redis.testing.publications import facility_of
from ws4redis.testing.timing import EXACT_SECONDS, EXACT_STEPS, check_sessions, seconds_of
from ws4redis.wsgi import WebSocketDispatcher
from ws4redis.wsgi_server import WebsocketWSGIServer

if TYPE_CHECKING:
    from websockets.http11 import Response

__all__ = ['LiveServer']

WSGIApplication: TypeAlias = Callable[..., Iterable[bytes]]

GOODBYE: Final = 2.0
"""Seconds that clients which are not ours have to answer the close frame when the server ends."""

END: Final = 10.0
"""Seconds after which a view that still runs when the server ends is taken for one that hangs."""

SEND_BUFFER: Final = 1 << 16
"""Bytes that the system keeps for a client that has stopped reading, on the server's side."""


class LiveServer(Connects[LiveClient]):
    """Django's pages, static files and websockets on one real port, on a broker's Redis and the
    test's database.

    A context manager, inside a Broker's. The loop is the one of production, in a thread of its own,
    and the site's code runs in its threads; so rows must be committed (transactional_db,
    TransactionTestCase) unless the database is SQLite in memory. It is another loop than the
    process has, which stays untouched.

    Args:
        broker: whose server carries the messages; it has started.
        application: the WSGI application for everything but websockets; None takes Django's.
        static: whether it serves static files too, and for Django media files, as Django's live
            server does.
        host, port: where to listen; 0 takes a free port.

    Attributes:
        broker, host, port: as given, the port as found.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        application: WSGIApplication | None = None,
        static: bool = True,
        host: str = '127.0.0.1',
        port: int = 0,
    ) -> None:
        self.broker = broker
        self.host = host
        self.port = port
        self._application = application
        self._static = static
        self._clients: list[LiveClient] = []
        self._count = 0

    @property
    def url(self) -> str:
        """Where the pages are: http://host:port."""
        return f'http://{self.host}:{self.port}'

    @property
    def ws_url(self) -> str:
        """Where the websockets are, without their path: ws://host:port."""
        return f'ws://{self.host}:{self.port}'

    # Life

    def __enter__(self) -> 'LiveServer':
        with contextlib.ExitStack() as stack:
            stack.enter_context(modify_settings(ALLOWED_HOSTS={'append': self.host}))
            shared = stack.enter_context(_shared_connections())
            self._loop = LiveLoop(self.broker._engine.server, shared)
            if self._loop.hub.patched:
                raise RuntimeError(
                    'gevent has patched this process: a LiveServer needs native threads'
                )
            self._loop.ensure_started()
            stack.callback(self._loop.close, GOODBYE)
            self._http = _HttpServer((self.host, self.port), self._dispatcher(), shared)
            stack.callback(self._http.end)
            self.port = self._http.server_address[1]
            self._stack = stack.pop_all()
        return self

    def _dispatcher(self) -> WebSocketDispatcher:
        # The handler of media files answers for Django where MEDIA_URL is not set: another
        # application would get nothing.
        application = self._application or (
            _MediaFilesHandler(WSGIHandler()) if self._static else WSGIHandler()
        )
        if self._static:
            application = _static_files()(application)
        self._websockets = _Application(self._loop)
        return WebSocketDispatcher(application, self._websockets)

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        with self._stack:
            self._close_clients()
            for end in self._ends:
                end.hang_up()
        if exc_type is None:
            self._raise_errors()

    def _close_clients(self) -> None:
        """Close every websocket with 1001, as a server does that ends."""
        for end in self._ends:
            end.reads = True
        self._loop.ask(lambda: self._loop.close_all(CloseCode.GOING_AWAY))
        self._settle()

    # Connecting

    def _open(self, opening: Opening) -> LiveClient:
        if opening.force_user is not None:
            raise ValueError(
                'force_user has no way over TCP, where a cookie says who this is: give a saved '
                'user as user='
            )
        opening.check()
        # What was published until now is not for the one who joins.
        self.settle()
        with opening.settings():
            path, query = opening.address(lambda: self._websockets.possible_channels)
            cookies = opening.cookies()
            self._count += 1
            uri = self.ws_url + iri_to_uri(path + (f'?{query}' if query else ''))
            websocket = TcpEnd(
                self,
                uri,
                opening.shown_name(self._count),
                tuple(opening.subprotocols),
                current_heartbeat(),
            )
            headers = {**self._headers(cookies, opening.origin), **(opening.headers or {})}
            try:
                self._shake_hands(websocket, headers)
            except BaseException:
                websocket.hang_up()
                raise
        client = LiveClient(self, websocket)
        self._clients.append(client)
        self.settle()
        return client

    def _headers(self, cookies: Mapping[str, str], origin: str | None) -> dict[str, str]:
        headers = {}
        if origin is not None:
            headers['Origin'] = self.url if origin is SAME else str(origin)
        if cookies:
            headers['Cookie'] = '; '.join(f'{key}={value}' for key, value in cookies.items())
        return headers

    def _shake_hands(self, websocket: TcpEnd, headers: Mapping[str, str]) -> None:
        handshake = self._loop.expect(websocket.connect((self.host, self.port)))
        refusal: Response | None = websocket.shake_hands(headers)
        websocket.recipient, websocket.session = handshake.recipient, handshake.session
        websocket.subscriber = (
            None if handshake.recipient is None else handshake.recipient.subscriber
        )
        self._raise_errors()
        if refusal is not None:
            reason = handshake.refusal.reason if handshake.refusal is not None else ''
            answered = dict(refusal.headers.raw_items())
            raise HandshakeRejected(
                refusal.status_code, answered, bytes(refusal.body or b''), reason
            )
        number, now = len(self.broker.published), self.broker.now
        websocket.joined = dataclasses.replace(
            websocket.joined, channels=websocket.channels, number=number, at=now
        )

    @property
    def clients(self) -> list[LiveClient]:
        """Those that are still open on the server's side."""
        return [client for client in self._clients if client._end.is_served]

    @property
    def _ends(self) -> list[TcpEnd]:
        return [client._end for client in self._clients]

    def wait_until_subscribed(self, facility: str, count: int, timeout: float = 5) -> None:
        """Return when so many websockets, a browser's for instance, have joined channels of this
        facility.

        Args:
            timeout: seconds; a guard, since it returns at once when they are there.

        Raises:
            AssertionError: fewer have joined within that time; it says how many.
        """
        if not self._loop.happens(lambda: self._listening(facility) >= count, timeout):
            found = self._loop.ask(lambda: self._listening(facility))
            raise AssertionError(
                f'{counted(found, "websocket listens", "websockets listen")} on {facility!r} '
                f'after {timeout} s, not {count}'
            )

    def _listening(self, facility: str) -> int:
        return sum(
            recipient.phase is Phase.OPEN
            and recipient.held is None
            and any(
                facility_of(self.broker._engine.shown(channel)) == facility
                for channel in recipient.channels
            )
            for recipient in self._loop.exchange.recipients
        )

    # Time and faults

    def settle(self) -> None:
        """Until everything that was published or sent has arrived, every answer too, and no call of
        the site's code runs.

        This is proved, not waited for: Redis has answered a PING that was sent behind the last
        publish, and the bytes that one end has written are those that the other has read.

        Raises:
            RuntimeError: something still moves after half a minute; it says what.
            Exception: what the site's code raised, with the broker's raise_server_exceptions.
        """
        self._settle()
        self._raise_errors()

    def _settle(self) -> None:
        before: Any = None
        while True:
            self.broker.settle()
            of_loop = self._loop.settle(self._ends)
            for end in self._ends:
                self._receive(end)
            of_broker = dataclasses.astuple(self.broker._engine.driver.exchange.agenda.counters)
            of_clients = [(end.sent, end.taken, end.ended) for end in self._ends]
            now = (of_loop, of_broker, of_clients)
            if now == before:
                return
            before = now

    def _receive(self, end: TcpEnd) -> None:
        if end.reads and end.recipient is not None:
            ends = self._loop.has_said_all(end.recipient)
            end.receive_until(self._loop.traffic(end.recipient).written, ends)

    def _raise_errors(self) -> None:
        errors, self._loop.errors = self._loop.errors, []
        if errors and self.broker.raise_server_exceptions:
            raise errors[0]

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass for the broker and for the loop, without waiting: timers run in their
        order, messages expire.

        Raises:
            ValueError: the time is negative.
            RuntimeError: an open client's session would end by then, and no clock tool is active
                that moves Django's clock.
        """
        left = seconds_of(seconds)
        self.settle()
        served = [end for end in self._ends if end.is_served]
        check_sessions(self.broker._engine.clock, served, self.broker.now + left)
        left = self._run_timers(left)
        if left > 2 * EXACT_SECONDS:
            # Periodic timers do now what they would have done many times over.
            self._move(left - EXACT_SECONDS)
            left = self._run_timers(EXACT_SECONDS)
        self._move(left)

    def _run_timers(self, left: float) -> float:
        for _ in range(EXACT_STEPS):
            step = self._loop.ask(self._next_step)
            if step is None or step > left:
                return left
            self._move(step)
            left -= step
        return left

    def _next_step(self) -> float | None:
        deadline = self._loop.deadline()
        return None if deadline is None else max(0.0, deadline - self._loop.now())

    def _move(self, seconds: float) -> None:
        self.broker.advance(seconds)
        self._loop.ask(lambda: self._loop.move(seconds))
        self.settle()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Redis is away inside the block, for the broker too: at its end the connections are
        back, and all has arrived.
        """
        self.settle()
        with self.broker.outage():
            self._loop.ask(lambda: self._loop.feed_lost('outage()'))
            self.settle()
            yield
        # An attempt that has met the closed gate ends first.
        self.settle()
        self._loop.ask(self._loop.reconnect)
        self.settle()

    def drop_subscribers(self) -> None:
        """Cut the loop's pub/sub connection; it comes back at once."""
        self.settle()
        self._loop.ask(lambda: self._loop.cut('drop_subscribers()'))
        self.settle()

    def lose_publishes(self, n: int = 1) -> None:
        """Swallow the next n messages that Redis sends to the loop."""
        self.settle()
        self._loop.ask(lambda: self._loop.lose(n))


def _static_files() -> Any:
    if apps.is_installed('django.contrib.staticfiles'):
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        return StaticFilesHandler
    return _StaticFilesHandler


@contextlib.contextmanager
def _shared_connections() -> Iterator[dict[str, Any]]:
    """The test's connections to databases in memory, for all threads: each other connection
    would see one of its own.
    """
    shared: dict[str, Any] = {}
    for connection in connections.all():
        found: Any = connection
        if found.vendor == 'sqlite' and found.is_in_memory_db():
            shared[found.alias] = found
    for connection in shared.values():
        connection.inc_thread_sharing()
    try:
        yield shared
    finally:
        for connection in shared.values():
            connection.dec_thread_sharing()


class _Application(WebsocketWSGIServer):
    """The real application, on a loop that is told whose request it answers."""

    def __init__(self, loop: LiveLoop) -> None:
        super().__init__(driver=loop)
        self._loop = loop

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with self._loop.answering(environ['REMOTE_PORT']):
            return super().__call__(environ, start_response)

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        self._loop.note_session(getattr(request, 'session', None))

    def _close_connections(self) -> None:
        """The server does it, behind every request."""


class _RequestHandler(QuietWSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), 'REMOTE_PORT': str(self.client_address[1])}


class _HttpServer(ThreadedWSGIServer):
    """Django's development server, of which nothing is left at its end.

    Args:
        application: the WSGI application.
        shared: database connections that all threads use.
    """

    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], application: WebSocketDispatcher, shared: Mapping[str, Any]
    ) -> None:
        super().__init__(
            address, _RequestHandler, allow_reuse_address=False, connections_override=shared
        )
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.set_app(application)
        self._ending = False
        self._requests: dict[threading.Thread, socket.socket] = {}
        self._thread = threading.Thread(
            target=self._serve, name='ws4redis-live-server', daemon=True
        )
        self._thread.start()

    def _serve(self) -> None:
        while not self._ending:
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self._ending

    def process_request(self, request: Any, client_address: Any) -> None:
        arguments = (request, client_address)
        thread = threading.Thread(
            target=self.process_request_thread,
            args=arguments,
            name='ws4redis-live-request',
            daemon=True,
        )
        self._requests[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._requests[threading.current_thread()]

    def end(self) -> None:
        """Take no more requests, and end those that wait for another on their connection.

        Raises:
            RuntimeError: a view still runs.
        """
        self._ending = True
        # It waits for a request without a time-out: here it is.
        with contextlib.suppress(OSError):
            socket.create_connection(self.socket.getsockname()[:2], END).close()
        self._thread.join()
        self.server_close()
        requests = dict(self._requests)
        for request in requests.values():
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        for thread in requests:
            thread.join(END)
        if any(thread.is_alive() for thread in requests):
            raise RuntimeError(f'a view still runs {END:.0f} s after the end of the live server')
