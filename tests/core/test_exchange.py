"""Channels to recipients: what joining, leaving, outages and patterns mean for each websocket,
in every order of events.
"""

import functools
import itertools
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from websockets.frames import Opcode

from tests.core.simulation import QUIET, Client, World, matches
from ws4redis.core.exchange import REMEMBERED
from ws4redis.core.feed import FeedState, Kind
from ws4redis.core.frames import message_frame
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Phase, Recipient

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'
MARY = b'user:mary:news'


@pytest.fixture
def world() -> World:
    return World()


# What a websocket is owed: the oracle of all orders of events


def owed(
    world: World, client: Client, channel: bytes, since: int
) -> tuple[list[bytes], list[bytes]]:
    """What a client gets of a channel whose messages reach it from that place in Redis' log on:
    persisted, live.
    """
    assert client.looked_at is not None
    records = [
        (at, record) for at, record in enumerate(world.redis.log) if record.channel == channel
    ]
    live = [record.payload for at, record in records if at >= since and record.sender is not client]
    older = [record.payload for at, record in records if at < since and record.persisted]
    newer = any(record.persisted for at, record in records if since <= at < client.looked_at)
    return ([] if newer else older[-1:]), live


def assert_joined_exactly(world: World, client: Client) -> None:
    """Nothing lost from the join's acknowledgement on, nothing twice, persisted first unless
    among the live, Redis' order.
    """
    places = {record.payload: at for at, record in enumerate(world.redis.log)}
    ways: list[list[list[bytes]]] = []
    for channel in client.recipient.channels:
        got = [
            payload
            for payload in client.received
            if world.redis.log[places[payload]].channel == channel
        ]
        possible = [
            owed(world, client, channel, since) for since in range(client.heard_from[channel] + 1)
        ]
        ways.append([stored for stored, live in possible if stored + live == got])
        assert ways[-1], f'{channel!r}: got {got}, owed {possible[-1]}'

    def in_order(persisted: set[bytes]) -> bool:
        live = [places[payload] for payload in client.received[len(persisted) :]]
        return set(client.received[: len(persisted)]) == persisted and live == sorted(live)

    choices = [set(itertools.chain.from_iterable(stored)) for stored in itertools.product(*ways)]
    assert any(map(in_order, choices)), f'got {client.received}, persisted {choices}'


# Every order of a small world


Step = tuple[Callable[[], object], Callable[[], object]]
"""When it is possible, and what happens."""


def _kept(recipient: Recipient) -> object:
    """What is kept for it while it joins; None when it is live."""
    if recipient.joining is None:
        return None
    held = [(run.channel, run.payloads, run.pattern) for run in recipient.joining.held]
    return held, recipient.joining.preamble


def always() -> bool:
    return True


class Story:
    """Scripts whose steps come in every order that each script allows, and Redis' own steps between
    them.

    Args:
        scripts: the steps of each in order.
        single: whether replies are read one by one; else all that are there.
    """

    def __init__(self, world: World, scripts: list[list[Step]], *, single: bool = False) -> None:
        self.world = world
        self.scripts = scripts
        self.single = single
        self.places = [0] * len(scripts)

    def choices(self) -> list[int]:
        """The scripts that can go on now, Redis and the reading of its replies among them."""
        count, feed = len(self.scripts), self.world.feed
        possible = [
            which
            for which, script in enumerate(self.scripts)
            if self.places[which] < len(script) and script[self.places[which]][0]()
        ]
        if feed is not None and feed.in_flight:
            possible.append(count)
        if feed is not None and feed.replies:
            possible.append(count + 1)
        return possible

    def step(self, which: int) -> None:
        count = len(self.scripts)
        if which == count:
            self.world.execute()
        elif which > count:
            self.world.read(1 if self.single else 1 << 30)
        else:
            self.places[which] += 1
            self.scripts[which][self.places[which] - 1][1]()

    def fingerprint(self) -> str:
        """Equal if everything that can come from here is equal: the state of Redis, the wires
        and the core.
        """
        world = self.world
        exchange, feed = world.exchange, world.feed
        numbers = {client.recipient: number for number, client in enumerate(world.clients)}
        clients = [
            (
                client.answer,
                client.looked_at,
                client.heard_from,
                client.recipient.phase,
                _kept(client.recipient),
                list(client.recipient.channels),
                client.received,
                world.jobs.get(client),
            )
            for client in world.clients
        ]
        wishes = {
            key: (wish.wanted, wish.sent, wish.acknowledged)
            for key, wish in exchange.feed._wishes.items()
        }
        barriers = [
            [numbers[recipient] for recipient in waiting] for waiting in exchange._barriers.values()
        ]
        gathering = [numbers[recipient] for recipient in exchange._gathering]
        log = [(record.channel, record.payload, record.persisted) for record in world.redis.log]
        transport = (feed.in_flight, feed.replies, feed.channels) if feed else None
        fetches = [(fetch.executed, fetch.values) for fetch in world.fetches]
        away = (
            exchange.feed.state,
            exchange._held_back,
            exchange._missed,
            exchange._catch_up_barrier is None,
            fetches,
        )
        return repr(
            (
                self.places,
                world.redis.keys,
                log,
                transport,
                clients,
                wishes,
                barriers,
                gathering,
                away,
            )
        )


def in_every_order(make: Callable[[], Story], check: Callable[[World], None]) -> int:
    """Run the story in every order of its steps, and check each end; gives the number of
    different states on the way.
    """
    seen: set[str] = set()
    unexplored: list[list[int]] = [[]]
    while unexplored:
        path = unexplored.pop()
        story = make()
        for which in path:
            story.step(which)
        while (state := story.fingerprint()) not in seen:
            seen.add(state)
            choices = story.choices()
            if not choices:
                story.world.settle()
                check(story.world)
                break
            # The first goes on here, each other one in a world of its own.
            unexplored.extend([*path, which] for which in choices[1:])
            path = [*path, choices[0]]
            story.step(choices[0])
    return len(seen)


class Joining:
    """The steps of a handshake, up to the end of send_persisted_messages()."""

    def __init__(self, world: World, *channels: bytes) -> None:
        self.world = world
        self.channels = channels
        self.client: Client | None = None

    @property
    def script(self) -> list[Step]:
        world = self.world
        return [
            (always, self.ask),
            (lambda: self.one.answer, lambda: world.begin(self.one)),
            (always, lambda: world.begin_job(self.one)),
            (always, lambda: world.end_job(self.one)),
        ]

    def ask(self) -> None:
        self.client = self.world.handshake(list(self.channels))

    @property
    def one(self) -> Client:
        assert self.client is not None
        return self.client


def joining(world: World, *channels: bytes) -> list[Step]:
    return Joining(world, *channels).script


def publishing(world: World, *messages: tuple[bytes, bytes, bool]) -> list[Step]:
    return [
        (always, functools.partial(world.redis.publish, channel, payload, persist=persist))
        for channel, payload, persist in messages
    ]


def leaving(world: World, client: Client) -> list[Step]:
    def leave() -> None:
        world.send_eof(client)
        world.run(client)

    return [(always, leave)]


def check_latest(world: World) -> None:
    for client in world.clients:
        if client.recipient.phase is Phase.OPEN:
            assert_joined_exactly(world, client)


@pytest.mark.parametrize('second', [True, False], ids=['persisted', 'passing'])
def test_joining_loses_and_repeats_nothing_in_any_order(second: bool) -> None:
    """The first listener of a channel joins while three messages are published, one older is
    persisted.
    """

    def story() -> Story:
        world = World()
        other = world.open([CHAT])
        assert other.recipient.direct
        world.redis.publish(NEWS, b'old', persist=True)
        messages = publishing(world, (NEWS, b'1', True), (NEWS, b'2', second), (NEWS, b'3', True))
        return Story(world, [joining(world, NEWS), messages], single=True)

    assert in_every_order(story, check_latest) > 300


def test_joining_while_the_last_listener_leaves_loses_nothing_in_any_order() -> None:
    """An UNSUBSCRIBE may still be on its way when SUBSCRIBE is sent, and messages before both."""

    def story() -> Story:
        world = World()
        last = world.open([NEWS])
        world.redis.publish(NEWS, b'old', persist=True)
        messages = publishing(world, (NEWS, b'1', False), (NEWS, b'2', True))
        return Story(world, [leaving(world, last), joining(world, NEWS), messages])

    assert in_every_order(story, check_latest) > 300


def test_two_joining_while_one_leaves_lose_nothing_in_any_order() -> None:
    def story() -> Story:
        world = World()
        last = world.open([NEWS])
        messages = publishing(world, (NEWS, b'1', True))
        return Story(
            world, [leaving(world, last), joining(world, NEWS), joining(world, NEWS), messages]
        )

    assert in_every_order(story, check_latest) > 300


def test_two_channels_keep_their_common_order_in_any_order_of_joining() -> None:
    def story() -> Story:
        world = World()
        world.open([NEWS])
        world.redis.publish(CHAT, b'old', persist=True)
        messages = publishing(world, (NEWS, b'1', False), (CHAT, b'2', True), (NEWS, b'3', True))
        return Story(world, [joining(world, NEWS, CHAT), messages])

    assert in_every_order(story, check_latest) > 300


def test_storing_and_publishing_apart_still_loses_nothing_and_never_goes_back() -> None:
    """Other programs SET and PUBLISH in two steps: a join between the two may see the message
    twice, nothing worse.
    """

    def story() -> Story:
        world = World()
        world.open([CHAT])
        world.redis.publish(NEWS, b'old', persist=True)

        def store() -> None:
            world.redis.keys[NEWS] = b'1'

        messages = [
            (always, store),
            *publishing(world, (NEWS, b'1', False)),
            *publishing(world, (NEWS, b'2', True)),
        ]
        return Story(world, [joining(world, NEWS), messages])

    def check(world: World) -> None:
        received = world.clients[-1].received
        order = [b'old', b'1', b'2']
        assert [order.index(payload) for payload in received] == sorted(
            order.index(payload) for payload in received
        )
        assert received.count(b'2') == 1
        assert received.count(b'old') <= 1
        assert received.count(b'1') <= 2

    assert in_every_order(story, check) > 100


def test_client_joins_and_publishes_at_once_in_any_order() -> None:
    """Its own copies never come back, also while it joins; somebody else's equal text does."""

    def story() -> Story:
        world = World()
        world.open([CHAT])
        client = world.handshake([NEWS], publishes=[NEWS])

        def start() -> None:
            world.begin(client, persisted=False)
            world.send_text(client, b'x')

        mine: list[Step] = [(lambda: client.answer, start), (always, lambda: world.run(client))]
        other: list[Step] = [
            (lambda: client.started, functools.partial(world.redis.publish, NEWS, b'x'))
        ]
        return Story(world, [mine, other], single=True)

    def check(world: World) -> None:
        assert world.clients[-1].received == [b'x']
        assert world.clients[-1].recipient.direct

    assert in_every_order(story, check) > 30


def an_outage(world: World) -> list[Step]:
    """The connection is lost and made again, what was persisted is asked for and answered."""

    def connect() -> None:
        world.time += 1
        world.work_off()
        world.connect()

    return [
        (always, world.lose_feed),
        (always, connect),
        (lambda: world.fetches, world.execute_fetch),
        (always, world.answer_fetch),
    ]


def check_outage(world: World) -> None:
    """Each websocket: Redis' order, nothing twice, all that was read, and what is stored at the
    end.
    """
    log = [record.payload for record in world.redis.log]
    for client in world.clients:
        places = [log.index(payload) for payload in client.received]
        assert places == sorted(set(places)), client.received
        carried = [
            record.payload
            for record in world.redis.log[client.heard_from[NEWS] :]
            if record.carried
        ]
        assert set(carried) <= set(client.received), (carried, client.received)
        assert world.redis.keys[NEWS] in client.received


def test_outage_loses_only_what_was_not_persisted_in_any_order() -> None:
    def story() -> Story:
        world = World()
        world.open([NEWS])
        messages = publishing(
            world, (NEWS, b'1', True), (NEWS, b'2', False), (NEWS, b'3', True), (NEWS, b'4', False)
        )
        return Story(world, [messages, an_outage(world)], single=True)

    assert in_every_order(story, check_outage) > 300


def test_joining_during_an_outage_keeps_the_order_for_all_in_any_order() -> None:
    def story() -> Story:
        world = World()
        world.open([NEWS])
        late = world.handshake([NEWS])
        messages = publishing(world, (NEWS, b'1', True), (NEWS, b'2', False), (NEWS, b'3', True))
        world.begin(late)
        steps: list[Step] = [
            (always, lambda: world.begin_job(late)),
            (always, lambda: world.end_job(late)),
        ]
        return Story(world, [messages, steps, an_outage(world)])

    assert in_every_order(story, check_outage) > 300


# Joining, one fact each


def test_persisted_message_comes_first(world: World) -> None:
    world.redis.publish(NEWS, b'old', persist=True)
    client = world.open([NEWS])
    world.redis.publish(NEWS, b'new')
    world.settle()
    assert client.received == [b'old', b'new']


def test_second_joiner_gets_the_persisted_message_too(world: World) -> None:
    world.redis.publish(NEWS, b'old', persist=True)
    first = world.open([NEWS])
    second = world.open([NEWS])
    assert first.received == second.received == [b'old']


def test_persisted_message_among_held_ones_is_not_repeated(world: World) -> None:
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'1')
    world.redis.publish(NEWS, b'2', persist=True)
    world.redis.publish(NEWS, b'3')
    world.settle()
    assert client.received == [b'1', b'2', b'3']


def test_persisted_message_of_another_channel_is_no_repetition(world: World) -> None:
    world.redis.publish(CHAT, b'same', persist=True)
    client = world.handshake([NEWS, CHAT])
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'same')
    world.settle()
    assert client.received == [b'same', b'same']


def test_get_that_overtakes_the_messages_repeats_nothing(world: World) -> None:
    """The persisted value is there before the same message has been read from the other
    connection.
    """
    client = world.handshake([NEWS])
    world.settle()
    world.redis.publish(NEWS, b'1', persist=True)
    world.begin(client)
    world.run(client)
    assert client.received == []
    world.execute()
    world.read(1)
    assert client.received == []
    world.read()
    assert client.received == [b'1']


def test_slow_override_holds_up_its_own_websocket_only(world: World) -> None:
    slow = world.handshake([NEWS])
    quick = world.open([NEWS])
    world.begin(slow)
    world.begin_job(slow)
    for payload in (b'1', b'2', b'3'):
        world.redis.publish(NEWS, payload, persist=True)
        world.settle(jobs=False)
    assert quick.received == [b'1', b'2', b'3']
    assert slow.received == []
    world.end_job(slow)
    world.settle()
    assert slow.received == [b'1', b'2', b'3']


def test_one_barrier_serves_all_joins_of_a_batch(world: World) -> None:
    clients = [world.handshake([NEWS]) for _ in range(5)]
    world.settle()
    for client in clients:
        world.begin(client, persisted=False)
    assert world.feed is not None
    assert len(world.feed.in_flight) == 5
    world.settle()
    late = [world.handshake([NEWS]) for _ in range(5)]
    for client in late:
        client.recipient.transport = client.transport
        world.exchange.start(client.recipient, b'', persisted=False)
    world.work_off()
    assert len(world.feed.in_flight) == 1
    world.settle()
    assert all(client.recipient.joining is None for client in clients + late)


def test_websocket_without_channels_is_live_at_once(world: World) -> None:
    client = world.handshake()
    world.begin(client, persisted=False)
    assert world.feed is None or not world.feed.in_flight
    assert client.recipient.joining is None
    world.handle(client).send('hello')
    assert client.received == [b'hello']


def test_channel_subscribed_later_delivers_from_its_acknowledgement_on(world: World) -> None:
    """Subscription.subscribe() after the handshake: no persisted message then."""
    client = world.open([NEWS])
    world.redis.publish(CHAT, b'before', persist=True)
    answers: list[bool] = []
    world.subscribe(client, [CHAT], done=answers.append)
    assert answers == []
    world.execute()
    world.redis.publish(CHAT, b'1')
    world.read(1)
    assert answers == [True]
    world.redis.publish(CHAT, b'2')
    world.redis.publish(NEWS, b'3')
    world.settle()
    assert client.received == [b'1', b'2', b'3']


def test_channel_that_others_have_needs_no_new_command(world: World) -> None:
    world.open([NEWS])
    client = world.handshake([NEWS])
    assert client.answer
    assert world.feed is not None
    assert not world.feed.in_flight


def test_second_listener_waits_for_the_acknowledgement_that_is_on_its_way(world: World) -> None:
    world.open()
    first, second = world.handshake([NEWS]), world.handshake([NEWS])
    assert second.answer is None
    world.settle()
    assert first.answer
    assert second.answer


def test_unsubscribed_channel_is_heard_no_longer(world: World) -> None:
    client, other = world.open([NEWS, CHAT]), world.open([NEWS])
    world.unsubscribe(client, [NEWS, b'never:had'])
    world.redis.publish(NEWS, b'1')
    world.redis.publish(CHAT, b'2')
    world.settle()
    assert client.received == [b'2']
    assert other.received == [b'1']
    assert world.feed is not None
    assert set(world.feed.channels) == {NEWS, CHAT}
    world.unsubscribe(other, [NEWS])
    world.settle()
    assert set(world.feed.channels) == {CHAT}


def test_subscription_of_a_websocket_that_is_gone_leaves_nothing_behind(world: World) -> None:
    client = world.open([NEWS])
    answers: list[bool] = []
    world.send_eof(client)
    world.settle()
    world.subscribe(client, [CHAT], [b'user:*'], answers.append)
    world.settle()
    assert answers == [True]
    world.assert_empty()


def test_handshake_that_fails_leaves_nothing_behind(world: World) -> None:
    client = world.handshake([NEWS], [b'user:*'])
    world.exchange.leave(client.recipient)
    world.settle()
    assert world.exchange.status() == {
        'websockets': 0,
        'channels': 0,
        'patterns': 0,
        'pending_bytes': 0,
    }


# Patterns


def test_message_by_name_and_by_two_patterns_arrives_once(world: World) -> None:
    client = world.open([NEWS], [b'broadcast:*', b'*news'])
    for payload in (b'1', b'2'):
        world.redis.publish(NEWS, payload)
    world.redis.publish(CHAT, b'3')
    world.redis.publish(MARY, b'4')
    world.settle()
    assert client.received == [b'1', b'2', b'3', b'4']


def test_each_listener_gets_a_message_by_its_own_way(world: World) -> None:
    by_name, by_pattern, by_other = (
        world.open([NEWS]),
        world.open([], [b'broadcast:*']),
        world.open([], [b'*:news', b'b*']),
    )
    world.redis.publish(NEWS, b'1')
    world.settle()
    assert by_name.received == by_pattern.received == by_other.received == [b'1']


def test_delivery_split_between_two_reads_arrives_once(world: World) -> None:
    client = world.open([NEWS], [b'broadcast:*', b'*news'])
    world.redis.publish(NEWS, b'1')
    for _ in range(3):
        world.read(1)
    assert client.received == [b'1']


def test_pattern_carries_until_the_name_is_acknowledged(world: World) -> None:
    client = world.open([], [b'broadcast:*'])
    world.subscribe(client, [NEWS])
    world.redis.publish(NEWS, b'1')
    world.execute()
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert client.received == [b'1', b'2']


def test_pattern_and_name_while_an_unsubscribe_is_on_its_way_arrive_once(world: World) -> None:
    """Redis still sends by name: what came before both commands must not come by the pattern
    too.
    """
    last, client = world.open([NEWS]), world.open([], [b'broadcast:*'])
    world.send_eof(last)
    world.run(last)
    world.subscribe(client, [NEWS])
    world.redis.publish(NEWS, b'1')
    world.execute()
    world.redis.publish(NEWS, b'2')
    world.settle()
    world.redis.publish(NEWS, b'3')
    world.settle()
    assert client.received == [b'1', b'2', b'3']


def test_pattern_goes_on_after_the_name_is_unsubscribed(world: World) -> None:
    client = world.open([NEWS], [b'broadcast:*'])
    world.unsubscribe(client, [NEWS])
    world.redis.publish(NEWS, b'1')
    world.execute()
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert client.received == [b'1', b'2']


def test_second_pattern_goes_on_after_the_first_is_unsubscribed(world: World) -> None:
    client = world.open([], [b'broadcast:*', b'*news'])
    world.unsubscribe(client, [], [b'broadcast:*'])
    world.redis.publish(NEWS, b'1')
    world.redis.publish(CHAT, b'2')
    world.settle()
    assert client.received == [b'1']


def test_no_pattern_yields_the_reserved_channel() -> None:
    world = World(reserved=b'ws4redis:control')
    client = world.open([], [b'*'])
    world.redis.publish(b'ws4redis:control', b'secret')
    world.redis.publish(NEWS, b'1')
    world.settle()
    assert client.received == [b'1']


def test_heartbeat_text_from_redis_is_no_message() -> None:
    world = World()
    client = world.open([NEWS], [b'user:*'], limits=Limits(heartbeat=b'--hb--'))
    for payload in (b'--hb--', b'1', b'--hb--'):
        world.redis.publish(NEWS, payload)
        world.redis.publish(MARY, payload)
    world.settle()
    assert client.received == [b'1', b'1']


# Batches: counts, not clocks


def test_five_messages_in_one_read_make_one_write_for_each_websocket(world: World) -> None:
    clients = [world.open([NEWS]) for _ in range(3)]
    for number in range(5):
        world.redis.publish(NEWS, b'%d' % number)
    world.read()
    for client in clients:
        assert len(client.transport.writes) == 2
        assert client.received == [b'0', b'1', b'2', b'3', b'4']


def test_consecutive_messages_of_a_channel_are_one_object_for_all_websockets(world: World) -> None:
    clients = [world.open([NEWS]) for _ in range(3)]
    for number in range(5):
        world.redis.publish(NEWS, b'%d' % number)
    world.read()
    assert len({id(client.transport.writes[-1]) for client in clients}) == 1
    assert clients[0].transport.writes[-1] == b''.join(
        message_frame(b'%d' % number) for number in range(5)
    )


def test_single_message_is_one_object_for_all_websockets(world: World) -> None:
    clients = [world.open([NEWS]) for _ in range(3)]
    world.redis.publish(NEWS, b'x')
    world.read()
    assert len({id(client.transport.writes[-1]) for client in clients}) == 1


def test_runs_of_two_channels_in_one_batch_keep_redis_order(world: World) -> None:
    both, news = world.open([NEWS, CHAT]), world.open([NEWS])
    for channel, payload in (
        (NEWS, b'1'),
        (NEWS, b'2'),
        (CHAT, b'3'),
        (NEWS, b'4'),
        (CHAT, b'5'),
        (CHAT, b'6'),
    ):
        world.redis.publish(channel, payload)
    world.read()
    assert both.received == [b'1', b'2', b'3', b'4', b'5', b'6']
    assert news.received == [b'1', b'2', b'4']
    assert len(both.transport.writes) == len(news.transport.writes) == 2


def test_barrier_between_two_messages_of_a_batch_divides_them(world: World) -> None:
    """What comes behind the PONG is live, what comes before it is held, in one read."""
    world.redis.publish(NEWS, b'0', persist=True)
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    world.redis.publish(NEWS, b'1')
    world.run(client)
    world.redis.publish(NEWS, b'2')
    world.execute()
    world.redis.publish(NEWS, b'3')
    world.read()
    assert client.received == [b'0', b'1', b'2', b'3']


def test_websocket_that_expects_own_copies_takes_its_own_path(world: World) -> None:
    sender, other = world.open([NEWS], publishes=[NEWS]), world.open([NEWS])
    world.redis.publish(NEWS, b'1')
    world.send_text(sender, b'mine')
    world.run(sender)
    world.redis.publish(NEWS, b'2')
    world.read()
    assert sender.received == [b'1', b'2']
    assert other.received == [b'1', b'mine', b'2']
    assert len(sender.transport.writes) == len(other.transport.writes) == 2


def test_text_is_text_and_anything_else_is_binary(world: World) -> None:
    client = world.open([NEWS])
    for payload in (b'plain', 'größer'.encode(), b'\xff\x00', b''):
        world.redis.publish(NEWS, payload)
    world.settle()
    assert client.transport.frames() == [
        (Opcode.TEXT, b'plain'),
        (Opcode.TEXT, 'größer'.encode()),
        (Opcode.BINARY, b'\xff\x00'),
        (Opcode.TEXT, b''),
    ]


def test_counters_count_messages_in_both_directions(world: World) -> None:
    sender, other = world.open([NEWS], publishes=[NEWS]), world.open([NEWS])
    world.send_text(sender, b'1', b'2')
    world.settle()
    counters = world.exchange.agenda.counters
    assert (counters.messages_received, counters.messages_from_redis, counters.messages_sent) == (
        2,
        2,
        2,
    )
    assert counters.own_copies == 2
    assert other.received == [b'1', b'2']


# Redis away and back


def outage(world: World) -> None:
    world.lose_feed()
    world.settle()


def test_websockets_stay_open_and_messages_come_again_after_an_outage(world: World) -> None:
    client = world.open([NEWS], [b'user:*'])
    outage(world)
    world.redis.publish(NEWS, b'lost')
    world.advance(1)
    world.redis.publish(NEWS, b'1')
    world.redis.publish(MARY, b'2')
    world.settle()
    assert client.received == [b'1', b'2']
    assert [gap.channels for gap in world.gaps] == [2]
    assert world.gaps[0].seconds > 0
    assert world.exchange.agenda.counters.redis_gaps == 1
    assert world.exchange.agenda.counters.redis_gap_seconds == world.gaps[0].seconds


def test_first_connection_is_no_gap(world: World) -> None:
    world.open([NEWS])
    assert world.gaps == []
    assert world.fetches == []


def test_persisted_in_the_meantime_arrives_once_before_later_live_messages(world: World) -> None:
    first, second = world.open([NEWS]), world.open([NEWS])
    world.redis.publish(NEWS, b'0', persist=True)
    world.settle()
    outage(world)
    world.redis.publish(NEWS, b'1', persist=True)
    world.redis.publish(NEWS, b'2', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.redis.publish(NEWS, b'3')
    world.read()
    assert first.received == [b'0']
    world.settle()
    assert first.received == second.received == [b'0', b'2', b'3']


def test_live_messages_behind_the_acknowledgement_do_not_overtake_the_persisted_one(
    world: World,
) -> None:
    """In one read: the acknowledgement and what was published right after it."""
    client = world.open([NEWS])
    outage(world)
    world.redis.publish(NEWS, b'1', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert client.received == [b'1', b'2']


def test_live_messages_of_one_channel_do_not_overtake_while_another_is_not_acknowledged(
    world: World,
) -> None:
    client = world.open([NEWS], [b'user:*'])
    outage(world)
    world.redis.publish(NEWS, b'1', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.redis.publish(NEWS, b'2')
    world.read()
    world.settle()
    assert client.received == [b'1', b'2']


def test_persisted_message_that_arrives_live_as_well_comes_once(world: World) -> None:
    client = world.open([NEWS])
    outage(world)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.redis.publish(NEWS, b'0')
    world.redis.publish(NEWS, b'1', persist=True)
    world.settle()
    assert client.received == [b'0', b'1']


def test_persisted_message_that_was_received_before_the_outage_is_not_repeated(
    world: World,
) -> None:
    client = world.open([NEWS])
    world.redis.publish(NEWS, b'kept', persist=True)
    for number in range(REMEMBERED - 1):
        world.redis.publish(NEWS, b'%d' % number)
    world.settle()
    outage(world)
    world.advance(1)
    assert client.received.count(b'kept') == 1
    assert len(client.received) == REMEMBERED


def test_persisted_message_that_a_join_delivered_is_not_repeated(world: World) -> None:
    world.redis.publish(NEWS, b'kept', persist=True)
    client = world.open([NEWS])
    outage(world)
    world.advance(1)
    assert client.received == [b'kept']


def test_persisted_message_that_an_override_sent_is_not_repeated(world: World) -> None:
    """It reads the keys by itself and calls websocket.send()."""
    world.redis.publish(NEWS, b'kept', persist=True)
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client)
    world.handle(client).send(b'kept')
    world.end_job(client)
    world.settle()
    world.lose_feed()
    world.advance(1)
    assert client.received == [b'kept']


def test_join_that_saw_the_persisted_message_does_not_hide_it_from_others(world: World) -> None:
    """It was published just before the loss: one has it from its join, the other must get it by
    the catch-up.
    """
    early = world.open([NEWS])
    late = world.handshake([NEWS])
    world.begin(late)
    world.redis.publish(NEWS, b'1', persist=True)
    world.run(late)
    outage(world)
    world.advance(1)
    assert early.received == [b'1']
    assert late.received == [b'1']


def test_barrier_lost_with_the_connection_is_asked_again(world: World) -> None:
    world.redis.publish(NEWS, b'0', persist=True)
    client = world.handshake([NEWS])
    world.settle()
    world.begin(client, persisted=True)
    world.run(client)
    outage(world)
    assert client.received == []
    world.redis.publish(NEWS, b'1', persist=True)
    world.advance(1)
    world.redis.publish(NEWS, b'2')
    world.settle()
    assert client.received == [b'0', b'1', b'2']
    assert client.recipient.direct


def test_subscription_lost_with_the_connection_is_refused(world: World) -> None:
    world.open()
    client = world.handshake([NEWS])
    outage(world)
    assert client.answer is False
    world.exchange.leave(client.recipient)
    world.advance(1)
    assert world.feed is not None
    assert world.feed.channels == {}
    assert world.exchange.feed.wanted(Kind.CHANNEL) == []


def test_connection_lost_again_during_the_catch_up_loses_nothing_that_was_read(
    world: World,
) -> None:
    client = world.open([NEWS])
    outage(world)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.redis.publish(NEWS, b'1')
    world.read()
    assert client.received == []
    world.lose_feed()
    assert client.received == [b'1']
    world.redis.publish(NEWS, b'2', persist=True)
    world.advance(2)
    world.redis.publish(NEWS, b'3')
    world.settle()
    assert client.received == [b'1', b'2', b'3']
    assert len(world.gaps) == 2


def test_late_answer_for_a_lost_connection_does_not_end_the_catch_up_of_the_next(
    world: World,
) -> None:
    client = world.open([NEWS])
    outage(world)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.execute_fetch()
    world.lose_feed()
    world.redis.publish(NEWS, b'1', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    assert len(world.fetches) == 2
    world.answer_fetch()
    world.execute(10)
    world.read()
    world.settle()
    assert client.received == [b'1']


def test_late_answer_before_the_next_connection_is_subscribed_ends_nothing(world: World) -> None:
    client = world.open([NEWS])
    outage(world)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.execute_fetch()
    world.lose_feed()
    world.redis.publish(NEWS, b'1', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.answer_fetch()
    world.execute(10)
    world.redis.publish(NEWS, b'2')
    world.read()
    world.settle()
    assert client.received == [b'1', b'2']


def test_late_failure_for_a_lost_connection_does_not_drop_the_next(world: World) -> None:
    world.open([NEWS])
    outage(world)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.lose_feed()
    world.advance(0)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.fail_fetch()
    assert world.exchange.feed.state is FeedState.UP
    world.settle()
    assert len(world.gaps) == 2


def test_catch_up_that_cannot_read_starts_again(world: World) -> None:
    client = world.open([NEWS])
    outage(world)
    world.redis.publish(NEWS, b'1', persist=True)
    world.time += 1
    world.work_off()
    world.connect()
    world.execute()
    world.read()
    world.fail_fetch()
    assert world.exchange.feed.state is FeedState.DOWN
    world.advance(2)
    assert client.received == [b'1']


def test_channels_given_up_during_an_outage_are_forgotten(world: World) -> None:
    client = world.open([NEWS, CHAT])
    world.subscribe(client, [MARY])
    outage(world)
    world.unsubscribe(client, [MARY, CHAT])
    assert world.exchange.feed.wanted(Kind.CHANNEL) == [NEWS]
    world.advance(1)
    assert world.feed is not None
    assert set(world.feed.channels) == {NEWS}
    assert set(world.exchange.feed._wishes) == {(Kind.CHANNEL, NEWS)}


def test_websockets_that_end_during_an_outage_leave_nothing_behind(world: World) -> None:
    world.open([NEWS])
    joining_client = world.handshake([CHAT])
    world.settle()
    world.begin(joining_client)
    world.run(joining_client)
    outage(world)
    for client in world.clients:
        world.send_eof(client)
    world.settle()
    world.advance(5)
    world.assert_empty()
    assert world.feed is None
    assert world.exchange.deadline() is None


# Time


def test_deadline_is_the_earliest_of_feed_and_recipients(world: World) -> None:
    assert world.exchange.deadline() is None
    world.open([NEWS], limits=QUIET)
    feed_deadline = world.exchange.feed.deadline()
    assert world.exchange.deadline() == feed_deadline
    world.open([NEWS], limits=Limits(heartbeat=b'hb'))
    assert world.exchange.deadline() == world.time + 4


def test_timers_of_thousand_turns_keep_one_entry_for_each_websocket(world: World) -> None:
    for _ in range(3):
        world.open([NEWS], limits=Limits(heartbeat=b'hb', ping_interval=None))
    world.advance(4000)
    assert len(world.exchange._timers) == 3
    assert all(client.received.count(b'hb') == 1000 for client in world.clients)


def test_timers_of_those_who_have_left_keep_nobody_in_memory(world: World) -> None:
    for _ in range(3):
        world.open([NEWS], limits=Limits(heartbeat=b'hb'))
    for client in world.clients:
        world.send_eof(client)
    world.settle()
    assert world.exchange._timers == []


# Long random worlds


CHANNELS = [NEWS, CHAT, MARY]
PATTERNS = [b'broadcast:*', b'*:news']


class Life(RuleBasedStateMachine):
    """Anything may happen at any time; what each websocket got is compared with what it was
    owed, at any time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.count = 0
        self.outages = False
        self.losses = 0
        self.interrupted = False
        self.world.open()

    # Redis and the way to it

    @rule(channel=st.sampled_from(CHANNELS), persist=st.booleans())
    def publish(self, channel: bytes, persist: bool) -> None:
        self.count += 1
        self.world.redis.publish(channel, b'%d' % self.count, persist=persist)

    @precondition(lambda self: self.world.feed is not None and self.world.feed.in_flight)
    @rule(count=st.integers(1, 3))
    def execute(self, count: int) -> None:
        self.world.execute(count)

    @precondition(lambda self: self.world.feed is not None and self.world.feed.replies)
    @rule(count=st.integers(1, 6))
    def read(self, count: int) -> None:
        self.world.read(count)

    @initialize(outages=st.booleans())
    def begin(self, outages: bool) -> None:
        self.outages = outages

    @precondition(lambda self: self.world.feed is not None and self.outages and self.losses < 3)
    @rule(sure=st.integers(0, 3))
    def lose(self, sure: int) -> None:
        if sure == 0:
            self.losses += 1
            self.interrupted |= self.world.exchange._held_back is not None
            self.world.lose_feed()

    @precondition(lambda self: self.world.connecting)
    @rule(reachable=st.booleans())
    def connect(self, reachable: bool) -> None:
        self.world.redis.reachable = reachable
        self.world.connect()
        self.world.redis.reachable = True

    @precondition(lambda self: self.world.fetches)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.world.fetches) - 1))
        if self.world.fetches[at].executed:
            self.world.answer_fetch(at)
        else:
            self.world.execute_fetch(at)

    @rule()
    def time(self) -> None:
        self.world.time += 0.5
        self.world.tick()

    # Websockets

    @precondition(lambda self: len(self.world.clients) < 8)
    @rule(
        channels=st.lists(st.sampled_from(CHANNELS), max_size=3, unique=True),
        patterns=st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True),
        parses=st.booleans(),
        publishes=st.sampled_from(CHANNELS),
        persist=st.booleans(),
        echo=st.booleans(),
    )
    def ask(
        self,
        channels: list[bytes],
        patterns: list[bytes],
        parses: bool,
        publishes: bytes,
        persist: bool,
        echo: bool,
    ) -> None:
        self.world.handshake(
            channels, patterns, parses=parses, publishes=[publishes], persist=persist, echo=echo
        )

    def _one(self, data: st.DataObject, wanted: Callable[[Client], bool]) -> Client | None:
        found = [client for client in self.world.clients if wanted(client)]
        return data.draw(st.sampled_from(found)) if found else None

    def _open(self, client: Client) -> bool:
        return client.started and client.recipient.phase is Phase.OPEN

    @rule(data=st.data(), fetch=st.booleans())
    def start(self, data: st.DataObject, fetch: bool) -> None:
        client = self._one(data, lambda client: client.answer is not None and not client.started)
        if client is None:
            return
        if client.answer:
            self.world.begin(client, persisted=not fetch, fetch=fetch)
        else:
            self.world.exchange.leave(client.recipient)
            self.world.clients.remove(client)

    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        client = self._one(data, lambda client: client in self.world.jobs)
        if client is None:
            return
        if self.world.jobs[client].begun:
            self.world.end_job(client)
        else:
            self.world.begin_job(client)

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        client = self._one(data, self._open)
        if client is not None:
            self.count += 1
            self.world.send_text(client, b'%d' % self.count)

    @rule(data=st.data(), room=st.one_of(st.none(), st.integers(0, 9)))
    def take(self, data: st.DataObject, room: int | None) -> None:
        client = self._one(data, lambda client: client.started)
        if client is not None:
            self.world.resume(client, room)

    @rule(data=st.data(), close=st.booleans())
    def end(self, data: st.DataObject, close: bool) -> None:
        client = self._one(data, self._open)
        if client is not None and close:
            self.world.send_close(client)
        elif client is not None:
            self.world.send_eof(client)

    def _between_deliveries(self) -> bool:
        feed = self.world.feed
        return self.world.exchange._held_back is None and not (feed and feed.replies)

    @rule(data=st.data(), name=st.sampled_from([*CHANNELS, *PATTERNS]))
    def change(self, data: st.DataObject, name: bytes) -> None:
        """Subscribe to it, or unsubscribe from it."""
        client = self._one(data, self._open)
        if client is None or not self._between_deliveries():
            return
        if client.waiting or (
            self.outages and name in CHANNELS and name not in client.recipient.channels
        ):
            # subscribe() waits; and after an outage nobody can tell what was stored before it from
            # what was stored since.
            return
        names: tuple[list[bytes], list[bytes]] = ([], [name]) if name in PATTERNS else ([name], [])
        if name in client.recipient.channels or name in client.recipient.patterns:
            self.world.unsubscribe(client, *names)
        else:
            self.world.subscribe(client, *names)

    # What must hold

    @invariant()
    def order_holds_and_nothing_comes_twice(self) -> None:
        places = {record.payload: at for at, record in enumerate(self.world.redis.log)}
        for client in self.world.clients:
            received = client.received
            assert len(set(received)) == len(received), received
            if self.interrupted:
                continue
            for channel in CHANNELS:
                got = [
                    places[payload]
                    for payload in received
                    if self.world.redis.log[places[payload]].channel == channel
                ]
                assert got == sorted(got), (channel, received)

    @invariant()
    def nobody_gets_an_own_message_back(self) -> None:
        for client in self.world.clients:
            if not client.recipient.own_copies.echo and not self.losses:
                own = {record.payload for record in self.world.redis.log if record.sender is client}
                assert not own & set(client.received)

    def teardown(self) -> None:
        for client in self.world.clients:
            client.transport.room = None
        for _ in range(3):
            for client in list(self.world.clients):
                if client.answer is not None and not client.started:
                    self.world.begin(client) if client.answer else self._refuse(client)
                self.world.resume(client)
            self.world.settle()
            self.world.advance(30)
        self._nothing_is_lost()
        self.order_holds_and_nothing_comes_twice()
        self.nobody_gets_an_own_message_back()
        self._everything_ends()

    def _refuse(self, client: Client) -> None:
        self.world.exchange.leave(client.recipient)
        self.world.clients.remove(client)

    def _nothing_is_lost(self) -> None:
        log = self.world.redis.log
        for client in self.world.clients:
            if client.recipient.phase is not Phase.OPEN:
                continue
            received = set(client.received)
            for at, record in enumerate(log):
                if record.sender is client and not client.recipient.own_copies.echo:
                    continue
                heard = [
                    since
                    for name, since in client.heard_from.items()
                    if name == record.channel
                    or (name in PATTERNS and matches(name, record.channel))
                ]
                if record.carried and heard and at >= min(heard):
                    assert record.payload in received, (
                        f'{record} is lost to {client.heard_from}, which got {client.received}'
                    )
            for channel in CHANNELS:
                # A subscription that was lost with its connection has no such place.
                since = client.heard_from.get(channel, len(log))
                stored = [
                    record
                    for record in log[since:]
                    if record.channel == channel and record.persisted
                ]
                if stored and (stored[-1].sender is not client or client.recipient.own_copies.echo):
                    assert stored[-1].payload in received, f'{stored[-1]} is stored and lost'

    def _everything_ends(self) -> None:
        self.world.close_all()
        for client in self.world.clients:
            if not client.transport.dropped:
                self.world.send_close(client, 1001)
                self.world.send_eof(client)
        self.world.settle()
        self.world.assert_empty()
        assert set(self.world.exchange.feed.wanted(Kind.CHANNEL)) == set()
        assert not self.world.exchange._barriers
        assert not self.world.exchange._gathering


Life.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, derandomize=True, database=None
)
test_anything_may_happen_at_any_time = Life.TestCase
