"""Handle: the websocket as a subscriber sees it; what is said through it becomes entries.

It may be used in any thread and at any time: it looks at the recipient, and changes nothing but by
the entries that it posts.
"""

from collections.abc import Callable

from ws4redis.core.entries import Closing, Entry, Persisted, Sent
from ws4redis.core.frames import CloseCode, close_frame, is_text
from ws4redis.core.recipient import Recipient
from ws4redis.core.text import message_bytes
from ws4redis.exceptions import WebSocketError

__all__ = ['Handle']

TAKES = 'a websocket sends str, bytes or bytearray'


class Handle:
    """The websocket as a subscriber sees it in send_persisted_messages(websocket).

    It may be kept; what is sent later goes out as well.

    Args:
        recipient: whom it stands for.
        post: carries an entry to where the recipient lives.
    """

    __slots__ = ('_closing', '_post', '_recipient')

    def __init__(self, recipient: Recipient, post: Callable[[Recipient, Entry], None]) -> None:
        self._recipient = recipient
        self._post = post
        self._closing = False

    def send(self, message: str | bytes | bytearray, binary: bool | None = None) -> None:
        """Send a message, before any live one if the websocket is still joining.

        Args:
            message: text or bytes.
            binary: whether it goes out as a binary frame; None decides by its content.

        Raises:
            TypeError: the message is neither text nor bytes.
            ValueError: it is to go out as text and is no UTF-8, for which a browser would close the
                websocket.
            WebSocketError: the websocket is closed.
        """
        self._check_open()
        payload = message_bytes(message, TAKES)
        if binary is not None and not binary and not is_text(payload):
            raise ValueError('message is no UTF-8: a text frame holds nothing else')
        self._post(self._recipient, Sent(payload, binary))

    def send_persisted(self, channel: bytes, message: str | bytes | bytearray) -> None:
        """Send a channel's persisted message, unless the same one turns out to be among its live
        ones.

        Args:
            channel: the channel's name, which is the key's too.
            message: the persisted value.

        Raises:
            TypeError, WebSocketError: as send().
        """
        self._check_open()
        self._post(self._recipient, Persisted(channel, message_bytes(message, TAKES)))

    def close(self, code: int = CloseCode.NORMAL, reason: str = '') -> None:
        """Close the websocket.

        Args:
            code: a close code that may be sent (RFC 6455, 7.4).
            reason: text of at most 123 bytes.

        Raises:
            websockets.exceptions.ProtocolError: the code may not be sent, or the reason is too
            long.
        """
        if not self.closed:
            entry = Closing(code, close_frame(code, reason))
            # The recipient hears of it only when the loop has its turn.
            self._closing = True
            self._post(self._recipient, entry)

    @property
    def closed(self) -> bool:
        """Whether the websocket takes no more messages."""
        return self._closing or not self._recipient.is_open

    def _check_open(self) -> None:
        if self.closed:
            raise WebSocketError('websocket is closed')
