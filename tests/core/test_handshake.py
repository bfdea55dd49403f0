"""The opening handshake: what is an upgrade, what the client is told if it is none, and that a
real client takes the 101.
"""

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from ws4redis.core.frames import message_frame
from ws4redis.core.handshake import Accepted, accept, refusal
from ws4redis.exceptions import (
    ForbiddenError,
    HandshakeError,
    UnavailableError,
    UpgradeRequiredError,
)

NOT_AN_UPGRADE = 'Client does not wish to upgrade to a websocket'
KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'


def upgrade(**changes: str | None) -> dict[str, Any]:
    """The environ of a good upgrade request with some variables changed, None to leave them out."""
    environ: dict[str, str | None] = {
        'REQUEST_METHOD': 'GET',
        'PATH_INFO': '/ws/chat',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'HTTP_HOST': 'example.com',
        'HTTP_UPGRADE': 'websocket',
        'HTTP_CONNECTION': 'Upgrade',
        'HTTP_SEC_WEBSOCKET_KEY': KEY,
        'HTTP_SEC_WEBSOCKET_VERSION': '13',
    }
    environ.update(changes)
    return {name: value for name, value in environ.items() if value is not None}


def refused(**changes: str | None) -> HandshakeError:
    """The error of a request with these changes."""
    with pytest.raises(HandshakeError) as caught:
        accept(upgrade(**changes))
    return caught.value


def head_of(accepted: Accepted) -> tuple[str, dict[str, str]]:
    """The status line and the headers of a 101, with lower-case names, each of them once."""
    assert accepted.head.endswith(b'\r\n\r\n')
    assert accepted.head.count(b'\r\n\r\n') == 1
    status, *lines = accepted.head[:-4].decode('ascii').split('\r\n')
    pairs = [line.split(': ', 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    return status, headers


# The 101


def test_the_101_of_the_rfc() -> None:
    """RFC 6455, 1.3: its own example, key and answer."""
    accepted = accept(upgrade())
    status, headers = head_of(accepted)
    assert status == 'HTTP/1.1 101 Switching Protocols'
    assert headers['upgrade'].lower() == 'websocket'
    assert headers['connection'].lower() == 'upgrade'
    assert headers['sec-websocket-accept'] == 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    assert set(headers) == {'date', 'upgrade', 'connection', 'sec-websocket-accept'}
    assert accepted.subprotocol is None


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_every_key_has_its_answer(nonce: bytes) -> None:
    """RFC 6455, 4.2.2: SHA-1 of the key and the GUID."""
    key = base64.b64encode(nonce)
    _, headers = head_of(accept(upgrade(HTTP_SEC_WEBSOCKET_KEY=key.decode())))
    assert (
        headers['sec-websocket-accept']
        == base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    )


def environ_of(client: ClientProtocol) -> dict[str, Any]:
    """The environ that a WSGI server makes of the client's request."""
    request = client.connect()
    client.send_request(request)
    environ: dict[str, Any] = {
        'REQUEST_METHOD': 'GET',
        'PATH_INFO': request.path,
        'SERVER_PROTOCOL': 'HTTP/1.1',
    }
    for name, value in request.headers.raw_items():
        environ['HTTP_' + name.upper().replace('-', '_')] = value
    return environ


@pytest.mark.parametrize('subprotocols', [None, ['chat'], ['v2.chat', 'chat']])
def test_a_real_client_takes_the_101_and_the_frames_behind_it(
    subprotocols: list[str] | None,
) -> None:
    """It checks Sec-WebSocket-Accept and the subprotocol."""
    client = ClientProtocol(parse_uri('ws://example.com/ws/chat'), subprotocols=subprotocols)  # type: ignore[arg-type]
    accepted = accept(environ_of(client))
    client.receive_data(accepted.head + message_frame(b'hello'))
    assert client.handshake_exc is None
    assert client.state is State.OPEN
    response, frame = client.events_received()
    assert isinstance(response, Response)
    assert isinstance(frame, Frame)
    assert (response.status_code, frame.data) == (101, b'hello')
    assert client.subprotocol == accepted.subprotocol == (subprotocols[0] if subprotocols else None)


def test_a_real_client_refuses_the_answer_to_another_key() -> None:
    """So that the test above can fail."""
    client = ClientProtocol(parse_uri('ws://example.com/ws/chat'))
    client.send_request(client.connect())
    client.receive_data(accept(upgrade()).head)
    assert client.handshake_exc is not None
    assert client.state is not State.OPEN


def test_extensions_that_were_offered_are_not_taken() -> None:
    """A compressed frame is understood by nobody here as long as none is agreed on."""
    _, headers = head_of(
        accept(upgrade(HTTP_SEC_WEBSOCKET_EXTENSIONS='permessage-deflate; client_max_window_bits'))
    )
    assert 'sec-websocket-extensions' not in headers


@pytest.mark.parametrize(
    'changes',
    [
        {'HTTP_UPGRADE': 'WebSocket'},
        {'HTTP_UPGRADE': ' WEBSOCKET '},
        {'HTTP_CONNECTION': 'upgrade'},
        {'HTTP_CONNECTION': 'UPGRADE'},
        {'HTTP_CONNECTION': 'keep-alive, Upgrade'},
        {'HTTP_CONNECTION': 'Upgrade,keep-alive'},
        {'HTTP_CONNECTION': 'keep-alive , upgrade , x-mine'},
        {'CONTENT_LENGTH': '0'},
        {'CONTENT_LENGTH': ''},
        {'CONTENT_TYPE': 'text/plain'},
        {'SERVER_PROTOCOL': None},
        {'HTTP_SEC_WEBSOCKET_VERSION': ' 13 '},
        {'HTTP_SEC_WEBSOCKET_KEY': f' {KEY} '},
        {'HTTP_ORIGIN': 'http://evil.example'},
    ],
)
def test_a_good_request_may_look_like_this(changes: dict[str, str | None]) -> None:
    """Any case, lists, blanks, an explicitly empty body; the origin is access's matter."""
    status, _ = head_of(accept(upgrade(**changes)))
    assert status == 'HTTP/1.1 101 Switching Protocols'


# Refusals: 400


@pytest.mark.parametrize(
    'changes',
    [
        {'HTTP_UPGRADE': None},
        {'HTTP_UPGRADE': ''},
        {'HTTP_UPGRADE': 'h2c'},
        {'HTTP_UPGRADE': 'websocket, h2c'},
        {'REQUEST_METHOD': 'POST'},
        {'REQUEST_METHOD': 'HEAD'},
        {'REQUEST_METHOD': 'get'},
        {'REQUEST_METHOD': None},
        {'HTTP_CONNECTION': 'keep-alive'},
        {'HTTP_CONNECTION': 'close, keep-alive'},
        {'HTTP_CONNECTION': 'upgraded'},
        {
            'HTTP_UPGRADE': None,
            'HTTP_CONNECTION': None,
            'HTTP_SEC_WEBSOCKET_KEY': None,
            'HTTP_SEC_WEBSOCKET_VERSION': None,
        },
    ],
)
def test_what_is_no_upgrade_gets_400_and_is_told_so(changes: dict[str, str | None]) -> None:
    """A plain GET or POST on /ws/..., and everything else that asks for no websocket."""
    error = refused(**changes)
    assert (error.status, error.text) == (400, NOT_AN_UPGRADE)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'HTTP_CONNECTION': None}, 'Malformed Connection header'),
        ({'HTTP_CONNECTION': 'Upgrade; x'}, 'Malformed Connection header'),
        ({'HTTP_CONNECTION': '\xe9'}, 'Malformed Connection header'),
        ({'SERVER_PROTOCOL': 'HTTP/1.0'}, 'A websocket needs HTTP/1.1'),
        ({'SERVER_PROTOCOL': 'HTTP/2'}, 'A websocket needs HTTP/1.1'),
        ({'CONTENT_LENGTH': '1'}, 'An upgrade request has no body'),
        ({'CONTENT_LENGTH': '00'}, 'An upgrade request has no body'),
        ({'CONTENT_LENGTH': '-0'}, 'An upgrade request has no body'),
        ({'CONTENT_LENGTH': '0, 5'}, 'An upgrade request has no body'),
        ({'HTTP_TRANSFER_ENCODING': 'chunked'}, 'An upgrade request has no body'),
        ({'HTTP_TRANSFER_ENCODING': 'identity'}, 'An upgrade request has no body'),
        ({'HTTP_TRANSFER_ENCODING': ''}, 'An upgrade request has no body'),
        (
            {'HTTP_TRANSFER_ENCODING': 'chunked', 'CONTENT_LENGTH': '0'},
            'An upgrade request has no body',
        ),
        ({'HTTP_SEC_WEBSOCKET_KEY': None}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': ''}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': 'dGhlIHNhbXBsZQ=='}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': 'dGhlIHNhbXBsZSBub25jZSEh'}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': KEY[:-1]}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': '*' + KEY[1:]}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': f'{KEY}, {KEY}'}, 'Malformed upgrade request'),
        ({'HTTP_SEC_WEBSOCKET_KEY': '\xe9' * 24}, 'Malformed upgrade request'),
    ],
)
def test_a_malformed_request_gets_400(changes: dict[str, str | None], text: str) -> None:
    """Design, Answers: what is malformed, and a request with a body, whose bytes would be taken
    for frames.
    """
    error = refused(**changes)
    assert (error.status, error.text) == (400, text)
    assert not isinstance(error, UpgradeRequiredError)


@pytest.mark.parametrize(
    'header',
    [
        '',
        ',',
        ', ,',
        'a b',
        'a;b',
        '"a"',
        'a, b c',
        'a\r\nSet-Cookie: x=1',
        'a\nb',
        'a\x00',
        'ché',
        'a/b',
    ],
)
def test_a_malformed_subprotocol_header_gets_400(header: str) -> None:
    """And nothing of it reaches the answer: no header can be smuggled in through it."""
    error = refused(HTTP_SEC_WEBSOCKET_PROTOCOL=header)
    assert (error.status, error.text) == (400, 'Malformed Sec-WebSocket-Protocol header')
    status, headers, body = refusal(error)
    assert 'Set-Cookie' not in str((status, headers, body))


@pytest.mark.parametrize(
    'name',
    [
        'UPGRADE',
        'CONNECTION',
        'SEC_WEBSOCKET_KEY',
        'SEC_WEBSOCKET_VERSION',
        'SEC_WEBSOCKET_PROTOCOL',
    ],
)
@pytest.mark.parametrize('bad', ['\x00', '\x08', '\x7f', '\r\nSet-Cookie: x=1', '\n\n'])
def test_a_control_character_in_a_header_gets_an_answer(name: str, bad: str) -> None:
    """400, or 426 in the version: never an error of the library that makes the head."""
    value = upgrade(HTTP_SEC_WEBSOCKET_PROTOCOL='chat')['HTTP_' + name]
    error = refused(**{'HTTP_' + name: f'{value[:1]}{bad}{value[1:]}'})
    assert error.status == (426 if name == 'SEC_WEBSOCKET_VERSION' else 400)
    assert 'Set-Cookie' not in str(refusal(error))


@pytest.mark.parametrize(
    ('header', 'taken'),
    [
        ('chat', 'chat'),
        ('v2.chat, chat', 'v2.chat'),
        (' v2.chat ,chat', 'v2.chat'),
        ('Chat,chat', 'Chat'),
        ('chat, chat', 'chat'),
        (',chat', 'chat'),
    ],
)
def test_the_first_subprotocol_is_taken(header: str, taken: str) -> None:
    """As the client wrote it, in one header."""
    accepted = accept(upgrade(HTTP_SEC_WEBSOCKET_PROTOCOL=header))
    assert accepted.subprotocol == taken
    assert head_of(accepted)[1]['sec-websocket-protocol'] == taken


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0xFF), max_size=20))
def test_no_subprotocol_header_breaks_the_head(header: str) -> None:
    """Whatever a WSGI server hands on: either one token in one header, or a refusal."""
    try:
        accepted = accept(upgrade(HTTP_SEC_WEBSOCKET_PROTOCOL=header))
    except HandshakeError as exc:
        assert exc.status == 400
        return
    _, headers = head_of(accepted)
    assert set(headers) == {
        'date',
        'upgrade',
        'connection',
        'sec-websocket-accept',
        'sec-websocket-protocol',
    }
    assert headers['sec-websocket-protocol'] == accepted.subprotocol
    assert accepted.subprotocol in [token.strip() for token in header.split(',')]


# Refusals: 426


@pytest.mark.parametrize('version', [None, '', '8', '12', '14', '013', '13, 8', 'thirteen', '-13'])
def test_another_version_gets_426_and_is_told_ours(version: str | None) -> None:
    """RFC 6455, 4.4."""
    error = refused(HTTP_SEC_WEBSOCKET_VERSION=version)
    assert isinstance(error, UpgradeRequiredError)
    assert error.status == 426
    assert dict(error.headers) == {'Sec-WebSocket-Version': '13', 'Upgrade': 'websocket'}
    assert repr(version or 'missing') in error.reason


def test_what_the_client_sent_goes_to_the_log_only() -> None:
    """The text is fixed, the reason is not."""
    error = refused(HTTP_SEC_WEBSOCKET_VERSION='secret')
    assert 'secret' in error.reason
    assert 'secret' not in str(refusal(error))
    error = refused(HTTP_SEC_WEBSOCKET_KEY='secret')
    assert 'secret' in error.reason
    assert 'secret' not in str(refusal(error))


# The order of the checks: each request has a fault and every fault that is looked for later

FAULTS: list[tuple[dict[str, str | None], int, str]] = [
    ({'HTTP_UPGRADE': None}, 400, NOT_AN_UPGRADE),
    ({'HTTP_CONNECTION': 'Upgrade; x'}, 400, 'Malformed Connection header'),
    ({'SERVER_PROTOCOL': 'HTTP/1.0'}, 400, 'A websocket needs HTTP/1.1'),
    ({'CONTENT_LENGTH': '5'}, 400, 'An upgrade request has no body'),
    ({'HTTP_SEC_WEBSOCKET_VERSION': None}, 426, 'Unsupported version of the websocket protocol'),
    ({'HTTP_SEC_WEBSOCKET_PROTOCOL': 'a b'}, 400, 'Malformed Sec-WebSocket-Protocol header'),
    ({'HTTP_SEC_WEBSOCKET_KEY': None}, 400, 'Malformed upgrade request'),
]


@pytest.mark.parametrize('first', range(len(FAULTS)))
def test_the_first_fault_is_told(first: int) -> None:
    """A plain GET hears that it is no upgrade, not that its version is missing."""
    changes: dict[str, str | None] = {}
    for fault, _, _ in FAULTS[first:]:
        changes |= fault
    error = refused(**changes)
    assert (error.status, error.text) == FAULTS[first][1:]


# The answer


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (HandshakeError('no'), '400 Bad Request'),
        (ForbiddenError('no'), '403 Forbidden'),
        (HandshakeError('no', status=404), '404 Not Found'),
        (UpgradeRequiredError('no'), '426 Upgrade Required'),
        (HandshakeError('no', status=500), '500 Internal Server Error'),
        (UnavailableError('no', status=501), '501 Not Implemented'),
        (UnavailableError('no'), '503 Service Unavailable'),
    ],
)
def test_every_refusal_closes_the_connection(error: HandshakeError, status: str) -> None:
    """Design, Answers; the body is the fixed text, its length is told."""
    got, headers, body = refusal(error)
    assert got == status
    assert body == b'no\n'
    assert headers == [
        ('Content-Type', 'text/plain; charset=utf-8'),
        ('Content-Length', '3'),
        ('Connection', 'close'),
    ]


def test_the_length_of_a_refusal_counts_bytes() -> None:
    """Not characters."""
    _, headers, body = refusal(HandshakeError('zurück'))
    assert dict(headers)['Content-Length'] == str(len(body)) == '8'


def test_a_426_carries_its_headers_and_closes_the_connection() -> None:
    """RFC 6455, 4.4, and RFC 9110, 15.5.22, which asks for Upgrade."""
    status, headers, _ = refusal(refused(HTTP_SEC_WEBSOCKET_VERSION='8'))
    assert status == '426 Upgrade Required'
    assert {
        ('Connection', 'close'),
        ('Sec-WebSocket-Version', '13'),
        ('Upgrade', 'websocket'),
    } <= set(headers)


def test_a_refusal_never_shows_the_reason() -> None:
    assert 'hunter2' not in str(
        refusal(UnavailableError('Try again later', reason='redis://:hunter2@db'))
    )


@pytest.mark.parametrize(
    'change',
    [
        {'HTTP_SEC_WEBSOCKET_PROTOCOL': 'other'},
        {'HTTP_SEC_WEBSOCKET_KEY': 'AAAAAAAAAAAAAAAAAAAAAA=='},
        {'HTTP_UPGRADE': 'h2c'},
        {'REQUEST_METHOD': 'POST'},
        {'CONTENT_LENGTH': '1'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_accepted_handshake_answers_what_it_has_seen_and_nothing_else(
    change: dict[str, str],
) -> None:
    environ = upgrade(HTTP_SEC_WEBSOCKET_PROTOCOL='chat')
    accepted = accept(environ)
    environ['HTTP_COOKIE'] = 'does=not matter'
    assert accepted.answers(environ)
    assert not accepted.answers({**environ, **change})
