"""The application that hands requests below WEBSOCKET_URL to the websockets and the rest to
Django.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from ws4redis.wsgi import WebSocketDispatcher, get_wsgi_application
from ws4redis.wsgi_server import WebsocketWSGIServer

if TYPE_CHECKING:
    from pytest_django import Settings


def django(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Stands for Django's application."""
    start_response('200 OK', [])
    return [b'django']


def status(application: Any, path: str) -> str:
    """The status line that a plain GET gets."""
    answers: list[str] = []
    list(
        application(
            RequestFactory().get(path).environ, lambda status, headers: answers.append(status)
        )
    )
    return answers[0]


class Sealed(WebsocketWSGIServer):
    """Refuses at once, without a loop."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        start_response('400 Bad Request', [])
        return [b'']


@pytest.mark.parametrize(
    ('url', 'path', 'expected'),
    [
        ('/ws/', '/ws/news', '400 Bad Request'),
        ('/ws/', '/ws/', '400 Bad Request'),
        ('/ws/', '/ws', '200 OK'),
        ('/ws/', '/', '200 OK'),
        ('/ws/', '/blog/ws/news', '200 OK'),
        ('/sockets/', '/ws/news', '200 OK'),
        ('/sockets/', '/sockets/news', '400 Bad Request'),
    ],
)
def test_path_decides_who_answers(settings: Settings, url: str, path: str, expected: str) -> None:
    settings.WEBSOCKET_URL = url
    assert status(WebSocketDispatcher(django, Sealed()), path) == expected


def test_request_without_a_path_is_djangos() -> None:
    answers: list[str] = []
    list(WebSocketDispatcher(django, Sealed())({}, lambda status, headers: answers.append(status)))
    assert answers == ['200 OK']


def test_application_has_django_behind_the_websockets(db: None) -> None:
    application = get_wsgi_application()
    assert isinstance(application.django, WSGIHandler)
    assert isinstance(application.websockets, WebsocketWSGIServer)
    assert status(application, '/nothing-here') == '404 Not Found'
