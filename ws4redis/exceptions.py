"""Every error of the package.

    Ws4redisError
    |-- HandshakeError (BadHeaderError)     the upgrade is refused; carries the HTTP status
    |   |-- UpgradeRequiredError            426: another version of the protocol
    |   |-- ForbiddenError                  403: origin or rights
    |   `-- UnavailableError                501, 503: this server or this moment cannot serve it
    |-- WebSocketError (OSError)            an open websocket is used or ended wrongly; carries the
    |   |                                   close code
    |   `-- FrameTooLargeException          1009: a message is larger than the limit
    |-- ChannelNameError (ValueError)       a name that can make no channel
    `-- HiddenLibraryError                  a package of the site's own hides the websockets library
        (ImproperlyConfigured)

    NothingToRead (BaseException)           no message has arrived; stands apart, see there

BadHeaderError is django.http's. The names and bases of HandshakeError, UpgradeRequiredError,
WebSocketError and FrameTooLargeException are those on which projects of release 0.6.0 rely.
"""

from django.core.exceptions import ImproperlyConfigured
from django.http import BadHeaderError

__all__ = [
    'ChannelNameError',
    'ForbiddenError',
    'FrameTooLargeException',
    'HandshakeError',
    'HiddenLibraryError',
    'NothingToRead',
    'UnavailableError',
    'UpgradeRequiredError',
    'WebSocketError',
    'Ws4redisError',
]


class Ws4redisError(Exception):
    """Base of everything that this package raises by itself."""


class HandshakeError(Ws4redisError, BadHeaderError):
    """The request does not become a websocket.

    Args:
        text: what the client is told; it never holds details of the server.
        reason: what the log is told; None takes the text.
        status: HTTP status of the answer; None takes the class's.
        headers: headers that the answer needs besides the usual ones.
    """

    status = 400

    def __init__(
        self,
        text: str,
        *,
        reason: str | None = None,
        status: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason or text
        self.headers = headers
        if status is not None:
            self.status = status


class UpgradeRequiredError(HandshakeError):
    """The client speaks another version of the protocol (RFC 6455, 4.4)."""

    status = 426


class ForbiddenError(HandshakeError):
    """The client may not have this websocket."""

    status = 403


class UnavailableError(HandshakeError):
    """This server, or this moment, cannot serve a websocket."""

    status = 503


class WebSocketError(Ws4redisError, OSError):
    """An open websocket was used wrongly, or its peer broke the protocol.

    Args:
        text: what was found.
        close_code: the code of RFC 6455, 7.4.1, with which the websocket ends; None if it stays
            open.
    """

    def __init__(self, text: str, *, close_code: int | None = None) -> None:
        super().__init__(text)
        self.close_code = close_code


class FrameTooLargeException(WebSocketError):
    """A message is larger than the limit.

    Args:
        size: bytes that the message has, or has so far.
        limit: bytes that it may have.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f'message has {size:,} bytes, limit is {limit:,}', close_code=1009)
        self.size = size
        self.limit = limit


class ChannelNameError(Ws4redisError, ValueError):
    """A user, group or session name, or a facility, that can make no Redis channel.

    Args:
        kind: 'user', 'group', 'session' or 'facility'.
        problem: what is wrong with the name.
    """

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f'{kind} name {problem}')
        self.kind = kind


class HiddenLibraryError(Ws4redisError, ImproperlyConfigured):
    """What Python finds as websockets is a package of the site's own.

    Args:
        path: where that is.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f'websockets is {path} of your project, not the library that ws4redis needs: give what '
            f'is there another name, since Python finds it first'
        )
        self.path = path


class NothingToRead(BaseException):
    """parse_response() was asked and no message has arrived.

    A BaseException, so that an override's `except Exception` does not take it for a fault: the loop
    reads it as "nothing to send".
    """
