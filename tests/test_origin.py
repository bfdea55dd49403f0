"""The Origin header: this site's pages get a websocket, and those of origins in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import RequestFactory

from ws4redis.exceptions import ForbiddenError
from ws4redis.origin import allows_somebody, check_origin
from ws4redis.testing import Broker, HandshakeRejected

if TYPE_CHECKING:
    from pytest_django import Settings


DOCS = Path(__file__).resolve().parent.parent / 'docs'


@pytest.fixture
def site_as_seen() -> Iterator[Broker]:
    """A broker that shows what a browser would see."""
    with Broker(raise_server_exceptions=False) as broker:
        yield broker


def origin_allowed(origin: str | None, host: str = 'testserver', secure: bool = False) -> bool:
    """Whether a page of this origin may have a websocket of this host."""
    headers = {'host': host} if origin is None else {'host': host, 'origin': origin}
    try:
        check_origin(RequestFactory().get('/ws/', headers=headers, secure=secure))
    except ForbiddenError as exc:
        assert exc.status == 403
        return False
    return True


@pytest.mark.parametrize(
    ('origin', 'host', 'secure', 'allowed'),
    [
        ('http://testserver', 'testserver', False, True),
        ('http://testserver:80', 'testserver', False, True),
        ('HTTP://TestServer', 'testserver', False, True),
        ('http://testserver', 'testserver:80', False, True),
        ('https://testserver', 'testserver', True, True),
        ('http://testserver:8000', 'testserver:8000', False, True),
        ('https://testserver:8443', 'testserver:8443', True, True),
        # TLS ends at a proxy: the page is https, the request is not.
        ('https://testserver', 'testserver', False, True),
        ('https://testserver:8443', 'testserver:8443', False, True),
        # A page without TLS is open to anybody on its way.
        ('http://testserver', 'testserver', True, False),
        ('http://testserver:443', 'testserver', True, False),
        # Another port is another site.
        ('http://testserver:8000', 'testserver', False, False),
        ('http://testserver:8000', 'testserver:8001', False, False),
        ('https://testserver:80', 'testserver', False, False),
        # Names have one normal form: no dot at the end, no default port, small letters.
        ('http://example.com', 'Example.com.', False, True),
        ('http://example.com.', 'example.com', False, True),
        ('http://EXAMPLE.com.:80', 'example.com', False, True),
        ('http://example.com', 'Example.com.:80', False, True),
        ('https://example.com.', 'EXAMPLE.COM:443', True, True),
        ('https://example.com:443', 'example.com.', False, True),
        ('http://example.com.:8000', 'example.com:8000', False, True),
        ('http://example.com:', 'example.com', False, True),
        ('http://xn--mller-kva.example', 'XN--MLLER-KVA.example.', False, True),
        ('http://m\u00fcller.example', 'xn--mller-kva.example', False, False),
        ('http://example.com..', 'example.com', False, False),
        ('http://.', 'example.com', False, False),
        ('http://evil.example.', 'example.com.', False, False),
        # Another host
        ('http://evil.example', 'testserver', False, False),
        ('http://testserver.evil.example', 'testserver', False, False),
        ('http://eviltestserver', 'testserver', False, False),
        ('http://sub.testserver', 'testserver', False, False),
        # No origin that a browser would send for a page of this site
        ('null', 'testserver', False, False),
        ('', 'testserver', False, False),
        ('testserver', 'testserver', False, False),
        ('//testserver', 'testserver', False, False),
        ('ftp://testserver', 'testserver', False, False),
        ('ws://testserver', 'testserver', False, False),
        ('http://testserver/page', 'testserver', False, False),
        ('http://testserver?query', 'testserver', False, False),
        ('http://user@testserver', 'testserver', False, False),
        ('http://testserver@evil.example', 'testserver', False, False),
        ('http://testserver:port', 'testserver', False, False),
        ('http://[::1', 'testserver', False, False),
        ('http://testserver http://evil.example', 'testserver', False, False),
    ],
)
def test_origin_is_that_of_the_host(
    settings: Settings, origin: str, host: str, secure: bool, allowed: bool
) -> None:
    settings.ALLOWED_HOSTS = ['testserver', '.example.com', 'xn--mller-kva.example']
    assert origin_allowed(origin, host, secure) is allowed


def test_origin_may_be_an_ipv6_address(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ['*']
    assert origin_allowed('http://[::1]:8000', '[::1]:8000')
    assert not origin_allowed('http://[::2]:8000', '[::1]:8000')


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('[::1]', '[0:0:0:0:0:0:0:1]'),
        ('[::1]', '[::0001]:80'),
        ('[2001:DB8::A]', '[2001:0db8:0::000a]'),
        ('[::ffff:192.0.2.1]', '[::ffff:c000:201]'),
    ],
)
def test_ipv6_address_may_be_spelt_in_several_ways(
    settings: Settings, one: str, other: str
) -> None:
    settings.ALLOWED_HOSTS = ['*']
    assert origin_allowed(f'http://{one}', other)
    assert origin_allowed(f'http://{other}', one)
    settings.WS4REDIS_ALLOWED_ORIGINS = [f'http://{one}']
    assert origin_allowed(f'http://{other}')
    assert not origin_allowed('http://[::2]', other)
    assert not origin_allowed('http://[:::::]', '[:::::]')


@pytest.mark.parametrize(
    ('hosts', 'origin', 'secure', 'allowed'),
    [
        (['internal', 'www.example.com'], 'https://www.example.com', False, True),
        (['internal', 'WWW.example.com'], 'https://www.example.com', False, True),
        (['internal', 'www.example.com'], 'http://www.example.com', False, True),
        (['internal', 'www.example.com'], 'http://www.example.com', True, False),
        (['internal', 'www.example.com'], 'https://www.example.com:8443', False, False),
        (['internal', 'www.example.com'], 'https://example.com', False, False),
        (['internal', 'WWW.example.com'], 'https://www.example.com.:443', False, True),
        (['internal', 'www.example.com.'], 'https://www.example.com', False, True),
        (['internal', '[::1]'], 'https://[0:0:0:0:0:0:0:1]', False, True),
        (['*'], 'https://www.example.com', False, False),
        (['internal', '.example.com'], 'https://www.example.com', False, False),
        (['internal', '.example.com'], 'https://example.com', False, False),
    ],
)
def test_allowed_hosts_count_only_where_spelt_out(
    settings: Settings, hosts: list[str], origin: str, secure: bool, allowed: bool
) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert origin_allowed(origin, 'internal', secure) is allowed


@pytest.mark.parametrize('setting', ['CSRF_TRUSTED_ORIGINS', 'WS4REDIS_ALLOWED_ORIGINS'])
@pytest.mark.parametrize(
    ('entry', 'origin', 'allowed'),
    [
        ('https://shop.example.com', 'https://shop.example.com', True),
        ('https://shop.example.com', 'https://shop.example.com:443', True),
        ('https://shop.example.com', 'http://shop.example.com', False),
        ('https://shop.example.com', 'https://shop.example.com:8443', False),
        ('https://shop.example.com', 'https://a.shop.example.com', False),
        ('https://shop.example.com:8443', 'https://shop.example.com:8443', True),
        ('https://shop.example.com:8443', 'https://shop.example.com', False),
        ('http://shop.example.com', 'http://shop.example.com', True),
        ('https://*.example.com', 'https://a.example.com', True),
        ('https://*.example.com', 'https://a.b.example.com', True),
        ('https://*.example.com', 'https://example.com', False),
        ('https://*.example.com', 'https://evilexample.com', False),
        ('https://*.example.com', 'http://a.example.com', False),
        ('https://*.example.com', 'https://a.example.com:8443', False),
        ('https://*.example.com:8443', 'https://a.example.com:8443', True),
        ('https://*.example.com', 'null', False),
        ('HTTPS://Shop.EXAMPLE.com', 'https://shop.example.com', True),
        ('https://shop.example.com.', 'https://shop.example.com', True),
        ('https://shop.example.com', 'https://shop.example.com.', True),
        ('https://shop.example.com.:443', 'https://shop.example.com', True),
        ('http://shop.example.com:80', 'http://Shop.example.com.', True),
        ('https://shop.example.com.:443', 'https://shop.example.com:8443', False),
        ('HTTPS://*.Example.COM.:443', 'https://a.example.com', True),
        ('https://*.example.com', 'https://A.example.com.:443', True),
        ('https://*.example.com.', 'https://example.com.', False),
        ('https://*.example.com.', 'https://evilexample.com.', False),
        ('https://XN--MLLER-KVA.example', 'https://xn--mller-kva.example', True),
        ('http://[0:0:0:0:0:0:0:1]:8000', 'http://[::1]:8000', True),
    ],
)
@pytest.mark.parametrize('secure', [False, True])
def test_other_origins_are_named_in_the_settings(
    settings: Settings, setting: str, entry: str, origin: str, allowed: bool, secure: bool
) -> None:
    setattr(settings, setting, [entry])
    assert origin_allowed(origin, secure=secure) is allowed


ALLOW_NOBODY = [
    '',
    '*',
    'null',
    'example.com',
    '//example.com',
    'https:example.com',
    'https:/example.com',
    'https://',
    'https:///',
    'https://*',
    'https://*.',
    'https://*..',
    'https://*:8443',
    'https://*.:8443',
    'https://**.example.com',
    'https://*example.com',
    'https://*.*.com',
    'https://www.*.com',
    'https://www.example.*',
    'https://.example.com',
    'https://*..example.com',
    'https://a..b',
    'https://.',
    'https://a b',
    'https://example.com ',
    ' https://example.com',
    'https://exam\nple.com',
    'https://example.com\n',
    'https://example.com/',
    'https://example.com/path',
    'https://example.com?query',
    'https://example.com#top',
    'https://user@example.com',
    'https://user:password@example.com',
    'https://a,b.com',
    'https://a.com,https://b.com',
    'https://a%20b',
    'https://exa\\mple.com',
    'https://münchen.example',
    'https://example.com:0',
    'https://example.com:65536',
    'https://example.com:99999',
    'https://example.com:-1',
    'https://example.com:port',
    'https://example.com:80:80',
    'https://*.example.com:99999',
    'https://' + 'a' * 64 + '.com',
    'https://' + '.'.join(['abcdefg'] * 33),
    'https://[::1',
    'https://::1',
    'https://[]',
    'https://[::g]',
    'https://[fe80::1%eth0]',
    'https://*.[::1]',
    'https://*.127.0.0.1',
    'https://256.0.0.1',
    'https://1.2.3',
    'https://1.2.3.04',
    'https://example.0x1',
    'ftp://example.com',
    'ws://example.com',
    'wss://example.com',
    'http+https://example.com',
]
"""What no page's origin can be."""

ALLOW_SOMEBODY = [
    'https://example.com',
    'https://Example.com',
    'HTTPS://example.com',
    'https://example.com:8443',
    'https://example.com:65535',
    'http://localhost:8000',
    'http://web',
    'http://my_host.example',
    'https://xn--mnchen-3ya.example',
    'https://3com.com',
    'http://127.0.0.1:8000',
    'http://[::1]:8000',
]
"""What a page's origin can be."""

BELOW = ['https://*.example.com', 'https://*.com', 'HTTPS://*.Example.com', 'http://*.web:8000']
"""What the origins of many pages can be."""


@pytest.mark.parametrize('entry', ALLOW_NOBODY)
def test_entry_that_allows_nobody_is_known(entry: str) -> None:
    """`https://*` passed the check."""
    assert not allows_somebody(entry)


@pytest.mark.parametrize('entry', [*ALLOW_SOMEBODY, *BELOW])
def test_entry_that_passes_the_check_allows_somebody(settings: Settings, entry: str) -> None:
    """What browsers send for it has small letters."""
    assert allows_somebody(entry)
    settings.WS4REDIS_ALLOWED_ORIGINS = [entry]
    assert origin_allowed(entry.lower().replace('*', 'www'))


def test_null_is_refused_even_if_it_is_named(settings: Settings) -> None:
    """Any sandboxed frame of any site has it."""
    settings.WS4REDIS_ALLOWED_ORIGINS = ['null']
    assert not origin_allowed('null')


def test_request_without_an_origin_is_no_browsers_and_accepted_unless_one_is_required(
    settings: Settings,
) -> None:
    assert origin_allowed(None)
    settings.WS4REDIS_REQUIRE_ORIGIN = True
    assert not origin_allowed(None)
    assert origin_allowed('http://testserver')


def test_host_that_is_not_allowed_is_a_bad_request(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('news', headers={'Host': 'evil.example'}, origin='http://evil.example')
    assert refused.value.status_code == 400
    assert b'ALLOWED_HOSTS' not in refused.value.body
    # The page about troubleshooting names these words.
    words = 'Invalid HTTP_HOST header'
    assert words in caplog.text
    assert f'400, the log says `{words}`' in (DOCS / 'troubleshooting.md').read_text('utf-8')


def test_refused_origin_is_logged_with_the_setting_that_would_help(
    site_as_seen: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        site_as_seen.connect('news', subscribe='broadcast', origin='https://evil.example')
    assert refused.value.status_code == 403
    assert refused.value.body == b'Origin not allowed\n'
    assert 'WS4REDIS_ALLOWED_ORIGINS' in refused.value.reason
    assert 'https://evil.example' in refused.value.reason
    assert 'Host' in refused.value.reason
    assert refused.value.reason in caplog.text


def test_origin_is_checked_before_any_code_of_the_site_runs(
    site_as_seen: Broker, settings: Settings
) -> None:
    asked: list[object] = []
    settings.WS4REDIS_PROCESS_REQUEST = asked.append
    with pytest.raises(HandshakeRejected):
        site_as_seen.connect('news', origin='https://evil.example')
    assert asked == []
