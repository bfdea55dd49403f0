"""The names by which projects of release 0.6.0 tell Django's development server about
websockets.
"""

import importlib

import pytest
from django.core.servers.basehttp import get_internal_wsgi_application
from django.test import override_settings

from ws4redis import django_runserver
from ws4redis.wsgi import WebSocketDispatcher
from ws4redis.wsgi_server import WebsocketWSGIServer


def test_importing_makes_no_application() -> None:
    # A reload keeps what an earlier import has left.
    vars(django_runserver).pop('application', None)
    module = importlib.reload(django_runserver)
    assert 'application' not in vars(module)


def test_application_is_made_once_when_it_is_asked_for() -> None:
    module = importlib.reload(django_runserver)
    vars(module).pop('application', None)
    application = module.application
    assert isinstance(application, WebSocketDispatcher)
    assert module.application is application


def test_setting_of_the_development_server_finds_it() -> None:
    with override_settings(WSGI_APPLICATION='ws4redis.django_runserver.application'):
        assert isinstance(get_internal_wsgi_application(), WebSocketDispatcher)


def test_websocket_run_server_is_the_server() -> None:
    assert django_runserver.WebsocketRunServer is WebsocketWSGIServer


def test_its_parts_have_the_names_of_release_0_6_0() -> None:
    application = django_runserver.application
    assert django_runserver._django_app is application.django
    assert django_runserver._websocket_app is application.websockets
    assert django_runserver._websocket_url == '/ws/'
    with override_settings(WEBSOCKET_URL='/live/'):
        assert django_runserver._websocket_url == '/live/'


@pytest.mark.parametrize('name', ['_django_app', '_websocket_app'])
def test_part_makes_the_application_when_it_is_asked_for(name: str) -> None:
    vars(django_runserver).pop('application', None)
    assert getattr(django_runserver, name) in vars(django_runserver.application).values()


def test_other_names_are_missing() -> None:
    with pytest.raises(
        AttributeError, match="'ws4redis.django_runserver' has no attribute 'aplication'"
    ):
        django_runserver.aplication  # type: ignore[attr-defined]  # noqa: B018
