"""What a browser does: keeps its cookie, posts forms to Django, opens websockets."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.processes.journey import form_data
from tests.processes.serving import GUARD

FORM = 'application/x-www-form-urlencoded'

TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The certificate of the tests is signed by nobody."""
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


class Server(Protocol):
    """What a browser has to know of a server."""

    @property
    def port(self) -> int:
        """Where it listens on the loopback."""

    @property
    def origin(self) -> str:
        """As a browser names it."""


class Browser:
    """One browser of a site whose pages and websockets may come from two servers.

    Args:
        pages: serves Django.
        websockets: serves the websockets; None: the same.
        username: whom to log in; None for nobody.
    """

    def __init__(
        self, pages: Server, websockets: Server | None = None, username: str | None = None
    ) -> None:
        self.pages = pages
        self.websockets = websockets or pages
        self.cookie = ''
        if username is not None:
            assert self.post('/login/', username=username, password=username) == (204, '')

    def post(self, path: str, **fields: object) -> tuple[int, str]:
        """Post a form, and return status and text of the answer."""
        if self.pages.origin.startswith('https:'):
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                '127.0.0.1', self.pages.port, timeout=GUARD, context=TRUSTING
            )
        else:
            connection = http.client.HTTPConnection('127.0.0.1', self.pages.port, timeout=GUARD)
        headers = {'Content-Type': FORM, 'Connection': 'close'} | (
            {'Cookie': self.cookie} if self.cookie else {}
        )
        try:
            connection.request('POST', path, urlencode(form_data(fields)), headers)
            answer = connection.getresponse()
            cookies = SimpleCookie(answer.getheader('Set-Cookie', ''))
            if 'sessionid' in cookies:
                self.cookie = f'sessionid={cookies["sessionid"].value}'
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def publish(self, message: str, **fields: object) -> None:
        """Publish by the site's view, and expect it to succeed."""
        assert self.post('/publish/', message=message, **fields) == (204, '')

    def websocket(self, facility_and_query: str, origin: str | None = None) -> ClientConnection:
        """Open a websocket, as a page of `origin` does; None: a page of the websockets' own
        host.
        """
        return connect(
            f'ws://127.0.0.1:{self.websockets.port}/ws/{facility_and_query}',
            origin=Origin(origin or self.websockets.origin),
            additional_headers={'Cookie': self.cookie} if self.cookie else None,
            proxy=None,
            open_timeout=GUARD,
            close_timeout=GUARD,
        )


def receive(websocket: ClientConnection) -> str | bytes:
    """The next message; TimeoutError if there comes none."""
    message: str | bytes = websocket.recv(timeout=GUARD)
    return message


UPGRADE = {
    'Upgrade': 'websocket',
    'Connection': 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}
"""What an upgrade request has; the key is that of RFC 6455, 1.3."""


def request_head(server: Server, target: str, headers: Mapping[str, str]) -> bytes:
    """A GET as bytes."""
    lines = [f'GET {target} HTTP/1.1', f'Host: 127.0.0.1:{server.port}']
    lines += [f'{name}: {value}' for name, value in headers.items()]
    return '\r\n'.join([*lines, '', '']).encode()


def open_connection(server: Server) -> socket.socket:
    """A connection to the server, with TLS if it speaks that."""
    connection = socket.create_connection(('127.0.0.1', server.port), timeout=GUARD)
    return TRUSTING.wrap_socket(connection) if server.origin.startswith('https:') else connection


def raw_request(
    server: Server, target: str, headers: Mapping[str, str], *, ends: bool = True
) -> tuple[int, http.client.HTTPMessage, str]:
    """Send a GET and, if the connection has to end with the answer, read until it does:
    TimeoutError if it does not.

    Returns:
        Status, headers and text of the answer.
    """
    with open_connection(server) as client:
        client.sendall(request_head(server, target, headers))
        answer = http.client.HTTPResponse(client, method='GET')
        answer.begin()
        text = answer.read().decode()
        assert not ends or client.recv(1) == b'', 'something follows the answer'
    return answer.status, answer.headers, text
