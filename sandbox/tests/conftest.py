"""What the tests of the sandbox share."""

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import Settings


@pytest.fixture(autouse=True)
def no_threads_by_themselves(settings: Settings) -> None:
    """The operations page starts no thread, and the long task never waits."""
    settings.TOUR_TICK = None
    settings.TOUR_PROGRESS_PAUSE = 0


@pytest.fixture
def john(db: None) -> User:
    """In the group chatters."""
    user = User.objects.create_user('john')
    user.groups.add(Group.objects.get_or_create(name='chatters')[0])
    return user


@pytest.fixture
def mary(db: None) -> User:
    """In the groups chatters and moderators."""
    user = User.objects.create_user('mary')
    user.groups.add(
        *(Group.objects.get_or_create(name=name)[0] for name in ('chatters', 'moderators'))
    )
    return user
