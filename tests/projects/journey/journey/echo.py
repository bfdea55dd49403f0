"""Gives each message back as it came."""

from typing import Any

from ws4redis.subscriber import RedisSubscriber


class Echo(RedisSubscriber):
    """Text as text and binary as binary, to the browser that sent it and to nobody else."""

    def send_persisted_messages(self, websocket: Any) -> None:
        """Keep the websocket, for answers."""
        self.websocket = websocket

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        """Answer."""
        self.websocket.send(message, binary=message.binary)
