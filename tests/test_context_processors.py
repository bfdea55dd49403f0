"""What templates get from ws4redis.context_processors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.template import Context, Engine
from django.test import RequestFactory

from ws4redis.context_processors import default

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.row('U15')
def test_page_over_http_gets_a_ws_uri(rf: RequestFactory) -> None:
    assert default(rf.get('/'))['WEBSOCKET_URI'] == 'ws://testserver/ws/'


@pytest.mark.row('U15')
def test_page_over_tls_gets_a_wss_uri(rf: RequestFactory) -> None:
    assert default(rf.get('/', secure=True))['WEBSOCKET_URI'] == 'wss://testserver/ws/'


@pytest.mark.row('U15')
def test_uri_has_the_port_of_the_page(rf: RequestFactory, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ['chat.example.org']
    request = rf.get('/', headers={'host': 'chat.example.org:8000'})
    assert default(request)['WEBSOCKET_URI'] == 'ws://chat.example.org:8000/ws/'


@pytest.mark.row('U15')
def test_uri_follows_websocket_url(rf: RequestFactory, settings: Settings) -> None:
    settings.WEBSOCKET_URL = '/live/'
    assert default(rf.get('/'))['WEBSOCKET_URI'] == 'ws://testserver/live/'


@pytest.mark.row('U15')
def test_heartbeat_comes_with_its_quotes(rf: RequestFactory, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    assert default(rf.get('/'))['WS4REDIS_HEARTBEAT'] == '"--heartbeat--"'


@pytest.mark.row('U15')
def test_no_heartbeat_is_null(rf: RequestFactory, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = None
    assert default(rf.get('/'))['WS4REDIS_HEARTBEAT'] == 'null'


@pytest.mark.row('U15')
def test_heartbeat_enters_a_template_unescaped(rf: RequestFactory, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = 'tick'
    template = Engine().from_string('heartbeat_msg: {{ WS4REDIS_HEARTBEAT }},')
    assert template.render(Context(default(rf.get('/')))) == 'heartbeat_msg: "tick",'


@pytest.mark.row('U15')
def test_heartbeat_cannot_leave_its_script(rf: RequestFactory, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '"</script><!--&\u2028'
    literal = default(rf.get('/'))['WS4REDIS_HEARTBEAT']
    assert not set('<>&\u2028') & set(literal)
    assert json.loads(literal) == settings.WS4REDIS_HEARTBEAT
