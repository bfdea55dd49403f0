"""The tree of errors: on which bases projects rely, and what each carries."""

import inspect

import pytest
from django.http import BadHeaderError

from ws4redis import exceptions
from ws4redis.exceptions import (
    ChannelNameError,
    ForbiddenError,
    FrameTooLargeException,
    HandshakeError,
    NothingToRead,
    UnavailableError,
    UpgradeRequiredError,
    WebSocketError,
    Ws4redisError,
)


@pytest.mark.parametrize(
    ('error', 'bases'),
    [
        (Ws4redisError, (Exception,)),
        (HandshakeError, (Ws4redisError, BadHeaderError)),
        (UpgradeRequiredError, (HandshakeError,)),
        (ForbiddenError, (HandshakeError,)),
        (UnavailableError, (HandshakeError,)),
        (WebSocketError, (Ws4redisError, OSError)),
        (FrameTooLargeException, (WebSocketError,)),
        (ChannelNameError, (Ws4redisError, ValueError)),
        (NothingToRead, (BaseException,)),
    ],
)
def test_the_tree(error: type[BaseException], bases: tuple[type[BaseException], ...]) -> None:
    """WebSocketError is an OSError, a frame's size a WebSocketError, both handshake errors
    a BadHeaderError.
    """
    assert error.__bases__ == bases


def test_the_tree_is_whole() -> None:
    """Every error is exported and stands in the docstring's tree."""
    errors = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value)
        and issubclass(value, BaseException)
        and value.__module__ == exceptions.__name__
    }
    assert errors == set(exceptions.__all__)
    assert exceptions.__doc__ is not None
    assert [name for name in errors if name not in exceptions.__doc__] == []


def test_an_override_that_catches_exception_does_not_catch_nothing_to_read() -> None:
    """A filter with `except Exception` around super().parse_response() still ends its turn."""
    assert not issubclass(NothingToRead, Exception)


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (HandshakeError, 400),
        (UpgradeRequiredError, 426),
        (ForbiddenError, 403),
        (UnavailableError, 503),
    ],
)
def test_a_refusal_carries_its_status(error: type[HandshakeError], status: int) -> None:
    """The class's, unless it is given; giving it changes no other error."""
    assert error('no').status == status
    assert error('no', status=501).status == 501
    assert error('no').status == status


def test_the_reason_is_for_the_log_and_the_text_for_the_client() -> None:
    """Without a reason both are the same."""
    error = HandshakeError('no', reason='host db1 is away', headers=(('Retry-After', '5'),))
    assert (str(error), error.text, error.reason) == ('no', 'no', 'host db1 is away')
    assert error.headers == (('Retry-After', '5'),)
    plain = HandshakeError('no')
    assert (plain.reason, plain.headers) == ('no', ())


def test_a_websocket_error_carries_its_close_code() -> None:
    """None: the websocket stays open."""
    assert WebSocketError('used wrongly').close_code is None
    error = WebSocketError('slow', close_code=1013)
    assert (error.close_code, str(error), error.errno) == (1013, 'slow', None)


def test_a_message_that_is_too_large_says_how_large_and_what_is_allowed() -> None:
    """Lower case, what was found and what was expected."""
    error = FrameTooLargeException(2_097_152, 1_048_576)
    assert str(error) == 'message has 2,097,152 bytes, limit is 1,048,576'
    assert (error.size, error.limit, error.close_code) == (2_097_152, 1_048_576, 1009)


def test_a_channel_name_error_says_whose_name() -> None:
    """And is a ValueError, as a publisher expects."""
    error = ChannelNameError('group', 'is empty')
    assert (str(error), error.kind) == ('group name is empty', 'group')
