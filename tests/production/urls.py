"""What the site serves beside its websockets: a page, and the way by which the test reaches into the process."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.module_loading import import_string


def tenant(request: Any) -> HttpResponse:
    """What a middleware has put on the request."""
    return HttpResponse(request.tenant)


def call(request: HttpRequest) -> HttpResponse:
    """Call the function that is named, and give what it gives."""
    called = json.loads(request.body)
    return JsonResponse({'answer': import_string(called['function'])(*called['arguments'])})


urlpatterns = [path('tenant/', tenant), path('call/', call)]
