"""Which message is meant: equal text or bytes, a pattern, a callable, any object that compares,
JSON or a part of it.
"""

import functools
import json as json_module
import re
import types
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from ws4redis.core.text import as_bytes

__all__ = ['ANY', 'Wanted']


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(_Any)

    def __repr__(self) -> str:
        return 'ANY'


ANY: Any = _Any()
"""Equal to everything."""

NEVER_EQUAL = (dict, list, tuple, set, frozenset, bool, int, float)
"""Types of which no object equals text or bytes: an assertion that nothing of the kind came
would hold for ever.
"""

FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    functools.partial,
)

_encoder = DjangoJSONEncoder()


class Wanted:
    """A message that an assertion asks for.

    Args:
        message: str or bytes, of which the bytes are equal; a compiled pattern, which is searched
            for; a callable, which is asked with the message (str if it is valid UTF-8, else bytes);
            ANY, or any other object, which is compared.
        json: what the message is from JSON, compared as DjangoJSONEncoder writes it.
        json_contains: a part of that: of a dict some of its keys, of a list some of its items.
        checked: whether a message that no message can equal is refused; a plain comparison may have
            it.

    Raises:
        TypeError: more than one of them is given, or a message that no message can equal.
    """

    def __init__(
        self,
        message: object = ANY,
        json: object = ANY,
        json_contains: object = ANY,
        *,
        checked: bool = True,
    ) -> None:
        arguments = {'message': message, 'json': json, 'json_contains': json_contains}
        given = [name for name, value in arguments.items() if value is not ANY]
        if len(given) > 1:
            raise TypeError(
                f'{" and ".join(given)} are given: one of them says which message is meant'
            )
        if checked and (isinstance(message, NEVER_EQUAL) or message is None):
            raise TypeError(
                f'message is {type(message).__name__}, and messages are text or bytes; json= '
                f'compares JSON'
            )
        self._message = message
        self._json = _as_json(json)
        self._part = _as_json(json_contains)
        self.anything = not given
        self._text = (
            repr(message) if given == ['message'] else f'json {json!r}' if given == ['json'] else ''
        )
        if given == ['json_contains']:
            self._text = f'json with {json_contains!r}'

    def matches(self, message: str | bytes) -> bool:
        """Whether this message is one that is meant."""
        if self._json is not ANY or self._part is not ANY:
            try:
                found = json_module.loads(message)
            except ValueError:
                return False
            return bool(found == self._json) if self._part is ANY else _contains(found, self._part)
        return _matches(self._message, message)

    def __repr__(self) -> str:
        return self._text or 'a message'


def _matches(wanted: object, message: str | bytes) -> bool:
    if isinstance(wanted, (str, bytes, bytearray)):
        return as_bytes(wanted) == as_bytes(message)
    if isinstance(wanted, re.Pattern):
        subject = as_bytes(message) if isinstance(wanted.pattern, bytes) else _as_text(message)
        return isinstance(subject, type(wanted.pattern)) and wanted.search(subject) is not None
    shown = _as_text(message)
    # A matcher object compares, even one that can be called.
    if isinstance(wanted, FUNCTIONS) or (
        callable(wanted) and getattr(type(wanted), '__eq__', None) is object.__eq__
    ):
        return bool(wanted(shown))
    return bool(wanted == shown)


def _as_text(message: str | bytes) -> str | bytes:
    if isinstance(message, str):
        return message
    try:
        return message.decode('utf-8')
    except UnicodeDecodeError:
        return message


def _as_json(obj: object) -> Any:
    """The object as it comes back from JSON; matcher objects in it stay what they are."""
    if obj is ANY or obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, dict):
        return {_key(key): _as_json(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [_as_json(item) for item in obj]
    try:
        return _encoder.default(obj)
    except TypeError:
        return obj


def _key(key: object) -> Any:
    return next(iter(json_module.loads(json_module.dumps({key: None}))))


def _contains(found: object, part: object) -> bool:
    if isinstance(part, dict):
        return isinstance(found, dict) and all(
            key in found and _contains(found[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(found, list) and _contains_each(list(found), part)
    return bool(found == part)


def _contains_each(found: list[Any], parts: list[Any]) -> bool:
    for part in parts:
        position = next((index for index, item in enumerate(found) if _contains(item, part)), None)
        if position is None:
            return False
        del found[position]
    return True
