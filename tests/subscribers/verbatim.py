"""Subscribers written from the API document alone: its constructor and its methods by name, and nothing of this package.

Nothing is imported from ws4redis here, and nothing is known of what this package makes of the connection.
"""

from typing import Any


class _Documented:
    """Every documented method but one. The query string has names of its own: subscribe-room and publish-room."""

    subscription_channels = ['subscribe-room']
    publish_channels = ['publish-room']

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.listens_on: list[str] = []
        self.publishes_on: list[str] = []

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        room = 'room:' + request.path_info.rpartition('/')[2]
        if 'subscribe-room' in channels:
            self.listens_on.append(room)
        if 'publish-room' in channels:
            self.publishes_on.append(room)
        self._subscription = self.connection.pubsub()
        for name in self.listens_on:
            self._subscription.subscribe(name)

    def get_file_descriptor(self) -> Any:
        connection = self._subscription.connection
        return connection and connection._sock.fileno()

    def parse_response(self) -> Any:
        kind, name, text = self._subscription.parse_response()
        return name + b'> ' + text if kind == b'message' else None

    def publish_message(self, message: Any, expire: Any = None) -> None:
        for name in self.publishes_on:
            self.connection.set(name, bytes(message), ex=expire or 60)
            self.connection.publish(name, bytes(message))

    def release(self) -> None:
        self._subscription.unsubscribe()
        self._subscription.reset()
        self.connection.rpush('notes', 'released')

    def _send_what_is_stored(self, websocket: Any) -> None:
        for name in self.listens_on:
            text = self.connection.get(name)
            if text is not None:
                websocket.send(b'stored in ' + name.encode() + b'> ' + text)


class Documented(_Documented):
    """With the right spelling."""

    def send_persisted_messages(self, websocket: Any) -> None:
        self._send_what_is_stored(websocket)


class DocumentedMisspelt(_Documented):
    """With the other one."""

    def send_persited_messages(self, websocket: Any) -> None:
        self._send_what_is_stored(websocket)
