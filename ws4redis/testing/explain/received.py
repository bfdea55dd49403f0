"""Why a client did not get what a test expects, or got what it should not have got."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ws4redis.testing.explain.matching import Wanted
from ws4redis.testing.explain.miss import Miss, Visit
from ws4redis.testing.explain.published import (
    UNCOMMITTED,
    nothing_published,
    refusal,
    sent_nowhere,
    written,
)
from ws4redis.testing.explain.reasons import (
    ANSWERS,
    Reason,
    Row,
    answer,
    published_lines,
    received_lines,
)
from ws4redis.testing.publications import short

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.browser_end import BrowserEnd

__all__ = [
    'ALREADY_READ',
    'AT_THE_JOIN',
    'CLOSED',
    'JSON_AS_TEXT',
    'LIVE',
    'NOT_LISTENING',
    'NOT_PUBLISHED',
    'OTHER_TYPE',
    'RECEIVED',
    'missing_from',
    'other_type',
    'unexpected_messages',
    'why_not_received',
]

Given = Mapping[str, Any]
"""Facts that are few enough to need no class."""


def _row(
    code: str,
    why: str,
    remedy: str,
    when: Callable[[Miss], object] = lambda miss: True,
    evidence: Callable[[Miss], Sequence[str]] = lambda miss: (),
    **example: object,
) -> Row[Miss]:
    return Row(
        code=code,
        first='{who} got nothing: ' + why,
        remedy=remedy,
        when=when,
        evidence=lambda miss: miss.with_channels(*evidence(miss)),
        examples=(example,),
    )


NOT_LISTENING = (
    _row(
        'refused',
        '{channel} refused',
        'log in a user who may, or change the rule',
        when=lambda miss: miss.is_refused,
        evidence=lambda miss: (refusal(miss.client),),
        channel='broadcast:news',
    ),
    _row(
        'address',
        'joined facility {joined_facility!r}',
        'connect({meant_facility!r}, subscribe={meant_kind!r}): a facility alone has no query '
        'string',
        when=lambda miss: miss.misread,
        evidence=lambda miss: miss.address,
        joined_facility='news?subscribe-user',
    ),
    _row(
        'no-channel',
        'no channel for subscribe={kind}',
        '{identity}',
        when=lambda miss: miss.is_nobody,
        kind='user',
    ),
    _row(
        'no-channel',
        'connected without subscribe=',
        '{how_to_subscribe}',
        when=lambda miss: not miss.mine and not miss.asked,
    ),
    _row(
        'no-channel',
        'no channel for subscribe={asked_names}',
        '{how_to_subscribe}',
        when=lambda miss: not miss.mine,
        asked_names='user',
    ),
    _row(
        'prefix',
        'published to {channel!r}, joined {same_but_for_prefix!r}',
        'WS4REDIS_PREFIX is {prefix!r} now; it was another one there',
        when=lambda miss: miss.same_but_for_prefix,
        channel='broadcast:news',
        same_but_for_prefix='shop:broadcast:news',
    ),
    _row(
        'facility',
        'published to {facility!r}, joined {nearest!r}',
        '{did_you_mean}publisher and websocket name the same facility',
        when=lambda miss: miss.facilities,
        facility='chat',
        nearest='news',
    ),
    _row(
        'not-subscribed',
        'not subscribed to {channel}',
        '{how_to_hear}',
        channel='broadcast:news',
    ),
)
"""Why a client that does not listen on a channel does not."""

ALREADY_READ = Row[Miss](
    code='already-read',
    first='{who} has nothing unread: {count} already received',
    remedy='`received` is the whole history; receive() takes each message once',
    when=lambda miss: miss.arrived,
    evidence=lambda miss: received_lines(miss.client.history),
    examples=({'count': '2 messages'},),
)

AT_THE_JOIN = (
    _row(
        'before-join',
        'published before joining, no expire',
        'connect before publishing, or publish with expire= for those who come later',
        when=lambda miss: not miss.publication.expire,
        evidence=lambda miss: miss.joined_later,
    ),
    _row(
        'expired',
        'persisted message expired {expired_for} s ago',
        'connect earlier, or publish with a longer expire=',
        when=lambda miss: miss.age >= (miss.publication.expire or 0),
        evidence=lambda miss: miss.joined_later,
        expired_for=1,
    ),
    _row(
        'overwritten',
        'a later persisted message took its place',
        'a channel keeps the last persisted message alone',
        when=lambda miss: miss.later,
        evidence=lambda miss: (f'then: {miss.later[-1]}',),
    ),
    ALREADY_READ,
    _row(
        'override',
        '{subscriber} did not send it on joining',
        'look at {subscriber}.send_persisted_messages()',
        subscriber='TenantSubscriber',
    ),
)
"""Why a client did not get on joining what was published before."""

CLOSED = Row[Visit](
    code='closed',
    first='{who} got nothing: closed by {by}, {client.close_code}',
    remedy='{what_then}',
    when=lambda visit: not visit.client.open,
    evidence=lambda visit: visit.ending,
    examples=({'by': 'the server', 'client': SimpleNamespace(close_code=1008)},),
)

LIVE = (
    _row(
        'fault',
        'lose_publishes({lost}) took it',
        'leave out the fault',
        when=lambda miss: miss.lost is not None,
        lost=1,
    ),
    _row(
        'own-echo',
        'own echo (connect(echo=True) sends it)',
        'connect(echo=True), or look at another client',
        when=lambda miss: miss.is_own_echo,
        who='john',
    ),
    ALREADY_READ,
    _row(
        'override',
        '{subscriber} subscribed after joining',
        'publish it after that, or look at {subscriber}',
        when=lambda miss: miss.listens_now and not miss.listened_at_first,
        evidence=lambda miss: miss.joined_channels,
        subscriber='TenantSubscriber',
    ),
    _row(
        'override',
        '{subscriber} has unsubscribed since',
        'publish it before that, or look at {subscriber}',
        when=lambda miss: miss.listened_at_first and not miss.listens_now,
        evidence=lambda miss: miss.joined_channels,
        subscriber='TenantSubscriber',
    ),
    CLOSED,
    _row(
        'not-reading',
        'stop_reading() is in force',
        'resume_reading()',
        when=lambda miss: not miss.client.reads,
    ),
    _row(
        'override',
        '{subscriber}.parse_response() left it out',
        'look at {subscriber}.parse_response()',
        subscriber='TenantSubscriber',
    ),
)
"""Why a client did not get what was published while it was open."""

NOT_PUBLISHED = Row[Given](
    code='not-published',
    first='{who} got nothing: {what}',
    remedy='publish it before asserting; if a view is to do it, was it reached? Look at '
    'its status_code',
    evidence=lambda facts: (
        *published_lines(facts['publications']),
        *received_lines(facts['history']),
    ),
    examples=({'what': 'nothing was published'}, {'what': "nothing published is 'hi'"}),
)

JSON_AS_TEXT = Row[Given](
    code='type',
    first='{who} got JSON text, which is no {type}',
    remedy='receive_json() and assert_received(json=...) look into it',
    evidence=lambda facts: (f'received: {short(facts["message"])}',),
    examples=({'type': 'dict'},),
)

OTHER_TYPE = Row[Given](
    code='type',
    first='{who} got it as {came}, not as {meant}',
    remedy='text messages are str, binary ones bytes; assert_received() takes either for either',
    evidence=lambda facts: (f'received: {facts["message"]!r}', f'compared: {facts["item"]!r}'),
    examples=({'came': 'text', 'meant': 'bytes'},),
)

RECEIVED = Row[Given](
    code='received',
    first='{first}',
    remedy='{remedy}',
    evidence=lambda facts: (
        *received_lines(facts['messages']),
        *published_lines(facts['publications']),
    ),
    examples=({'first': 'mary has 1 unread message'}, {'first': "mary got 'hi'"}),
    where=', where none should have come',
)


def why_not_received(broker: 'Broker', client: 'BrowserEnd', wanted: Wanted) -> list[Reason]:
    """Why this client has nothing unread that is meant; the first reason is about the last
    message that it did not get.
    """
    meant = [publication for publication in broker.published if wanted.matches(publication.message)]
    if not meant:
        return _nothing_meant(broker, client, wanted)
    reasons = [_why(Miss(broker, client, publication)) for publication in reversed(meant)]
    missed = [reason for reason in reasons if reason.code != ALREADY_READ.code]
    read = [reason for reason in reasons if reason not in missed]
    # What was read answers nothing if another message has not even been published.
    answers = [*missed, *sent_nowhere(client.peers, wanted), *read, *nothing_published(broker)]
    found = {reason.code: reason for reason in reversed(answers)}
    return list(reversed(found.values()))[:ANSWERS]


def _why(miss: Miss) -> Reason:
    if not miss.listened_at_first and not miss.listens_now:
        return answer(NOT_LISTENING, miss)
    if miss.listened_at_first and miss.was_before:
        return answer(AT_THE_JOIN, miss)
    return answer(LIVE, miss)


def _nothing_meant(broker: 'Broker', client: 'BrowserEnd', wanted: Wanted) -> list[Reason]:
    publications = broker.published
    json = written(wanted)
    if json is not None and any(json.matches(publication.message) for publication in publications):
        arrived = [message for message in client.history if json.matches(message)]
        if arrived:
            return [_json_as_text(client.name, wanted._message, arrived[-1])]
        return why_not_received(broker, client, json)
    found = [*sent_nowhere(client.peers, wanted), *nothing_published(broker)]
    if not client.open:
        found.append(CLOSED.reason(Visit(client)))
    if not found or (publications and found[0].code == UNCOMMITTED.code):
        what = 'nothing was published' if wanted.anything else f'nothing published is {wanted!r}'
        facts = {
            'who': client.name,
            'what': what,
            'publications': publications,
            'history': client.history,
        }
        found.append(NOT_PUBLISHED.reason(facts))
    return found


def _json_as_text(who: str, item: object, message: str | bytes) -> Reason:
    return JSON_AS_TEXT.reason({'who': who, 'type': type(item).__name__, 'message': message})


def other_type(
    client: 'BrowserEnd', item: object, messages: Iterable[str | bytes]
) -> Reason | None:
    """Why a plain comparison misses an item: one of these messages is the same in another type;
    None if none is.
    """
    json = written(Wanted(item, checked=False))
    for message in messages:
        if (
            isinstance(item, (str, bytes))
            and type(item) is not type(message)
            and Wanted(item).matches(message)
        ):
            came, meant = ('bytes', 'text') if isinstance(message, bytes) else ('text', 'bytes')
            facts = {'who': client.name, 'came': came, 'meant': meant}
            return OTHER_TYPE.reason({**facts, 'message': message, 'item': item})
        if json is not None and json.matches(message):
            return _json_as_text(client.name, item, message)
    return None


def unexpected_messages(broker: 'Broker', first: str, messages: Sequence[str | bytes]) -> Reason:
    """A client got what it should not have got."""
    payloads = {
        message.encode('utf-8') if isinstance(message, str) else message for message in messages
    }
    publications = [
        publication for publication in broker.published if publication.message in payloads
    ]
    remedy = 'it was published at these lines' if publications else ''
    facts = {'messages': messages, 'publications': publications}
    return RECEIVED.reason({'first': first, 'remedy': remedy, **facts})


# Plain asserts


def missing_from(have: Iterable[object], expected: Iterable[object]) -> list[Any]:
    """What of the expected is not there, each as often as it is missing."""
    left = list(have)
    missing = []
    for item in expected:
        if item in left:
            left.remove(item)
        else:
            missing.append(item)
    return missing
