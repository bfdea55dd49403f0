"""Redis' patterns, as PSUBSCRIBE has them."""

import re
from typing import Any

__all__ = ['glob_escape', 'glob_pattern']


def glob_escape(text: str) -> str:
    """The text as a part of a Redis pattern that matches only itself (for psubscribe with text
    from a client).
    """
    return re.sub(r'([*?\[\]\\^])', r'\\\1', text)


def glob_pattern(pattern: bytes) -> Any:
    """A Redis glob pattern as a compiled regular expression over bytes, for fullmatch().

    As Redis has it: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and a backslash that takes the next
    character as it is.
    """
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        at += 1
        if char == b'*':
            out.append(b'.*')
        elif char == b'?':
            out.append(b'.')
        elif char == b'\\' and at < len(pattern):
            out.append(re.escape(pattern[at : at + 1]))
            at += 1
        elif char == b'[':
            body, at = _glob_class(pattern, at)
            out.append(body)
        else:
            out.append(re.escape(char))
    return re.compile(b''.join(out), re.DOTALL)


def _glob_class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """The regular expression of `[...]` whose first character is at `at`, and where the rest of
    the pattern begins.
    """
    negated = pattern[at : at + 1] == b'^'
    at += negated
    members: list[bytes] = []
    while at < len(pattern) and pattern[at : at + 1] != b']':
        if pattern[at : at + 1] == b'\\' and at + 1 < len(pattern):
            at += 1
            members.append(re.escape(pattern[at : at + 1]))
        elif pattern[at + 1 : at + 2] == b'-' and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.append(re.escape(bytes([low])) + b'-' + re.escape(bytes([high])))
            at += 2
        else:
            members.append(re.escape(pattern[at : at + 1]))
        at += 1
    at += 1
    if not members:
        return (b'.' if negated else b'(?!)'), at
    return b'[' + (b'^' if negated else b'') + b''.join(members) + b']', at
