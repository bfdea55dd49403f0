"""Signals are sent by one sender, and no receiver keeps another from hearing."""

from typing import Any

from ws4redis.signalling import tell_gap, withdraw_rights
from ws4redis.signals import WebSockets, redis_gap, rights_withdrawn


def test_receivers_that_raise_are_named_and_the_others_are_told() -> None:
    def fail(**kwargs: Any) -> None:
        raise KeyError('bug')

    heard: list[tuple[float, int]] = []

    def note(seconds: float, channels: int, **kwargs: Any) -> None:
        heard.append((seconds, channels))

    redis_gap.connect(fail)
    redis_gap.connect(note, sender=WebSockets)
    try:
        [(receiver, error)] = tell_gap(1.5, 2)
    finally:
        redis_gap.disconnect(fail)
        redis_gap.disconnect(note, sender=WebSockets)
    assert (receiver, type(error)) == (fail, KeyError)
    assert heard == [(1.5, 2)]


def test_rights_are_withdrawn_by_the_same_sender() -> None:
    keys: list[str] = []

    def note(session_key: str, **kwargs: Any) -> None:
        keys.append(session_key)

    rights_withdrawn.connect(note, sender=WebSockets)
    try:
        withdraw_rights('key')
    finally:
        rights_withdrawn.disconnect(note, sender=WebSockets)
    assert keys == ['key']
