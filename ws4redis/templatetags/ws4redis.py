"""{% load ws4redis %}: where a page's websocket connects, as data and as an address; neither
puts code into the page.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, TemplateSyntaxError
from django.utils.html import json_script
from django.utils.safestring import SafeString

from ws4redis import context_processors, settings
from ws4redis.core.query import query_names
from ws4redis.subscriber_methods import possible_channels, subscriber_class

__all__ = ['register', 'websocket_config', 'websocket_uri']

register = template.Library()


@register.simple_tag(takes_context=True)
def websocket_config(context: Context, element_id: str = 'ws4redis') -> SafeString:
    """Where websockets connect and what their heartbeat is, for `WS4Redis.subscribe()` and
    `WS4Redis.config()`.

    Args:
        element_id: id of the element `<script type="application/json">`.

    Raises:
        TemplateSyntaxError: the id is empty, as that of a variable which there is not.
    """
    if not element_id:
        raise TemplateSyntaxError(
            f'websocket_config: the id is {element_id!r}, by which no script would find it'
        )
    uri = context_processors.websocket_uri(_request(context, 'websocket_config'))
    return json_script({'uri': uri, 'heartbeat_msg': settings.WS4REDIS_HEARTBEAT}, element_id)


@register.simple_tag(takes_context=True)
def websocket_uri(
    context: Context,
    facility: object,
    subscribe: str | Iterable[str] = (),
    publish: str | Iterable[str] = (),
    echo: bool = False,
) -> str:
    """The address of a facility's websocket, escaped for the attribute or text in which it stands.

    Args:
        subscribe, publish: audiences, as 'user,broadcast' or a list; those that WS4REDIS_SUBSCRIBER
            has.
        echo: whether the websocket gets back what it sends itself.

    Raises:
        TemplateSyntaxError: there is no such audience, or what is given can name none.
        ValueError: the facility can have no address.
    """
    base = context_processors.websocket_uri(_request(context, 'websocket_uri'))
    try:
        asked = _audiences('subscribe', subscribe), _audiences('publish', publish)
        names = query_names(*asked, echo, _possible_channels)
    except ValueError as exc:
        raise TemplateSyntaxError(f'websocket_uri: {exc}') from exc
    query = '&'.join(map(quote, names))
    return f'{base}{_path(facility)}' + (f'?{query}' if query else '')


def _request(context: Context, tag: str) -> HttpRequest:
    # A RequestContext knows it without the context processor, an inclusion tag only with it.
    request: Any = getattr(context, 'request', None) or context.get('request')
    if request is None:
        raise ImproperlyConfigured(
            f'{{% {tag} %}} needs the request, whose host and scheme it takes: render(request, '
            f"...), or a variable 'request'"
        )
    return request  # type: ignore[no-any-return]


def _audiences(verb: str, value: str | Iterable[str]) -> list[str]:
    if not isinstance(value, Iterable):
        raise ValueError(f"{verb}={value!r} is neither a text as 'user,broadcast' nor a list")
    names = value.split(',') if isinstance(value, str) else value
    return [name for name in map(str.strip, map(str, names)) if name]


def _possible_channels() -> list[str]:
    subscriber = subscriber_class()
    return possible_channels(subscriber)


def _path(facility: object) -> str:
    # Every browser takes '.' and '..' for steps in the path, however they are escaped: it would be
    # another facility's.
    if facility is None or {'.', '..'} & set(str(facility).split('/')):
        raise ValueError(
            f"websocket_uri: the facility {facility!r} can have no address; None, '.' and "
            f"'..' cannot"
        )
    return quote(str(facility))
