"""Django's LiveServerTestCase carries websockets, as projects of release 0.6.0 test theirs: its
server gets our application.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import pytest
import websocket
from django.contrib.auth.models import User
from django.test import LiveServerTestCase, override_settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.processes.serving import eventually
from ws4redis.django_runserver import application
from ws4redis.loop import current_loop
from ws4redis.publisher import RedisPublisher

GUARD = 10
"""Seconds after which what has not come never will."""

VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
"""Of 1000 to 1015 those that may be in a close frame (RFC 6455, 7.4; the last three are IANA's)."""

INVALID = [1004, 1005, 1006, 1015]
"""Those that may not."""

QUERY = 'subscribe-broadcast&subscribe-user&publish-broadcast&echo'


class OldProject(LiveServerTestCase):
    """What an old project's class begins with, and its tests with both clients."""

    __test__ = False

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server_thread.httpd.set_app(application)

    def setUp(self) -> None:
        self.client.force_login(User.objects.create_user('john', password='secret'))
        self.cookie = f'sessionid={self.client.cookies["sessionid"].value}'
        # The server in memory outlives the test.
        self.facility = self._testMethodName
        self.url = self.live_server_url.replace('http:', 'ws:') + f'/ws/{self.facility}?{QUERY}'
        self.addCleanup(current_loop().close)

    def open_websocket_client(self) -> websocket.WebSocket:
        """A websocket of the package websocket-client."""
        client = websocket.create_connection(
            self.url, timeout=GUARD, cookie=self.cookie, origin=self.live_server_url
        )
        self.addCleanup(client.shutdown)
        return client

    def open_websockets(self) -> ClientConnection:
        """A websocket of the package websockets."""
        headers = {'Cookie': self.cookie}
        return self.enterContext(
            connect(
                self.url,
                additional_headers=headers,
                origin=Origin(self.live_server_url),
                proxy=None,
            )
        )

    @contextmanager
    def without_complaint(self) -> Iterator[None]:
        """Neither the server nor the loop has anything to say against what happens, and nothing
        is left of the websockets.
        """
        said = io.StringIO()
        with (
            self.assertNoLogs('ws4redis', 'WARNING'),
            self.assertNoLogs('django', 'WARNING'),
            redirect_stderr(said),
        ):
            yield
            eventually(lambda: not list(current_loop().websockets), 'a websocket stays', GUARD)
        # Tracebacks of the server's own go there.
        self.assertEqual(said.getvalue(), '')

    def test_websocket_client_gets_and_sends(self) -> None:
        with self.without_complaint():
            client = self.open_websocket_client()
            RedisPublisher(facility=self.facility, users=['john']).publish_message(
                'for john', expire=0
            )
            self.assertEqual(client.recv(), 'for john')
            client.send('for all')
            self.assertEqual(client.recv(), 'for all')
            client.close()

    def test_websockets_gets_and_sends(self) -> None:
        with self.without_complaint():
            client = self.open_websockets()
            RedisPublisher(facility=self.facility, users=['john']).publish_message(
                'for john', expire=0
            )
            self.assertEqual(client.recv(GUARD), 'for john')
            client.send('for all')
            self.assertEqual(client.recv(GUARD), 'for all')
            client.close()

    def test_persisted_message_waits(self) -> None:
        RedisPublisher(facility=self.facility, broadcast=True).publish_message('kept', expire=60)
        self.assertEqual(self.open_websocket_client().recv(), 'kept')
        self.assertEqual(self.open_websockets().recv(GUARD), 'kept')

    def test_every_status_that_may_be_sent_comes_back_to_websocket_client(self) -> None:
        with self.without_complaint():
            for status in VALID:
                with self.subTest(status):
                    client = self.open_websocket_client()
                    client.send_close(status, b'enough')
                    opcode, data = client.recv_data()
                    self.assertEqual(
                        (opcode, data[:2]), (websocket.ABNF.OPCODE_CLOSE, struct.pack('!H', status))
                    )
                    client.shutdown()

    def test_every_status_that_may_not_be_sent_is_a_protocol_error(self) -> None:
        with self.without_complaint():
            for status in INVALID:
                with self.subTest(status):
                    client = self.open_websocket_client()
                    client.send_close(status, b'enough')
                    opcode, data = client.recv_data()
                    self.assertEqual(
                        (opcode, data[:2]), (websocket.ABNF.OPCODE_CLOSE, struct.pack('!H', 1002))
                    )
                    client.shutdown()

    def test_websocket_client_that_closes_and_leaves_is_no_error(self) -> None:
        """close() of that package waits for the answer, and does not look at it."""
        with self.without_complaint():
            for status in [*VALID, *INVALID]:
                with self.subTest(status):
                    self.open_websocket_client().close(status)

    def test_every_status_that_may_be_sent_comes_back_to_websockets(self) -> None:
        with self.without_complaint():
            for status in VALID:
                with self.subTest(status):
                    client = self.open_websockets()
                    client.close(status, 'enough')
                    with self.assertRaises(ConnectionClosed) as closed:
                        client.recv(GUARD)
                    assert closed.exception.rcvd is not None
                    self.assertEqual(closed.exception.rcvd.code, status)

    def test_client_that_is_gone_without_a_word_is_no_error(self) -> None:
        with self.without_complaint():
            self.open_websocket_client().shutdown()

    def test_views_are_served_beside(self) -> None:
        client = self.open_websocket_client()
        self.assertEqual(self.client.get('/nowhere/').status_code, 404)
        client.close()


@override_settings(WS4REDIS_CONNECTION='memory://')
class InMemoryTest(OldProject):
    """In this process alone."""

    __test__ = True


@pytest.mark.usefixtures('_redis_in_settings')
class OnRedisTest(OldProject):
    """On a Redis server."""

    __test__ = True


@pytest.fixture
def _redis_in_settings(settings: Any, redis_url: str) -> None:
    settings.WS4REDIS_CONNECTION = redis_url
