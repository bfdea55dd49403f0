"""What somebody gets who joins: what is persisted, then what is live, each once."""

from ws4redis.publisher import RedisPublisher
from ws4redis.subscriber import RedisSubscriber, WebSocketHandle
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import channel, hear, somebody, tell

__all__ = [
    'check_each_channel_has_its_own_persisted_message',
    'check_joining_again_brings_the_persisted_message_again',
    'check_joining_before_between_and_after',
    'check_joining_while_somebody_publishes',
    'check_key_of_another_type_is_no_persisted_message',
    'check_what_was_published_before_is_not_for_who_joins_afterwards',
]


def check_joining_before_between_and_after(site: Site) -> None:
    """Whoever joins gets the last persisted message and then all live ones, each once and in
    order.
    """
    before = hear(site)
    tell(site, 'one', expire=60)
    between = hear(site)
    tell(site, 'two', expire=60)
    after = hear(site)
    tell(site, 'three', expire=60)
    assert before.receive_all() == ['one', 'two', 'three']
    assert between.receive_all() == ['one', 'two', 'three']
    assert after.receive_all() == ['two', 'three']


def check_each_channel_has_its_own_persisted_message(site: Site) -> None:
    """Whoever joins several channels gets the persisted message of each."""
    john = somebody('john')
    site.publish('for john', facility='news', users=[john], expire=60)
    site.publish('for mary', facility='news', users=['mary'], expire=60)
    tell(site, 'for all', expire=60)
    client = site.connect('news', subscribe=['user', 'broadcast'], user=john)
    assert sorted(map(str, client.receive_all())) == ['for all', 'for john']


def check_what_was_published_before_is_not_for_who_joins_afterwards(site: Site) -> None:
    """Others listen already, and nobody has looked since: the one who comes gets what is
    persisted, and nothing else.
    """
    before = hear(site)
    for message in ('one', 'two'):
        RedisPublisher(facility='news', broadcast=True).publish_message(message, 60)
    site.redis.publish(channel(), 'three')
    after = hear(site)
    assert before.receive_all() == ['one', 'two', 'three']
    assert after.receive_all() == ['two']


def check_joining_again_brings_the_persisted_message_again(site: Site) -> None:
    """A browser that reconnects gets the persisted message each time."""
    tell(site, 'hello', expire=60)
    for _ in range(3):
        client = hear(site)
        assert client.receive_all() == ['hello']
        client.close()


def check_key_of_another_type_is_no_persisted_message(site: Site) -> None:
    """A list under the name of a channel disturbs nobody who joins."""
    site.redis.rpush(channel(), 'not', 'a', 'message')
    client = hear(site)
    tell(site, 'live')
    assert client.receive_all() == ['live']


def check_joining_while_somebody_publishes(site: Site) -> None:
    """What is published while somebody joins reaches him once, after what was persisted before."""

    class Racing(RedisSubscriber):
        """Publishes at the worst moment: between subscribing and reading what is persisted."""

        messages: tuple[tuple[str, float], ...] = ()

        def send_persisted_messages(self, websocket: WebSocketHandle) -> None:
            for message, expire in self.messages:
                RedisPublisher(facility='news', broadcast=True).publish_message(message, expire)
            super().send_persisted_messages(websocket)

    class Passing(Racing):
        messages = (('live', 0), ('more', 0))

    class Persisting(Racing):
        messages = (('live', 0), ('new', 600), ('last', 0))

    tell(site, 'old', expire=600)
    assert hear(site, subscriber=Passing).receive_all() == ['old', 'live', 'more']
    assert hear(site, subscriber=Persisting).receive_all() == ['live', 'new', 'last']
    assert hear(site).receive_all() == ['new']
