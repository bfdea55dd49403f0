"""Why not? What kept a message from a client, or from being published, and what to do about it."""

import difflib
import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from django.db import connections

from ws4redis import settings
from ws4redis.core.audience import glob_pattern
from ws4redis.testing.explain.matching import Wanted
from ws4redis.testing.explain.threads import threads_since
from ws4redis.testing.publications import Pattern, Publication, facility_of, place, short

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.browser_end import BrowserEnd

__all__ = [
    'Reason',
    'failure',
    'missing_from',
    'nothing_published',
    'other_type',
    'running_threads',
    'unexpected',
    'unexpected_messages',
    'why_not_published',
    'why_not_received',
]

LINE = 60
"""Characters of a failure's first line: pytest's summary cuts it off at about this width."""

SHOWN = 10
"""Publications and messages that a failure lists, the last ones."""

ANSWERS = 3
"""Reasons that a failure gives, those about the last messages."""


@dataclass(frozen=True)
class Reason:
    """One answer.

    Attributes:
        code: as the documentation lists it.
        first: who and why, in at most 60 characters.
        evidence: what shows it, with source lines.
        remedy: what to do.
    """

    code: str
    first: str
    evidence: tuple[str, ...] = ()
    remedy: str = ''

    def lines(self) -> list[str]:
        """All of it, a line each."""
        first, evidence = self.first, self.evidence
        if len(first) > LINE:
            first, evidence = f'{first[: LINE - 3]}...', (first, *evidence)
        return [
            first,
            *(f'  {line}' for line in evidence),
            *([f'  -> {self.remedy}'] if self.remedy else []),
        ]


def failure(reasons: Sequence[Reason]) -> AssertionError:
    """A plain AssertionError that gives the reasons, and has their codes as `reasons`."""
    error = AssertionError('\n'.join(line for reason in reasons for line in reason.lines()))
    error.reasons = tuple(reason.code for reason in reasons)  # type: ignore[attr-defined]
    return error


# Nothing was published


def nothing_published(broker: 'Broker') -> list[Reason]:
    """Why what was expected may not have been published yet: it waits for a commit, or for a
    thread.
    """
    return _uncommitted(broker) + running_threads(broker)


def _uncommitted(broker: 'Broker') -> list[Reason]:
    publications = broker.published
    names = [
        name
        for connection in connections.all(initialized_only=True)
        for name in _on_commit(connection, publications)
    ]
    if not names:
        return []
    what = 'not published' if publications else 'nothing published'
    wait, run = ('callback waits', 'has run') if len(names) == 1 else ('callbacks wait', 'ran')
    return [
        Reason(
            'uncommitted',
            f'{what}: {len(names)} {wait} for a commit, or {run}',
            (
                *(f'{name}, given to transaction.on_commit()' for name in names),
                'Django lists a callback still when a capture has run it; one that has published '
                'is left out here',
            ),
            'run it: with django_capture_on_commit_callbacks(execute=True): ... (pytest-django), '
            'self.captureOnCommitCallbacks(execute=True) (TestCase), or the mark '
            'django_db(transaction=True)',
        )
    ]


def running_threads(broker: 'Broker') -> list[Reason]:
    """The threads that this test has started and that still run."""
    threads = threads_since(broker._engine.threads_before)
    if not threads:
        return []
    verb = (
        'thread started by this test still runs'
        if len(threads) == 1
        else 'threads started by this test still run'
    )
    first = f'{len(threads)} {verb}'
    return [
        Reason(
            'thread',
            first,
            tuple(threads),
            'join it before asserting: what it publishes later nobody can know',
        )
    ]


def _on_commit(connection: Any, publications: Iterable[Publication]) -> list[str]:
    """The callbacks that have not run, as far as their publications tell: Django's capture
    leaves in the list what it runs.
    """
    captures = {
        id(publication._circumstances.ran): publication._circumstances.ran
        for publication in publications
        if publication._circumstances.ran is not None
    }
    ran = Counter(id(callback) for capture in captures.values() for callback in capture)
    names = []
    for entry in connection.run_on_commit:
        function = entry[1]
        if ran[id(function)]:
            ran[id(function)] -= 1
            continue
        while isinstance(function, functools.partial):
            function = function.func
        code = getattr(getattr(function, '__func__', function), '__code__', None)
        where = (
            f' ({place(f"{code.co_filename}:{code.co_firstlineno}")})' if code is not None else ''
        )
        names.append(f'{getattr(function, "__qualname__", repr(function))}{where}')
    return names


def _sent_nowhere(clients: Iterable['BrowserEnd'], wanted: Wanted) -> list[Reason]:
    """Those who sent what is meant, and may publish on no channel."""
    return [
        _may_not_publish(client, message)
        for client in clients
        if not getattr(client.subscriber, '_publishers', ())
        for message in [said for said in client.said if wanted.matches(said)][-1:]
    ]


def _may_not_publish(client: 'BrowserEnd', message: str | bytes) -> Reason:
    asked, allowed = _asked(client, 'publish'), _kinds('publish', client.joined.allowed)
    if not asked:
        evidence = f'{client.name} connected without publish='
        remedy = f"connect({client.facility!r}, publish='broadcast'), for instance"
    elif not allowed:
        evidence = _refusal(client)
        remedy = 'log in a user who may (connect(user=...)), or change the rule'
    else:
        evidence = f'no channel for publish={", ".join(allowed)}'
        remedy = _identity(allowed[0], 'publish')
    facility = client.facility or "facility ''"
    first = f'nothing published: {client.name} may not publish to {facility}'
    return Reason(
        'may-not-publish', first, (f'{client.name} sent: {short(message)}', evidence), remedy
    )


def _identity(kind: str, verb: str) -> str:
    """What connect() needs for this kind of channel."""
    needs = {
        'user': 'user=...): only a logged-in user has a channel',
        'group': 'user=..., groups=[...]): only the groups of the session have channels',
        'session': 'session=...) or user=...: only a session that is stored has a channel',
    }
    return (
        f'connect(..., {verb}={kind!r}, {needs[kind]}'
        if kind in needs
        else f'let its subscriber {verb} there'
    )


def _refusal(client: 'BrowserEnd') -> str:
    joined = client.joined
    if not joined.policy:
        return f'its address: {client.facility}?{client.query}'
    return (
        f'refused by WS4REDIS_ALLOWED_CHANNELS ({joined.policy}), which gave {joined.allowed} '
        f'of {joined.asked}'
    )


def _asked(client: 'BrowserEnd', verb: str) -> list[str]:
    """For which kinds of channels it has asked; over TCP its address alone says so."""
    return _kinds(
        verb,
        client.joined.asked or [name.partition('=')[0].lower() for name in client.query.split('&')],
    )


def _kinds(verb: str, names: Iterable[str]) -> list[str]:
    return [name.removeprefix(f'{verb}-') for name in names if name.startswith(f'{verb}-')]


# A client did not get it


def why_not_received(broker: 'Broker', client: 'BrowserEnd', wanted: Wanted) -> list[Reason]:
    """Why this client has nothing unread that is meant; the first reason is about the last
    message that it did not get.
    """
    meant = [publication for publication in broker.published if wanted.matches(publication.message)]
    if not meant:
        return _nothing_meant(broker, client, wanted)
    reasons = [_why(broker, client, publication) for publication in reversed(meant)]
    missed = [reason for reason in reasons if reason.code != 'already-read']
    read = [reason for reason in reasons if reason not in missed]
    # What was read answers nothing if another message has not even been published.
    answers = [*missed, *_sent_nowhere(client.peers, wanted), *read, *nothing_published(broker)]
    found = {reason.code: reason for reason in reversed(answers)}
    return list(reversed(found.values()))[:ANSWERS]


def _nothing_meant(broker: 'Broker', client: 'BrowserEnd', wanted: Wanted) -> list[Reason]:
    publications = broker.published
    written = _written(wanted)
    if written is not None and any(
        written.matches(publication.message) for publication in publications
    ):
        arrived = [message for message in client.history if written.matches(message)]
        if arrived:
            return [_json_as_text(client.name, wanted._message, arrived[-1])]
        return why_not_received(broker, client, written)
    found = [*_sent_nowhere(client.peers, wanted), *nothing_published(broker)]
    if not client.open:
        found.append(_closed(client))
    if not found or (publications and found[0].code == 'uncommitted'):
        what = 'nothing was published' if wanted.anything else f'nothing published is {wanted!r}'
        evidence = _listed(publications) + _history(client)
        remedy = (
            'publish it before asserting; if a view is to do it, was it reached? Look at '
            'its status_code'
        )
        found.append(
            Reason('not-published', f'{client.name} got nothing: {what}', evidence, remedy)
        )
    return found


def _written(wanted: Wanted) -> Wanted | None:
    """The same object as JSON, for who has asked for a dict where its text came; None if it was
    no such object.
    """
    message = wanted._message
    return (
        Wanted(json=message) if isinstance(message, (dict, list, tuple, bool, int, float)) else None
    )


def _json_as_text(who: str, item: Any, message: str | bytes) -> Reason:
    return Reason(
        'type',
        f'{who} got JSON text, which is no {type(item).__name__}',
        (f'received: {short(message)}',),
        'receive_json() and assert_received(json=...) look into it',
    )


def other_type(client: 'BrowserEnd', item: Any, messages: Iterable[str | bytes]) -> Reason | None:
    """Why a plain comparison misses an item: one of these messages is the same in another type;
    None if none is.
    """
    written = _written(Wanted(item, checked=False))
    for message in messages:
        if (
            isinstance(item, (str, bytes))
            and type(item) is not type(message)
            and Wanted(item).matches(message)
        ):
            came, meant = ('bytes', 'text') if isinstance(message, bytes) else ('text', 'bytes')
            first = f'{client.name} got it as {came}, not as {meant}'
            remedy = (
                'text messages are str, binary ones bytes; assert_received() takes either '
                'for either'
            )
            return Reason('type', first, (f'received: {message!r}', f'compared: {item!r}'), remedy)
        if written is not None and written.matches(message):
            return _json_as_text(client.name, item, message)
    return None


def _why(broker: 'Broker', client: 'BrowserEnd', publication: Publication) -> Reason:
    at_first = _listens(client.joined.channels, publication.channel)
    now = _listens(_channels_now(client), publication.channel)
    if not at_first and not now:
        return _why_not_listening(client, publication)
    if at_first and publication._circumstances.number <= client.joined.number:
        return _why_not_at_the_join(broker, client, publication)
    if publication._circumstances.number in broker._engine.lost:
        return _reason(
            client,
            publication,
            'fault',
            f'lose_publishes({broker._engine.lost[publication._circumstances.number]}) took it',
            'leave out the fault',
        )
    if (
        now
        and publication._circumstances.own_copies is not None
        and publication._circumstances.own_copies is client.own_copies
        and not client.joined.echo
    ):
        return _reason(
            client,
            publication,
            'own-echo',
            'own echo (connect(echo=True) sends it)',
            'connect(echo=True), or look at another client',
        )
    if _arrived(client, publication):
        return _already_read(client)
    if at_first is not now:
        return _why_not_since(client, publication, now)
    if not client.open:
        return _closed(client, publication)
    if not client.reads:
        return _reason(
            client, publication, 'not-reading', 'stop_reading() is in force', 'resume_reading()'
        )
    subscriber = type(client.subscriber).__name__
    return _reason(
        client,
        publication,
        'override',
        f'{subscriber}.parse_response() left it out',
        f'look at {subscriber}.parse_response()',
    )


def _why_not_since(client: 'BrowserEnd', publication: Publication, now: bool) -> Reason:
    """Its subscriber has changed its channels while it was open; when, nobody has written down."""
    subscriber = type(client.subscriber).__name__
    joined = f'{client.name} joined: {", ".join(client.joined.channels) or "no channel"}'
    if now:
        why, remedy = f'{subscriber} subscribed after joining', 'publish it after that'
    else:
        why, remedy = f'{subscriber} has unsubscribed since', 'publish it before that'
    return _reason(
        client, publication, 'override', why, f'{remedy}, or look at {subscriber}', joined
    )


def _why_not_at_the_join(
    broker: 'Broker', client: 'BrowserEnd', publication: Publication
) -> Reason:
    age = client.joined.at - publication._circumstances.at
    if not publication.expire:
        return _reason(
            client,
            publication,
            'before-join',
            'published before joining, no expire',
            'connect before publishing, or publish with expire= for those who come later',
            f'{client.name} joined {age:.0f} s later',
        )
    if age >= publication.expire:
        return _reason(
            client,
            publication,
            'expired',
            f'persisted message expired {age - publication.expire:.0f} s ago',
            'connect earlier, or publish with a longer expire=',
            f'{client.name} joined {age:.0f} s later',
        )
    later = [
        other
        for other in broker.published
        if other.channel == publication.channel
        and other.expire
        and publication._circumstances.number < other._circumstances.number <= client.joined.number
    ]
    if later:
        return _reason(
            client,
            publication,
            'overwritten',
            'a later persisted message took its place',
            'a channel keeps the last persisted message alone',
            f'then: {later[-1]}',
        )
    if _arrived(client, publication):
        return _already_read(client)
    subscriber = type(client.subscriber).__name__
    return _reason(
        client,
        publication,
        'override',
        f'{subscriber} did not send it on joining',
        f'look at {subscriber}.send_persisted_messages()',
    )


def _why_not_listening(client: 'BrowserEnd', publication: Publication) -> Reason:
    kind, name, facility = _parts(publication.channel)
    mine, asked = _channels_now(client), _asked(client, 'subscribe')
    if (
        client.joined.policy
        and kind in asked
        and kind not in _kinds('subscribe', client.joined.allowed)
    ):
        return _reason(
            client,
            publication,
            'refused',
            f'{publication.channel} refused',
            'log in a user who may, or change the rule',
            _refusal(client),
        )
    if kind not in asked and (misread := _why_of_the_address(client, publication)) is not None:
        return misread
    if (
        kind in asked
        and not any(f':{kind}:' in f':{channel}' for channel in mine)
        and _is_nobody(client, kind)
    ):
        return _reason(
            client,
            publication,
            'no-channel',
            f'no channel for subscribe={kind}',
            _identity(kind, 'subscribe'),
        )
    if not mine:
        return _reason(
            client,
            publication,
            'no-channel',
            'connected without subscribe='
            if not asked
            else f'no channel for subscribe={", ".join(asked)}',
            f'connect({facility!r}, subscribe={kind!r})'
            if kind and kind not in asked
            else 'let its subscriber subscribe to it',
        )
    for channel in mine:
        if _differ_by_prefix(channel, publication.channel):
            return _reason(
                client,
                publication,
                'prefix',
                f'published to {publication.channel!r}, joined {channel!r}',
                f'WS4REDIS_PREFIX is {settings.WS4REDIS_PREFIX!r} now; it was another one there',
            )
    facilities = {
        _parts(channel)[2]: channel
        for channel in mine
        if _parts(channel)[:2] == (kind, name) and kind
    }
    if facilities:
        nearest = (difflib.get_close_matches(facility, facilities, n=1) or list(facilities))[0]
        close = difflib.SequenceMatcher(None, facility, nearest).ratio() > 0.6
        return _reason(
            client,
            publication,
            'facility',
            f'published to {facility!r}, joined {nearest!r}',
            (f'did the publisher mean {nearest!r}, or connect() {facility!r}? ' if close else '')
            + 'publisher and websocket name the same facility',
        )
    return _reason(
        client,
        publication,
        'not-subscribed',
        f'not subscribed to {publication.channel}',
        f'connect(..., subscribe={kind!r})'
        if kind and kind not in asked
        else 'publish to an audience that it belongs to',
    )


def _is_nobody(client: 'BrowserEnd', kind: str) -> bool:
    """Whether it has connected without what a channel of this kind is named after."""
    access = client.recipient.access if client.recipient is not None else None
    return not getattr(
        access,
        {'user': 'user_key', 'group': 'groups', 'session': 'session_key'}.get(kind, ''),
        kind,
    )


def _why_of_the_address(client: 'BrowserEnd', publication: Publication) -> Reason | None:
    """Its facility has a query string in it that was meant to ask for channels; None if it does
    not look like that.
    """
    facility, _, query = client.facility.partition('?')
    known = getattr(client.subscriber, 'subscription_channels', ())
    for name in map(unquote_plus, query.split('&')):
        if name.lower().startswith('subscribe'):
            nearest = (
                difflib.get_close_matches(re.sub(r'\W', '-', name.lower()), known, n=1)
                or list(known)
                or [name]
            )[0]
            why = f'joined facility {client.facility!r}'
            remedy = (
                f'connect({facility!r}, subscribe={nearest.partition("-")[2]!r}): a '
                f'facility alone has no query string'
            )
            return _reason(
                client,
                publication,
                'address',
                why,
                remedy,
                f'address: {client.facility}?{client.query}'.rstrip('?'),
            )
    return None


def _reason(
    client: 'BrowserEnd',
    publication: Publication,
    code: str,
    why: str,
    remedy: str,
    *evidence: str,
) -> Reason:
    channels = ', '.join(_channels_now(client)) or 'no channel'
    lines = (f'published: {publication}', *evidence, f'{client.name} listens on: {channels}')
    return Reason(code, f'{client.name} got nothing: {why}', lines, remedy)


def _closed(client: 'BrowserEnd', publication: Publication | None = None) -> Reason:
    by = 'the server' if client.closed_by_server else 'the test'
    reason = f' ({client.close_reason})' if client.close_reason else ''
    lines = (f'published: {publication}',) if publication is not None else ()
    return Reason(
        'closed',
        f'{client.name} got nothing: closed by {by}, {client.close_code}',
        (*lines, f'close code {client.close_code}{reason}'),
        'the log of ws4redis says why' if client.closed_by_server else 'close it after asserting',
    )


def _already_read(client: 'BrowserEnd') -> Reason:
    count = len(client.history)
    messages = 'message' if count == 1 else 'messages'
    return Reason(
        'already-read',
        f'{client.name} has nothing unread: {count} {messages} already received',
        _history(client),
        '`received` is the whole history; receive() takes each message once',
    )


def _arrived(client: 'BrowserEnd', publication: Publication) -> bool:
    return any(
        (message.encode('utf-8') if isinstance(message, str) else message) == publication.message
        for message in client.history
    )


def _history(client: 'BrowserEnd') -> tuple[str, ...]:
    return tuple(f'received: {short(message)}' for message in client.history[-SHOWN:])


def _listed(publications: Sequence[Publication]) -> tuple[str, ...]:
    return tuple(f'published: {publication}' for publication in publications[-SHOWN:])


def _channels_now(client: 'BrowserEnd') -> list[str]:
    """What it listens on; once it has ended, what it listened on at first."""
    recipient = client.recipient
    return (
        client.joined.channels
        if not client.open or recipient is None or recipient.transport is None
        else client.channels
    )


def _listens(names: Iterable[str], channel: str) -> bool:
    return any(
        glob_pattern(name.encode('utf-8')).fullmatch(channel.encode('utf-8'))
        if isinstance(name, Pattern)
        else name == channel
        for name in names
    )


def _differ_by_prefix(one: str, other: str) -> bool:
    return one != other and (one.endswith(f':{other}') or other.endswith(f':{one}'))


def _parts(channel: str) -> tuple[str, str, str]:
    """Kind, name and facility of a channel; kind is empty if it is none of ours."""
    prefix = f'{settings.WS4REDIS_PREFIX}:' if settings.WS4REDIS_PREFIX else ''
    facility = facility_of(channel)
    if facility is None:
        return '', channel, ''
    kind, _, rest = channel.removeprefix(prefix).partition(':')
    return kind, '' if kind == 'broadcast' else rest.partition(':')[0], facility


# Something was not published as an assertion has it


ANY_FACILITY = 'any facility'
"""What assert_published() calls the facility that was left out."""


def why_not_published(
    broker: 'Broker',
    wanted: Wanted,
    where: str,
    found: dict[str | None, list[Publication]],
    times: int,
) -> list[Reason]:
    """Why assert_published() fails.

    Args:
        where: the facility that was asked for, or ANY_FACILITY.
        found: what was published as asked, by channel; or by what channels begin with, if the
            facility is any.
    """
    wrong = {channel: of_it for channel, of_it in found.items() if len(of_it) != times}
    for channel, of_it in wrong.items():
        if of_it:
            first = (
                f'published {_times(len(of_it))} to {_shown(channel, where)}, not {_times(times)}'
            )
            return [
                Reason(
                    'times', first, _listed(of_it), 'publish it as often as expected, or say times='
                )
            ]
    meant = [publication for publication in broker.published if wanted.matches(publication.message)]
    channels = list(wrong) or [None]
    for channel in channels:
        of_it = [publication for publication in meant if _is_on(publication, channel, where)]
        if of_it:
            expire = 'None' if of_it[-1].expire is None else f'{of_it[-1].expire:g}'
            first = f'published with expire={expire}, not as asked: {wanted!r}'
            return [
                Reason(
                    'expire',
                    first,
                    _listed(of_it),
                    f'say expire={expire}, or publish it with the other',
                )
            ]
    return _not_published(broker, wanted, where, channels, meant)


def _not_published(
    broker: 'Broker',
    wanted: Wanted,
    where: str,
    channels: Sequence[str | None],
    meant: Sequence[Publication],
) -> list[Reason]:
    publications = broker.published
    first = (
        f'not published: {wanted!r} to {", ".join(_shown(channel, where) for channel in channels)}'
    )
    written = _written(wanted)
    near = next((near for channel in channels if (near := _near(channel, where, meant))), '')
    if written is not None and any(
        written.matches(publication.message) for publication in publications
    ):
        near = 'json=... looks into JSON text'
    reason = Reason(
        'not-published', first, _listed(publications) or ('nothing was published',), near
    )
    others = _sent_nowhere(broker._engine.driver.websockets, wanted) + nothing_published(broker)
    return [reason, *others] if near or (meant and not wanted.anything) else [*others, reason]


def _near(channel: str | None, where: str, meant: Iterable[Publication]) -> str:
    """What may have been misspelt, there or here; '' if nothing of it was published on a channel
    with a name like this one.
    """
    kind, name, facility = _parts(channel) if channel is not None else ('', '', where)
    facility = where if where == ANY_FACILITY else facility
    for publication in meant:
        other_kind, other_name, other = _parts(publication.channel)
        if channel is not None and kind != other_kind:
            continue
        if (channel is None or name == other_name) and difflib.get_close_matches(facility, [other]):
            return f'did the assertion mean facility {other!r}, or the publisher {facility!r}?'
        if facility in (other, ANY_FACILITY) and difflib.get_close_matches(name, [other_name]):
            return f'did the assertion mean {kind} {other_name!r}, or the publisher {name!r}?'
    return ''


def _is_on(publication: Publication, channel: str | None, where: str) -> bool:
    if channel is None:
        return where in (ANY_FACILITY, publication.facility)
    return (
        publication.channel.startswith(channel)
        if where == ANY_FACILITY
        else publication.channel == channel
    )


def _shown(channel: str | None, where: str) -> str:
    """A channel, or the audience alone if the facility is any: then its name ends where the
    facility would begin.
    """
    if channel is None:
        return where
    return channel.removesuffix(':') if where == ANY_FACILITY else channel


def _times(count: int) -> str:
    return {1: 'once', 2: 'twice'}.get(count, f'{count} times')


def unexpected(first: str, publications: Iterable[Publication]) -> Reason:
    """Something was published that should not have been."""
    return Reason(
        'published', first, _listed(list(publications)), 'it was published at these lines'
    )


def unexpected_messages(broker: 'Broker', first: str, messages: Sequence[str | bytes]) -> Reason:
    """A client got what it should not have got."""
    payloads = {
        message.encode('utf-8') if isinstance(message, str) else message for message in messages
    }
    publications = [
        publication for publication in broker.published if publication.message in payloads
    ]
    evidence = tuple(f'received: {short(message)}' for message in messages[-SHOWN:])
    return Reason(
        'received',
        first,
        evidence + _listed(publications),
        'it was published at these lines' if publications else '',
    )


# Plain asserts


def missing_from(have: Iterable[Any], expected: Iterable[Any]) -> list[Any]:
    """What of the expected is not there, each as often as it is missing."""
    left = list(have)
    missing = []
    for item in expected:
        if item in left:
            left.remove(item)
        else:
            missing.append(item)
    return missing
