"""What a template needs to open a websocket."""

import json

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from ws4redis import settings

__all__ = ['default', 'websocket_uri']

# json.dumps leaves these as they are; inside <script> they could end the script, in the text around
# it open a tag.
_HTML_ESCAPES = {ord('<'): '\\u003C', ord('>'): '\\u003E', ord('&'): '\\u0026'}


def default(request: HttpRequest) -> dict[str, str]:
    """Return where websockets connect on this host, and the heartbeat as a JavaScript literal.

    Returns:
        WEBSOCKET_URI: `ws://host/ws/`, or `wss://host/ws/` if the page came over TLS; a facility
            and a query string are to be appended.
        WS4REDIS_HEARTBEAT: the setting with its quotes, `"--heartbeat--"`, or `null` if there is
            none.
    """
    return {
        'WEBSOCKET_URI': websocket_uri(request),
        'WS4REDIS_HEARTBEAT': _javascript_literal(settings.WS4REDIS_HEARTBEAT),
    }


def websocket_uri(request: HttpRequest) -> str:
    """Where websockets connect on the host of this request: `ws://host/ws/`."""
    scheme = 'wss' if request.is_secure() else 'ws'
    return f'{scheme}://{request.get_host()}{settings.WEBSOCKET_URL}'


def _javascript_literal(value: str | None) -> SafeString:
    return mark_safe(json.dumps(value).translate(_HTML_ESCAPES))
