"""The steps that cases are made of: somebody listens, talks, tells, is refused."""

import uuid
from collections.abc import Callable
from typing import Any

import redis
from websockets.frames import Frame, Opcode

from ws4redis.gate import Gate
from ws4redis.policies import allow_all
from ws4redis.publisher import RedisPublisher
from ws4redis.testing.client import HandshakeRejected
from ws4redis.testing.contract.site import Client, Site

__all__ = [
    'NEWS',
    'away',
    'channel',
    'elsewhere',
    'frame',
    'hear',
    'listeners',
    'logged_in',
    'refusal',
    'somebody',
    'talk',
    'tell',
    'text',
    'unlikely',
]

NEWS: Any = {'facility': 'news', 'broadcast': True}
"""The audience of most cases."""


def hear(site: Site, facility: str = 'news', **arguments: Any) -> Client:
    """Somebody who listens to everybody's messages."""
    return site.connect(facility, subscribe='broadcast', **arguments)


def talk(site: Site, facility: str = 'news', **arguments: Any) -> Client:
    """Somebody who listens, and may publish to everybody."""
    return site.connect(
        facility,
        subscribe='broadcast',
        publish='broadcast',
        allowed_channels=allow_all,
        **arguments,
    )


def tell(site: Site, *messages: str | bytes, expire: float | None = 0) -> None:
    """Publish to everybody who listens to the news."""
    for message in messages:
        site.publish(message, facility='news', broadcast=True, expire=expire)


def refusal(site: Site, *arguments: Any, **keywords: Any) -> HandshakeRejected:
    """How the server refuses this handshake."""
    try:
        site.connect(*arguments, **keywords)
    except HandshakeRejected as exc:
        return exc
    raise AssertionError('the handshake was not refused')


def away(publish: Callable[[], object]) -> bool:
    """Whether this fails since Redis is away."""
    try:
        publish()
    except redis.ConnectionError:
        return True
    return False


def channel(facility: str = 'news', **audience: Any) -> str:
    """The one channel of an audience, everybody's without one, as Redis knows it."""
    [name] = RedisPublisher(facility=facility, **audience or {'broadcast': True})._publishers
    return str(name)


def unlikely() -> str:
    """A raw name that nobody else on the server has."""
    return f'contract-{uuid.uuid4().hex}'


def elsewhere(site: Site) -> 'redis.Redis':
    """A client of the same server in another process, as it were: no fault of this one reaches
    it.
    """
    pool = site.redis.connection_pool
    arguments = {**pool.connection_kwargs, 'ws4redis_gate': Gate()}
    return redis.Redis(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **arguments)
    )


def listeners(site: Site, name: str) -> int:
    """How many processes listen on a channel."""
    site.settle()
    [(_, number)] = site.redis.pubsub_numsub(name)
    return int(number)


def frame(opcode: Opcode, data: bytes = b'', *, fin: bool = True, mask: bool = True) -> bytes:
    """A frame of a client."""
    return Frame(opcode, data, fin).serialize(mask=mask)


def text(message: str) -> bytes:
    """A text message of a client."""
    return frame(Opcode.TEXT, message.encode())


def somebody(name: str, *groups: str) -> Any:
    """A user with groups."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    users: Any = get_user_model()
    user = users.objects.create_user(name)
    for group in groups:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def logged_in(user: Any) -> Any:
    """A browser in which this user is logged in, for the handshake and for other requests."""
    from django.test import Client as DjangoClient

    client = DjangoClient()
    client.force_login(user)
    return client
