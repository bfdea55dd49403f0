"""Text becomes bytes: names and messages leave as UTF-8, whoever gives them."""

from typing import TypeAlias

__all__ = ['Message', 'as_bytes', 'message_bytes']

Message: TypeAlias = str | bytes | bytearray | None
"""What publish_message() takes; None is a RedisMessage of the heartbeat."""


def as_bytes(value: str | bytes | bytearray) -> bytes:
    """A name or a message as Redis has it."""
    return value.encode('utf-8') if isinstance(value, str) else bytes(value)


def message_bytes(message: object, takes: str) -> bytes:
    """A message from the site's code as Redis has it.

    Args:
        takes: who takes which types, for the error's text.

    Raises:
        TypeError: the message is neither text nor bytes.
    """
    if not isinstance(message, (str, bytes, bytearray)):
        raise TypeError(f'message is {type(message).__name__}: {takes}')
    return as_bytes(message)
