"""Redis' end: what is subscribed and acknowledged, barriers, back-off and gaps, against a Redis
that answers in order.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ws4redis.core.exchange import Exchange
from ws4redis.core.feed import (
    ANSWER_TIME,
    BACKOFF_FIRST,
    BACKOFF_MOST,
    BATCH,
    SILENCE,
    Feed,
    FeedState,
    Kind,
)
from ws4redis.core.replies import Published, Reply

A, B = b'user:mary:a', b'broadcast:b'
CHANNEL, PATTERN = Kind.CHANNEL, Kind.PATTERN


class SimpleRedis:
    """Redis as one pub/sub connection sees it under RESP2: commands are carried out and answered
    one after the other.
    """

    def __init__(self) -> None:
        self.commands: deque[tuple[bytes, ...]] = deque()
        self.subscribed: dict[tuple[Kind, bytes], None] = {}

    def take(self, commands: list[tuple[bytes, ...]]) -> None:
        """Commands arrive; they wait."""
        self.commands.extend(commands)

    def step(self) -> list[Reply]:
        """Carry out the next command and give its answers."""
        word, *names = self.commands.popleft()
        if word == b'PING':
            (text,) = names
            return [[b'pong', text]] if self.subscribed else [text]
        kind = PATTERN if word.startswith(b'P') else CHANNEL
        replies: list[Reply] = []
        for name in names:
            if b'UN' in word:
                self.subscribed.pop((kind, name), None)
            else:
                self.subscribed[kind, name] = None
            replies.append([word.lower(), name, len(self.subscribed)])
        return replies


def full_chance() -> float:
    """The longest back-off."""
    return 1.0


def up(jitter: Callable[[], float] = full_chance) -> Feed:
    """A feed whose connection is there, at 0."""
    feed = Feed(jitter)
    feed.connecting()
    feed.connected(0.0)
    return feed


def lose(feed: Feed, now: float = 0.0) -> None:
    """The connection is lost and comes back."""
    feed.lost(now)
    feed.connecting()
    feed.connected(now)


def answer(feed: Feed, redis: SimpleRedis | None = None) -> list[Published | int]:
    """Let Redis answer everything that was sent; what that means besides acknowledgements."""
    redis = redis or SimpleRedis()
    redis.take(feed.pop_commands())
    events = []
    while redis.commands:
        for reply in redis.step():
            event = feed.receive(reply)
            if event is not None:
                events.append(event)
    return events


class Waiting:
    """What when_acknowledged() has said so far."""

    def __init__(self, feed: Feed, *names: tuple[Kind, bytes]) -> None:
        self.answers: list[bool] = []
        feed.when_acknowledged(names, self.answers.append)


# Commands


def test_a_channel_is_subscribed_to_once() -> None:
    """Whoever comes second costs nothing."""
    feed = up()
    feed.subscribe(CHANNEL, [A, B, A])
    feed.subscribe(CHANNEL, [B])
    assert feed.pop_commands() == [(b'SUBSCRIBE', A, B)]
    assert feed.pop_commands() == []
    assert feed.wanted(CHANNEL) == [A, B]
    assert feed.wanted(PATTERN) == []


def test_channels_and_patterns_are_told_apart() -> None:
    """A pattern may have the name of a channel."""
    feed, redis = up(), SimpleRedis()
    feed.subscribe(PATTERN, [A])
    assert (feed.wanted(CHANNEL), feed.wanted(PATTERN)) == ([], [A])
    answer(feed, redis)
    assert (feed.active(CHANNEL, A), feed.active(PATTERN, A)) == (False, True)
    feed.subscribe(CHANNEL, [A])
    feed.unsubscribe(PATTERN, [A])
    assert feed.pop_commands() == [(b'SUBSCRIBE', A), (b'PUNSUBSCRIBE', A)]


def test_what_is_not_wanted_is_not_unsubscribed() -> None:
    """Nor twice."""
    feed = up()
    feed.unsubscribe(CHANNEL, [A])
    assert feed.pop_commands() == []
    feed.subscribe(CHANNEL, [A])
    feed.unsubscribe(CHANNEL, [A, A, B])
    assert feed.pop_commands() == [(b'SUBSCRIBE', A), (b'UNSUBSCRIBE', A)]


def test_nobody_wanted_makes_no_command() -> None:
    """UNSUBSCRIBE without a name would unsubscribe everything."""
    feed = up()
    feed.subscribe(CHANNEL, [])
    feed.unsubscribe(CHANNEL, [])
    feed.unsubscribe(PATTERN, [])
    assert feed.pop_commands() == []


def test_many_channels_go_in_batches() -> None:
    """A thousand names in one command."""
    feed = up()
    names = [b'%d' % number for number in range(2 * BATCH + 1)]
    feed.subscribe(CHANNEL, names)
    commands = feed.pop_commands()
    assert [len(command) - 1 for command in commands] == [1000, 1000, 1]
    assert {command[0] for command in commands} == {b'SUBSCRIBE'}
    assert [name for command in commands for name in command[1:]] == names
    feed.unsubscribe(CHANNEL, names)
    assert [len(command) - 1 for command in feed.pop_commands()] == [1000, 1000, 1]


def test_without_a_connection_nothing_is_sent() -> None:
    """It is sent, once, when the connection is there."""
    feed = Feed(full_chance)
    feed.subscribe(CHANNEL, [A, B])
    feed.connecting()
    feed.subscribe(PATTERN, [A])
    feed.unsubscribe(CHANNEL, [B])
    assert feed.pop_commands() == []
    feed.connected(0.0)
    assert feed.pop_commands() == [(b'SUBSCRIBE', A), (b'PSUBSCRIBE', A)]


# Acknowledgements


def test_a_channel_is_active_when_redis_has_said_so() -> None:
    """Neither when it is wanted nor when the command has left."""
    feed, redis = up(), SimpleRedis()
    feed.subscribe(CHANNEL, [A])
    assert not feed.active(CHANNEL, A)
    redis.take(feed.pop_commands())
    (reply,) = redis.step()
    assert not feed.active(CHANNEL, A)
    assert feed.receive(reply) is None
    assert feed.active(CHANNEL, A)
    feed.unsubscribe(CHANNEL, [A])
    assert not feed.active(CHANNEL, A)


def test_a_channel_that_is_wanted_without_a_connection_is_not_active() -> None:
    """Nobody has acknowledged anything."""
    feed = Feed(full_chance)
    feed.subscribe(CHANNEL, [A])
    assert not feed.active(CHANNEL, A)
    feed.connecting()
    assert not feed.active(CHANNEL, A)


def test_nothing_is_active_on_a_new_connection_until_it_is_acknowledged_there() -> None:
    """The answers of the old connection do not count."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    feed.subscribe(PATTERN, [B])
    answer(feed)
    lose(feed)
    assert not feed.active(CHANNEL, A)
    assert not feed.active(PATTERN, B)
    answer(feed)
    assert feed.active(CHANNEL, A)
    assert feed.active(PATTERN, B)


def test_an_error_that_redis_answers_is_kept_for_the_driver() -> None:
    """What it belongs to will never be acknowledged; the next connection begins without it."""
    feed, error = up(), RuntimeError('NOPERM no permissions to access a channel')
    feed.subscribe(CHANNEL, [A])
    waiting = Waiting(feed, (CHANNEL, A))
    refusals = [feed.refusal]
    assert feed.receive(error) is None
    refusals.append(feed.refusal)
    assert not feed.active(CHANNEL, A)
    assert not feed.pop_resubscribed()
    lose(feed)
    refusals.append(feed.refusal)
    assert refusals == [None, error, None]
    assert waiting.answers == [False]


def test_answers_are_counted_so_that_each_belongs_to_its_command() -> None:
    """SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE before the first answer: the wait ends with the third,
    not with the first.
    """
    feed = up()
    feed.subscribe(CHANNEL, [A])
    first = Waiting(feed, (CHANNEL, A))
    feed.unsubscribe(CHANNEL, [A])
    feed.subscribe(CHANNEL, [A])
    last = Waiting(feed, (CHANNEL, A))
    assert feed.pop_commands() == [(b'SUBSCRIBE', A), (b'UNSUBSCRIBE', A), (b'SUBSCRIBE', A)]
    seen = []
    for reply in ([b'subscribe', A, 1], [b'unsubscribe', A, 0], [b'subscribe', A, 1]):
        feed.receive(reply)
        seen.append((first.answers == [True], last.answers == [True], feed.active(CHANNEL, A)))
    # Redis sends its messages after the first answer as well, and stops between the second and the
    # third.
    assert seen == [(True, False, True), (True, False, False), (True, True, True)]
    assert (first.answers, last.answers) == ([True], [True])


def test_a_channel_given_up_and_acknowledged_is_forgotten() -> None:
    """No name of a client's choosing stays for ever."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    feed.unsubscribe(CHANNEL, [A])
    assert feed.wanted(CHANNEL) == []
    answer(feed)
    assert feed._wishes == {}


@pytest.mark.parametrize('when', ['down', 'connecting', 'after a loss'])
def test_a_channel_given_up_without_a_connection_is_forgotten(when: str) -> None:
    """It was never sent on the connection that comes, so no answer will clear it away."""
    feed = up() if when == 'after a loss' else Feed(full_chance)
    feed.subscribe(CHANNEL, [A])
    if when == 'after a loss':
        feed.lost(0.0)
    if when == 'connecting':
        feed.connecting()
    feed.unsubscribe(CHANNEL, [A])
    assert feed._wishes == {}
    feed.connecting()
    feed.connected(0.0)
    assert feed.pop_commands() == []


def test_an_unsubscription_under_way_when_the_connection_is_lost_is_forgotten() -> None:
    """The next connection begins with nothing subscribed."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    answer(feed)
    feed.unsubscribe(CHANNEL, [A])
    feed.lost(0.0)
    assert feed._wishes == {}


# Waiting for acknowledgements


def test_a_wait_ends_when_all_of_it_is_acknowledged() -> None:
    """And is told once."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    feed.subscribe(PATTERN, [B])
    waiting = Waiting(feed, (CHANNEL, A), (PATTERN, B))
    feed.receive([b'subscribe', A, 1])
    assert waiting.answers == []
    feed.receive([b'psubscribe', B, 2])
    assert waiting.answers == [True]


@pytest.mark.parametrize('names', [[], [(CHANNEL, A)]])
def test_a_wait_for_what_is_there_ends_at_once(names: list[tuple[Kind, bytes]]) -> None:
    """Nothing to wait for."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    answer(feed)
    assert Waiting(feed, *names).answers == [True]


def test_several_wait_for_one_channel() -> None:
    """One SUBSCRIBE, one answer, both are told; an answer for another name tells nobody."""
    feed = up()
    feed.subscribe(CHANNEL, [A, B])
    one, other, third = (
        Waiting(feed, (CHANNEL, A)),
        Waiting(feed, (CHANNEL, A)),
        Waiting(feed, (CHANNEL, B)),
    )
    feed.receive([b'subscribe', A, 1])
    assert (one.answers, other.answers, third.answers) == ([True], [True], [])


def test_a_wait_that_begins_without_a_connection_ends_with_the_first_answer() -> None:
    """What was acknowledged on an old connection does not count."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    answer(feed)
    feed.lost(0.0)
    waiting = Waiting(feed, (CHANNEL, A))
    assert waiting.answers == []
    feed.connecting()
    feed.connected(0.0)
    assert waiting.answers == []
    answer(feed)
    assert waiting.answers == [True]


def test_a_wait_ends_with_false_when_the_connection_is_lost() -> None:
    """Or could not be made; once, and a later connection says nothing more."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    lost = Waiting(feed, (CHANNEL, A))
    feed.lost(0.0)
    refused = Waiting(feed, (CHANNEL, A))
    assert (lost.answers, refused.answers) == ([False], [])
    feed.connecting()
    feed.lost(0.0)
    assert refused.answers == [False]
    feed.connecting()
    feed.connected(0.0)
    answer(feed)
    assert (lost.answers, refused.answers) == ([False], [False])


def test_a_wait_for_what_was_given_up_before_the_connection_came_ends() -> None:
    """Its SUBSCRIBE is never sent, so no answer would ever end it."""
    feed = Feed(full_chance)
    feed.subscribe(CHANNEL, [A, B])
    gone, both, stays = (
        Waiting(feed, (CHANNEL, A)),
        Waiting(feed, (CHANNEL, A), (CHANNEL, B)),
        Waiting(feed, (CHANNEL, B)),
    )
    feed.unsubscribe(CHANNEL, [A])
    feed.connecting()
    feed.connected(0.0)
    assert (gone.answers, both.answers, stays.answers) == ([False], [False], [])
    answer(feed)
    feed.lost(0.0)
    assert (gone.answers, both.answers, stays.answers) == ([False], [False], [True])


def test_whoever_was_told_may_subscribe_again() -> None:
    """From inside the call, at an answer and at a loss."""
    feed = up()
    more: list[bool] = []

    def subscribe_more(_acknowledged: bool) -> None:
        feed.subscribe(CHANNEL, [B])
        feed.when_acknowledged([(CHANNEL, B)], more.append)

    feed.subscribe(CHANNEL, [A])
    feed.when_acknowledged([(CHANNEL, A)], subscribe_more)
    answer(feed)
    answer(feed)
    assert more == [True]
    feed.unsubscribe(CHANNEL, [A])
    feed.subscribe(CHANNEL, [A])
    feed.when_acknowledged([(CHANNEL, A)], subscribe_more)
    feed.lost(0.0)
    feed.connecting()
    feed.connected(0.0)
    answer(feed)
    assert more == [True, True]


# Messages


def test_a_message_by_name() -> None:
    assert up().receive([b'message', A, b'hello']) == Published(A, b'hello')


def test_a_message_by_pattern() -> None:
    """Its channel is the one that it was published on."""
    reply = [b'pmessage', b'user:*', A, b'hello']
    assert up().receive(reply) == Published(A, b'hello', b'user:*')


# Barriers


def test_every_barrier_has_a_number_of_its_own() -> None:
    """In the order of the answers."""
    feed, redis = up(), SimpleRedis()
    numbers = [feed.ping(), feed.ping(), feed.ping()]
    assert len(set(numbers)) == 3
    assert answer(feed, redis) == numbers
    feed.subscribe(CHANNEL, [A])
    numbers.append(feed.ping())
    assert answer(feed, redis) == numbers[3:]
    assert len(set(numbers)) == 4


def test_a_barrier_is_answered_as_bare_text_while_nothing_is_subscribed_to() -> None:
    """RESP2 outside subscribe mode; inside it, as a list."""
    feed = up()
    number = feed.ping()
    ((_, text),) = feed.pop_commands()
    assert feed.receive(text) == number
    assert feed.receive([b'pong', text]) == number


@pytest.mark.parametrize(
    'reply',
    [
        b'PONG',
        [b'pong', b''],
        [b'pong', b'health-check'],
        b'ws4redis:',
        b'ws4redis:x',
        b'OK',
        1,
        None,
    ],
)
def test_somebody_elses_answer_is_no_barrier(reply: Any) -> None:
    """redis-py's own health check, or nothing that is known."""
    feed = up()
    feed.ping()
    assert feed.receive(reply) is None


def test_numbers_are_not_used_again_on_the_next_connection() -> None:
    """A late answer is never taken for another barrier's."""
    feed = up()
    first = feed.ping()
    lose(feed)
    assert feed.pop_commands() == []
    assert feed.ping() != first


# The connection


def test_a_new_feed_connects_at_once() -> None:
    """It does not wait for a back-off, and misses nothing."""
    feed = Feed(full_chance)
    states = [feed.state]
    assert feed.deadline() == 0.0
    feed.connecting()
    states.append(feed.state)
    assert feed.deadline() is None
    feed.connected(5.0)
    states.append(feed.state)
    assert states == [FeedState.DOWN, FeedState.CONNECTING, FeedState.UP]
    assert feed.pop_resubscribed()
    assert feed.gap(5.0) is None


def test_it_is_time_to_connect_when_the_back_off_is_over() -> None:
    """At once in the beginning; never while there is a connection or an attempt."""
    feed = Feed(full_chance)
    assert feed.wants_connection(0.0)
    feed.connecting()
    assert not feed.wants_connection(1000.0)
    feed.lost(50.0)
    assert not feed.wants_connection(50.09)
    assert feed.wants_connection(50.11)
    feed.retry_now()
    assert feed.wants_connection(50.0)
    feed.connecting()
    feed.connected(60.0)
    assert not feed.wants_connection(1000.0)


@pytest.mark.parametrize(('chance', 'share'), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_the_back_off_doubles_up_to_its_most(chance: float, share: float) -> None:
    """At least half of it, the other half by chance: not all processes come back in the same
    instant.
    """
    feed = Feed(lambda: chance)
    waits = []
    for attempt in range(40):
        feed.connecting()
        feed.lost(float(attempt))
        deadline = feed.deadline()
        assert deadline is not None
        waits.append(deadline - attempt)
    assert waits[:8] == pytest.approx(
        [share * wait for wait in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)]
    )
    assert waits[8:] == pytest.approx([share * 10.0] * 32)
    assert (BACKOFF_FIRST, BACKOFF_MOST) == (0.1, 10.0)


def test_the_back_off_goes_on_while_a_connection_holds_nothing() -> None:
    """A Redis that accepts and hangs up is not asked ever faster."""
    feed = Feed(full_chance)
    feed.subscribe(CHANNEL, [A])
    for _ in range(3):
        feed.connecting()
        feed.connected(0.0)
        assert not feed.pop_resubscribed()
        feed.lost(0.0)
    assert feed.deadline() == pytest.approx(0.4)


def test_the_back_off_begins_anew_after_a_connection_that_held() -> None:
    """Everything had been acknowledged."""
    feed = Feed(full_chance)
    feed.subscribe(CHANNEL, [A])
    for _ in range(5):
        feed.connecting()
        feed.lost(0.0)
    feed.connecting()
    feed.connected(0.0)
    answer(feed)
    assert feed.pop_resubscribed()
    feed.lost(50.0)
    assert feed.deadline() == pytest.approx(50.1)


def test_the_back_off_can_be_skipped() -> None:
    """When the cause is known to be gone."""
    feed = Feed(full_chance)
    for _ in range(5):
        feed.connecting()
        feed.lost(100.0)
    feed.retry_now()
    assert feed.deadline() == 0.0
    feed.connecting()
    feed.lost(100.0)
    assert feed.deadline() == pytest.approx(100.1)


def test_a_feed_fails_from_the_first_attempt_that_failed() -> None:
    """So that nobody waits in vain; not from a loss, after which the first attempt is yet to
    come.
    """
    feed = Feed(full_chance)
    feed.connecting()
    assert not feed.failing
    feed.lost(0.0)
    assert feed.failing
    feed.connecting()
    assert feed.failing
    feed.connected(0.0)
    assert not feed.failing
    feed.lost(0.0)
    assert not feed.failing
    feed.connecting()
    feed.lost(0.0)
    assert feed.failing


def test_a_lost_connection_takes_its_commands_along() -> None:
    """They are not sent on the next one."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    feed.ping()
    feed.lost(0.0)
    assert feed.pop_commands() == []


def test_everything_wanted_is_subscribed_to_again() -> None:
    """In batches, channels and patterns; what was given up is not."""
    feed, redis = up(), SimpleRedis()
    names = [b'%d' % number for number in range(BATCH + 500)]
    feed.subscribe(CHANNEL, names)
    feed.subscribe(PATTERN, [A, B])
    answer(feed, redis)
    feed.unsubscribe(CHANNEL, names[:1])
    lose(feed)
    commands = feed.pop_commands()
    assert [(command[0], len(command) - 1) for command in commands] == [
        (b'SUBSCRIBE', 1000),
        (b'SUBSCRIBE', 499),
        (b'PSUBSCRIBE', 2),
    ]
    assert sorted(name for command in commands[:2] for name in command[1:]) == sorted(names[1:])


def test_resubscribed_is_told_once_and_after_the_last_answer() -> None:
    """Until then messages may still be missed."""
    feed = up()
    feed.subscribe(CHANNEL, [A])
    feed.subscribe(PATTERN, [B])
    answer(feed)
    assert feed.pop_resubscribed()
    assert not feed.pop_resubscribed()
    feed.lost(0.0)
    assert not feed.pop_resubscribed()
    feed.connecting()
    assert not feed.pop_resubscribed()
    feed.connected(0.0)
    assert not feed.pop_resubscribed()
    feed.receive([b'subscribe', A, 1])
    assert not feed.pop_resubscribed()
    feed.receive([b'psubscribe', B, 2])
    assert feed.pop_resubscribed()
    assert not feed.pop_resubscribed()


def test_answers_that_a_lost_connection_owed_are_not_waited_for() -> None:
    """Else nothing would ever count as subscribed again."""
    feed = up()
    feed.subscribe(CHANNEL, [A, B])
    feed.receive([b'subscribe', A, 1])
    lose(feed)
    answer(feed)
    assert feed.pop_resubscribed()


def test_a_gap_lasts_from_the_loss_and_is_told_once() -> None:
    """Attempts that fail make it longer, not new."""
    feed = up()
    feed.lost(10.0)
    for now in (11.0, 12.0, 13.0):
        feed.connecting()
        feed.lost(now)
    feed.connecting()
    feed.connected(14.0)
    feed.lost(15.0)
    feed.connecting()
    feed.connected(17.5)
    assert feed.gap(17.5) == 7.5
    assert feed.gap(17.5) is None
    feed.lost(20.0)
    feed.connecting()
    feed.connected(20.5)
    assert feed.gap(20.5) == 0.5


def test_attempts_that_fail_at_the_start_are_no_gap() -> None:
    """There was nothing to miss."""
    feed = Feed(full_chance)
    feed.connecting()
    feed.lost(1.0)
    feed.connecting()
    feed.connected(2.0)
    assert feed.gap(2.0) is None


# Silence


def test_a_silent_redis_is_asked_and_dropped() -> None:
    """A Redis that swallows packets is noticed: 15 s without a word, then 5 s for the answer."""
    feed = up()
    assert (SILENCE, ANSWER_TIME) == (15.0, 5.0)
    assert feed.deadline() == 15.0
    assert feed.tick(14.9)
    assert feed.pop_commands() == []
    assert feed.tick(15.0)
    ((word, _),) = feed.pop_commands()
    assert word == b'PING'
    assert feed.deadline() == 20.0
    assert feed.tick(19.9)
    assert not feed.tick(20.0)
    assert feed.pop_commands() == []


def test_a_sign_of_life_ends_the_question() -> None:
    """Whatever arrives is one."""
    feed = up()
    feed.tick(15.0)
    feed.heard(17.0)
    assert feed.deadline() == 32.0
    assert feed.tick(20.0)
    assert feed.tick(31.9)
    feed.pop_commands()
    assert feed.tick(32.0)
    assert len(feed.pop_commands()) == 1
    assert not feed.tick(37.0)


def test_a_new_connection_is_not_asked_at_once() -> None:
    """The silence of the old one does not count."""
    feed = up()
    feed.tick(15.0)
    lose(feed, 100.0)
    assert feed.deadline() == 115.0
    assert feed.tick(114.0)
    assert feed.pop_commands() == []


@pytest.mark.parametrize('connecting', [False, True])
def test_nothing_is_asked_without_a_connection(connecting: bool) -> None:
    """Its end is known already."""
    feed = up()
    feed.lost(0.0)
    if connecting:
        feed.connecting()
    assert feed.tick(1000.0)
    assert feed.pop_commands() == []


def test_with_nobody_to_serve_a_lost_connection_is_no_deadline() -> None:
    """A time that has passed would wake the loop for ever; a connection that is there is still
    asked for life.
    """
    feed = Feed(full_chance)
    exchange = Exchange(feed)
    assert exchange.deadline() is None
    feed.connecting()
    feed.connected(0.0)
    assert exchange.deadline() == SILENCE
    feed.lost(1.0)
    assert exchange.deadline() is None


# A model: whatever happens, the feed knows what Redis knows


class Model:
    """A feed and a Redis, and what of one may be compared with the other at any time."""

    def __init__(self) -> None:
        self.feed = Feed(lambda: 0.5)
        self.redis = SimpleRedis()
        self.answers: deque[Reply] = deque()
        self.told: dict[tuple[Kind, bytes], None] = {}
        self.wanted: dict[tuple[Kind, bytes], None] = {}
        self.waits: list[tuple[list[tuple[Kind, bytes]], list[bool]]] = []
        self.barriers: list[int] = []
        self.now = 0.0

    def subscribe(self, kind: Kind, name: bytes) -> None:
        self.feed.subscribe(kind, [name])
        self.wanted[kind, name] = None

    def unsubscribe(self, kind: Kind, name: bytes) -> None:
        self.feed.unsubscribe(kind, [name])
        self.wanted.pop((kind, name), None)

    def wait(self, *_: object) -> None:
        names = list(self.wanted)
        answers: list[bool] = []
        self.waits.append((names, answers))
        self.feed.when_acknowledged(names, self._checked(names, answers))

    def _checked(
        self, names: list[tuple[Kind, bytes]], answers: list[bool]
    ) -> Callable[[bool], None]:
        def done(acknowledged: bool) -> None:
            answers.append(acknowledged)
            # The promise: Redis sends the messages of each of them that is still wanted.
            if acknowledged:
                assert all(self.feed.active(*name) for name in names if name in self.wanted)

        return done

    def ping(self, *_: object) -> None:
        if self.feed.state is FeedState.UP:
            self.barriers.append(self.feed.ping())

    def send(self, *_: object) -> None:
        self.redis.take(self.feed.pop_commands())

    def carry_out(self, *_: object) -> None:
        if self.redis.commands:
            self.answers.extend(self.redis.step())

    def read(self, *_: object) -> None:
        if not self.answers:
            return
        reply = self.answers.popleft()
        if isinstance(reply, list) and reply[0] != b'pong':
            key = (PATTERN if reply[0].startswith(b'p') else CHANNEL, reply[1])
            if b'un' in reply[0]:
                self.told.pop(key, None)
            else:
                self.told[key] = None
        number = self.feed.receive(reply)
        if isinstance(number, int):
            assert number == self.barriers.pop(0)

    def lose(self, *_: object) -> None:
        self.now += 1
        self.feed.lost(self.now)
        self.redis, self.answers, self.told, self.barriers = SimpleRedis(), deque(), {}, []

    def connect(self, *_: object) -> None:
        if self.feed.state is FeedState.DOWN:
            self.feed.connecting()
        elif self.feed.state is FeedState.CONNECTING:
            self.now += 1
            self.feed.connected(self.now)

    def check(self) -> None:
        """What holds after every step."""
        for kind in Kind:
            assert set(self.feed.wanted(kind)) == {
                name for its_kind, name in self.wanted if its_kind is kind
            }
        if self.feed.state is FeedState.UP:
            active = {
                (kind, name) for kind in Kind for name in NAMES if self.feed.active(kind, name)
            }
            assert active == self.told.keys() & self.wanted.keys()

    def settle(self) -> None:
        """Connect, and let everything be answered."""
        # At most down, connecting, up.
        self.connect()
        self.connect()
        assert self.feed.state is FeedState.UP
        self.send()
        while self.redis.commands:
            self.carry_out()
        while self.answers:
            self.read()


NAMES = [A, B, b'c']
STEPS = ['subscribe', 'unsubscribe', 'wait', 'ping', 'send', 'carry_out', 'read', 'lose', 'connect']
KEYS = st.tuples(st.sampled_from(Kind), st.sampled_from(NAMES))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*STEPS, 'subscribe', 'read', 'carry_out', 'send', 'connect']), KEYS
        ),
        max_size=60,
    )
)
@example(
    [
        (step, (CHANNEL, A))
        for step in (
            'connect',
            'connect',
            'subscribe',
            'unsubscribe',
            'subscribe',
            'send',
            'carry_out',
            'read',
        )
    ]
)
@example(
    [
        (step, (CHANNEL, A))
        for step in (
            'connect',
            'connect',
            'subscribe',
            'send',
            'carry_out',
            'read',
            'lose',
            'connect',
            'connect',
        )
    ]
)
@example(
    [(step, (CHANNEL, A)) for step in ('subscribe', 'wait', 'unsubscribe', 'connect', 'connect')]
)
def test_the_feed_knows_what_redis_knows(steps: list[tuple[str, tuple[Kind, bytes]]]) -> None:
    """Any order of events: at quiescence Redis has subscribed exactly what is wanted, all of it
    active, no wait left open.
    """
    model = Model()
    for step, key in steps:
        getattr(model, step)(*key)
        model.check()
    model.settle()
    model.check()
    assert model.redis.subscribed.keys() == model.wanted.keys()
    assert all(model.feed.active(kind, name) for kind, name in model.wanted)
    assert model.feed._wishes.keys() == model.wanted.keys()
    assert all(len(answers) == 1 for _, answers in model.waits)
    assert model.barriers == []
    assert model.feed.resubscribed or model.feed.pop_resubscribed()
