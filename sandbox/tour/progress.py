"""A long task that a view starts: it publishes how far it is, and the page shows it, after a reload
too.

Each message is persisted for two minutes, so a page that is loaded again gets the last one at once.
A task that fails says so; one that is killed can say nothing, so each message says when the next is
due.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ws4redis.publisher import RedisPublisher

__all__ = ['FACILITY', 'STEPS', 'progress', 'start', 'work']

FACILITY = 'progress'
STEPS = 20
FAILS_AT = 12
KEPT = 120

MANAGE = Path(__file__).resolve().parent.parent / 'manage.py'

logger = logging.getLogger('ws4redis.sandbox')


def progress(request: HttpRequest) -> HttpResponse:
    """The page; what it shows is for this session alone."""
    if not request.session.session_key:
        request.session.create()
    return render(request, 'tour/progress.html', {'facility': FACILITY, 'process': _has_redis()})


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Start the task and answer at once; with a Redis server it may be a process of its own, as
    a worker's would.
    """
    if not request.session.session_key:
        request.session.create()
    session = str(request.session.session_key)
    fails = 'fails' in request.POST
    # The first word is the view's: nothing is started if nobody could hear of it.
    _tell(session, 'running', 0)
    if _has_redis() and 'process' in request.POST:
        _start_process(session, fails)
    else:
        threading.Thread(
            target=work, args=(session,), kwargs={'fails': fails}, name='tour-progress', daemon=True
        ).start()
    return HttpResponse(status=202)


def _start_process(session: str, fails: bool) -> None:
    command = [sys.executable, str(MANAGE), 'work', *(['--fails'] if fails else [])]
    # It outlives this server. The key is a secret, and everybody on the machine may read a command
    # line.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(session)
    threading.Thread(target=process.wait, name='tour-reaper', daemon=True).start()


def _has_redis() -> bool:
    return not str(settings.WS4REDIS_CONNECTION).startswith('memory://')


def _tell(session: str, state: str, percent: float, error: str = '') -> None:
    told = {
        'state': state,
        'percent': percent,
        'error': error,
        'at': time.time(),
        'next': settings.TOUR_PROGRESS_PAUSE,
    }
    RedisPublisher(facility=FACILITY, sessions=[session]).publish_message(
        json.dumps(told), expire=KEPT
    )


def work(session: str, *, fails: bool = False) -> None:
    """Do something that takes a while; whoever starts it has told of the beginning.

    Args:
        session: key of the session whose pages show it.
        fails: whether it raises half-way.
    """
    percent = 0.0
    try:
        for step in range(1, STEPS + 1):
            time.sleep(settings.TOUR_PROGRESS_PAUSE)
            if fails and step > FAILS_AT:
                raise RuntimeError('the printer is out of paper')
            percent = 100 * step / STEPS
            _tell(session, 'running' if step < STEPS else 'done', percent)
    except redis.RedisError as exc:
        # Nobody can be told now; the pages notice the silence.
        logger.warning('the long task has ended at %.0f %%: %s', percent, exc)
    except Exception as exc:
        _tell(session, 'failed', percent, str(exc))
