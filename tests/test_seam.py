"""The seam between tests and the package: nothing is set in production, and what is set counts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import utils

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import RedisServer
from ws4redis.seam import Seam, seam


def test_nothing_is_set_at_first() -> None:
    fresh = Seam()
    assert fresh.find_server() is None
    assert (fresh.in_force, fresh.namespace, fresh.on_publish) == (False, '', {})


def test_server_of_a_broker_comes_before_the_one_for_those_who_ask_for_none() -> None:
    fresh = Seam()
    brokers, guards = RedisServer('memory://'), RedisServer('memory://')
    fresh.unrequested = lambda: guards
    assert fresh.find_server() is guards
    assert not fresh.in_force
    fresh.server = brokers
    assert fresh.find_server() is brokers
    assert fresh.in_force


def test_who_is_asked_for_a_server_may_have_none() -> None:
    fresh = Seam()
    fresh.unrequested = lambda: None
    assert fresh.find_server() is None


def test_names_are_those_of_the_server_in_force() -> None:
    fresh = Seam()
    fresh.server = RedisServer('memory://')
    fresh.server.namespace = 'run:1:'
    assert fresh.namespace == 'run:1:'


def test_who_listens_at_a_gate_hears_what_is_published_through_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = RedisServer('memory://'), RedisServer('memory://')
    heard: list[Any] = []
    monkeypatch.setitem(seam.on_publish, one.gate, lambda *said: heard.append(said))
    for server in (one, other):
        publisher = RedisPublisher(facility='news', broadcast=True)
        publisher._connection = server.client
        publisher.publish_message('hi', expire=10)
    assert heard == [(b'broadcast:news', b'hi', 10, None)]


def test_client_without_a_gate_is_heard_by_nobody() -> None:
    Seam().publishing(None, b'broadcast:news', b'hi', 0, None)


def test_test_environment_is_djangos(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seam.in_test_environment
    monkeypatch.delattr(utils._TestState, 'saved_data')
    assert not seam.in_test_environment
