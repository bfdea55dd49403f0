"""What Redis says on a pub/sub connection: messages and the answers to PING."""

from typing import Any

import pytest

from ws4redis.core.replies import Published, ping, ping_number, published

NEWS = b'broadcast:news'

MESSAGES = [
    ([b'message', NEWS, b'hello'], Published(NEWS, b'hello')),
    ([b'pmessage', b'b*', NEWS, b'hello'], Published(NEWS, b'hello', b'b*')),
]
OTHERS: list[Any] = [
    [b'subscribe', NEWS, 1],
    [b'message', NEWS],
    [b'message', b'b*', NEWS, b'hello'],
    [b'pmessage', NEWS, b'hello'],
    [b'pong', b'ws4redis:1'],
    [],
    b'message',
    1,
    None,
    RuntimeError('NOPERM'),
]


@pytest.mark.parametrize(('reply', 'message'), MESSAGES)
def test_message_becomes_what_it_came_from(reply: list[bytes], message: Published) -> None:
    assert published(reply) == message
    assert message.as_reply() == reply


@pytest.mark.parametrize('reply', OTHERS)
def test_other_reply_carries_no_message(reply: Any) -> None:
    assert published(reply) is None


def test_message_of_a_connection_that_decodes_is_one_too() -> None:
    message: Any = published(('pmessage', 'b*', 'broadcast:news', 'hello'))
    assert message == ('broadcast:news', 'hello', 'b*')


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        (
            Published(NEWS, b'1'),
            {'type': 'message', 'pattern': None, 'channel': NEWS, 'data': b'1'},
        ),
        (
            Published(NEWS, b'1', b'b*'),
            {'type': 'pmessage', 'pattern': b'b*', 'channel': NEWS, 'data': b'1'},
        ),
    ],
)
def test_message_is_given_as_get_message_gives_it(
    message: Published, expected: dict[str, Any]
) -> None:
    assert message.as_dict() == expected


@pytest.mark.parametrize('number', [1, 10**12])
def test_answer_to_a_ping_has_its_number(number: int) -> None:
    command, text = ping(number)
    assert command == b'PING'
    assert ping_number([b'pong', text]) == ping_number(text) == number


@pytest.mark.parametrize(
    'reply',
    [
        *([b'pong', text] for text in (b'', b'ws4redis:', b'ws4redis:x', b'other:1', b'1')),
        b'PONG',
        [b'message', NEWS, b'ws4redis:1'],
        [b'subscribe', b'ws4redis:1', 1],
        None,
        1,
        RuntimeError('ws4redis:1'),
    ],
)
def test_other_reply_answers_no_ping(reply: Any) -> None:
    assert ping_number(reply) is None
