"""Two clients, a publish, a receive; and that the other client got nothing, if Channels is asked
for that.
"""

from typing import Any

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator

pytestmark = pytest.mark.asyncio


class GroupConsumer(AsyncJsonWebsocketConsumer):
    """Listens on the group that its path names."""

    async def connect(self) -> None:
        """Join the group."""
        self.group = self.scope['path'].strip('/')
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave it."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def news(self, event: dict[str, Any]) -> None:
        """Pass a message on."""
        await self.send_json(event['message'])


async def two_clients() -> tuple[WebsocketCommunicator, WebsocketCommunicator]:
    """One that hears the news, one that hears something else."""
    listener, other = (
        WebsocketCommunicator(GroupConsumer.as_asgi(), path) for path in ('/news', '/other')
    )
    for client in (listener, other):
        connected, _ = await client.connect()
        assert connected
    return listener, other


async def publish() -> None:
    """Send to the group of those who hear the news."""
    layer = get_channel_layer()
    assert layer is not None
    await layer.group_send('news', {'type': 'news', 'message': 'hello'})


async def test_positive(number: int) -> None:
    """Nothing is said of what must not arrive."""
    listener, other = await two_clients()
    await publish()
    assert await listener.receive_from() == '"hello"'
    await listener.disconnect()
    await other.disconnect()


async def test_negative(number: int) -> None:
    """With receive_nothing() as it is: it waits for 0.1 s."""
    listener, other = await two_clients()
    await publish()
    assert await listener.receive_from() == '"hello"'
    assert await other.receive_nothing()
    await listener.disconnect()
    await other.disconnect()
