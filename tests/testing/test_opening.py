"""Opening: what connect() was told, and the one signature that all of its kinds share."""

import dataclasses
import inspect
from typing import Any

import pytest
from django.contrib.auth.models import User

from ws4redis import settings as package_settings
from ws4redis.policies import allow_all
from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import ANY, Broker, LiveServer
from ws4redis.testing.opening import Connects, Opening


class Kept(Connects[Any]):
    """Opens nothing, and gives what it was told."""

    def _open(self, opening: Opening) -> Opening:
        return opening


def opening(*arguments: Any, **keywords: Any) -> Opening:
    found = Kept().connect(*arguments, **keywords)
    assert isinstance(found, Opening)
    return found


def test_every_keyword_of_connect_is_handed_on() -> None:
    parameters = inspect.signature(Connects.connect).parameters
    names = [field.name for field in dataclasses.fields(Opening)]
    assert list(parameters) == ['self', *names]
    given = {name: object() for name in names}
    found = opening(given.pop('url_or_facility'), **given)
    assert {name: getattr(found, name) for name in given} == given


def test_connect_is_one_function_for_all_of_its_kinds() -> None:
    found: set[object] = {Broker.connect, LiveServer.connect, Connects.connect}
    assert len(found) == 1


def test_twin_has_the_signature_of_connect_and_a_docstring_of_its_own() -> None:
    assert inspect.signature(Broker.aconnect) == inspect.signature(Broker.connect)
    assert inspect.iscoroutinefunction(Broker.aconnect)
    assert (Broker.aconnect.__name__, Broker.aconnect.__doc__) == ('aconnect', 'As connect().')


def test_misspelt_keyword_is_an_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'subscribes'"):
        Kept().connect('news', subscribes='broadcast')  # type: ignore[call-arg]


def test_settings_are_replaced_inside_the_block_alone(settings: Any) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = None
    with opening(subscriber=RedisSubscriber, allowed_channels=allow_all).settings():
        assert package_settings.WS4REDIS_SUBSCRIBER is RedisSubscriber
        assert package_settings.WS4REDIS_ALLOWED_CHANNELS is allow_all
    assert package_settings.WS4REDIS_ALLOWED_CHANNELS is None


def test_no_callback_is_a_callback_too(settings: Any) -> None:
    settings.WS4REDIS_ALLOWED_CHANNELS = allow_all
    with opening(allowed_channels=None).settings():
        assert package_settings.WS4REDIS_ALLOWED_CHANNELS is None
    with opening(allowed_channels=ANY).settings():
        assert package_settings.WS4REDIS_ALLOWED_CHANNELS is allow_all


def test_name_is_the_given_one_or_that_of_the_user_or_a_number() -> None:
    john = User(username='john')
    assert opening(name='his', force_user=john).shown_name(3) == 'his'
    assert opening(force_user=john).shown_name(3) == 'john'
    assert opening().shown_name(3) == 'client 3'


def test_one_group_may_be_given_as_a_string() -> None:
    assert opening(groups='staff').group_names() == ('staff',)
    assert opening(groups=['staff', 'chess']).group_names() == ['staff', 'chess']
    assert opening().group_names() is None


def test_forced_user_needs_no_cookie() -> None:
    assert opening(force_user=User(username='john'), groups=['staff']).cookies() == {}


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match='user and force_user are given'):
        opening(user=User(pk=1), force_user=User(pk=1)).check()


def test_address_has_names_and_verbs() -> None:
    asked = opening('a b', subscribe='user', echo=True)
    assert asked.address(lambda: ['subscribe-user']) == ('/ws/a%20b', 'subscribe-user&echo')
