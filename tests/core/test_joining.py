"""What is owed to a websocket that does not listen live yet, and in which order."""

import re

import pytest

from tests.core.simulation import QUIET, World
from ws4redis.core.agenda import Agenda
from ws4redis.core.entries import Closing, Persisted, Sent
from ws4redis.core.frames import CloseCode, Run, close_frame
from ws4redis.core.joining import Joining
from ws4redis.core.limits import Limits
from ws4redis.core.recipient import Recipient

NEWS = b'broadcast:news'
CHAT = b'broadcast:chat'
BEAT = b'--hb--'


@pytest.fixture
def joining() -> Joining:
    return Joining()


def payloads(joining: Joining) -> list[bytes]:
    return [payload for run in joining.held for payload in run.payloads]


def test_persisted_messages_go_first_in_the_order_of_the_channels(joining: Joining) -> None:
    joining.hold(Run(NEWS, [b'live']))
    joining.receive_persisted([CHAT, NEWS], {NEWS: b'n', CHAT: b'c', b'another': b'x'})
    first, said = joining.complete([CHAT, NEWS], None)
    assert first == said == [Persisted(CHAT, b'c'), Persisted(NEWS, b'n')]
    assert payloads(joining) == [b'live']


def test_persisted_message_among_the_held_ones_of_its_channel_does_not_go_by_itself(
    joining: Joining,
) -> None:
    joining.hold(Run(NEWS, [b'a', b'same']))
    joining.receive_persisted([NEWS, CHAT], {NEWS: b'same', CHAT: b'same'})
    first, said = joining.complete([NEWS, CHAT], None)
    assert first == said == [Persisted(CHAT, b'same')]
    assert payloads(joining) == [b'a', b'same']


def test_persisted_message_that_it_has_just_sent_does_not_go(joining: Joining) -> None:
    joining.note_own(NEWS, [b'mine'])
    joining.receive_persisted([NEWS, CHAT], {NEWS: b'mine', CHAT: b'mine'})
    assert joining.complete([NEWS, CHAT], None)[0] == [Persisted(CHAT, b'mine')]


def test_each_own_send_of_an_override_takes_one_equal_held_message_out(joining: Joining) -> None:
    for run in (Run(NEWS, [b'a', b'b', b'a']), Run(CHAT, [b'a'])):
        joining.hold(run)
    joining.preamble += [Sent(b'a', None), Sent(b'b', None), Sent(b'c', None)]
    first, said = joining.complete([NEWS, CHAT], None)
    assert first == [Sent(b'a', None), Sent(b'b', None), Sent(b'c', None)]
    assert said == [
        Persisted(channel, text) for text in (b'a', b'b', b'c') for channel in (NEWS, CHAT)
    ]
    assert payloads(joining) == [b'a', b'a']


def test_heartbeat_that_was_persisted_is_no_message_but_one_that_is_sent_is(
    joining: Joining,
) -> None:
    joining.preamble += [Persisted(NEWS, BEAT), Sent(BEAT, None)]
    assert joining.before_close(BEAT) == [Sent(BEAT, None)]
    assert joining.complete([NEWS], BEAT) == ([Sent(BEAT, None)], [Persisted(NEWS, BEAT)])


def test_what_came_before_an_acknowledgement_is_dropped_with_its_bytes(joining: Joining) -> None:
    for run in (Run(NEWS, [b'old']), Run(CHAT, [b'kept']), Run(NEWS, [b'older'], b'*:news')):
        joining.hold(run)
    assert joining.size == 12
    joining.drop([NEWS], [], {})
    assert (payloads(joining), joining.size) == ([b'kept', b'older'], 9)
    joining.drop([], [b'*:news'], {b'*:news': re.compile(b'.*:news')})
    assert (payloads(joining), joining.size) == ([b'kept'], 4)


def test_what_another_pattern_has_acknowledged_is_kept(joining: Joining) -> None:
    joining.hold(Run(NEWS, [b'kept']))
    joining.drop([NEWS], [], {b'broadcast:*': re.compile(b'broadcast:.*')})
    assert (payloads(joining), joining.size) == ([b'kept'], 4)


def test_held_messages_that_all_share_are_not_copied(joining: Joining) -> None:
    run, other = Run(NEWS, [b'x'] * 1000), Joining()
    joining.hold(run)
    other.hold(run)
    assert joining.held[0] is other.held[0] is run


def test_websocket_has_it_until_it_is_live_closed_or_gone() -> None:
    world = World()
    client = world.handshake([NEWS])
    assert client.recipient.joining is not None
    world.settle()
    world.begin(client)
    world.settle()
    assert client.recipient.joining is None
    gone = world.handshake([NEWS])
    gone.recipient.abort()
    assert gone.recipient.joining is None


def test_what_a_subscriber_sent_while_joining_goes_before_its_close_frame() -> None:
    recipient = Recipient(QUIET, Agenda())
    recipient.start(b'', persisted=False)
    recipient.receive_entry(Sent(b'hello', None))
    recipient.receive_entry(Persisted(NEWS, b'old'))
    frame = close_frame(CloseCode.NORMAL)
    recipient.receive_entry(Closing(CloseCode.NORMAL, frame))
    assert recipient.websocket.data_to_send() == b'\x81\x05hello\x81\x03old' + frame
    assert recipient.agenda.counters.messages_sent == 2
    assert recipient.complete_join() == []


def test_slow_reader_that_joins_loses_what_is_held_and_it_is_counted() -> None:
    recipient = Recipient(Limits(max_pending=10), Agenda())
    recipient.deliver(Run(NEWS, [b'12345', b'67890']))
    assert recipient.is_open
    recipient.deliver(Run(NEWS, [b'1']))
    assert (recipient.is_open, recipient.joining) == (False, None)
    assert recipient.agenda.counters.not_delivered == 3
