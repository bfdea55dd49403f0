"""subscriber_contract(): what every subscriber must keep to, as plain cases that a project points
at its own class.

Nothing lost, nothing twice, nothing to somebody who may not have it, and release() frees
everything. Each case opens websockets of that class on a Broker, through the whole path.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.seam import seam
from ws4redis.subscriber import RedisSubscriber
from ws4redis.subscriber_methods import persisted_name
from ws4redis.testing.broker import Broker
from ws4redis.testing.client import HandshakeRejected, WebSocketClient

__all__ = ['SubscriberCase', 'subscriber_contract']

__unittest = True

ONE = 'ws4redis-contract'
ANOTHER = 'ws4redis-contract-other'
"""Names of users, groups and sessions: the websocket's own, and somebody else's."""


@dataclass(frozen=True)
class _Options:
    """How to use a class; see subscriber_contract()."""

    cls: Any
    facilities: tuple[str, str]
    messages: tuple[str, ...]
    shown: Callable[[str], str]
    sends: str
    publishes: bool
    persisted: bool
    connect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SubscriberCase:
    """One rule, to be called; str() is its name.

    Attributes:
        name: of the case.
        rule: what it demands, in one sentence.
    """

    name: str
    rule: str
    options: _Options = field(repr=False)
    check: 'Callable[[_Trial], None]' = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def __call__(self, broker: Broker | None = None) -> None:
        """Run it on this broker, or on one of its own.

        Raises:
            AssertionError: the class breaks the rule.
            Exception: what the class raised.
        """
        __tracebackhide__ = True
        if broker is not None:
            self.check(_Trial(broker, self))
            return
        with Broker() as own:
            self.check(_Trial(own, self))


class _Trial:
    """One class on one broker."""

    def __init__(self, broker: Broker, case: SubscriberCase) -> None:
        self.broker = broker
        self.case = case
        self.options = case.options

    def require(self, kept: object, evidence: str) -> None:
        """The rule is kept, or the case fails with what was seen."""
        __tracebackhide__ = True
        if not kept:
            raise AssertionError(
                f'{self.options.cls.__name__} breaks {self.case.name}: {self.case.rule}\n{evidence}'
            )

    def names(self, verb: str) -> list[str]:
        """All of the class's names of this kind, as connect() takes them."""
        names = (
            self.options.cls.subscription_channels
            if verb == 'subscribe'
            else self.options.cls.publish_channels
        )
        return [name.partition('-')[2] for name in names]

    def connect(self, facility: str = '', **keywords: Any) -> WebSocketClient:
        """Open a websocket that listens on all that the class offers, unless told otherwise."""
        user: Any = get_user_model()()
        setattr(user, user.USERNAME_FIELD, ONE)
        defaults: dict[str, Any] = {
            'subscribe': self.names('subscribe'),
            'subscriber': self.options.cls,
            'allowed_channels': allow_all,
        }
        if not {'user', 'force_user', 'client', 'session'} & {*self.options.connect}:
            defaults |= {'force_user': user, 'groups': [ONE]}
        facility = facility or self.options.facilities[0]
        return self.broker.connect(facility, **{**defaults, **self.options.connect, **keywords})

    def channels(self, client: WebSocketClient) -> list[bytes]:
        """The channels that it listens on by name; a case without any could not fail."""
        subscription = getattr(client.subscriber, '_subscription', None)
        found = list(getattr(subscription, 'channels', ()))
        self.require(
            found, 'it listens on no channel: facilities= or connect= must name what it takes'
        )
        return found

    def tell(self, client: WebSocketClient, *messages: str, channels: Sequence[bytes] = ()) -> None:
        """Publish as another program does, on each of its channels in turn."""
        channels = channels or self.channels(client)
        for number, message in enumerate(messages):
            client.subscriber._connection.publish(channels[number % len(channels)], message)

    def seen(self, client: WebSocketClient) -> list[str]:
        """Which of our messages the browser has got, in order."""
        forms = {
            form: text
            for text in self.options.messages
            for form in (text, self.options.shown(text))
        }
        got = [
            message.decode('utf-8', 'replace') if isinstance(message, bytes) else message
            for message in client.received
        ]
        return [forms[message] for message in got if message in forms]

    def tell_standard(self, facility: str, message: str, who: str) -> None:
        """Publish to everybody, a user, a group and a session of a facility."""
        RedisPublisher(
            facility=facility, broadcast=True, users=[who], groups=[who], sessions=[who]
        ).publish_message(message)

    def require_freed(self, before: dict[bytes, int]) -> None:
        """Nobody listens who did not before."""
        left = {
            name.decode(): count
            for name, count in self.listeners().items()
            if count > before.get(name, 0)
        }
        self.require(not left, f'still subscribed to: {left}')

    def persist(self, message: str) -> None:
        """Persist a message on a channel that its websockets listen on, before one of them
        joins.
        """
        probe = self.connect()
        probe.subscriber._connection.set(self.channels(probe)[0], message, ex=60)
        probe.close()

    def listeners(self) -> dict[bytes, int]:
        """How many connections Redis sends each channel's messages to; patterns are counted
        together.
        """
        redis: Any = self.broker.redis
        found: dict[bytes, int] = dict(redis.pubsub_numsub(*redis.pubsub_channels()))
        return {**found, b'patterns': redis.pubsub_numpat()}


def subscriber_contract(
    cls: Any = RedisSubscriber,
    *,
    facilities: tuple[str, str] = ('contract', 'contract-2'),
    messages: Sequence[str] = ('message 1', 'message 2', 'message 3', 'message 4'),
    shown: Callable[[str], str] = str,
    sends: str = 'from a browser',
    publishes: bool = True,
    persisted: bool = True,
    connect: Mapping[str, Any] | None = None,
) -> list[SubscriberCase]:
    """The cases for one class.

        @pytest.mark.parametrize('case', subscriber_contract(TenantSubscriber), ids=str)
        def test_tenant_subscriber(case, ws4redis):
            case(ws4redis)

        class TenantSubscriberTest(TestCase):
            def test_contract(self):
                for case in subscriber_contract(TenantSubscriber):
                    with self.subTest(str(case)):
                        case()

    A class that breaks a rule on purpose leaves that case out:
    `[case for case in ... if case.name != ...]`. The database is touched only if the class, the
    callbacks of the settings or `connect` do so.

    Args:
        cls: the subscriber, of any kind that WS4REDIS_SUBSCRIBER may name.
        facilities: two that it takes.
        messages: different texts that it passes on, at least two.
        shown: what the browser gets of such a text, if the class changes it.
        sends: what a browser may send.
        publishes: whether that is published; False leaves the case about it out.
        persisted: whether persisted messages are sent on joining; False for a class that sends
            something else.
        connect: keywords for Broker.connect(), such as user, headers, subscribe.

    Returns:
        Cases, each to be called without arguments or with a Broker that has nothing open.
    """
    if len(set(messages)) < 2:
        raise ValueError(f'messages has {len(set(messages))} different texts: it takes two or more')
    options = _Options(
        cls, facilities, tuple(messages), shown, sends, publishes, persisted, dict(connect or {})
    )
    checks = [
        check
        for check in _CHECKS
        if publishes or check is not sent_message_reaches_others_and_not_its_sender
    ]
    return [
        SubscriberCase(check.__name__, ' '.join((check.__doc__ or '').split()), options, check)
        for check in checks
    ]


# Nothing lost, nothing twice


def every_message_arrives(trial: _Trial) -> None:
    """What is published on a channel of a websocket reaches it."""
    client = trial.connect()
    trial.tell(client, *trial.options.messages)
    missing = [message for message in trial.options.messages if message not in trial.seen(client)]
    trial.require(not missing, f'missing: {missing!r}; received: {client.received!r}')


def no_message_arrives_twice(trial: _Trial) -> None:
    """What is published once arrives at each websocket once at the most."""
    clients = [trial.connect(), trial.connect()]
    trial.tell(clients[0], *trial.options.messages)
    for client in clients:
        seen = trial.seen(client)
        trial.require(len(seen) == len(set(seen)), f'received: {client.received!r}')


def messages_arrive_in_order(trial: _Trial) -> None:
    """Messages arrive in the order in which they were published."""
    client = trial.connect()
    trial.tell(client, *trial.options.messages)
    seen = trial.seen(client)
    published = [message for message in trial.options.messages if message in seen]
    trial.require(seen == published, f'published: {published!r}; received: {client.received!r}')


def persisted_message_arrives_once(trial: _Trial) -> None:
    """A message that was persisted before a websocket joined arrives once."""
    message = trial.options.messages[0]
    trial.persist(message)
    client = trial.connect()
    count = trial.seen(client).count(message)
    trial.require(
        count == 1 if trial.options.persisted else count <= 1, f'received: {client.received!r}'
    )


def persisted_message_comes_before_live_ones(trial: _Trial) -> None:
    """A persisted message arrives before what is published after joining."""
    before, after = trial.options.messages[:2]
    trial.persist(before)
    client = trial.connect()
    trial.tell(client, after)
    seen = trial.seen(client)
    trial.require(
        before not in seen or after not in seen[: seen.index(before)],
        f'received: {client.received!r}',
    )


def message_published_while_joining_arrives_once(trial: _Trial) -> None:
    """A message that is persisted and published while a websocket is joining arrives once."""
    message = trial.options.messages[0]

    def joining(inherited: Callable[..., Any], subscriber: Any, websocket: Any) -> None:
        channel = next(iter(subscriber._subscription.channels))
        subscriber._connection.set(channel, message, ex=60)
        subscriber._connection.publish(channel, message)
        inherited(subscriber, websocket)

    client = trial.connect(
        subscriber=_around(trial.options.cls, persisted_name(trial.options.cls), joining)
    )
    trial.require(trial.seen(client).count(message) == 1, f'received: {client.received!r}')


def sent_message_reaches_others_and_not_its_sender(trial: _Trial) -> None:
    """What a browser sends reaches the others on that channel, and does not come back to itself
    without echo.
    """
    sender, listener = trial.connect(publish=trial.names('publish')), trial.connect()
    before = len(trial.broker.published), len(listener.received), len(sender.received)
    sender.send(trial.options.sends)
    published = trial.broker.published[before[0] :]
    trial.require(
        published,
        f'{trial.options.sends!r} was not published: sends= takes what it publishes, or '
        f'publishes=False',
    )
    owed = sum(publication.channel in listener.channels for publication in published)
    got, back = listener.received[before[1] :], sender.received[before[2] :]
    trial.require(
        len(got) == owed, f'published: {list(map(str, published))}; a listener received: {got!r}'
    )
    trial.require(not back, f'the sender received: {back!r}')


# Nothing to somebody who may not have it


def nothing_for_somebody_else_arrives(trial: _Trial) -> None:
    """A websocket gets nothing that was published for another user, group or session."""
    client = trial.connect()
    message = trial.options.messages[0]
    facility = trial.options.facilities[0]
    RedisPublisher(
        facility=facility, users=[ANOTHER], groups=[ANOTHER], sessions=[ANOTHER]
    ).publish_message(message)
    trial.require(
        message not in trial.seen(client),
        f'received: {client.received!r}; it listens on {client.channels}',
    )


def nothing_of_another_facility_arrives(trial: _Trial) -> None:
    """A websocket gets nothing that was published for another facility."""
    client = trial.connect()
    message = trial.options.messages[0]
    trial.tell_standard(trial.options.facilities[1], message, ONE)
    trial.require(
        message not in trial.seen(client),
        f'received: {client.received!r}; it listens on {client.channels}',
    )


def nothing_that_was_not_allowed_arrives(trial: _Trial) -> None:
    """A websocket for which no subscribe- name was asked for or allowed gets nothing of its
    facility.
    """
    client = trial.connect(subscribe=(), publish=trial.names('publish'))
    message = trial.options.messages[0]
    trial.tell_standard(trial.options.facilities[0], message, ONE)
    trial.require(
        message not in trial.seen(client),
        f'received: {client.received!r}; it listens on {client.channels}',
    )


def nothing_is_published_without_permission(trial: _Trial) -> None:
    """What a browser sends is published nowhere if no publish- name was asked for or allowed."""
    client = trial.connect(publish=())
    before = len(trial.broker.published)
    client.send(trial.options.sends)
    facility = trial.options.facilities[0]
    publisher = RedisPublisher(facility=facility, broadcast=True, users=[ONE], groups=[ONE])
    standard = [name.removeprefix(seam.namespace) for name in publisher._publishers]
    found = [
        str(publication)
        for publication in trial.broker.published[before:]
        if publication.channel in standard
    ]
    trial.require(not found, f'published: {found}')


def two_websockets_do_not_mix(trial: _Trial) -> None:
    """Two websockets that are open at the same time get each its own messages."""
    one, another = trial.options.facilities
    probe = trial.connect(another)
    of_another = trial.channels(probe)
    probe.close()
    first = trial.connect(one)
    only = [channel for channel in trial.channels(first) if channel not in of_another]
    second = trial.connect(another)
    message = trial.options.messages[0]
    if only:
        trial.tell(first, message, channels=only)
        trial.require(
            message in trial.seen(first),
            f'published on {only[0]!r}; the first received: {first.received!r}',
        )
        trial.require(
            message not in trial.seen(second),
            f'published on {only[0]!r}; the second received: {second.received!r}',
        )


# release() frees everything


def release_frees_everything(trial: _Trial) -> None:
    """When a websocket has ended, nobody listens on its behalf any more."""
    before = trial.listeners()
    clients = [trial.connect(), trial.connect()]
    clients[0].close()
    clients[1].drop()
    trial.require_freed(before)


def release_works_after_a_failed_handshake(trial: _Trial) -> None:
    """release() does its work if the handshake has failed, so that only set_pubsub_channels()
    has run before.
    """
    failures: list[Exception] = []

    def refuse(inherited: Callable[..., Any], subscriber: Any, *arguments: Any) -> None:
        inherited(subscriber, *arguments)
        raise PermissionDenied('refused by the contract')

    def note(inherited: Callable[..., Any], subscriber: Any) -> None:
        try:
            inherited(subscriber)
        except Exception as exc:
            failures.append(exc)
            raise

    before = trial.listeners()
    with contextlib.suppress(HandshakeRejected):
        trial.connect(
            subscriber=_around(
                _around(trial.options.cls, 'set_pubsub_channels', refuse), 'release', note
            )
        )
    trial.require(not failures, f'release() raised {failures!r}')
    trial.require_freed(before)


def end_of_one_takes_nothing_from_others(trial: _Trial) -> None:
    """When a websocket ends, the others keep their messages, persisted ones too."""
    kept, message = trial.options.messages[:2]
    leaving, staying = trial.connect(), trial.connect()
    channel = trial.channels(staying)[0]
    connection = staying.subscriber._connection
    connection.set(channel, kept, ex=60)
    leaving.close()
    trial.tell(staying, message, channels=[channel])
    trial.require(
        trial.seen(staying).count(message) == 1, f'the other received: {staying.received!r}'
    )
    trial.require(
        connection.get(channel) == kept.encode('utf-8'),
        f'the persisted message is now {connection.get(channel)!r}',
    )


def _around(cls: type[Any], name: str, wrapper: Callable[..., Any]) -> Any:
    """The class with a wrapper around one method: it gets the method and what that is called
    with.
    """
    inherited = getattr(cls, name, None) or getattr(RedisSubscriber, name)
    return type(cls.__name__, (cls,), {name: functools.partialmethod(_swap, wrapper, inherited)})


def _swap(
    subscriber: Any, wrapper: Callable[..., Any], inherited: Callable[..., Any], *arguments: Any
) -> Any:
    return wrapper(inherited, subscriber, *arguments)


_CHECKS: tuple[Callable[[_Trial], None], ...] = (
    every_message_arrives,
    no_message_arrives_twice,
    messages_arrive_in_order,
    persisted_message_arrives_once,
    persisted_message_comes_before_live_ones,
    message_published_while_joining_arrives_once,
    sent_message_reaches_others_and_not_its_sender,
    nothing_for_somebody_else_arrives,
    nothing_of_another_facility_arrives,
    nothing_that_was_not_allowed_arrives,
    nothing_is_published_without_permission,
    two_websockets_do_not_mix,
    release_frees_everything,
    release_works_after_a_failed_handshake,
    end_of_one_takes_nothing_from_others,
)
