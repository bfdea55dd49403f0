"""The opening handshake (RFC 6455, 4.2): a WSGI environ becomes the head of a 101, or a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ws4redis.core.library import (
    Headers,
    Request,
    ServerProtocol,
    Subprotocol,
    parse_connection,
    parse_subprotocol,
)
from ws4redis.exceptions import HandshakeError, UpgradeRequiredError

__all__ = ['Accepted', 'accept', 'refusal']

VERSION = '13'

HEADERS = {
    name: 'HTTP_' + name.upper().replace('-', '_')
    for name in (
        'Connection',
        'Upgrade',
        'Sec-WebSocket-Key',
        'Sec-WebSocket-Version',
        'Sec-WebSocket-Protocol',
    )
}
"""Those that a 101 answers, and where WSGI has them."""

OTHERS = ('REQUEST_METHOD', 'SERVER_PROTOCOL', 'CONTENT_LENGTH', 'HTTP_TRANSFER_ENCODING')
"""What else decides whether it is one."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A handshake that succeeds.

    Attributes:
        head: the whole 101 response, as bytes for the wire.
        subprotocol: the subprotocol that the head names; None if the client asked for none.
        asked: what the request said of all that decides about it.
    """

    head: bytes
    subprotocol: str | None
    asked: tuple[Any, ...]

    def answers(self, environ: Mapping[str, Any]) -> bool:
        """Whether accept() would give this for a request again."""
        return self.asked == _asked(environ)


def _asked(environ: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple([environ.get(name) for name in (*HEADERS.values(), *OTHERS)])


def _text(environ: Mapping[str, Any], name: str) -> str:
    return str(environ.get(name, '')).strip()


def _check_request(environ: Mapping[str, Any]) -> None:
    if (
        environ.get('REQUEST_METHOD') != 'GET'
        or _text(environ, 'HTTP_UPGRADE').lower() != 'websocket'
    ):
        raise HandshakeError('Client does not wish to upgrade to a websocket')
    try:
        options = [option.lower() for option in parse_connection(_text(environ, 'HTTP_CONNECTION'))]
    except Exception as exc:
        raise HandshakeError('Malformed Connection header') from exc
    if 'upgrade' not in options:
        raise HandshakeError('Client does not wish to upgrade to a websocket')
    if environ.get('SERVER_PROTOCOL', 'HTTP/1.1') != 'HTTP/1.1':
        raise HandshakeError('A websocket needs HTTP/1.1')
    if _text(environ, 'CONTENT_LENGTH') not in ('', '0') or 'HTTP_TRANSFER_ENCODING' in environ:
        raise HandshakeError('An upgrade request has no body')
    if _text(environ, 'HTTP_SEC_WEBSOCKET_VERSION') != VERSION:
        raise UpgradeRequiredError(
            'Unsupported version of the websocket protocol',
            reason=f'version {_text(environ, "HTTP_SEC_WEBSOCKET_VERSION") or "missing"!r}, '
            f'supported is {VERSION}',
            headers=(('Sec-WebSocket-Version', VERSION), ('Upgrade', 'websocket')),
        )


def accept(environ: Mapping[str, Any]) -> Accepted:
    """The 101 for a request that is an upgrade to a websocket; the first of several subprotocols is
    taken.

    Raises:
        HandshakeError: 400, it is none, or a malformed one.
        UpgradeRequiredError: 426, it asks for another version.
    """
    _check_request(environ)
    headers = Headers()
    for name, variable in HEADERS.items():
        value = environ.get(variable)
        if value is not None:
            try:
                headers[name] = str(value).strip()
            except Exception as exc:
                raise HandshakeError(f'Malformed {name} header') from exc
    try:
        asked = (
            parse_subprotocol(headers['Sec-WebSocket-Protocol'])
            if 'Sec-WebSocket-Protocol' in headers
            else []
        )
    except Exception as exc:
        raise HandshakeError('Malformed Sec-WebSocket-Protocol header') from exc
    # After accept() on a request that was not fed as bytes this object would lose later frames: it
    # makes the head only.
    protocol = ServerProtocol(subprotocols=[Subprotocol(asked[0])] if asked else None)
    response = protocol.accept(Request(path='/', headers=headers))
    if response.status_code != 101:
        raise HandshakeError('Malformed upgrade request', reason=str(protocol.handshake_exc))
    return Accepted(response.serialize(), protocol.subprotocol, _asked(environ))


def refusal(error: HandshakeError) -> tuple[str, list[tuple[str, str]], bytes]:
    """The answer to a refused request, as WSGI takes it: status line, headers and body."""
    body = (error.text + '\n').encode('utf-8')
    phrases = {
        400: 'Bad Request',
        403: 'Forbidden',
        404: 'Not Found',
        426: 'Upgrade Required',
        500: 'Internal Server Error',
        501: 'Not Implemented',
        503: 'Service Unavailable',
    }
    headers = [
        ('Content-Type', 'text/plain; charset=utf-8'),
        ('Content-Length', str(len(body))),
        ('Connection', 'close'),
        *error.headers,
    ]
    return f'{error.status} {phrases[error.status]}', headers, body
