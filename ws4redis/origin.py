"""The Origin header: a websocket is for pages of this site, and for those that the settings name.

Browsers send cookies with their websockets to whatever site, and leave it to the server to look
where the page is from.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import DisallowedHost

from ws4redis import settings
from ws4redis.exceptions import ForbiddenError, HandshakeError

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ['allows_somebody', 'check_origin']

_PORTS: Final = {'http': 80, 'https': 443}


def check_origin(request: 'HttpRequest') -> None:
    """Refuse pages of other sites.

    Raises:
        ForbiddenError: the Origin is not this site's, nor one that the settings name.
        HandshakeError: 400, the Host is none that ALLOWED_HOSTS has.
    """
    try:
        host = request.get_host()
    except DisallowedHost as exc:
        raise HandshakeError('Bad Host header', reason=str(exc)) from exc
    origin = request.META.get('HTTP_ORIGIN')
    if origin is None:
        if settings.WS4REDIS_REQUIRE_ORIGIN:
            raise ForbiddenError(
                'Origin is required', reason='no Origin, and WS4REDIS_REQUIRE_ORIGIN is set'
            )
        return
    if not _is_own_origin(origin, host, request.is_secure()) and not _is_trusted(origin):
        raise ForbiddenError(
            'Origin not allowed',
            reason=f'origin {origin!r} is not that of host {host!r}: if it should be, name it in '
            f'WS4REDIS_ALLOWED_ORIGINS; '
            'behind a proxy, let it pass on the Host header',
        )


def _is_own_origin(origin: str, host: str, secure: bool) -> bool:
    parts = _split(origin)
    if parts is None:
        return False
    scheme, _, port = parts
    if scheme == 'http' and secure:
        return False
    # TLS may end at a proxy, so an https page may come with an insecure request: its default port
    # is its scheme's.
    if parts == _split(f'{scheme}://{host}'):
        return True
    return port == _PORTS[scheme] and any(
        parts == _split(f'{scheme}://{entry}')
        for entry in django_settings.ALLOWED_HOSTS
        if _is_spelt_out(entry)
    )


def _is_spelt_out(entry: str) -> bool:
    return entry != '*' and not entry.startswith('.')


def _split(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port in their normal form; None if it is no origin."""
    try:
        parts = urlsplit(origin)
        name = _normal_name(parts.hostname or '')
        port = parts.port
    except ValueError:
        return None
    if (
        parts.scheme not in _PORTS
        or not name
        or parts.path
        or parts.query
        or parts.fragment
        or parts.username
    ):
        return None
    return parts.scheme, name, _PORTS[parts.scheme] if port is None else port


def _normal_name(name: str) -> str:
    """Without the dot at the end, which names the same host; an IPv6 address in its short form."""
    if ':' in name:
        return f'[{IPv6Address(name).compressed}]'
    return name.lower().removesuffix('.')


def _is_trusted(origin: str) -> bool:
    found = _split(origin)
    if found is None:
        return False
    for entry in (*django_settings.CSRF_TRUSTED_ORIGINS, *settings.WS4REDIS_ALLOWED_ORIGINS):
        scheme, _, rest = entry.partition('://')
        if rest.startswith('*.'):
            trusted = _split(f'{scheme}://{rest[2:]}')
            matches = trusted is not None and _is_below(found, trusted)
        else:
            matches = _split(entry) == found
        if matches:
            return True
    return False


def _is_below(origin: tuple[str, str, int], domain: tuple[str, str, int]) -> bool:
    return origin[1].endswith('.' + domain[1]) and (origin[0], origin[2]) == (domain[0], domain[2])


_LABEL: Final = r'[a-z0-9_-]{1,63}'
_NAME: Final = re.compile(rf'{_LABEL}(?:\.{_LABEL})*')
_NUMBER: Final = re.compile(r'[0-9]+|0x[0-9a-f]*')


def allows_somebody(entry: str) -> bool:
    """Whether there can be a page whose origin this entry of WS4REDIS_ALLOWED_ORIGINS allows."""
    scheme, _, rest = entry.partition('://')
    below = rest.startswith('*.')
    found = _split(f'{scheme}://{rest[2:]}' if below else entry)
    if found is None or found[2] == 0 or not entry.isprintable() or ' ' in entry:
        return False
    name = found[1]
    if name.startswith('['):
        return not below and _is_address(IPv6Address, name.strip('[]'))
    if not _NAME.fullmatch(name) or len(name) > 253:
        return False
    # Browsers read what ends in a number as an address, and nothing is below one.
    if _NUMBER.fullmatch(name.rpartition('.')[2]):
        return not below and _is_address(IPv4Address, name)
    return True


def _is_address(kind: type[IPv4Address] | type[IPv6Address], name: str) -> bool:
    try:
        kind(name)
    except ValueError:
        return False
    return '%' not in name
