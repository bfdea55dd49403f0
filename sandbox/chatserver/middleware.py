"""A strict Content-Security-Policy, to show that the client works under one: no code and no style inside the pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

__all__ = ['content_security_policy']


def content_security_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that adds the header."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        host = request.get_host()
        # Some browsers do not take a websocket to the page's own host for 'self'.
        response.headers.setdefault(
            'Content-Security-Policy',
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://{host} "
            f"wss://{host}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        )
        return response

    return respond
