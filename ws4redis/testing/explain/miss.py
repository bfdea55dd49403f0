"""Miss: a message that a client did not get, and all that is known of it."""

import difflib
import re
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from ws4redis import settings
from ws4redis.testing.explain.channels import (
    asked_for,
    channels_now,
    differ_by_prefix,
    kinds,
    listens,
    parts,
)
from ws4redis.testing.explain.published import what_identity_takes
from ws4redis.testing.explain.reasons import Facts
from ws4redis.testing.publications import Publication

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker
    from ws4redis.testing.browser_end import BrowserEnd

__all__ = ['Miss', 'Visit']


class Visit(Facts):
    """A client, and how its websocket has ended."""

    def __init__(self, client: 'BrowserEnd') -> None:
        self.client = client
        self.who = client.name

    @property
    def by(self) -> str:
        """Who has ended it."""
        return 'the server' if self.client.closed_by_server else 'the test'

    @property
    def what_then(self) -> str:
        """What to do about it."""
        if self.client.closed_by_server:
            return 'the log of ws4redis says why'
        return 'close it after asserting'

    @property
    def ending(self) -> tuple[str, ...]:
        """Its end, as evidence."""
        reason = f' ({self.client.close_reason})' if self.client.close_reason else ''
        return (f'close code {self.client.close_code}{reason}',)


class Miss(Visit):
    """A message that was published and that a client did not get, and all that is known of it."""

    def __init__(self, broker: 'Broker', client: 'BrowserEnd', publication: Publication) -> None:
        super().__init__(client)
        self._broker = broker
        self.publication = publication
        self.channel = publication.channel
        self.kind, self.name, self.facility = parts(publication.channel)
        self.subscriber = type(client.subscriber).__name__

    # What it listened on

    @cached_property
    def listened_at_first(self) -> bool:
        """Whether it listened on this channel when it joined."""
        return listens(self.client.joined.channels, self.channel)

    @cached_property
    def listens_now(self) -> bool:
        """Whether it listens on this channel now."""
        return listens(self.mine, self.channel)

    @cached_property
    def mine(self) -> list[str]:
        """The channels that it listens on."""
        return channels_now(self.client)

    @cached_property
    def asked(self) -> list[str]:
        """The kinds of channels that it has asked for."""
        return asked_for(self.client, 'subscribe')

    @property
    def asked_names(self) -> str:
        """The same, as failures show them."""
        return ', '.join(self.asked)

    @property
    def is_refused(self) -> bool:
        """Whether it has asked for this kind of channel in vain."""
        joined = self.client.joined
        allowed = kinds('subscribe', joined.allowed)
        return bool(joined.policy) and self.kind in self.asked and self.kind not in allowed

    @property
    def is_nobody(self) -> bool:
        """Whether it has asked for this kind of channel, without what such a one is named after."""
        if self.kind not in self.asked or any(f':{self.kind}:' in f':{own}' for own in self.mine):
            return False
        recipient = self.client.recipient
        access = recipient.access if recipient is not None else None
        named_after = {'user': 'user_key', 'group': 'groups', 'session': 'session_key'}
        return not getattr(access, named_after.get(self.kind, ''), self.kind)

    @property
    def identity(self) -> str:
        """What it takes to have a channel of this kind."""
        return what_identity_takes(self.kind, 'subscribe')

    @property
    def how_to_subscribe(self) -> str:
        """What gives it this kind of channel."""
        if self.kind and self.kind not in self.asked:
            return f'connect({self.facility!r}, subscribe={self.kind!r})'
        return 'let its subscriber subscribe to it'

    @property
    def how_to_hear(self) -> str:
        """The same, for one that has other channels."""
        if self.kind and self.kind not in self.asked:
            return f'connect(..., subscribe={self.kind!r})'
        return 'publish to an audience that it belongs to'

    # What was misspelt

    @cached_property
    def misread(self) -> str:
        """The name in its facility that was meant to ask for a channel; '' if there is none."""
        query = self.client.facility.partition('?')[2]
        names = map(unquote_plus, query.split('&')) if self.kind not in self.asked else ()
        return next((name for name in names if name.lower().startswith('subscribe')), '')

    @property
    def joined_facility(self) -> str:
        """The facility that it has joined."""
        return self.client.facility

    @property
    def meant_facility(self) -> str:
        """What of it is no query string."""
        return self.client.facility.partition('?')[0]

    @property
    def meant_kind(self) -> str:
        """The kind of channel that the misread name is nearest to."""
        known = getattr(self.client.subscriber, 'subscription_channels', ())
        asked = re.sub(r'\W', '-', self.misread.lower())
        nearest = difflib.get_close_matches(asked, known, n=1) or list(known) or [self.misread]
        return str(nearest[0]).partition('-')[2]

    @property
    def address(self) -> tuple[str, ...]:
        """Its address, as evidence."""
        return (f'address: {self.client.facility}?{self.client.query}'.rstrip('?'),)

    @cached_property
    def same_but_for_prefix(self) -> str:
        """The channel of its own that differs by the prefix; '' if none does."""
        return next((own for own in self.mine if differ_by_prefix(own, self.channel)), '')

    @property
    def prefix(self) -> str | None:
        """The prefix that is in force."""
        return settings.WS4REDIS_PREFIX

    @cached_property
    def facilities(self) -> list[str]:
        """The facilities on which it listens for the same audience."""
        mine = [parts(own) for own in self.mine] if self.kind else []
        return [own[2] for own in mine if own[:2] == (self.kind, self.name)]

    @property
    def nearest(self) -> str:
        """The one that reads most like this one."""
        return (difflib.get_close_matches(self.facility, self.facilities, n=1) or self.facilities)[
            0
        ]

    @property
    def did_you_mean(self) -> str:
        """A question, if they read alike."""
        if difflib.SequenceMatcher(None, self.facility, self.nearest).ratio() <= 0.6:
            return ''
        return f'did the publisher mean {self.nearest!r}, or connect() {self.facility!r}? '

    # When it joined

    @property
    def was_before(self) -> bool:
        """Whether it was published before the client joined."""
        return self.publication._circumstances.number <= self.client.joined.number

    @property
    def age(self) -> float:
        """Seconds from publishing to joining."""
        return self.client.joined.at - self.publication._circumstances.at

    @property
    def joined_later(self) -> tuple[str, ...]:
        """When it joined, as evidence."""
        return (f'{self.who} joined {self.age:.0f} s later',)

    @property
    def expired_for(self) -> str:
        """Seconds since it has expired, when the client joined."""
        return f'{self.age - (self.publication.expire or 0):.0f}'

    @cached_property
    def later(self) -> list[Publication]:
        """What was persisted on its channel between it and the join."""
        begin, end = self.publication._circumstances.number, self.client.joined.number
        return [
            other
            for other in self._broker.published
            if other.channel == self.channel
            and other.expire
            and begin < other._circumstances.number <= end
        ]

    # What became of it

    @property
    def ending(self) -> tuple[str, ...]:
        return (f'published: {self.publication}', *super().ending)

    @property
    def lost(self) -> int | None:
        """How many messages the fault was to take that took it; None if none did."""
        return self._broker._engine.lost.get(self.publication._circumstances.number)

    @property
    def is_own_echo(self) -> bool:
        """Whether the client has sent it itself."""
        sender = self.publication._circumstances.own_copies
        return (
            self.listens_now
            and sender is not None
            and sender is self.client.own_copies
            and not self.client.joined.echo
        )

    @cached_property
    def arrived(self) -> bool:
        """Whether it is among what the client has received."""
        return any(
            (message.encode('utf-8') if isinstance(message, str) else message)
            == self.publication.message
            for message in self.client.history
        )

    @property
    def count(self) -> str:
        """How many messages the client has received."""
        count = len(self.client.history)
        return '1 message' if count == 1 else f'{count} messages'

    @property
    def joined_channels(self) -> tuple[str, ...]:
        """What it listened on at first, as evidence."""
        names = ', '.join(self.client.joined.channels) or 'no channel'
        return (f'{self.who} joined: {names}',)

    def with_channels(self, *evidence: str) -> tuple[str, ...]:
        """Evidence between what was published and what the client listens on."""
        channels = ', '.join(self.mine) or 'no channel'
        return (
            f'published: {self.publication}',
            *evidence,
            f'{self.who} listens on: {channels}',
        )
