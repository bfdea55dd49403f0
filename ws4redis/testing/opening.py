"""Opening: what connect() was told; and connect() itself, the same for every kind of client."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.test.utils import override_settings

from ws4redis.testing.client import ProtocolClient
from ws4redis.testing.explain.matching import ANY
from ws4redis.testing.handshake import (
    SAME,
    HasUsername,
    address,
    check_identity,
    cookies_of,
    name_of,
)

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase
    from django.test import AsyncClient, Client

__all__ = ['Connects', 'Opening']

ClientT = TypeVar('ClientT', bound=ProtocolClient[Any])


@dataclass(frozen=True, slots=True)
class Opening:
    """The keywords of connect(), which says what each means."""

    url_or_facility: str
    subscribe: str | Sequence[str]
    publish: str | Sequence[str]
    echo: bool
    user: HasUsername | None
    force_user: HasUsername | None
    groups: str | Sequence[str] | None
    session: 'str | SessionBase | None'
    client: 'Client | AsyncClient | None'
    headers: Mapping[str, str] | None
    origin: str | None
    subprotocols: Sequence[str]
    subscriber: str | Callable[..., object] | None
    allowed_channels: str | Callable[..., object] | None
    name: str

    def check(self) -> None:
        """Refuse what contradicts itself, or is of another type.

        Raises:
            TypeError, ValueError: it does, or it is.
        """
        check_identity(self.user, self.force_user, self.groups, self.session, self.client)

    @contextlib.contextmanager
    def settings(self) -> Iterator[None]:
        """The settings that it replaces."""
        replaced: dict[str, Any] = {}
        if self.subscriber is not None:
            replaced['WS4REDIS_SUBSCRIBER'] = self.subscriber
        if self.allowed_channels is not ANY:
            replaced['WS4REDIS_ALLOWED_CHANNELS'] = self.allowed_channels
        with override_settings(**replaced) if replaced else contextlib.nullcontext():
            yield

    def address(self, possible: Callable[[], list[str]]) -> tuple[str, str]:
        """Path and query string; see address()."""
        return address(self.url_or_facility, self.subscribe, self.publish, self.echo, possible)

    def cookies(self) -> dict[str, str]:
        """The cookies that say who it is; none if no cookie does."""
        groups = self.group_names() if self.force_user is None else None
        return cookies_of(self.user, groups, self.session, self.client)

    def group_names(self) -> Sequence[str] | None:
        """The groups for the session; None leaves those of the user."""
        return (self.groups,) if isinstance(self.groups, str) else self.groups

    def shown_name(self, number: int) -> str:
        """What failures call the client, the how manieth one it is."""
        return self.name or name_of(self.user or self.force_user) or f'client {number}'


class Connects(ABC, Generic[ClientT]):
    """Opens websockets: a Broker in memory, a LiveServer over TCP."""

    @abstractmethod
    def _open(self, opening: Opening) -> ClientT:
        """Open the websocket."""

    def connect(
        self,
        url_or_facility: str = '',
        *,
        subscribe: str | Sequence[str] = (),
        publish: str | Sequence[str] = (),
        echo: bool = False,
        user: HasUsername | None = None,
        force_user: HasUsername | None = None,
        groups: str | Sequence[str] | None = None,
        session: 'str | SessionBase | None' = None,
        client: 'Client | AsyncClient | None' = None,
        headers: Mapping[str, str] | None = None,
        origin: str | None = SAME,
        subprotocols: Sequence[str] = (),
        subscriber: str | Callable[..., object] | None = None,
        allowed_channels: str | Callable[..., object] | None = ANY,
        name: str = '',
    ) -> ClientT:
        """Open a websocket, through the real application.

        Args:
            url_or_facility: '/ws/chat?subscribe-user' with its query string, or the facility alone.
            subscribe, publish: names without 'subscribe-' and 'publish-', one or several.
            echo: whether it gets its own messages back.
            user: a saved user, who is logged in for it.
            force_user: any user object, without session or database; refused over TCP, where only a
                cookie says who this is.
            groups: group names for the session, as ws4redis:memberof.
            session: a session key, or a session object.
            client: a django.test.Client, whose cookies are sent.
            headers: more request headers.
            origin: its Origin header; None sends none.
            subprotocols: those to ask for.
            subscriber: a class instead of WS4REDIS_SUBSCRIBER.
            allowed_channels: a callable instead of WS4REDIS_ALLOWED_CHANNELS.
            name: what failures call it.

        Raises:
            HandshakeRejected: the server refuses.
            TypeError, ValueError: an unknown channel name, or arguments that contradict each other.
            Exception: what the site's code raised, with raise_server_exceptions.
        """
        return self._open(
            Opening(
                url_or_facility=url_or_facility,
                subscribe=subscribe,
                publish=publish,
                echo=echo,
                user=user,
                force_user=force_user,
                groups=groups,
                session=session,
                client=client,
                headers=headers,
                origin=origin,
                subprotocols=subprotocols,
                subscriber=subscriber,
                allowed_channels=allowed_channels,
                name=name,
            )
        )
