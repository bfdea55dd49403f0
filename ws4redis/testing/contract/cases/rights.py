"""Who may hear and say what, and that rights which end, end the websocket."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import (
    channel,
    hear,
    listeners,
    logged_in,
    refusal,
    somebody,
    tell,
)

__all__ = [
    'check_callback_decides_on_the_channels',
    'check_callback_that_fails_grants_nothing',
    'check_callback_that_refuses_gives_its_status',
    'check_logout_closes_the_websockets_of_that_session',
    'check_nobody_in_particular_may_not_publish',
    'check_user_who_is_deactivated_is_found',
    'check_user_who_loses_a_group_is_found',
]


def check_nobody_in_particular_may_not_publish(site: Site) -> None:
    """Without a callback publishing is for those who are logged in."""
    other = hear(site)
    nobody = site.connect('news', publish='broadcast')
    john = site.connect('news', publish='broadcast', user=somebody('john'))
    nobody.send('anonymous')
    john.send('from john')
    assert other.receive_all() == ['from john']
    assert nobody.open


def check_callback_decides_on_the_channels(site: Site) -> None:
    """What WS4REDIS_ALLOWED_CHANNELS answers replaces what was asked for."""

    def listening_only(request: HttpRequest, channels: list[str]) -> Iterable[str]:
        assert channels == ['subscribe-user', 'publish-broadcast']
        return ('subscribe-broadcast',)

    client = site.connect(
        'news', subscribe='user', publish='broadcast', allowed_channels=listening_only
    )
    other = hear(site)
    tell(site, 'hello')
    client.send('not published')
    assert client.receive_all() == other.receive_all() == ['hello']


def check_callback_that_refuses_gives_its_status(site: Site) -> None:
    """PermissionDenied is a 403, Http404 a 404, before the upgrade and without details."""

    def denies(request: HttpRequest, channels: list[str]) -> list[str]:
        raise PermissionDenied('s3cret')

    def finds_nothing(request: HttpRequest, channels: list[str]) -> list[str]:
        raise Http404('s3cret')

    for callback, status in ((denies, 403), (finds_nothing, 404)):
        rejected = refusal(site, 'news', subscribe='broadcast', allowed_channels=callback)
        assert rejected.status_code == status
        assert b's3cret' not in rejected.body
    assert listeners(site, channel()) == 0


def check_callback_that_fails_grants_nothing(site: Site) -> None:
    """A callback that fails, answers nonsense or is not there refuses the handshake, without
    details.
    """

    def fails(request: HttpRequest, channels: list[str]) -> list[str]:
        raise RuntimeError('s3cret')

    def forgets_to_return(request: HttpRequest, channels: list[str]) -> None:
        pass

    def invents(request: HttpRequest, channels: list[str]) -> list[str]:
        return [*channels, 'subscribe-everything']

    for callback, status in (
        (fails, 500),
        (forgets_to_return, 500),
        ('ws4redis.policies.misspelt', 500),
        (invents, 403),
    ):
        rejected = refusal(site, 'news', subscribe='broadcast', allowed_channels=callback)
        assert rejected.status_code == status, callback
        assert b's3cret' not in rejected.body
    assert listeners(site, channel()) == 0


def check_logout_closes_the_websockets_of_that_session(site: Site) -> None:
    """Whoever logs out loses the websockets of that browser with 1008, and no other."""
    john = somebody('john')
    here, there = logged_in(john), logged_in(john)
    one, two = (site.connect('news', subscribe='user', client=here) for _ in range(2))
    other, nobody = site.connect('news', subscribe='user', client=there), hear(site)
    here.logout()
    site.settle()
    assert [(client.close_code, client.close_reason) for client in (one, two)] == [
        (1008, 'not allowed')
    ] * 2
    assert other.open and nobody.open
    site.publish('secret', facility='news', users=[john])
    assert other.receive_all() == ['secret']
    assert one.received == two.received == []


def check_user_who_is_deactivated_is_found(site: Site) -> None:
    """Rights are looked up again every WS4REDIS_RECHECK seconds: who is not active any more is
    closed with 1008.
    """
    john, mary = somebody('john'), somebody('mary')
    his, hers = (site.connect('news', subscribe='user', user=user) for user in (john, mary))
    site.advance(61)
    assert his.open and hers.open
    type(john).objects.filter(pk=john.pk).update(is_active=False)
    site.advance(61)
    assert his.close_code == 1008
    assert hers.open


def check_user_who_loses_a_group_is_found(site: Site) -> None:
    """Whoever is taken out of a group whose channel he listens on is closed with 1008, and joins
    without it.
    """
    john = somebody('john', 'staff')
    browser = logged_in(john)
    client = site.connect('news', subscribe='group', client=browser)
    john.groups.clear()
    site.advance(61)
    assert client.close_code == 1008
    again = site.connect('news', subscribe='group', client=browser)
    site.publish('for staff', facility='news', groups=['staff'])
    again.assert_nothing_received()
