"""What was published in a test: one Publication for each PUBLISH on one channel, whoever made
it.
"""

import functools
import json as json_module
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

import asgiref
import django
from django.db import connections

from ws4redis import settings
from ws4redis.core.channel import prefix_of, split_channel
from ws4redis.core.echo import OwnCopies
from ws4redis.core.replies import ping, ping_number, published
from ws4redis.publishing import AfterCommit, Caller
from ws4redis.redis_client import RedisServer
from ws4redis.seam import seam
from ws4redis.testing.explain.matching import ANY, Wanted

if TYPE_CHECKING:
    from redis.connection import AbstractConnection

    from ws4redis.testing.broker import Broker

__all__ = [
    'Circumstances',
    'Note',
    'Pattern',
    'Publication',
    'Publications',
    'Record',
    'check_expire',
    'facility_of',
    'matching',
    'place',
    'source',
    'source_of',
]

Callbacks: TypeAlias = list[Callable[[], object]]
"""Of a transaction's commit."""

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

LIBRARIES = (
    PACKAGE,
    *(os.path.dirname(str(module.__file__)) + os.sep for module in (asgiref, django)),
)
"""What stands between a publisher and the code that called it; the standard library besides."""

STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep

INSTALLED = (f'{STANDARD_LIBRARY}site-packages{os.sep}', f'{STANDARD_LIBRARY}dist-packages{os.sep}')

ANSWER_GUARD = 10.0
"""Seconds after which a server that does not answer PING counts as hung."""


class Pattern(str):
    """A pattern among names of channels; a name may have the same characters, and is none."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """In which something was published; failures need them.

    Attributes:
        number: its place among the publications of this test, from 1 on.
        at: the broker's time, seconds since the epoch.
        own_copies: of the websocket that sent it, if one did through its subscriber's
            publish_message().
        ran: all callbacks that Django's captureOnCommitCallbacks() has run, if one of them
            published it.
    """

    number: int = 0
    at: float = 0.0
    own_copies: OwnCopies | None = None
    ran: Callbacks | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """One PUBLISH on one channel.

    Attributes:
        channel, facility: names; facility is None for a channel that is none of ours.
        message: the payload.
        expire: seconds to live that it was stored with; 0 if it was not stored, None if another
            client published it.
        source: 'file:line' of who published; '' if no line of the project did, None if another
            client published it.
    """

    channel: str
    facility: str | None
    message: bytes
    expire: float | None
    source: str | None
    _circumstances: Circumstances = field(default=Circumstances(), compare=False, repr=False)

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.message.decode('utf-8')

    def json(self) -> Any:
        """The payload from JSON."""
        return json_module.loads(self.message)

    def __str__(self) -> str:
        kept = f', expire {self.expire:g}' if self.expire else ''
        by = (
            place(self.source)
            if self.source
            else 'by another client'
            if self.source is None
            else 'by a thread of a library'
        )
        return f'{self.channel} {short(self.message)}{kept} ({by})'


class Publications(list[Publication]):
    """Publications in the order in which Redis had them, with whom they are of, for failures to
    explain themselves.
    """

    def __init__(self, publications: Iterable[Publication], owner: 'Broker') -> None:
        super().__init__(publications)
        self._owner = owner


def matching(
    publications: Iterable[Publication],
    wanted: Wanted,
    facility: str,
    channels: list[str] | None,
    expire: float = ANY,
) -> dict[str | None, list[Publication]]:
    """Those that are meant, by channel.

    Args:
        channels: names, or what names begin with if the facility is ANY; each is a key of the
            answer. None takes every channel on which there is one.
    """
    found: dict[str | None, list[Publication]] = {name: [] for name in channels or ()}
    for publication in publications:
        if expire is not ANY and publication.expire != expire:
            continue
        if not (facility is ANY or publication.facility == facility) or not wanted.matches(
            publication.message
        ):
            continue
        if channels is None:
            found.setdefault(publication.channel, []).append(publication)
            continue
        for name in channels:
            if publication.channel == name or (
                facility is ANY and publication.channel.startswith(name)
            ):
                found[name].append(publication)
    return found


@dataclass(frozen=True, slots=True)
class Note:
    """What our publisher says of one PUBLISH, before Redis has it.

    Attributes:
        expire: seconds to live that it is stored with; None if another client publishes it.
        source: as Publication has it.
        own_copies, ran: as Circumstances has them.
    """

    channel: bytes
    payload: bytes
    expire: float | None = None
    source: str | None = None
    own_copies: OwnCopies | None = None
    ran: Callbacks | None = None


class Record:
    """Writes down what is published, as a client of the server hears it and as our publishers say
    it.

    Args:
        server: the Redis server.
        pattern: of the channels to hear.
        now: the broker's time.
        said: called with a line about each, as soon as it is known.
    """

    def __init__(
        self,
        server: RedisServer,
        pattern: str,
        now: Callable[[], float],
        said: Callable[[str], None],
    ) -> None:
        self.publications: list[Publication] = []
        self.raw_name: Callable[[bytes], None] | None = None
        self._server = server
        self._now = now
        self._said = said
        self._notes: deque[Note] = deque()
        self._pings = 0
        self._raw: list[bytes] = []
        self._pattern = pattern
        self._connection: Any = server.pubsub_connection()
        self._connection.register_connect_callback(self._subscribe)
        self._connection.connect()
        seam.on_publish[server.gate] = self._note

    def _subscribe(self, connection: 'AbstractConnection') -> None:
        """With each new connection, since a server may cut one."""
        connection.send_command('PSUBSCRIBE', self._pattern)
        if self._raw:
            connection.send_command('SUBSCRIBE', *self._raw)

    def _note(
        self, channel: bytes, payload: bytes, seconds: float, own_copies: OwnCopies | None
    ) -> None:
        if self._server.gate.closed:
            return
        note = Note(channel, payload, max(0.0, seconds), source(), own_copies, callbacks_run())
        self._notes.append(note)
        self._said(str(self._publication(note)))
        if self.raw_name is not None and not channel.startswith(self._server.namespace.encode()):
            self.hear(channel)

    def hear(self, channel: bytes) -> None:
        """A raw name on a server that others use: of these only those are heard that the test's
        own code names.
        """
        if channel not in self._raw and self.raw_name is not None:
            self._raw.append(channel)
            self._connection.send_command('SUBSCRIBE', channel)
            self.raw_name(channel)

    def read(self) -> None:
        """Everything that was published before this call: a PING sent now has been answered."""
        if self._server.gate.closed:
            return
        for reply in self._connection.arrived() if self._server.in_memory else self._until_pong():
            message = published(reply)
            if message is not None:
                note = self._pop_note(message.channel, message.payload)
                self.publications.append(self._publication(note))

    def _until_pong(self) -> Iterator[list[Any]]:
        self._pings += 1
        self._connection.send_command(*ping(self._pings))
        while self._connection.can_read(timeout=ANSWER_GUARD):
            reply = self._connection.read_response(disable_decoding=True)
            if ping_number(reply) == self._pings:
                return
            yield reply
        raise RuntimeError(f'the Redis server has not answered PING for {ANSWER_GUARD:.0f} s')

    def _pop_note(self, channel: bytes, payload: bytes) -> Note:
        """What our publisher said of it; that somebody else published it if it has said nothing."""
        for note in self._notes:
            if (note.channel, note.payload) == (channel, payload):
                self._notes.remove(note)
                return note
        note_of_others = Note(channel, payload)
        self._said(str(self._publication(note_of_others)))
        return note_of_others

    def _publication(self, note: Note) -> Publication:
        name = note.channel.decode('utf-8', 'replace').removeprefix(self._server.namespace)
        circumstances = Circumstances(
            len(self.publications) + 1, self._now(), note.own_copies, note.ran
        )
        return Publication(
            name, facility_of(name), note.payload, note.expire, note.source, circumstances
        )

    def close(self) -> None:
        """Hear nothing more."""
        seam.on_publish.pop(self._server.gate, None)
        self._connection.disconnect()
        del self._said


def check_expire(expire: object) -> None:
    """Refuse what no publication of ours has.

    Raises:
        TypeError: it is no number.
    """
    if expire is not ANY and (isinstance(expire, bool) or not isinstance(expire, (int, float))):
        raise TypeError(
            f'expire is {type(expire).__name__}: it takes seconds, 0 for what was not stored'
        )


def facility_of(channel: str) -> str | None:
    """The facility of a channel's name; None if it is none of ours."""
    parts = split_channel(channel, prefix_of(settings.WS4REDIS_PREFIX))
    return parts.facility if parts is not None else None


def source() -> str:
    """'file:line' of the innermost caller in the project; '' if libraries alone have called."""
    return source_of(_callers(sys._getframe(1)))


def source_of(callers: Iterable[Caller]) -> str:
    """'file:line' of the first of these that is in the project; '' if none is."""
    for code, line in callers:
        if not _is_library(code.co_filename):
            return f'{code.co_filename}:{line}'
    return ''


def _callers(frame: FrameType | None) -> Iterator[Caller]:
    """From this frame on; what is published after a commit has those of publish_message()."""
    while frame is not None:
        if frame.f_code is AfterCommit.__call__.__code__:
            yield from frame.f_locals['self'].callers
            return
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back


@functools.cache
def _is_library(path: str) -> bool:
    if path.startswith(STANDARD_LIBRARY):
        return not path.startswith(INSTALLED) or path.startswith(LIBRARIES)
    return path.startswith(('<frozen ', *LIBRARIES))


def callbacks_run() -> Callbacks | None:
    """The list to which Django's captureOnCommitCallbacks() adds each callback that it runs;
    None if it runs none now.
    """
    # Most tests give Django no callback, and a walk through all frames of pytest takes a tenth of a
    # short test.
    if not any(connection.run_on_commit for connection in connections.all(initialized_only=True)):
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != 'captureOnCommitCallbacks':
        frame = frame.f_back
    return frame.f_locals.get('callbacks') if frame is not None else None


def place(source: str) -> str:
    """A 'file:line' as failures show it: below the working directory, relative to it."""
    here = os.getcwd() + os.sep
    return source.removeprefix(here)


def short(message: str | bytes, size: int = 60) -> str:
    """A message as failures show it."""
    shown = message
    if isinstance(message, bytes):
        try:
            shown = message.decode('utf-8')
        except UnicodeDecodeError:
            shown = message
    text = repr(shown)
    return text if len(text) <= size else f'{text[: size - 4]}...{text[-1]}'
