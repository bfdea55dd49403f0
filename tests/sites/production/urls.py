"""What the site serves beside its websockets: a page, and the way by which the test reaches into
the process.
"""

import json
import os
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string


def tenant(request: Any) -> HttpResponse:
    """What a middleware has put on the request."""
    return HttpResponse(request.tenant)


def call(request: HttpRequest) -> HttpResponse:
    """Call the function that is named, and give what it gives; for this run of the suite alone,
    whose key it is.
    """
    called = json.loads(request.body)
    key = os.environ.get('OVERRIDES_KEY')
    if not key or not constant_time_compare(called['key'], key):
        raise PermissionDenied('not the key of this run')
    return JsonResponse({'answer': import_string(called['function'])(*called['arguments'])})


urlpatterns = [path('tenant/', tenant), path('call/', call)]
