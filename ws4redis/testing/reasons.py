"""Why not? What kept a message from a client, or from being published, and what to do about it."""

import difflib
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from django.db import connections

from ws4redis import settings
from ws4redis.testing.matching import Wanted
from ws4redis.testing.publications import Publication, facility_of, place, short
from ws4redis.testing.threads import threads_since

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.client import ProtocolClient

__all__ = [
    'Reason',
    'failure',
    'missing_from',
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
        return [first, *(f'  {line}' for line in evidence), *([f'  -> {self.remedy}'] if self.remedy else [])]


def failure(reasons: Sequence[Reason]) -> AssertionError:
    """A plain AssertionError that gives the reasons, and has their codes as `reasons`."""
    error = AssertionError('\n'.join(line for reason in reasons for line in reason.lines()))
    error.reasons = tuple(reason.code for reason in reasons)  # type: ignore[attr-defined]
    return error


# Nothing was published


def nothing_published(broker: 'Broker', who: str = '') -> list[Reason]:
    """Why what was expected may not have been published yet: it waits for a commit, or for a thread."""
    found = []
    waiting = [name for connection in connections.all(initialized_only=True) for name in _on_commit(connection)]
    if waiting:
        callbacks = 'callback waits' if len(waiting) == 1 else 'callbacks wait'
        found.append(
            Reason(
                'uncommitted',
                f'nothing published: {len(waiting)} {callbacks} for a commit',
                tuple(f'{name}, given to transaction.on_commit()' for name in waiting),
                'run it: with django_capture_on_commit_callbacks(execute=True): ... (pytest-django), '
                'self.captureOnCommitCallbacks(execute=True) (TestCase), or the mark django_db(transaction=True)',
            )
        )
    return found + running_threads(broker, who)


def running_threads(broker: 'Broker', who: str = '') -> list[Reason]:
    """The threads that this test has started and that still run."""
    threads = threads_since(broker.threads_before)
    if not threads:
        return []
    verb = 'thread started by this test still runs' if len(threads) == 1 else 'threads started by this test still run'
    first = f'{len(threads)} {verb}'
    return [
        Reason('thread', f'{who}{first}', tuple(threads), 'join it before asserting: what it publishes later nobody can know')
    ]


def _on_commit(connection: Any) -> list[str]:
    names = []
    for entry in connection.run_on_commit:
        function = entry[1]
        while isinstance(function, functools.partial):
            function = function.func
        code = getattr(getattr(function, '__func__', function), '__code__', None)
        where = f' ({place(f"{code.co_filename}:{code.co_firstlineno}")})' if code is not None else ''
        names.append(f'{getattr(function, "__qualname__", repr(function))}{where}')
    return names


# A client did not get it


def why_not_received(broker: 'Broker', client: 'ProtocolClient', wanted: Wanted) -> list[Reason]:
    """Why this client has nothing unread that is meant; the first reason is about the last message that it did not get."""
    publications = broker.published
    meant = [publication for publication in publications if wanted.matches(publication.message)]
    if not meant:
        return _nothing_meant(broker, client, wanted, publications)
    reasons = [_why(broker, client, publication) for publication in reversed(meant)]
    missed = [reason for reason in reasons if reason.code != 'already-read']
    found = {reason.code: reason for reason in reversed([*missed, *(reason for reason in reasons if reason not in missed)])}
    return list(reversed(found.values()))[:ANSWERS]


def _nothing_meant(
    broker: 'Broker', client: 'ProtocolClient', wanted: Wanted, publications: Sequence[Publication]
) -> list[Reason]:
    found = nothing_published(broker)
    if client.closed:
        found.append(_closed(client))
    if not found:
        what = 'nothing was published' if wanted.anything else f'nothing published is {wanted!r}'
        evidence = _listed(publications) + _history(client)
        found.append(Reason('not-published', f'{client.name} got nothing: {what}', evidence, 'publish it before asserting'))
    return found


def _why(broker: 'Broker', client: 'ProtocolClient', publication: Publication) -> Reason:
    if not _listens(client, publication.channel):
        return _why_not_listening(client, publication)
    if publication.number <= client.joined.number:
        return _why_not_at_the_join(broker, client, publication)
    if publication.number in broker.lost:
        return _reason(
            client, publication, 'fault', f'lose_publishes({broker.lost[publication.number]}) took it', 'leave out the fault'
        )
    if publication.origin is not None and publication.origin is client.origin and not client.joined.echo:
        return _reason(
            client,
            publication,
            'own-echo',
            'own echo (connect(echo=True) sends it)',
            'connect(echo=True), or look at another client',
        )
    if _arrived(client, publication):
        return _already_read(client)
    if client.closed:
        return _closed(client, publication)
    if not client.reads:
        return _reason(client, publication, 'not-reading', 'stop_reading() is in force', 'resume_reading()')
    subscriber = type(client.subscriber).__name__
    return _reason(
        client, publication, 'override', f'{subscriber}.parse_response() left it out', f'look at {subscriber}.parse_response()'
    )


def _why_not_at_the_join(broker: 'Broker', client: 'ProtocolClient', publication: Publication) -> Reason:
    age = client.joined.at - publication.at
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
        if other.channel == publication.channel and other.expire and publication.number < other.number <= client.joined.number
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


def _why_not_listening(client: 'ProtocolClient', publication: Publication) -> Reason:
    kind, name, facility = _parts(publication.channel)
    joined = client.joined
    asked = [verb.removeprefix('subscribe-') for verb in joined.asked if verb.startswith('subscribe-')]
    if kind in asked and f'subscribe-{kind}' not in joined.allowed:
        return _reason(
            client,
            publication,
            'refused',
            f'{publication.channel} refused',
            'log in a user who may, or change the rule',
            f'refused by WS4REDIS_ALLOWED_CHANNELS ({joined.policy}), which gave {joined.allowed} of {joined.asked}',
        )
    if not joined.channels:
        return _reason(
            client,
            publication,
            'no-channel',
            'connected without subscribe=' if not asked else f'no channel for subscribe={", ".join(asked)}',
            f'connect({facility!r}, subscribe={kind!r})' if kind else 'let its subscriber subscribe to the channel',
        )
    for mine in joined.channels:
        if _differ_by_prefix(mine, publication.channel):
            return _reason(
                client,
                publication,
                'prefix',
                f'published to {publication.channel!r}, joined {mine!r}',
                f'WS4REDIS_PREFIX is {settings.WS4REDIS_PREFIX!r} now; it was another one there',
            )
    facilities = {_parts(mine)[2]: mine for mine in joined.channels if _parts(mine)[:2] == (kind, name) and kind}
    if facilities:
        nearest = (difflib.get_close_matches(facility, facilities, n=1) or list(facilities))[0]
        close = difflib.SequenceMatcher(None, facility, nearest).ratio() > 0.6
        return _reason(
            client,
            publication,
            'facility',
            f'published to {facility!r}, joined {nearest!r}',
            (f'did you mean {nearest!r}? ' if close else '') + 'publisher and websocket name the same facility',
        )
    return _reason(
        client,
        publication,
        'not-subscribed',
        f'not subscribed to {publication.channel}',
        f'connect(..., subscribe={kind!r})' if kind and kind not in asked else 'publish to an audience that it belongs to',
    )


def _reason(client: 'ProtocolClient', publication: Publication, code: str, why: str, remedy: str, *evidence: str) -> Reason:
    channels = ', '.join(client.joined.channels) or 'no channel'
    lines = (f'published: {publication}', *evidence, f'{client.name} listens on: {channels}')
    return Reason(code, f'{client.name} got nothing: {why}', lines, remedy)


def _closed(client: 'ProtocolClient', publication: Publication | None = None) -> Reason:
    by = 'the server' if client.closed_by_server else 'the test'
    reason = f' ({client.close_reason})' if client.close_reason else ''
    lines = (f'published: {publication}',) if publication is not None else ()
    return Reason(
        'closed',
        f'{client.name} got nothing: closed by {by}, {client.close_code}',
        (*lines, f'close code {client.close_code}{reason}'),
        'the log of ws4redis says why' if client.closed_by_server else 'close it after asserting',
    )


def _already_read(client: 'ProtocolClient') -> Reason:
    count = len(client.history)
    messages = 'message' if count == 1 else 'messages'
    return Reason(
        'already-read',
        f'{client.name} has nothing unread: {count} {messages} already received',
        _history(client),
        '`received` is the whole history; receive() takes each message once',
    )


def _arrived(client: 'ProtocolClient', publication: Publication) -> bool:
    return any(
        (message.encode('utf-8') if isinstance(message, str) else message) == publication.message for message in client.history
    )


def _history(client: 'ProtocolClient') -> tuple[str, ...]:
    return tuple(f'received: {short(message)}' for message in client.history[-SHOWN:])


def _listed(publications: Sequence[Publication]) -> tuple[str, ...]:
    return tuple(f'published: {publication}' for publication in publications[-SHOWN:])


def _listens(client: 'ProtocolClient', channel: str) -> bool:
    return any(channel == mine or ('*' in mine and fnmatchcase(channel, mine)) for mine in client.joined.channels)


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


def why_not_published(
    broker: 'Broker', wanted: Wanted, where: str, found: dict[str | None, list[Publication]], times: int
) -> list[Reason]:
    """Why assert_published() fails."""
    publications = broker.published
    counts = {channel: len(of_it) for channel, of_it in found.items()}
    wrong = {channel: count for channel, count in counts.items() if count != times}
    for channel, count in wrong.items():
        if count:
            evidence = tuple(f'published: {publication}' for publication in found[channel][-SHOWN:])
            first = f'published {_times(count)} to {channel}, not {_times(times)}'
            return [Reason('times', first, evidence, 'publish it as often as expected, or say times=')]
    reasons = nothing_published(broker)
    first = f'not published: {wanted!r} to {", ".join(str(channel) for channel in wrong) or where}'
    near = difflib.get_close_matches(where, {publication.facility or '' for publication in publications}, n=1)
    remedy = f'did you mean facility {near[0]!r}?' if near and near[0] != where else ''
    evidence = _listed(publications) or ('nothing was published',)
    return [*reasons, Reason('not-published', first, evidence, remedy)]


def _times(count: int) -> str:
    return {1: 'once', 2: 'twice'}.get(count, f'{count} times')


def unexpected(first: str, publications: Iterable[Publication]) -> Reason:
    """Something was published that should not have been."""
    return Reason('published', first, _listed(list(publications)), 'it was published at these lines')


def unexpected_messages(broker: 'Broker', first: str, messages: Sequence[str | bytes]) -> Reason:
    """A client got what it should not have got."""
    payloads = {message.encode('utf-8') if isinstance(message, str) else message for message in messages}
    publications = [publication for publication in broker.published if publication.message in payloads]
    evidence = tuple(f'received: {short(message)}' for message in messages[-SHOWN:])
    return Reason('received', first, evidence + _listed(publications), 'it was published at these lines' if publications else '')


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
