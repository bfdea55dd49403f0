"""The one view: what loop.status() tells, and how many greenlets there are."""

import gc
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from greenlet import greenlet

from ws4redis.loop import current_loop


def status(request: HttpRequest) -> JsonResponse:
    """The figures of this process."""
    return JsonResponse(current_loop().status())


def greenlets(request: HttpRequest) -> JsonResponse:
    """The greenlets of this process; apart from status(), since looking for them costs memory."""
    found: list[Any] = [
        item for item in gc.get_objects() if isinstance(item, greenlet) and not item.dead
    ]
    return JsonResponse({'greenlets': len(found)})


urlpatterns = [path('status', status), path('greenlets', greenlets)]
