"""A long task that a view starts: it publishes how far it is, and the page shows it, after a reload too.

Each message is persisted for two minutes, so a page that is loaded again gets the last one at once. A task that fails says
so; one that is killed can say nothing, so each message says when the next is due.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

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


def progress(request: HttpRequest) -> HttpResponse:
    """The page; what it shows is for this session alone."""
    if not request.session.session_key:
        request.session.create()
    return render(request, 'tour/progress.html', {'facility': FACILITY, 'process': _has_redis()})


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Start the task and answer at once; with a Redis server it may be a process of its own, as a worker's would."""
    if not request.session.session_key:
        request.session.create()
    session = str(request.session.session_key)
    fails = 'fails' in request.POST
    if _has_redis() and 'process' in request.POST:
        subprocess.Popen([sys.executable, str(MANAGE), 'work', session, *(['--fails'] if fails else [])])
    else:
        threading.Thread(target=work, args=(session,), kwargs={'fails': fails}, name='tour-progress', daemon=True).start()
    return HttpResponse(status=202)


def _has_redis() -> bool:
    return not str(settings.WS4REDIS_CONNECTION).startswith('memory://')


def work(session: str, *, fails: bool = False) -> None:
    """Do something that takes a while.

    Args:
        session: key of the session whose pages show it.
        fails: whether it raises half-way.
    """
    publisher = RedisPublisher(facility=FACILITY, sessions=[session])
    pause = settings.TOUR_PROGRESS_PAUSE

    def tell(state: str, percent: float, error: str = '') -> None:
        told = {'state': state, 'percent': percent, 'error': error, 'at': time.time(), 'next': pause}
        publisher.publish_message(json.dumps(told), expire=KEPT)

    percent = 0.0
    try:
        for step in range(STEPS):
            percent = 100 * step / STEPS
            tell('running', percent)
            time.sleep(pause)
            if fails and step == FAILS_AT:
                raise RuntimeError('the printer is out of paper')
    except Exception as exc:
        tell('failed', percent, str(exc))
    else:
        tell('done', 100)
