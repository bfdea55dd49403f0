"""Audience: five keywords as one object, and the signatures that have them."""

import dataclasses
import inspect
from typing import Any

import pytest
from django.contrib.auth.models import User

from ws4redis.testing import ANY, Broker
from ws4redis.testing.audience import Audience
from ws4redis.testing.contract.site import Site


def test_channels_are_those_of_a_publisher(settings: Any) -> None:
    audience = Audience('news', users=['john', User(username='mary')], broadcast=True)
    assert sorted(audience.channels()) == ['broadcast:news', 'user:john:news', 'user:mary:news']
    settings.WS4REDIS_PREFIX = 'shop'
    assert Audience('news', broadcast=True).channels() == ['shop:broadcast:news']


def test_any_facility_gives_what_the_names_begin_with() -> None:
    assert Audience(ANY, groups=['staff']).channels() == ['group:staff:']


@pytest.mark.parametrize(
    ('audience', 'message'),
    [
        (Audience('news'), r'names 0 channels \(\)'),
        (Audience('news', users=['john'], broadcast=True), 'names 2 channels'),
    ],
)
def test_one_channel_is_asked_for(audience: Audience, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audience.channel()


def test_one_channel() -> None:
    assert Audience('news', sessions=['key']).channel() == 'session:key:news'


@pytest.mark.parametrize(
    'given',
    [
        Audience('news'),
        Audience(users=['a']),
        Audience(groups=['a']),
        Audience(sessions=['a']),
        Audience(broadcast=True),
    ],
)
def test_it_is_true_where_something_was_given(given: Audience) -> None:
    assert given and not Audience()


ASSERTIONS = ['assert_published', 'assert_not_published']
CALLS = ['publish', 'persisted', 'ttl']


@pytest.mark.parametrize(
    ('cls', 'name'),
    [*((Broker, name) for name in CALLS + ASSERTIONS), *((Site, name) for name in CALLS)],
)
def test_each_keyword_stands_in_every_public_signature(cls: type, name: str) -> None:
    """A misspelt one is an error, above all where nothing must have been published."""
    parameters = inspect.signature(getattr(cls, name)).parameters
    assert {field.name for field in dataclasses.fields(Audience)} <= set(parameters)
    assert not [one for one in parameters.values() if one.kind is one.VAR_KEYWORD]


def test_misspelt_keyword_is_an_error(ws4redis: Broker) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'user'"):
        ws4redis.assert_not_published(facility='news', user=['john'])  # type: ignore[call-arg]
