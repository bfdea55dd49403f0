"""Which requests become a websocket, and what the others are answered."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test.utils import override_settings

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import channel, hear, listeners, refusal, tell

__all__ = [
    'check_facility_that_is_too_long_is_refused',
    'check_origin_is_not_needed_unless_the_settings_say_so',
    'check_page_of_another_site_is_refused',
    'check_path_that_is_no_websocket_is_refused',
    'check_refused_subscriber_is_released',
    'check_request_that_is_no_upgrade_is_refused',
    'check_unknown_name_in_the_query_string_is_ignored',
]


def check_unknown_name_in_the_query_string_is_ignored(site: Site) -> None:
    """Of the query string the names alone count, in any case, and unknown ones are passed over."""
    client = site.connect('/ws/news?SUBSCRIBE-Broadcast=no&subscribe-nobody&x=1')
    tell(site, 'hello')
    assert client.receive_all() == ['hello']


def check_page_of_another_site_is_refused(site: Site) -> None:
    """Another Origin than the site's own is refused with 403, unless the settings name it."""
    for origin in (
        'https://evil.example',
        'null',
        'http://testserver.evil.example',
        'http://localhost.evil.example',
        '',
    ):
        assert refusal(site, 'news', subscribe='broadcast', origin=origin).status_code == 403, (
            origin
        )
    with override_settings(WS4REDIS_ALLOWED_ORIGINS=['https://*.example']):
        assert hear(site, origin='https://www.example').open
        assert refusal(site, 'news', origin='http://www.example').status_code == 403


def check_origin_is_not_needed_unless_the_settings_say_so(site: Site) -> None:
    """What is no browser sends no Origin, which WS4REDIS_REQUIRE_ORIGIN refuses."""
    assert hear(site, origin=None).open
    with override_settings(WS4REDIS_REQUIRE_ORIGIN=True):
        assert refusal(site, 'news', origin=None).status_code == 403
        assert hear(site).open


def check_path_that_is_no_websocket_is_refused(site: Site) -> None:
    """What is not below WEBSOCKET_URL becomes no websocket."""
    assert refusal(site, '/elsewhere/news').status_code == 404
    with override_settings(WEBSOCKET_URL='/live/'):
        assert refusal(site, '/ws/news').status_code == 404
        client = hear(site)
        tell(site, 'hello')
        assert client.receive_all() == ['hello']


def check_request_that_is_no_upgrade_is_refused(site: Site) -> None:
    """Another version is a 426 that names the right one, everything else that is amiss a 400."""
    rejected = refusal(site, 'news', headers={'Sec-WebSocket-Version': '12'})
    assert rejected.status_code == 426
    assert dict(rejected.headers)['Sec-WebSocket-Version'] == '13'
    for headers in (
        {'Upgrade': 'h2c'},
        {'Connection': 'keep-alive'},
        {'Sec-WebSocket-Key': 'short'},
    ):
        assert refusal(site, 'news', headers=headers).status_code == 400, headers


def check_facility_that_is_too_long_is_refused(site: Site) -> None:
    """A facility has at most WS4REDIS_MAX_FACILITY bytes, not characters."""
    assert refusal(site, 'x' * 256).status_code == 400
    assert refusal(site, 'ü' * 128).status_code == 400
    for facility in ('x' * 255, 'ü' * 127):
        client = hear(site, facility)
        site.publish('hello', facility=facility, broadcast=True)
        assert client.receive_all() == ['hello']


def check_refused_subscriber_is_released(site: Site) -> None:
    """PermissionDenied in set_pubsub_channels() is a 403, another error a 500; release() comes
    once all the same.
    """
    released: list[str] = []

    class Refusing(RedisSubscriber):
        error: type[Exception] = PermissionDenied

        def set_pubsub_channels(self, request: HttpRequest, channels: list[str]) -> None:
            super().set_pubsub_channels(request, channels)
            raise self.error('s3cret')

        def release(self) -> None:
            super().release()
            released.append('released')

    class Failing(Refusing):
        error = RuntimeError

    for subscriber, status in ((Refusing, 403), (Failing, 500)):
        rejected = refusal(site, 'news', subscribe='broadcast', subscriber=subscriber)
        assert rejected.status_code == status
        assert b's3cret' not in rejected.body
    assert released == ['released'] * 2
    assert listeners(site, channel()) == 0
