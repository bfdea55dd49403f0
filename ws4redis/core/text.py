"""Text becomes bytes: names and messages leave as UTF-8, whoever gives them."""

from typing import Protocol, TypeAlias

__all__ = ['LazyText', 'Message', 'as_bytes', 'message_bytes']


class LazyText(Protocol):
    """What gettext_lazy() gives: text in the language of whoever looks at it."""

    def __radd__(self, other: str) -> str: ...


Message: TypeAlias = str | bytes | bytearray | LazyText | None
"""What publish_message() takes; None is a RedisMessage of the heartbeat."""


def as_bytes(value: str | bytes | bytearray) -> bytes:
    """A name or a message as Redis has it."""
    return value.encode('utf-8') if isinstance(value, str) else bytes(value)


def message_bytes(message: object, takes: str) -> bytes:
    """A message from the site's code as Redis has it; lazy text in the language of now.

    Args:
        takes: who takes which types, for the error's text.

    Raises:
        TypeError: the message is neither text nor bytes.
    """
    if isinstance(message, (str, bytes, bytearray)):
        return as_bytes(message)
    # What Django makes for text to be has the methods of str without being one.
    if not callable(getattr(type(message), 'casefold', None)):
        raise TypeError(f'message is {type(message).__name__}: {takes}')
    return as_bytes(str(message))
