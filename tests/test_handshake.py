"""The handshake that is under way: found by its environ, known to nobody afterwards."""

from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from ws4redis.exceptions import HandshakeError, UpgradeRequiredError
from ws4redis.handshake import HANDSHAKE, Handshake, under_way
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker
from ws4redis.wsgi_server import WebsocketWSGIServer

UPGRADE = {
    'upgrade': 'websocket',
    'connection': 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}


def environ_of(headers: dict[str, str] = UPGRADE) -> dict[str, Any]:
    """What a WSGI server gives."""
    return RequestFactory().get('/ws/news?subscribe-broadcast&echo', headers=headers).environ


def test_handshake_is_that_of_the_environ() -> None:
    handshake = Handshake()
    assert under_way({HANDSHAKE: handshake}) is handshake


def test_step_that_is_called_alone_has_a_handshake_of_its_own() -> None:
    environ = environ_of()
    assert under_way(environ).accepted is None
    assert under_way(environ) is not under_way(environ)
    assert HANDSHAKE not in environ


def test_steps_work_without_the_whole_way(rf: RequestFactory) -> None:
    """A site may call each of them, as release 0.6.0 did."""
    server, environ = WebsocketWSGIServer(), environ_of()
    server.assure_protocol_requirements(environ)
    request = WSGIRequest(environ)
    server.process_request(request)
    assert request.user.is_anonymous
    assert server.process_subscriptions(request) == (['subscribe-broadcast'], True)
    head = server.upgrade_websocket(environ, lambda *_: None).head
    assert head.startswith(b'HTTP/1.1 101 ')


@pytest.mark.parametrize(
    ('missing', 'error'),
    [('upgrade', HandshakeError), ('sec-websocket-version', UpgradeRequiredError)],
)
def test_step_that_is_called_alone_refuses_too(missing: str, error: type[HandshakeError]) -> None:
    environ = environ_of({name: value for name, value in UPGRADE.items() if name != missing})
    with pytest.raises(error):
        WebsocketWSGIServer().assure_protocol_requirements(environ)


def test_request_does_not_lead_back_to_its_subscriber() -> None:
    class Keeping(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            self.request = request
            seen.append(under_way(request.environ).subscriber is self)

    seen: list[bool] = []
    with Broker() as broker:
        client = broker.connect('news', subscribe='broadcast', subscriber=Keeping)
        assert seen == [True]
        assert HANDSHAKE not in client.subscriber.request.environ
