"""The board: a message reaches the tiles that may have it, and no other."""

import json

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.test import Client

from ws4redis.testing import Broker, HandshakeRejected, WebSocketClient

LISTEN = 'subscribe-broadcast&subscribe-user&subscribe-group&subscribe-session'


@pytest.fixture
def panes(client: Client, ws4redis: Broker, john: User, mary: User) -> dict[str, WebSocketClient]:
    """The websockets of both panes, as the page opens them: the visitor's cookie, and the name
    of the pane.
    """
    client.get('/')
    return {
        name: ws4redis.connect(f'/ws/board?{LISTEN}&pane={name}', client=client, name=name)
        for name in ('john', 'mary')
    }


def send(
    client: Client, pane: str, audience: str, to: str = '', text: str = 'hello'
) -> HttpResponseBase:
    return client.post(
        '/board/send/', {'pane': pane, 'audience': audience, 'to': to, 'text': text, 'number': 7}
    )


def told(websocket: WebSocketClient) -> list[str]:
    """The texts that have arrived since the last look."""
    return [message['text'] for message in map(json.loads, websocket.receive_all())]


def test_broadcast_reaches_both_panes_with_the_number_that_was_sent(
    client: Client, panes: dict[str, WebSocketClient]
) -> None:
    send(client, 'john', 'broadcast')
    for pane in panes.values():
        assert pane.receive_json() == {
            'audience': 'broadcast',
            'from': 'john',
            'text': 'hello',
            'number': 7,
        }


@pytest.mark.parametrize(
    ('audience', 'to', 'reached'),
    [
        ('user', 'mary', ['mary']),
        ('user', 'john', ['john']),
        ('group', 'chatters', ['john', 'mary']),
        ('group', 'moderators', ['mary']),
        ('session', '', ['john']),
    ],
)
def test_tile_reaches_its_audience_alone(
    client: Client, panes: dict[str, WebSocketClient], audience: str, to: str, reached: list[str]
) -> None:
    send(client, 'john', audience, to)
    assert [name for name, pane in panes.items() if told(pane)] == reached


def test_pane_that_is_logged_out_loses_its_websocket_and_may_not_send(
    client: Client, panes: dict[str, WebSocketClient]
) -> None:
    client.post('/board/log-out/', {'pane': 'john'})
    panes['john'].assert_closed(1008)
    assert panes['mary'].open
    assert send(client, 'john', 'broadcast').status_code == 403
    panes['mary'].assert_nothing_received()


def test_page_that_is_loaded_again_logs_the_pane_in_again(
    client: Client, ws4redis: Broker, panes: dict[str, WebSocketClient]
) -> None:
    client.post('/board/log-out/', {'pane': 'john'})
    client.get('/')
    again = ws4redis.connect(f'/ws/board?{LISTEN}&pane=john', client=client)
    send(client, 'mary', 'user', 'john')
    assert told(again) == ['hello']


def test_nobody_gets_at_the_panes_of_another_visitor(
    ws4redis: Broker, panes: dict[str, WebSocketClient], client: Client
) -> None:
    stranger = ws4redis.connect(f'/ws/board?{LISTEN}&pane=john')
    send(client, 'mary', 'user', 'john')
    assert stranger.channels == ['broadcast:board']
    stranger.assert_nothing_received()


def test_pane_is_nobody_outside_the_board(
    client: Client, ws4redis: Broker, panes: dict[str, WebSocketClient]
) -> None:
    with pytest.raises(HandshakeRejected, match='403'):
        ws4redis.connect('/ws/orders?subscribe-user&publish-broadcast&pane=john', client=client)
    chat = ws4redis.connect('/ws/user-chat?subscribe-user&publish-user&pane=john', client=client)
    assert chat.channels == []


@pytest.mark.parametrize('facility', ['board', 'load', 'operations', 'persist', 'progress'])
def test_views_alone_publish_what_the_pages_of_the_tour_show(
    client: Client, ws4redis: Broker, panes: dict[str, WebSocketClient], john: User, facility: str
) -> None:
    client.force_login(john)
    for pane in ('', '&pane=john'):
        page = ws4redis.connect(
            f'/ws/{facility}?subscribe-broadcast&publish-broadcast{pane}', client=client
        )
        page.send('{"audience": "broadcast", "from": "mary", "text": "not hers"}')
    ws4redis.assert_nothing_published()


def test_what_is_not_valid_is_not_published(
    client: Client, ws4redis: Broker, panes: dict[str, WebSocketClient]
) -> None:
    nameless = {'audience': 'group', 'to': 'staff:chat'}
    for wrong in ({'pane': 'eve'}, {'audience': 'everybody'}, {'text': ''}, nameless):
        sent = {'pane': 'john', 'audience': 'broadcast', 'text': 'hello', **wrong}
        assert client.post('/board/send/', sent).status_code == 400
    ws4redis.assert_nothing_published()


def test_page_without_users_says_how_to_make_them(
    client: Client, ws4redis: Broker, db: None
) -> None:
    page = client.get('/')
    assert page.status_code == 503
    assert b'load_users' in page.content
