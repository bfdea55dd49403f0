"""What the template tags write into a page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Engine, RequestContext, TemplateSyntaxError
from django.test import RequestFactory

from ws4redis.subscriber import RedisSubscriber
from ws4redis.testing import Broker

if TYPE_CHECKING:
    from pytest_django import Settings


class TenantSubscriber(RedisSubscriber):
    """A site's own, with other audiences."""

    subscription_channels = ['subscribe-tenant', 'subscribe-user']
    publish_channels = ['publish-tenant']


class Page(HTMLParser):
    """A page as a browser reads it: attributes of its elements, in order, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def render(text: str, request: HttpRequest | None, /, **variables: Any) -> str:
    """Render a template that loads the tags."""
    engine = Engine(libraries={'ws4redis': 'ws4redis.templatetags.ws4redis'})
    context = RequestContext(request, variables) if request is not None else Context(variables)
    return engine.from_string('{% load ws4redis %}' + text).render(context)


@pytest.fixture
def request_(rf: RequestFactory) -> HttpRequest:
    """A request of some page."""
    return rf.get('/')


# websocket_config


def test_config_is_data_that_no_policy_takes_for_code(
    request_: HttpRequest, settings: Settings
) -> None:
    settings.WS4REDIS_HEARTBEAT = '--heartbeat--'
    page = Page(render('{% websocket_config %}', request_))
    assert page.elements == [('script', {'id': 'ws4redis', 'type': 'application/json'})]
    assert json.loads(page.texts[0]) == {
        'uri': 'ws://testserver/ws/',
        'heartbeat_msg': '--heartbeat--',
    }


def test_config_without_heartbeat_has_null(request_: HttpRequest) -> None:
    assert (
        json.loads(Page(render('{% websocket_config %}', request_)).texts[0])['heartbeat_msg']
        is None
    )


def test_config_has_the_id_that_it_is_given(request_: HttpRequest) -> None:
    page = Page(
        render(
            "{% websocket_config 'other' %}{% websocket_config element_id=name %}",
            request_,
            name='third',
        )
    )
    assert [attributes['id'] for _, attributes in page.elements] == ['other', 'third']


@pytest.mark.parametrize('argument', ["''", 'None', 'no_such_variable'])
def test_config_without_an_id_is_refused(request_: HttpRequest, argument: str) -> None:
    with pytest.raises(TemplateSyntaxError, match='^websocket_config: the id is'):
        render(f'{{% websocket_config {argument} %}}', request_)


def test_config_of_a_page_over_tls_has_wss(rf: RequestFactory, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ['chat.example.org']
    settings.WEBSOCKET_URL = '/live/'
    request = rf.get('/', secure=True, headers={'host': 'chat.example.org:8443'})
    config = json.loads(Page(render('{% websocket_config %}', request)).texts[0])
    assert config['uri'] == 'wss://chat.example.org:8443/live/'


def test_heartbeat_cannot_leave_its_element(request_: HttpRequest, settings: Settings) -> None:
    settings.WS4REDIS_HEARTBEAT = '</script><script>alert(1)</script>&'
    page = Page(render('{% websocket_config %}', request_))
    assert [tag for tag, _ in page.elements] == ['script']
    assert json.loads(page.texts[0])['heartbeat_msg'] == settings.WS4REDIS_HEARTBEAT


# websocket_uri


@pytest.mark.parametrize(
    ('arguments', 'query'),
    [
        ('', ''),
        ("subscribe='user'", '?subscribe-user'),
        ("subscribe='user,broadcast'", '?subscribe-user&subscribe-broadcast'),
        ("subscribe=' user , broadcast,'", '?subscribe-user&subscribe-broadcast'),
        ('subscribe=several', '?subscribe-group&subscribe-session'),
        ("publish='group' echo=True", '?publish-group&echo'),
        ("subscribe='user' publish='user' echo=yes", '?subscribe-user&publish-user&echo'),
        ("'user' 'broadcast' True", '?subscribe-user&publish-broadcast&echo'),
        ("subscribe='' echo=False", ''),
    ],
)
def test_uri_asks_for_audiences(request_: HttpRequest, arguments: str, query: str) -> None:
    text = '{% autoescape off %}{% websocket_uri "orders" ' + arguments + ' %}{% endautoescape %}'
    uri = render(text, request_, several=['group', 'session'], yes=True)
    assert uri == f'ws://testserver/ws/orders{query}'


def test_uri_is_escaped_once_in_an_attribute(request_: HttpRequest) -> None:
    tag = "{% websocket_uri 'orders' subscribe='user' echo=True %}"
    text = render(f'<p data-uri="{tag}"></p>', request_)
    assert '"ws://testserver/ws/orders?subscribe-user&amp;echo"' in text
    assert Page(text).elements == [
        ('p', {'data-uri': 'ws://testserver/ws/orders?subscribe-user&echo'})
    ]


def test_uri_in_a_variable_is_escaped_where_it_is_used(request_: HttpRequest) -> None:
    tag = "{% websocket_uri 'orders' subscribe='user' echo=True as uri %}"
    text = render(tag + '<p data-uri="{{ uri }}"></p>{{ uri|json_script:"uri" }}', request_)
    page = Page(text)
    assert page.elements[0][1]['data-uri'] == 'ws://testserver/ws/orders?subscribe-user&echo'
    assert json.loads(page.texts[0]) == 'ws://testserver/ws/orders?subscribe-user&echo'


FACILITIES = [
    *(
        'orders',
        '',
        'a/b/c',
        '/a//b/',
        'grün haus',
        'what?',
        '#1',
        '100%',
        'a%2Fb',
        'a:b',
        '🍵',
        'a\\b',
        '...',
        'a&b=c',
        '"><b>',
    )
]


@pytest.mark.parametrize('facility', FACILITIES)
def test_facility_arrives_at_the_server_as_it_was_named(
    request_: HttpRequest, facility: str
) -> None:
    text = render(
        '<p data-uri="{% websocket_uri facility subscribe="broadcast" %}"></p>',
        request_,
        facility=facility,
    )
    [(_, attributes)] = Page(text).elements
    uri = attributes['data-uri']
    assert uri is not None and uri.startswith('ws://testserver/ws/')
    assert unquote(urlsplit(uri).path) == f'/ws/{facility}'
    with Broker() as broker:
        assert broker.connect(uri.removeprefix('ws://testserver')).channels == [
            f'broadcast:{facility}'
        ]


def test_facility_may_be_a_number(request_: HttpRequest) -> None:
    assert render('{% websocket_uri pk %}', request_, pk=17) == 'ws://testserver/ws/17'


@pytest.mark.parametrize('facility', ['.', '..', 'a/../b', './a', 'a/.', None])
def test_facility_that_can_have_no_address_is_refused(
    request_: HttpRequest, facility: str | None
) -> None:
    with pytest.raises(ValueError, match='can have no address'):
        render('{% websocket_uri facility %}', request_, facility=facility)


@pytest.mark.parametrize('verb', ['subscribe', 'publish'])
def test_misspelt_audience_is_refused_with_those_that_there_are(
    request_: HttpRequest, verb: str
) -> None:
    with pytest.raises(TemplateSyntaxError) as refused:
        render(f"{{% websocket_uri 'orders' {verb}='user,broadcats' %}}", request_)
    assert str(refused.value) == (
        f"websocket_uri: {verb}='broadcats' is no channel: it takes 'session', 'group', 'user', "
        f"'broadcast'"
    )


@pytest.mark.parametrize('verb', ['subscribe', 'publish'])
@pytest.mark.parametrize('value', ['None', 'True', '5'])
def test_audiences_that_can_be_none_are_refused_by_name(
    request_: HttpRequest, verb: str, value: str
) -> None:
    with pytest.raises(
        TemplateSyntaxError,
        match=f"^websocket_uri: {verb}={value} is neither a text as 'user,broadcast' nor",
    ):
        render(f"{{% websocket_uri 'orders' {verb}={value} %}}", request_)


def test_audiences_are_those_of_the_sites_subscriber(
    request_: HttpRequest, settings: Settings
) -> None:
    settings.WS4REDIS_SUBSCRIBER = 'tests.templatetags.test_ws4redis.TenantSubscriber'
    text = render("{% websocket_uri 'orders' subscribe='tenant' publish='tenant' %}", request_)
    assert text == 'ws://testserver/ws/orders?subscribe-tenant&amp;publish-tenant'
    with pytest.raises(
        TemplateSyntaxError, match="publish='user' is no channel: it takes 'tenant'$"
    ):
        render("{% websocket_uri 'orders' publish='user' %}", request_)


# The request


@pytest.mark.parametrize('tag', ['websocket_config', "websocket_uri 'orders'"])
def test_request_may_be_a_variable(request_: HttpRequest, tag: str) -> None:
    assert 'ws://testserver/ws/' in render(f'{{% {tag} %}}', None, request=request_)


@pytest.mark.parametrize('tag', ['websocket_config', "websocket_uri 'orders'"])
def test_missing_request_is_named(tag: str) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=re.escape(f'{{% {tag.partition(" ")[0]} %}} needs the request')
    ):
        render(f'{{% {tag} %}}', None)


def test_django_finds_the_tags_by_the_name_of_the_app(
    request_: HttpRequest, settings: Settings
) -> None:
    from django.template import engines

    settings.TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates'}]
    template = engines['django'].from_string("{% load ws4redis %}{% websocket_uri 'orders' %}")
    assert template.render({}, request_) == 'ws://testserver/ws/orders'
