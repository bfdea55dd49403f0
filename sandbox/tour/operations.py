"""Operations: the loop's own figures, pushed through the loop itself, and what a page sees when
Redis goes away.
"""

import json
import logging
import threading
import time
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ws4redis import publisher, redis_client
from ws4redis.loop import current_loop
from ws4redis.publisher import RedisPublisher

__all__ = ['BURST', 'FACILITY', 'LOAD', 'burst', 'figures', 'operations', 'take_away', 'tick']

FACILITY = 'operations'
LOAD = 'load'
"""The facility of the messages that the page has sent in bulk."""

BURST = 200

CHARTS = (
    ('in', 'Messages from Redis', 'a second', 0),
    ('out', 'Messages to websockets', 'a second', 0),
    ('websockets', 'Websockets open', '', 0),
    ('pending', 'Unsent', 'bytes', 0),
    ('latency', 'Redis answers after', 'ms', 2),
    ('gaps', 'Redis came back', 'times', 0),
)
"""Name, title, unit, digits behind the point."""

logger = logging.getLogger('ws4redis.sandbox')


def operations(request: HttpRequest) -> HttpResponse:
    """The page; from its first visitor on, this process publishes its figures."""
    _ticker.begin()
    context = {
        'charts': CHARTS,
        'facility': FACILITY,
        'load': LOAD,
        'burst': BURST,
        'may': _may_take_away(),
    }
    return render(request, 'tour/operations.html', context)


def figures() -> dict[str, Any]:
    """The figures of this process's loop, and how long Redis takes to answer, in milliseconds."""
    client = redis.Redis(connection_pool=publisher.redis_connection_pool)
    begin = time.perf_counter()
    client.ping()
    latency = (time.perf_counter() - begin) * 1000
    return {**current_loop().status(), 'latency': latency}


def tick() -> None:
    """Publish the figures of now."""
    RedisPublisher(facility=FACILITY, broadcast=True).publish_message(
        json.dumps(figures()), expire=0
    )


class Ticker:
    """A thread of this process that ticks from its first begin() on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Have it tick, once in TOUR_TICK seconds; None for never."""
        with self._lock:
            if settings.TOUR_TICK is not None and (
                self._thread is None or not self._thread.is_alive()
            ):
                self._thread = threading.Thread(target=self._run, name='tour-ticker', daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while settings.TOUR_TICK is not None:
            try:
                tick()
            except redis.RedisError as exc:
                # Nobody can be told now; the page sees that nothing comes.
                logger.debug('no figures: %s', exc)
            time.sleep(settings.TOUR_TICK)


_ticker = Ticker()


@require_POST
def burst(request: HttpRequest) -> HttpResponse:
    """Publish many messages at once, to see them in the charts."""
    load = RedisPublisher(facility=LOAD, broadcast=True)
    for number in range(BURST):
        load.publish_message(str(number), expire=0)
    return HttpResponse(status=204)


def _may_take_away() -> bool:
    return settings.DEBUG and str(settings.WS4REDIS_CONNECTION).startswith('memory://')


@require_POST
def take_away(request: HttpRequest) -> HttpResponse:
    """Take the in-memory Redis away, or bring it back: under DEBUG, and on memory:// alone."""
    try:
        if 'away' in request.POST:
            redis_client.take_away()
        else:
            redis_client.bring_back()
    except RuntimeError as exc:
        return JsonResponse({'errors': {'redis': [str(exc)]}}, status=403)
    return HttpResponse(status=204)
