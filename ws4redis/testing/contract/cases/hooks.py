"""What an override of parse_response() or publish_message() makes of each message."""

import json
from typing import Any

from django.http import HttpRequest

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF, RedisMessage
from ws4redis.subscriber import RedisSubscriber, WebSocketHandle
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import channel, hear, somebody, talk, tell, text

__all__ = [
    'check_error_closes_that_websocket_alone',
    'check_error_closes_with_1011',
    'check_message_is_answered_as_it_came',
    'check_messages_arrive_at_the_site',
    'check_messages_may_be_filtered_and_rewritten',
    'check_what_it_spawns_runs',
]


def check_messages_arrive_at_the_site(site: Site) -> None:
    """publish_message() gets each message once and in order, and may answer, swallow or pass
    on.
    """
    seen: list[Any] = []

    class Commands(RedisSubscriber):
        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            self.request = request
            super().set_pubsub_channels(request, channels)

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            assert isinstance(message, RedisMessage)
            command = json.loads(message)
            seen.append(command['number'])
            if command['do'] == 'answer':
                RedisPublisher(facility='news', users=[SELF], request=self.request).publish_message(
                    f'to {command["number"]}'
                )
            elif command['do'] == 'pass on':
                super().publish_message(message, expire)

    john = somebody('john')
    client = site.connect(
        'news', subscribe='user', publish='broadcast', user=john, subscriber=Commands
    )
    other = hear(site)
    for number, do in enumerate(['swallow', 'answer', 'pass on', 'answer']):
        client.send_json({'do': do, 'number': number})
    assert client.receive_all() == ['to 1', 'to 3']
    assert [json.loads(message)['number'] for message in other.receive_all()] == [2]
    assert seen == [0, 1, 2, 3]


def check_message_is_answered_as_it_came(site: Site) -> None:
    """publish_message() knows of each message whether it was text or binary, and may answer
    through the kept websocket.
    """

    class Echo(RedisSubscriber):
        def send_persisted_messages(self, websocket: WebSocketHandle) -> None:
            self.websocket = websocket

        def publish_message(self, message: Any, expire: float | None = None) -> None:
            self.websocket.send(message, binary=message.binary)

    client = site.connect('news', subscriber=Echo)
    messages: list[str | bytes] = ['text', b'text', b'', '', b'\xff', 'grün', 'grün'.encode()]
    for message in messages:
        client.send(message)
    assert client.receive_all() == messages


def check_error_closes_that_websocket_alone(site: Site) -> None:
    """An error in publish_message() closes with 1011 and tells nothing; nothing sent after
    it is published.
    """

    class Failing(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            if message == b'bad':
                raise RuntimeError('s3cret')
            super().publish_message(message, expire)

    client, other = talk(site, subscriber=Failing), talk(site, subscriber=Failing)
    client.send_raw(text('good') + text('bad') + text('late'))
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    assert other.receive_all() == ['good']
    assert other.open


def check_what_it_spawns_runs(site: Site) -> None:
    """A greenlet that publish_message() spawns runs to its end."""

    class Spawning(RedisSubscriber):
        def publish_message(self, message: Any, expire: float | None = None) -> None:
            import gevent

            gevent.spawn(
                RedisPublisher(facility='news', broadcast=True).publish_message,
                b'later: ' + message,
            )

    client = talk(site, subscriber=Spawning)
    client.send('hello')
    assert client.receive_all() == ['later: hello']


def check_messages_may_be_filtered_and_rewritten(site: Site) -> None:
    """parse_response() is asked once for each message, in order; it may drop it, change it
    or read on.
    """

    class Filter(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            return None if reply[-1].startswith(b'#') else reply

    class ReadsOn(RedisSubscriber):
        def parse_response(self) -> Any:
            while True:
                reply = super().parse_response()
                if not reply[-1].startswith(b'#'):
                    return reply

    class Rewrites(RedisSubscriber):
        def parse_response(self) -> Any:
            reply = super().parse_response()
            return {b'#one': b'\xff', b'two': 'zwei', b'#three': RedisMessage('drei')}.get(
                reply[-1], reply
            )

    one, two, three, plain = (
        hear(site, subscriber=kind) for kind in (Filter, ReadsOn, Rewrites, None)
    )
    pipeline = site.redis.pipeline(transaction=False)
    for message in ('#one', 'two', '#three', 'four'):
        pipeline.publish(channel(), message)
    pipeline.execute()
    assert one.receive_all() == two.receive_all() == ['two', 'four']
    assert three.receive_all() == [b'\xff', 'zwei', 'drei', 'four']
    assert plain.receive_all() == ['#one', 'two', '#three', 'four']


def check_error_closes_with_1011(site: Site) -> None:
    """An error in parse_response() closes that websocket with 1011, and the others get the
    message.
    """

    class Failing(RedisSubscriber):
        def parse_response(self) -> Any:
            super().parse_response()
            raise RuntimeError('s3cret')

    client, other = hear(site, subscriber=Failing), hear(site)
    tell(site, 'hello')
    assert other.receive_all() == ['hello']
    assert (client.close_code, client.close_reason) == (1011, 'internal error')
    client.assert_nothing_received()
