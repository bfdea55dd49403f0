"""What the checks find, in the log: once in each process, and when the loop starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.checks import CheckMessage, Warning

from tests.loop.process import LoopProcess
from ws4redis.checks import check_all, environment, log
from ws4redis.checks.log import log_findings, log_messages
from ws4redis.exceptions import UnavailableError
from ws4redis.loop import WebSocketLoop
from ws4redis.redis_client import RedisServer

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture(autouse=True)
def nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, '_logged', set())


def test_messages_are_logged_once_in_a_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = Warning('It is so.', hint='Do that.', id='ws4redis.W000')
    log_messages([message])
    log_messages([message])
    line = ('ws4redis.checks', 30, 'It is so. Do that. (ws4redis.W000)')
    assert caplog.record_tuples == [line]
    # A forked process begins anew.
    monkeypatch.setattr(os, 'getpid', lambda: 0)
    log_messages([message])
    assert caplog.record_tuples == [line, line]


def test_silenced_messages_are_not_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ['ws4redis.W003']
    settings.WS4REDIS_HARTBEAT = 1
    log_findings()
    assert caplog.messages == []


def test_what_the_checks_find_is_logged_but_the_order_of_apps(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INSTALLED_APPS = [
        'django.contrib.staticfiles',
        *(app for app in settings.INSTALLED_APPS if 'static' not in app),
    ]
    settings.MIDDLEWARE = []
    settings.WS4REDIS_CONNECTION = {'decode_responses': True}
    found = [str(message.id) for message in check_all(None)]
    assert found == [f'ws4redis.{number}' for number in ('W001', 'W005', 'W006', 'W006')]
    log_findings()
    assert [message[-5:-1] for message in caplog.messages] == ['W001', 'W006', 'W006']


def test_check_that_fails_costs_no_websocket(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> Iterator[CheckMessage]:
        raise RuntimeError('no check')

    monkeypatch.setattr(environment, 'CHECKS', (failing,))
    log_findings()
    assert caplog.messages == ['the system checks failed']


def test_loop_logs_what_the_checks_find_when_it_starts(redis_url: str, tmp_path: Path) -> None:
    with LoopProcess('unpatched', redis_url, tmp_path, {'WS4REDIS_HARTBEAT': 'beat'}) as process:
        for _ in range(2):
            process.browser('/ws/news?subscribe-broadcast').close()
        (line,) = process.logs('ws4redis.checks')
        assert (
            line.text == 'There is no setting WS4REDIS_HARTBEAT. Did you mean WS4REDIS_HEARTBEAT? '
            '(ws4redis.W003)'
        )


@pytest.mark.parametrize('several', [True, False])
def test_loop_says_that_memory_is_one_process_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture, several: bool
) -> None:
    settings.WS4REDIS_CONNECTION = 'memory://'
    loop = WebSocketLoop(RedisServer('memory://'))
    for _ in range(2):
        with pytest.raises(UnavailableError):
            loop.find_transport({'wsgi.multiprocess': several}, print)
    assert [message[-15:] for message in caplog.messages] == ['(ws4redis.W009)'] * several
