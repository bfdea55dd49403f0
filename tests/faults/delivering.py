"""Faults that somebody might make one day, for the contract, between Redis and websocket."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.faults.registry import mutation, replace

# Joining


@mutation('joins-without-persisted-messages')
def persisted_messages_are_not_sent() -> None:
    """What was persisted is read and forgotten."""
    from ws4redis.core.joining import Joining

    replace(Joining, receive_persisted=lambda joining, channels, values: None)


@mutation('joins-new-before-old')
def persisted_messages_go_last() -> None:
    """What was held goes out before what was persisted."""
    from ws4redis.core.frames import message_frame
    from ws4redis.core.recipient import Recipient

    complete_join = Recipient.complete_join

    def complete_the_wrong_way_round(recipient: Recipient) -> list[Any]:
        joining, preamble = recipient.joining, []
        if joining is not None:
            preamble, joining.preamble = joining.preamble, []
        said = complete_join(recipient)
        for entry in preamble:
            recipient._send(message_frame(entry.payload))
        return said

    replace(Recipient, complete_join=complete_the_wrong_way_round)


@mutation('joins-with-the-same-message-twice')
def persisted_message_that_is_live_too_goes_out_twice() -> None:
    """What was persisted is not looked for in what was held."""
    from ws4redis.core.handle import Handle

    replace(Handle, send_persisted=lambda handle, channel, message: handle.send(message, None))


@mutation('loses-what-arrives-while-joining')
def nothing_is_held() -> None:
    """What arrives before the barrier is passed over."""
    from ws4redis.core.recipient import Recipient

    complete_join = Recipient.complete_join

    def complete_without_held(recipient: Recipient) -> list[Any]:
        if recipient.joining is not None:
            recipient.joining.held = []
        return complete_join(recipient)

    replace(Recipient, complete_join=complete_without_held)


# Delivering


def change_batches(change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Let consecutive messages of a channel be others."""
    from ws4redis.core.exchange import Exchange

    deliver = Exchange._deliver

    def deliver_others(exchange: Exchange, channel: bytes, payloads: list[bytes]) -> None:
        deliver(exchange, channel, change(payloads))

    replace(Exchange, _deliver=deliver_others)


@mutation('loses-the-last-of-a-batch')
def last_message_of_a_batch_is_lost() -> None:
    """Of several messages at once the last is not delivered."""
    change_batches(lambda payloads: payloads[:-1] if len(payloads) > 1 else payloads)


@mutation('loses-one-of-two-equal')
def equal_messages_are_merged() -> None:
    """Of equal messages in a batch one is delivered."""
    change_batches(lambda payloads: list(dict.fromkeys(payloads)))


@mutation('delivers-twice')
def last_message_of_a_batch_comes_twice() -> None:
    """Of several messages at once the last is delivered twice."""
    change_batches(lambda payloads: [*payloads, payloads[-1]] if len(payloads) > 1 else payloads)


@mutation('reverses-a-batch')
def batch_is_reversed() -> None:
    """The newest message of a batch goes first."""
    change_batches(lambda payloads: payloads[::-1])


@mutation('sorts-a-batch-by-channel')
def batch_is_sorted_by_channel() -> None:
    """Messages of one channel are joined although others came in between."""
    from ws4redis.core.exchange import Exchange

    receive = Exchange.receive

    def receive_sorted(exchange: Exchange, replies: Iterable[Any], now: float) -> None:
        def channel(reply: Any) -> bytes:
            return bytes(reply[1]) if isinstance(reply, list) and reply[0] == b'message' else b'~'

        receive(exchange, sorted(replies, key=channel), now)

    replace(Exchange, receive=receive_sorted)


@mutation('delivers-by-name-and-by-pattern')
def every_way_counts() -> None:
    """A message that comes by a name and by patterns is delivered by each."""
    from ws4redis.core.exchange import Exchange

    deliver = Exchange._deliver_by_pattern

    def deliver_anyhow(exchange: Exchange, message: Any) -> None:
        first_way = Exchange._first_way
        Exchange._first_way = lambda *_: message.pattern  # type: ignore[method-assign]
        deliver(exchange, message)
        Exchange._first_way = first_way  # type: ignore[method-assign]

    replace(Exchange, _deliver_by_pattern=deliver_anyhow)


@mutation('sends-binary-as-text')
def text_whatever_it_is() -> None:
    """Bytes that are no UTF-8 go out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: True)


@mutation('sends-text-as-binary')
def text_is_ascii() -> None:
    """Only ASCII goes out in a text frame."""
    from ws4redis.core import frames

    replace(frames, is_text=lambda payload: payload.isascii())


@mutation('passes-the-heartbeat-on')
def heartbeat_is_a_message() -> None:
    """A heartbeat that somebody publishes is delivered."""
    from ws4redis.core.exchange import Exchange

    enter = Exchange.enter

    def enter_without(exchange: Exchange, recipient: Any) -> None:
        enter(exchange, recipient)
        exchange.heartbeat = None

    replace(Exchange, enter=enter_without)


# Echo


@mutation('lets-the-own-echo-through')
def own_copies_are_delivered() -> None:
    """Everybody gets back what he sent."""
    from ws4redis.core.echo import OwnCopies

    replace(OwnCopies, pop_own_copy=lambda copies, channel, payload: False)


@mutation('ignores-echo')
def nobody_gets_an_echo() -> None:
    """Who asks for the echo does not get it."""
    from ws4redis.core.echo import OwnCopies

    init = OwnCopies.__init__
    replace(OwnCopies, __init__=lambda copies, recipient, echo: init(copies, recipient, False))


@mutation('takes-every-equal-message-for-an-echo')
def equal_messages_are_own_copies() -> None:
    """Who has said something never hears it from others."""
    from ws4redis.core.echo import OwnCopies

    def is_equal(copies: OwnCopies, channel: bytes, payload: bytes) -> bool:
        return (channel, payload) in copies._fold()

    replace(OwnCopies, pop_own_copy=is_equal)


# Subscribing


@mutation('unsubscribes-too-early')
def first_one_who_leaves_unsubscribes() -> None:
    """The process gives a channel up when somebody leaves, whoever stays."""
    from ws4redis.core.exchange import Exchange
    from ws4redis.core.feed import Kind

    unsubscribe = Exchange.unsubscribe

    def unsubscribe_all(
        exchange: Exchange, recipient: Any, channels: Iterable[bytes] = (), patterns: Any = ()
    ) -> None:
        given_up = list(channels)
        unsubscribe(exchange, recipient, given_up, patterns)
        exchange.feed.unsubscribe(Kind.CHANNEL, given_up)

    replace(Exchange, unsubscribe=unsubscribe_all)


@mutation('never-unsubscribes')
def channels_are_kept() -> None:
    """The process listens for ever on what anybody has ever wanted."""
    from ws4redis.core.feed import Feed

    replace(Feed, unsubscribe=lambda feed, kind, names: None)


@mutation('subscribes-to-less-after-an-outage')
def one_channel_is_forgotten() -> None:
    """The first channel is not subscribed to again."""
    from ws4redis.core.feed import Feed

    wanted, connected = Feed.wanted, Feed.connected

    def connected_with_less(feed: Feed, now: float) -> None:
        again = feed.lost_at is not None
        Feed.wanted = lambda feed, kind: wanted(feed, kind)[again:]  # type: ignore[assignment, method-assign]
        connected(feed, now)
        Feed.wanted = wanted  # type: ignore[method-assign]

    replace(Feed, connected=connected_with_less)


@mutation('does-not-catch-up')
def nothing_is_made_up_for() -> None:
    """What was persisted in an outage is not sent."""
    from ws4redis.core.exchange import Exchange

    fetched = Exchange.fetched
    replace(Exchange, fetched=lambda exchange, values, now: fetched(exchange, {}, now))


@mutation('catches-up-on-what-was-had')
def persisted_messages_are_repeated() -> None:
    """After an outage everybody gets what is persisted, whether he has had it or not."""
    from ws4redis.core.exchange import _Listeners

    replace(_Listeners, remembers=lambda listeners, payload: False)
