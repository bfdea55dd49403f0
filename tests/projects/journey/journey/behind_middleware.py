"""The same application behind a middleware that is a generator, which catches nothing and so
shows what passes through it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from journey.wsgi import application as inner


class Middleware:
    """Passes everything on, piece by piece."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        # Under this name our runserver finds that the websockets are served in there, and does not
        # serve them itself.
        self.application = application

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterator[bytes]:
        yield from self.application(environ, start_response)


application = Middleware(inner)
