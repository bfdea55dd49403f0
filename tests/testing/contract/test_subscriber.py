"""subscriber_contract(): correct subscribers pass every case, and each case catches a subscriber
that is wrong in its way.
"""

from __future__ import annotations

import unittest
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group, User

from tests.subscribers import overrides, probes
from ws4redis.seam import seam
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker, SubscriberCase, subscriber_contract

JSON = '{"do": "pass_on", "text": "from a browser"}'

CORRECT: dict[Any, dict[str, Any]] = {
    RedisSubscriber: {},
    overrides.Noting: {},
    overrides.ExtraChannel: {},
    overrides.WholeReplacement: {},
    overrides.LabSubscriber: {},
    overrides.FewAudiences: {'publishes': False},
    overrides.JsonCommands: {'sends': JSON},
    overrides.SendsList: {'persisted': False},
    overrides.SendsListOldSpelling: {'persisted': False},
    overrides.SendsOneMore: {},
    overrides.SendsOneMoreOldSpelling: {},
    overrides.PublishesWhileJoining: {'persisted': False},
    overrides.SaysGoodbye: {},
    overrides.SaysGoodbyeWithSuper: {},
    overrides.TellsListeners: {},
    overrides.Filters: {},
    overrides.ReadsOn: {},
    overrides.Rewrites: {'shown': str.upper},
    overrides.ReturnsWhatItLikes: {
        'messages': ['str', 'bytes', 'array', 'message'],
        'sends': 'sent',
    },
    overrides.PassesOn: {},
    overrides.Patterns: {
        'shown': lambda text: f'message broadcast:contract {text}',
        'connect': {'subscribe': 'broadcast'},
    },
    overrides.FromRedisStore: {},
    overrides.FromNothing: {},
    overrides.KeepsRequest: {'publishes': False, 'connect': {'headers': {'User-Agent': 'browser'}}},
    probes.NotesEverything: {},
    probes.ForgetsSubscription: {},
    probes.PublishesAround: {},
}
"""The overrides that are correct, and how they are used."""

OTHERS: dict[Any, str] = {
    overrides.Refuses: 'every_message_arrives',
    overrides.FailsToSubscribe: 'every_message_arrives',
    overrides.FailsWhileJoining: 'every_message_arrives',
    overrides.SaysGoodbyeThoughClosed: 'every_message_arrives',
    overrides.FailsToRelease: 'release_works_after_a_failed_handshake',
    overrides.FailsToParse: 'every_message_arrives',
    overrides.QuietPatterns: 'nothing_of_another_facility_arrives',
    # Nobody watches another client without a descriptor.
    overrides.OtherClient: 'every_message_arrives',
    overrides.HandWrittenDouble: 'every_message_arrives',
    # It reads the persisted message from Redis and the same one from its own pub/sub connection.
    overrides.ServesItself: 'message_published_while_joining_arrives_once',
}
"""The others, each with a case that says why."""


@pytest.fixture(autouse=True)
def other_server() -> None:
    """The server of subscribers that bring a client of their own begins empty."""
    overrides.other_client().flushall()


@pytest.mark.parametrize('cls', CORRECT, ids=lambda cls: cls.__name__)
def test_correct_override_keeps_every_rule(cls: Any, db: None) -> None:
    Group.objects.create(name='lab')
    for case in subscriber_contract(cls, **CORRECT[cls]):
        case()


@pytest.mark.parametrize('cls', OTHERS, ids=lambda cls: cls.__name__)
def test_other_override_is_told_which_rule_it_breaks(cls: Any) -> None:
    [case] = [case for case in subscriber_contract(cls) if case.name == OTHERS[cls]]
    with pytest.raises(
        (AssertionError, RuntimeError), match=f'{cls.__name__} breaks {case.name}|a bug of the site'
    ):
        case()


def test_every_override_is_named() -> None:
    found = {
        value for value in vars(overrides).values() if hasattr(value, 'set_pubsub_channels')
    } - {RedisSubscriber}
    assert found <= {*CORRECT, *OTHERS}


# Wrong ones, each for one case


class AsksForTwo(RedisSubscriber):
    """Takes a second message without waiting for its own call."""

    def parse_response(self) -> Any:
        super().parse_response()
        return super().parse_response()


class Keeping(RedisSubscriber):
    """Keeps the websocket, to send by itself."""

    def send_persisted_messages(self, websocket: Any) -> None:
        self.websocket = websocket
        super().send_persisted_messages(websocket)


class SendsAndReturns(Keeping):
    """Sends the message itself, and returns it."""

    def parse_response(self) -> Any:
        reply = super().parse_response()
        self.websocket.send(reply[-1])
        return reply


class SwapsTwo(Keeping):
    """Keeps a message until the next has been sent."""

    kept: Any = None

    def parse_response(self) -> Any:
        reply = super().parse_response()
        if self.kept is None:
            self.kept = reply
            return None
        self.websocket.send(reply[-1])
        kept, self.kept = self.kept, None
        return kept


class ForgetsPersisted(RedisSubscriber):
    """Sends nothing on joining."""

    def send_persisted_messages(self, websocket: Any) -> None:
        pass


class SendsPersistedLate(ForgetsPersisted):
    """Looks for the persisted messages when the first live one comes."""

    late = False

    def parse_response(self) -> Any:
        reply = super().parse_response()
        if not self.late:
            self.late = True
            for name in self._subscription.channels:
                value = self._connection.get(name)
                if value is not None:
                    self._connection.publish(name, value)
        return reply


class SubscribesAgain(RedisSubscriber):
    """Begins anew on joining."""

    def send_persisted_messages(self, websocket: Any) -> None:
        names = list(self._subscription.channels)
        self._subscription.unsubscribe()
        self._subscription.subscribe(*names)


class PublishesByItself(RedisSubscriber):
    """Publishes past the store, so that its own copies are taken for messages of others."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        for name in self._publishers:
            self._connection.publish(name, message)


class ListensToAllUsers(RedisSubscriber):
    """One pattern too many."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self._subscription.psubscribe('user:*')


class ListensToAllFacilities(RedisSubscriber):
    """One pattern too many."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        if 'subscribe-broadcast' in channels:
            self._subscription.psubscribe('broadcast:*')


class ListensUnasked(RedisSubscriber):
    """Does not care for what was allowed."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, [*channels, 'subscribe-broadcast'])


class PublishesUnasked(RedisSubscriber):
    """Does not care for what was allowed."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, [*channels, 'publish-broadcast'])


class SharesNames(RedisSubscriber):
    """A list that belongs to the class."""

    names: list[bytes] = []

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self.names.extend(self._subscription.channels)
        self._subscription.subscribe(*self.names)


class LeavesItsOwn(RedisSubscriber):
    """Listens by a pub/sub connection of its own, and does not close it."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        super().set_pubsub_channels(request, channels)
        self.own = redis.Redis(connection_pool=self._connection.connection_pool).pubsub()
        self.own.subscribe('extra')


class NeedsItsWebsocket(Keeping):
    """Ends what has never begun if the handshake failed."""

    def release(self) -> None:
        super().release()
        self.websocket.close()


class TakesMessagesAlong(RedisSubscriber):
    """Deletes what is persisted for all."""

    def release(self) -> None:
        names = list(self._subscription.channels)
        super().release()
        if names:
            self._connection.delete(*names)


WRONG: dict[str, Any] = {
    'every_message_arrives': AsksForTwo,
    'no_message_arrives_twice': SendsAndReturns,
    'messages_arrive_in_order': SwapsTwo,
    'persisted_message_arrives_once': ForgetsPersisted,
    'persisted_message_comes_before_live_ones': SendsPersistedLate,
    'message_published_while_joining_arrives_once': SubscribesAgain,
    'sent_message_reaches_others_and_not_its_sender': PublishesByItself,
    'nothing_for_somebody_else_arrives': ListensToAllUsers,
    'nothing_of_another_facility_arrives': ListensToAllFacilities,
    'nothing_that_was_not_allowed_arrives': ListensUnasked,
    'nothing_is_published_without_permission': PublishesUnasked,
    'two_websockets_do_not_mix': SharesNames,
    'release_frees_everything': LeavesItsOwn,
    'release_works_after_a_failed_handshake': NeedsItsWebsocket,
    'end_of_one_takes_nothing_from_others': TakesMessagesAlong,
}


@pytest.mark.parametrize('name', [str(case) for case in subscriber_contract()])
def test_each_case_catches_a_wrong_subscriber(name: str) -> None:
    cls = WRONG[name]
    broken = {}
    for case in subscriber_contract(cls):
        SharesNames.names = []
        try:
            case()
        except AssertionError as exc:
            broken[case.name] = str(exc)
    assert broken[name].startswith(f'{cls.__name__} breaks {name}: ')
    assert len(broken) <= 5, 'it is wrong in one way'


# How it is used


@pytest.mark.parametrize('case', subscriber_contract(overrides.ExtraChannel), ids=str)
def test_cases_are_parameters_of_pytest(case: SubscriberCase, ws4redis: Broker) -> None:
    case(ws4redis)
    assert ws4redis.clients or 'handshake' in case.name or 'release' in case.name


def test_cases_are_sub_tests_of_unittest() -> None:
    class Tests(unittest.TestCase):
        def test_contract(self) -> None:
            for case in subscriber_contract(ForgetsPersisted):
                with self.subTest(str(case)):
                    case()

    result = unittest.TestResult()
    Tests('test_contract').run(result)
    assert [
        failure[0].id()
        for failure in result.failures
        if 'persisted_message_arrives_once' in failure[0].id()
    ]
    assert (len(result.failures), result.errors) == (1, [])


def test_case_without_a_broker_brings_its_own_and_leaves_none() -> None:
    for case in subscriber_contract():
        case()
        assert not seam.in_force


def test_contract_holds_on_a_server_that_others_use(redis_url: str) -> None:
    for case in subscriber_contract():
        with Broker(redis_url) as broker:
            case(broker)


def test_rules_are_sentences_and_names_are_unique() -> None:
    cases = subscriber_contract()
    assert len({case.name for case in cases}) == len(cases) >= 12
    for case in cases:
        assert case.rule[0].isupper() or case.rule.startswith('release()')
        assert case.rule.endswith('.')
        assert '\n' not in case.rule
        assert str(case) == case.name


def test_failure_says_who_breaks_which_rule_and_what_was_seen() -> None:
    [case] = [
        case
        for case in subscriber_contract(ForgetsPersisted)
        if case.name == 'persisted_message_arrives_once'
    ]
    with pytest.raises(AssertionError) as failure:
        case()
    assert str(failure.value) == (
        'ForgetsPersisted breaks persisted_message_arrives_once: '
        'A message that was persisted before a websocket joined arrives once.\nreceived: []'
    )


def test_class_that_listens_on_nothing_cannot_pass() -> None:
    with pytest.raises(
        AssertionError,
        match='it listens on no channel: facilities= or connect= must name what it takes',
    ):
        subscriber_contract(connect={'subscribe': ()})[0]()


def test_message_that_is_not_published_cannot_pass() -> None:
    [case] = [
        case
        for case in subscriber_contract(overrides.JsonCommands, sends='{"do": "swallow"}')
        if 'sender' in case.name
    ]
    with pytest.raises(AssertionError, match='sends= takes what it publishes, or publishes=False'):
        case()
    assert not [case for case in subscriber_contract(publishes=False) if 'sender' in case.name]


def test_class_may_need_a_user_of_the_database(db: None) -> None:
    john = User.objects.create(username='john')
    seen = set()

    class Looking(RedisSubscriber):
        def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
            seen.add((request.user, request.headers['X-Tenant'], request.path_info))
            super().set_pubsub_channels(request, channels)

    options = {'connect': {'user': john, 'headers': {'X-Tenant': 'lab'}}, 'facilities': ('a', 'b')}
    for case in subscriber_contract(Looking, **options):  # type: ignore[arg-type]
        case()
    assert seen == {(john, 'lab', '/ws/a'), (john, 'lab', '/ws/b')}


def test_too_few_messages_are_refused() -> None:
    with pytest.raises(ValueError, match='messages has 1 different texts'):
        subscriber_contract(messages=['same', 'same'])
