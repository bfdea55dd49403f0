"""Why something was not published as an assertion has it; or was, and should not have been."""

import difflib
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import connections

from ws4redis.publishing import AfterCommit
from ws4redis.testing.explain.channels import asked_for, kinds, parts
from ws4redis.testing.explain.matching import Wanted
from ws4redis.testing.explain.reasons import Facts, Reason, Row, answer, failure, published_lines
from ws4redis.testing.explain.threads import name_and_place, threads_since
from ws4redis.testing.publications import Publication, place, short, source_of

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from ws4redis.testing.broker import Broker
    from ws4redis.testing.browser_end import BrowserEnd

__all__ = [
    'ANY_FACILITY',
    'AS_ASKED',
    'MAY_NOT_PUBLISH',
    'PUBLISHED',
    'THREAD',
    'UNCOMMITTED',
    'check_threads',
    'nothing_published',
    'refusal',
    'sent_nowhere',
    'unexpected',
    'what_identity_takes',
    'why_not_published',
    'written',
]

Given = Mapping[str, Any]
"""Facts that are few enough to need no class."""

UNCOMMITTED = Row[Given](
    code='uncommitted',
    first='{what}: {count} {wait} for a commit, or {run}',
    remedy='run it: with django_capture_on_commit_callbacks(execute=True): ... (pytest-django), '
    'self.captureOnCommitCallbacks(execute=True) (TestCase), or the mark '
    'django_db(transaction=True)',
    evidence=lambda facts: (
        *(f'{name}, given to transaction.on_commit()' for name in facts['names']),
        'Django lists a callback still when a capture has run it; one that has published '
        'is left out here',
    ),
    examples=(
        {
            'what': 'nothing published',
            'count': 1,
            'wait': 'callback waits',
            'run': 'has run',
        },
    ),
)

THREAD = Row[Given](
    code='thread',
    first='{count} {run}',
    remedy='join it before asserting: what it publishes later nobody can know',
    evidence=lambda facts: facts['threads'],
    examples=({'count': 1, 'run': 'thread started by this test still runs'},),
)

PUBLISHED = Row[Given](
    code='published',
    first='{first}',
    remedy='it was published at these lines',
    evidence=lambda facts: published_lines(facts['publications']),
    examples=({'first': 'something was published'},),
    where=', where nothing should have been',
)


def nothing_published(broker: 'Broker') -> list[Reason]:
    """Why what was expected may not have been published yet: it waits for a commit, or for a
    thread.
    """
    return _uncommitted(broker) + _running_threads(broker)


def _uncommitted(broker: 'Broker') -> list[Reason]:
    publications = broker.published
    names = [
        name
        for connection in connections.all(initialized_only=True)
        for name in _on_commit(connection, publications)
    ]
    if not names:
        return []
    one = len(names) == 1
    facts = {
        'what': 'not published' if publications else 'nothing published',
        'count': len(names),
        'wait': 'callback waits' if one else 'callbacks wait',
        'run': 'has run' if one else 'ran',
        'names': names,
    }
    return [UNCOMMITTED.reason(facts)]


def _running_threads(broker: 'Broker') -> list[Reason]:
    """The threads that this test has started and that still run."""
    threads = threads_since(broker._engine.threads_before)
    if not threads:
        return []
    run = (
        'thread started by this test still runs'
        if len(threads) == 1
        else 'threads started by this test still run'
    )
    return [THREAD.reason({'count': len(threads), 'run': run, 'threads': threads})]


def check_threads(broker: 'Broker') -> None:
    """Refuse to say that something did not happen while a thread of this test may yet do it."""
    __tracebackhide__ = True
    found = _running_threads(broker)
    if found:
        raise failure(found)


def _on_commit(connection: 'BaseDatabaseWrapper', publications: Iterable[Publication]) -> list[str]:
    """The callbacks that have not run, as far as their publications tell: Django's capture
    leaves in the list what it runs.
    """
    captures = {
        id(capture): capture
        for publication in publications
        if (capture := publication._circumstances.ran) is not None
    }
    ran = Counter(id(callback) for capture in captures.values() for callback in capture)
    names = []
    for entry in connection.run_on_commit:
        function = entry[1]
        if ran[id(function)]:
            ran[id(function)] -= 1
            continue
        names.append(_name_of(function))
    return names


def _name_of(function: Callable[..., object]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name, where = (
        ('publish_message', place(source_of(function.callers)))
        if isinstance(function, AfterCommit)
        else name_and_place(function)
    )
    return f'{name} ({where})' if where else name


def unexpected(first: str, publications: Iterable[Publication]) -> Reason:
    """Something was published that should not have been."""
    return PUBLISHED.reason({'first': first, 'publications': list(publications)})


# Who sent it may not publish


class Sender(Facts):
    """A client that has sent a message, and has no channel to publish on."""

    def __init__(self, client: 'BrowserEnd', message: str | bytes) -> None:
        self.client = client
        self.message = message
        self.who = client.name
        self.facility = client.facility or "facility ''"
        self.asked = asked_for(client, 'publish')
        self.allowed = kinds('publish', client.joined.allowed)

    @property
    def identity(self) -> str:
        """What it takes to have a channel."""
        return what_identity_takes(self.allowed[0], 'publish')


def _sender(
    remedy: str, when: Callable[[Sender], object], evidence: Callable[[Sender], str]
) -> Row[Sender]:
    return Row(
        code='may-not-publish',
        first='nothing published: {who} may not publish to {facility}',
        remedy=remedy,
        when=when,
        evidence=lambda facts: (f'{facts.who} sent: {short(facts.message)}', evidence(facts)),
        examples=({'who': 'john', 'facility': 'news'},),
    )


MAY_NOT_PUBLISH = (
    _sender(
        "connect({client.facility!r}, publish='broadcast'), for instance",
        lambda facts: not facts.asked,
        lambda facts: f'{facts.who} connected without publish=',
    ),
    _sender(
        'log in a user who may (connect(user=...)), or change the rule',
        lambda facts: not facts.allowed,
        lambda facts: refusal(facts.client),
    ),
    _sender(
        '{identity}',
        lambda facts: True,
        lambda facts: f'no channel for publish={", ".join(facts.allowed)}',
    ),
)


def sent_nowhere(clients: Iterable['BrowserEnd'], wanted: Wanted) -> list[Reason]:
    """Those who sent what is meant, and may publish on no channel."""
    return [
        answer(MAY_NOT_PUBLISH, Sender(client, message))
        for client in clients
        if not getattr(client.subscriber, '_publishers', ())
        for message in [said for said in client.said if wanted.matches(said)][-1:]
    ]


def what_identity_takes(kind: str, verb: str) -> str:
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


def refusal(client: 'BrowserEnd') -> str:
    """Who refused it, and what it was given."""
    joined = client.joined
    if not joined.policy:
        return f'its address: {client.facility}?{client.query}'
    return (
        f'refused by WS4REDIS_ALLOWED_CHANNELS ({joined.policy}), which gave {joined.allowed} '
        f'of {joined.asked}'
    )


# Not published as asked


ANY_FACILITY = 'any facility'
"""What assert_published() calls the facility that was left out."""


def _how_often(count: int) -> str:
    return {1: 'once', 2: 'twice'}.get(count, f'{count} times')


class Assertion(Facts):
    """What assert_published() has asked for, and what there is instead.

    Args:
        where: the facility that was asked for, or ANY_FACILITY.
        found: what was published as asked, by channel; or by what channels begin with, if the
            facility is any.
        times: how often it was to be on each.
    """

    def __init__(
        self,
        broker: 'Broker',
        wanted: Wanted,
        where: str,
        found: Mapping[str | None, list[Publication]],
        times: int,
    ) -> None:
        self.wanted = wanted
        self.where = where
        self.publications = broker.published
        self.meant = [one for one in self.publications if wanted.matches(one.message)]
        wrong = {channel: of_it for channel, of_it in found.items() if len(of_it) != times}
        self.channels: list[str | None] = list(wrong) or [None]
        self.asked = _how_often(times)
        # On the first channel that has it, but not as often.
        self.channel, self.as_asked = next(
            ((_shown(channel, where), of_it) for channel, of_it in wrong.items() if of_it), ('', [])
        )
        self.count = _how_often(len(self.as_asked))

    @property
    def shown(self) -> str:
        """The channels, as failures show them."""
        return ', '.join(_shown(channel, self.where) for channel in self.channels)

    @functools.cached_property
    def otherwise(self) -> list[Publication]:
        """What is there with another expiry."""
        on_each = (
            [one for one in self.meant if _is_on(one, channel, self.where)]
            for channel in self.channels
        )
        return next((of_it for of_it in on_each if of_it), [])

    @property
    def expire(self) -> str:
        """The expiry that it has instead."""
        found = self.otherwise[-1].expire
        return 'None' if found is None else f'{found:g}'

    @functools.cached_property
    def near(self) -> str:
        """What may have been meant; '' if nothing comes near."""
        json = written(self.wanted)
        if json is not None and any(json.matches(one.message) for one in self.publications):
            return 'json=... looks into JSON text'
        found = (_near(channel, self.where, self.meant) for channel in self.channels)
        return next((near for near in found if near), '')


AS_ASKED = (
    Row[Assertion](
        code='times',
        first='published {count} to {channel}, not {asked}',
        remedy='publish it as often as expected, or say times=',
        when=lambda facts: facts.as_asked,
        evidence=lambda facts: published_lines(facts.as_asked),
        examples=({'count': 'twice', 'channel': 'broadcast:news', 'asked': 'once'},),
    ),
    Row[Assertion](
        code='expire',
        first='published with expire={expire}, not as asked: {wanted!r}',
        remedy='say expire={expire}, or publish it with the other',
        when=lambda facts: facts.otherwise,
        evidence=lambda facts: published_lines(facts.otherwise),
        examples=({'expire': 60, 'wanted': 'hi'},),
    ),
    Row[Assertion](
        code='not-published',
        first='not published: {wanted!r} to {shown}',
        remedy='{near}',
        evidence=lambda facts: published_lines(facts.publications) or ('nothing was published',),
        examples=({'wanted': 'hi', 'shown': 'broadcast:news'},),
    ),
)


def why_not_published(
    broker: 'Broker',
    wanted: Wanted,
    where: str,
    found: Mapping[str | None, list[Publication]],
    times: int,
) -> list[Reason]:
    """Why assert_published() fails; the arguments are those of Assertion."""
    facts = Assertion(broker, wanted, where, found, times)
    reason = answer(AS_ASKED, facts)
    if reason.code != 'not-published':
        return [reason]
    others = sent_nowhere(broker._engine.driver.websockets, wanted) + nothing_published(broker)
    first = facts.near or (facts.meant and not wanted.anything)
    return [reason, *others] if first else [*others, reason]


def written(wanted: Wanted) -> Wanted | None:
    """The same object as JSON, for who has asked for a dict where its text came; None if it was
    no such object.
    """
    message = wanted._message
    return (
        Wanted(json=message) if isinstance(message, (dict, list, tuple, bool, int, float)) else None
    )


def _near(channel: str | None, where: str, meant: Iterable[Publication]) -> str:
    """What may have been misspelt, there or here; '' if nothing of it was published on a channel
    with a name like this one.
    """
    kind, name, facility = parts(channel) if channel is not None else ('', '', where)
    facility = where if where == ANY_FACILITY else facility
    for publication in meant:
        other_kind, other_name, other = parts(publication.channel)
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
