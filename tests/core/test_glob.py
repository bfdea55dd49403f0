"""Redis' patterns match here as they do in Redis."""

from typing import Any

import fakeredis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ws4redis.core.glob import glob_escape, glob_pattern


def fake_redis_matches(pattern: bytes, name: bytes) -> bool:
    """Whether a subscription to this pattern gets a message of this channel, on a fake server of
    its own.
    """
    client: Any = fakeredis.FakeRedis(server=fakeredis.FakeServer(), version=(7,))
    with client.pubsub() as subscription:
        subscription.psubscribe(pattern)
        return bool(client.publish(name, b'x'))


ALPHABET = [
    b'a',
    b'b',
    b'c',
    b'-',
    b'^',
    b'[',
    b']',
    b'*',
    b'?',
    b'\\',
    b':',
    b'\n',
    b'\xff',
    b'&',
    b'|',
    b'~',
    b'z',
    b'.',
    b'$',
]
TEXTS = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=10).map(b''.join)


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example(b'*', b'\n')
@example(b'[a-c]', b'b')
@example(b'[c-a]', b'b')
@example(b'[^a-c]', b'b')
@example(b'[a-]', b'a')
@example(b'[a-]', b']')
@example(b'[]', b'a')
@example(b'[]', b'[]')
@example(b'[^]', b'a')
@example(b'[]]', b']')
@example(b'[ab', b'b')
@example(b'[^ab', b'c')
@example(b'[\\]]', b']')
@example(b'[\\^a]', b'^')
@example(b'[a-\\]b', b'bb')
@example(b'a\\', b'a\\')
@example(b'\\*', b'*')
@example(b'\\*', b'a')
@example(b'a**', b'a')
@example(b'[', b'[')
@example(b'[&&a||b~~c--]', b'-')
@example(b'?', b'\xff')
def test_a_pattern_matches_as_redis_matches(pattern: bytes, name: bytes) -> None:
    """Wildcards, classes, escapes and malformed patterns, as PSUBSCRIBE has them."""
    assert bool(glob_pattern(pattern).fullmatch(name)) is fake_redis_matches(pattern, name)


@pytest.mark.parametrize(
    ('pattern', 'yes', 'no'),
    [
        (b'*', [b'a', b'a:b', b'\n', b'\xff\x00'], []),
        (b'a*c', [b'ac', b'abc', b'a\nc'], [b'a', b'acb', b'xac']),
        (b'a?c', [b'abc', b'a\nc', b'a\xffc'], [b'ac', b'abbc', 'aéc'.encode()]),
        (b'[abc]x', [b'ax', b'cx'], [b'dx', b'x', b'abcx']),
        (b'[a-c]', [b'a', b'b', b'c'], [b'd', b'-', b'A']),
        (b'[^a-c]', [b'd', b'^', b'-'], [b'a', b'b']),
        (b'[a^]', [b'a', b'^'], [b'b']),
        (b'\\[a\\]', [b'[a]'], [b'a']),
        (b'a.c', [b'a.c'], [b'abc']),
        (b'(a|b)+', [b'(a|b)+'], [b'a']),
    ],
)
def test_a_pattern_by_hand(pattern: bytes, yes: list[bytes], no: list[bytes]) -> None:
    """The rules as Redis documents them, without asking a server."""
    regex = glob_pattern(pattern)
    assert [name for name in yes if not regex.fullmatch(name)] == []
    assert [name for name in no if regex.fullmatch(name)] == []


@settings(deadline=None)
@given(TEXTS.map(lambda text: text.decode('latin-1')) | st.text(min_size=1, max_size=12), TEXTS)
@example('user:*:chat', b'user:mary:chat')
@example('[ab]', b'a')
@example('a\\', b'a\\')
def test_escaped_text_matches_itself_alone(text: str, other: bytes) -> None:
    """Text from a client becomes no wildcard in a pattern, here and in Redis."""
    name = text.encode('utf-8', 'surrogatepass')
    escaped = glob_escape(text).encode('utf-8', 'surrogatepass')
    regex = glob_pattern(escaped)
    assert regex.fullmatch(name)
    assert bool(regex.fullmatch(other)) is (other == name)
    assert fake_redis_matches(escaped, name)
    assert fake_redis_matches(escaped, other) is (other == name)


def test_escaped_text_may_stand_between_wildcards() -> None:
    """What an override writes: its own wildcards around a client's text."""
    regex = glob_pattern(f'shop:{glob_escape("a*[b]")}:*'.encode())
    assert regex.fullmatch(b'shop:a*[b]:x')
    assert not regex.fullmatch(b'shop:axb:x')
