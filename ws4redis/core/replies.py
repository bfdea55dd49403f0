"""What Redis says on a pub/sub connection, and how it is taken apart.

    [b'message', channel, payload]              a message
    [b'pmessage', pattern, channel, payload]    a message that came by a pattern
    [b'pong', text], or text alone              the answer to PING text; alone while nothing is
                                                subscribed to
    [b'subscribe', name, count] and the like    an acknowledgement, for Feed
    an exception                                a command was refused

Nobody else knows these shapes, but Exchange.receive(): there each call would be paid for with every
message.
"""

from typing import Any, NamedTuple, TypeAlias

__all__ = ['Published', 'Reply', 'ping', 'ping_number', 'published']

Reply: TypeAlias = Any
"""One reply as a RESP2 parser gives it: a list of bytes and ints, bytes, an int or an error."""


class Published(NamedTuple):
    """A message from Redis; pattern is None unless it came by a pattern."""

    channel: bytes
    payload: bytes
    pattern: bytes | None = None

    def as_reply(self) -> list[bytes]:
        """As redis-py's parse_response() gives it."""
        if self.pattern is None:
            return [b'message', self.channel, self.payload]
        return [b'pmessage', self.pattern, self.channel, self.payload]

    def as_dict(self) -> dict[str, Any]:
        """As redis-py's get_message() gives it."""
        return {
            'type': 'message' if self.pattern is None else 'pmessage',
            'pattern': self.pattern,
            'channel': self.channel,
            'data': self.payload,
        }


def published(reply: Reply) -> Published | None:
    """The message that a reply carries, as the connection gave it, decoded or not; None if it is
    another reply.
    """
    if not isinstance(reply, (list, tuple)) or not reply:
        return None
    word = reply[0]
    if word in (b'message', 'message') and len(reply) == 3:
        return Published(reply[1], reply[2])
    if word in (b'pmessage', 'pmessage') and len(reply) == 4:
        return Published(reply[2], reply[3], reply[1])
    return None


def ping(number: int) -> tuple[bytes, bytes]:
    """The command whose answer has this number."""
    return b'PING', b'ws4redis:%d' % number


def ping_number(reply: Reply) -> int | None:
    """The number of the ping() that a reply answers; None if it is another reply."""
    text = reply[1] if isinstance(reply, list) and reply[0] == b'pong' else reply
    if not isinstance(text, bytes):
        return None
    word, _, number = text.partition(b':')
    return int(number) if word == b'ws4redis' and number.isdigit() else None
