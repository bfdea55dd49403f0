"""A strict Content-Security-Policy, and an answer for when Redis is away."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

__all__ = ['RedisIsAway', 'content_security_policy']


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that adds the header: the client works under one that allows neither code nor
    style inside the pages.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if settings.DEBUG and response.status_code in (404, 500):
            # Django's own pages for these have both.
            return response
        host = request.get_host()
        # Some browsers do not take a websocket to the page's own host for 'self'.
        response.headers.setdefault(
            'Content-Security-Policy',
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' ws://{host} "
            f"wss://{host}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        )
        return response

    return respond


class RedisIsAway:
    """Middleware that answers 503 where a view could not publish."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What publishing raised, as the page shows it; other exceptions are not ours."""
        if not isinstance(exception, redis.ConnectionError | redis.TimeoutError):
            return None
        return JsonResponse({'errors': {'redis': ['Redis is away. Try again later.']}}, status=503)
