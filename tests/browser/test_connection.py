"""What becomes of a page's websocket: offline and back, a server that is started again,
callbacks that throw.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.visitor import Visitor, expect, opened
from tests.processes.sandbox import SandboxServer

if TYPE_CHECKING:
    from ws4redis.testing.redis_process import RedisProcess

Arrive = Callable[..., Visitor]


def keep(redis_process: RedisProcess, text: str) -> None:
    """Store a message of the persist page while no websocket listens, as another program would."""
    client = redis_process.client()
    client.set('broadcast:persist', json.dumps({'text': text}), ex=60)
    client.close()


def test_browser_that_comes_online_reconnects_at_once(
    redis_server: SandboxServer, redis_process: RedisProcess, arrive: Arrive
) -> None:
    visitor = arrive(redis_server)
    page = visitor.context.new_page()
    page.clock.install()
    page.goto('/persist/')
    opened(page)
    # No timer of the page runs out from here on: only the event can bring the websocket back.
    page.clock.pause_at(page.evaluate('Date.now() + 100'))
    visitor.context.set_offline(True)
    redis_server.stop()
    expect(page.locator('#state')).to_have_text('Disconnected, trying again')
    redis_server.start()
    keep(redis_process, 'while you were away')
    assert len(visitor.websockets) == 1

    visitor.context.set_offline(False)
    expect(page.locator('#state')).to_have_text('Connected')
    expect(page.locator('#live li')).to_have_text(['while you were away'])
    assert len(visitor.websockets) == 2


def test_page_reconnects_by_itself_to_a_server_that_was_started_again(
    redis_server: SandboxServer, redis_process: RedisProcess, arrive: Arrive
) -> None:
    visitor = arrive(redis_server)
    visitor.asks_for('WebSocket connection to .* failed')
    page = visitor.open('/persist/', websockets=1)
    board = visitor.open('/', websockets=2)
    redis_server.stop()
    for state in (*page.locator('.state').all(), *board.locator('.state').all()):
        expect(state).to_have_text('Disconnected, trying again')
    keep(redis_process, 'meanwhile')
    redis_server.start()
    expect(page.locator('#live li')).to_have_text(['meanwhile'])
    opened(board, 2)
    tile = board.locator('.pane[data-name=john] .tile[data-audience=broadcast]')
    tile.get_by_role('textbox').fill('as before')
    tile.get_by_role('button', name='Send').click()
    expect(board.get_by_text('as before')).to_have_count(2)


def test_callback_that_throws_stops_nothing(visitor: Visitor) -> None:
    page = visitor.open('/broadcast/', websockets=1)
    visitor.asks_for('thrown: .*the callback of the test')
    page.evaluate("""() => {
        window.heard = [];
        window.throwing = WS4Redis.subscribe('lobby', {subscribe: 'broadcast', receive_message() {
            throw new Error('the callback of the test');
        }});
        throwing.on('message', (data) => {
            throw new Error('the callback of the test, once more');
        });
        throwing.on('message', (data) => heard.push(data));
    }""")
    page.wait_for_function('() => throwing.state === "open"')
    for text in ('one', 'two'):
        page.get_by_role('region', name='Send over the websocket').get_by_label('Message').fill(
            text
        )
        page.get_by_role('button', name='Send').click()
        page.wait_for_function('text => heard.at(-1) === text', arg=text)
    # A message from before may have been kept.
    assert page.evaluate('heard.slice(-2)') == ['one', 'two']
    assert page.evaluate('throwing.state') == 'open'
    # Nothing was swallowed either: each call's error has reached the window.
    assert len([fault for fault in visitor.faults if 'once more' in fault]) >= 2
    expect(page.locator('#messages li span').last).to_have_text('two')
