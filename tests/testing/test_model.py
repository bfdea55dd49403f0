"""Whatever order things happen in, a Broker does what a model of a page says, on fakeredis and on a
Redis server.

The model knows nothing of connections, barriers or frames: who listens on what, what was said there
last, and what is kept. WS4REDIS_EXAMPLES is how many orders are tried; `make certify` tries many.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections import deque
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test.utils import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import require
from ws4redis.gate import Gate
from ws4redis.testing import Broker
from ws4redis.testing.redis_process import find_redis_server

EXAMPLES = int(os.environ.get('WS4REDIS_EXAMPLES', '20'))

DEFAULT_EXPIRE = 3650
REMEMBERED = 64


class Model:
    """What everybody should have got, and what should be kept."""

    def __init__(self) -> None:
        self.now = 0
        self.kept: dict[str, tuple[str, int]] = {}
        self.listening: dict[Any, list[str]] = {}
        self.got: dict[Any, list[str]] = {}
        self.said: dict[str, deque[str]] = {}
        """The last messages of each channel that somebody listens on, by the time at which
        somebody began to.
        """

    def persisted(self, channel: str) -> str | None:
        message, until = self.kept.get(channel, ('', 0))
        return message if until > self.now else None

    def keep(self, channel: str, message: str, expire: int) -> None:
        if expire > 0:
            self.kept[channel] = (message, self.now + expire)

    def join(self, who: Any, channels: list[str]) -> None:
        self.listening[who], self.got[who] = channels, []
        for channel in channels:
            self.said.setdefault(channel, deque(maxlen=REMEMBERED))
        for channel in channels:
            message = self.persisted(channel)
            if message is not None:
                self.got[who].append(message)
                self.said[channel].append(message)

    def leave(self, who: Any) -> None:
        for channel in self.listening.pop(who):
            if not self.is_heard(channel):
                del self.said[channel]

    def is_heard(self, channel: str) -> bool:
        return any(channel in channels for channels in self.listening.values())

    def publish(self, channel: str, message: str, expire: int, *, sender: Any = None) -> None:
        self.keep(channel, message, expire)
        self.deliver(channel, message, sender)

    def deliver(self, channel: str, message: str, sender: Any = None) -> None:
        for who, channels in self.listening.items():
            if channel in channels and who is not sender:
                self.got[who].append(message)
        if channel in self.said:
            self.said[channel].append(message)

    def catch_up(self) -> None:
        """Redis is back: what is kept and was not heard is made up for."""
        for channel in list(self.said):
            message = self.persisted(channel)
            if message is not None and message not in self.said[channel]:
                self.deliver(channel, message)


FACILITIES = ['a', 'b']
channels = st.tuples(st.sampled_from(FACILITIES), st.booleans())
messages = st.sampled_from(['one', 'two', 'three', 'four', 'five', 'six', '', 'grün'])
# Far apart, so that the real time which passes as well does not matter.
expiries = st.sampled_from([0, -1, 150, 1050])
# What others set is what an outage is about, so it comes more often.
kinds = st.sampled_from(['set', 'set', 'set', 'publish', 'say', 'tell', 'leave'])
steps = st.lists(st.tuples(kinds, channels, messages), max_size=6)


def name_of(channel: tuple[str, bool]) -> str:
    facility, broadcast = channel
    return f'broadcast:{facility}' if broadcast else f'user:john:{facility}'


class Machine(RuleBasedStateMachine):
    """Does the same to a Broker and to the model."""

    url = 'memory://'

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.context = contextlib.ExitStack()
        self.context.enter_context(
            override_settings(WS4REDIS_EXPIRE=DEFAULT_EXPIRE, WS4REDIS_MESSAGE_RATE=None)
        )
        self.broker = self.context.enter_context(Broker(self.url))
        pool = self.broker.redis.connection_pool
        others = redis.ConnectionPool(
            connection_class=pool.connection_class,
            **{**pool.connection_kwargs, 'ws4redis_gate': Gate()},
        )
        self.others = self.context.enter_context(
            contextlib.closing(redis.Redis(connection_pool=others))
        )
        self.context.callback(others.disconnect)
        for facility in FACILITIES:
            self.join(facility, ['broadcast', 'user'])

    def teardown(self) -> None:
        if hasattr(self, 'context'):
            self.context.close()

    def anybody(self, data: st.DataObject) -> Any:
        return data.draw(
            st.sampled_from(sorted(self.model.listening, key=lambda client: int(client.name)))
        )

    @rule(
        facility=st.sampled_from(FACILITIES),
        asked=st.sampled_from([[], ['user'], ['broadcast'], ['broadcast', 'user']]),
    )
    def join(self, facility: str, asked: list[str]) -> None:
        client = self.broker.connect(
            facility,
            subscribe=asked,
            publish='broadcast',
            force_user=User(username='john'),
            name=str(len(self.model.got)),
        )
        self.model.join(client, [name_of((facility, name == 'broadcast')) for name in asked])

    @precondition(lambda self: self.model.listening)
    @rule(data=st.data(), drop=st.booleans())
    def leave(self, data: st.DataObject, drop: bool) -> None:
        client = self.anybody(data)
        client.drop() if drop else client.close()
        self.model.leave(client)

    @rule(channel=channels, message=messages, expire=expiries)
    def publish(self, channel: tuple[str, bool], message: str, expire: int) -> None:
        facility, broadcast = channel
        self.broker.publish(
            message,
            facility=facility,
            broadcast=broadcast,
            users=[] if broadcast else ['john'],
            expire=expire,
        )
        self.model.publish(name_of(channel), message, expire)

    @rule(burst=st.lists(st.tuples(channels, messages), min_size=2, max_size=80))
    def publish_many(self, burst: list[tuple[tuple[str, bool], str]]) -> None:
        pipeline = self.broker.redis.pipeline(transaction=False)
        for channel, message in burst:
            pipeline.publish(name_of(channel), message)
            self.model.publish(name_of(channel), message, 0)
        pipeline.execute()

    @precondition(lambda self: self.model.listening)
    @rule(data=st.data(), said=st.lists(messages, min_size=1, max_size=3))
    def say(self, data: st.DataObject, said: list[str]) -> None:
        client = self.anybody(data)
        for message in said:
            client.send(message)
            self.model.publish(self.own_channel(client), message, DEFAULT_EXPIRE, sender=client)

    def own_channel(self, client: Any) -> str:
        return next(
            f'broadcast:{facility}'
            for facility in FACILITIES
            if client._end.recipient.name == repr(facility)
        )

    @rule(hundreds=st.integers(0, 12))
    def let_time_pass(self, hundreds: int) -> None:
        self.broker.advance(100 * hundreds)
        self.model.now += 100 * hundreds

    @rule()
    def cut(self) -> None:
        self.broker.drop_subscribers()
        self.model.catch_up()

    @rule(channel=channels, message=messages, expire=expiries)
    def lose(self, channel: tuple[str, bool], message: str, expire: int) -> None:
        if self.model.is_heard(name_of(channel)):
            self.broker.lose_publishes()
            facility, broadcast = channel
            users = [] if broadcast else ['john']
            self.broker.publish(
                message, facility=facility, broadcast=broadcast, users=users, expire=expire
            )
            self.model.keep(name_of(channel), message, expire)

    @rule(data=st.data(), steps=steps)
    def outage(self, data: st.DataObject, steps: list[tuple[str, tuple[str, bool], str]]) -> None:
        with self.broker.outage():
            for what, channel, message in steps:
                self.in_outage(data, what, channel, message)
        self.model.catch_up()

    def in_outage(
        self, data: st.DataObject, what: str, channel: tuple[str, bool], message: str
    ) -> None:
        name = name_of(channel)
        if what == 'set':
            self.others.set(name, message, ex=1050)
            self.model.keep(name, message, 1050)
        elif what == 'publish':
            self.others.publish(name, message)
        elif what == 'tell':
            with pytest.raises(redis.ConnectionError):
                self.broker.publish(message, facility=channel[0], broadcast=True)
        elif self.model.listening:
            client = self.anybody(data)
            if what == 'say':
                client.send(message)
                assert client.close_code == 1013
            else:
                client.close()
            self.model.leave(client)

    @invariant()
    def everybody_got_what_he_should(self) -> None:
        if hasattr(self, 'broker'):
            for client, got in self.model.got.items():
                assert client.received == got, client.name
            assert set(self.broker.clients) == set(self.model.listening)

    @invariant()
    def what_should_be_kept_is(self) -> None:
        if hasattr(self, 'broker'):
            for facility in FACILITIES:
                for broadcast in (True, False):
                    name = name_of((facility, broadcast))
                    kept = self.broker.persisted(channel=name)
                    assert (None if kept is None else bytes(kept).decode()) == self.model.persisted(
                        name
                    ), name

    @invariant()
    def process_listens_on_what_is_wanted(self) -> None:
        if hasattr(self, 'broker'):
            names = [
                name_of((facility, broadcast))
                for facility in FACILITIES
                for broadcast in (True, False)
            ]
            numbers: list[tuple[Any, int]] = self.broker.redis.pubsub_numsub(*names)
            heard = {name.decode(): bool(number) for name, number in numbers}
            assert heard == {name: self.model.is_heard(name) for name in names}


class MachineOnServer(Machine):
    """On a redis-server."""

    url = 'server'


PROFILE = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.mark.hypothesis
class TestModelOnFakeredis(Machine.TestCase):  # type: ignore[valid-type, misc]
    settings = PROFILE


@pytest.mark.hypothesis
class TestModelOnServer(MachineOnServer.TestCase):  # type: ignore[valid-type, misc]
    settings = PROFILE

    def setUp(self) -> None:
        require(
            'redis',
            find_redis_server(),
            'put redis-server on PATH (Debian: apt-get install redis-server)',
        )
        super().setUp()


def test_model_is_short_enough_to_be_believed() -> None:
    assert len(inspect.getsource(Model).splitlines()) <= 100
