"""How a site tests its websockets: an example to copy.

The fixture ws4redis, a Broker, comes with the package. It stands for Redis, for the websocket loop
and for the browsers:

    pytest                      Redis in memory: no server, no socket, no waiting
    pytest --ws4redis=server    the same tests on a redis-server, which the run starts by itself
"""

import html
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from orders.models import Order
from orders.tenants import TenantSubscriber, announce
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from ws4redis.testing import (
    Broker,
    FakeRedisPublisher,
    FakeWebSocket,
    HandshakeRejected,
    SubscriberCase,
    WebSocketClient,
    subscriber_contract,
)


@pytest.fixture
def john(db: None) -> User:
    return User.objects.create_user('john')


@pytest.fixture
def mary(db: None) -> User:
    return User.objects.create_user('mary')


@pytest.fixture
def tea(john: User) -> Order:
    """An order of john's; 'testserver' is the host of Django's test client, and so of connect()."""
    return Order.objects.create(customer=john, tenant='testserver', item='tea')


# A view publishes


def test_form_reaches_everybody_in_the_lobby(client: Client, ws4redis: Broker) -> None:
    page = ws4redis.connect('lobby', subscribe='broadcast')
    client.post('/broadcast/', {'message': 'hello'})
    assert page.receive() == 'hello'


def test_form_reaches_the_chosen_user_alone(
    client: Client, ws4redis: Broker, john: User, mary: User
) -> None:
    # user= logs somebody in for this websocket, with a session in the test's database.
    johns = ws4redis.connect('user-chat', subscribe='user', user=john)
    marys = ws4redis.connect('user-chat', subscribe='user', user=mary)
    client.force_login(john)
    client.post('/user/', {'user': 'mary', 'message': 'hello mary'})
    assert marys.receive() == 'hello mary'
    # This does not wait: everything that was published has been delivered by now.
    johns.assert_nothing_received()


def test_windows_of_one_browser_share_a_session(
    client: Client, ws4redis: Broker, john: User
) -> None:
    client.force_login(john)
    window = ws4redis.connect('session-chat', subscribe='session', client=client)
    elsewhere = ws4redis.connect('session-chat', subscribe='session', user=john)
    client.post('/session/', {'message': 'hello windows'})
    assert window.receive() == 'hello windows'
    elsewhere.assert_nothing_received()


def test_what_was_published_can_be_asked_without_a_websocket(
    client: Client, ws4redis: Broker
) -> None:
    client.post('/broadcast/', {'message': 'hello'})
    ws4redis.assert_published('hello', facility='lobby', broadcast=True)
    [publication] = ws4redis.published
    assert (publication.channel, publication.text) == ('broadcast:lobby', 'hello')


def test_form_that_is_not_valid_publishes_nothing(client: Client, ws4redis: Broker) -> None:
    client.post('/broadcast/', {'message': ''})
    ws4redis.assert_nothing_published()


# On commit


def test_order_is_announced_when_it_is_stored(
    client: Client,
    ws4redis: Broker,
    john: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client.force_login(john)
    page = ws4redis.connect('orders', subscribe='user', client=client)
    # Each test runs in a transaction that is rolled back, so nothing is ever committed: this
    # fixture of pytest-django stands for the commit.
    with django_capture_on_commit_callbacks(execute=True):
        client.post('/orders/', {'item': 'tea'})
    assert page.receive_json() == {'order': Order.objects.get().pk, 'item': 'tea', 'state': 'new'}


def test_nobody_hears_of_an_order_before_it_is_stored(
    client: Client, ws4redis: Broker, john: User
) -> None:
    client.force_login(john)
    client.post('/orders/', {'item': 'tea'})
    ws4redis.assert_nothing_published()
    # A test that forgets the commit is told so.
    with pytest.raises(AssertionError, match='1 callback waits for a commit'):
        ws4redis.assert_published(facility='orders')


# An asynchronous view


def test_customer_hears_that_the_order_is_ready(
    client: Client, ws4redis: Broker, john: User, mary: User, tea: Order
) -> None:
    page = ws4redis.connect('orders', subscribe='user', user=john)
    client.force_login(mary)
    # Django's test client runs an asynchronous view in the test's own thread and transaction.
    client.post(f'/orders/{tea.pk}/ready/')
    assert page.receive_json()['state'] == 'ready'


# Persisting and expiry


def test_last_order_waits_five_minutes_for_those_who_come_later(
    ws4redis: Broker, john: User, tea: Order
) -> None:
    announce(tea)
    assert ws4redis.ttl(facility='orders', users=[john]) == pytest.approx(300, abs=1)
    # Time passes at once.
    ws4redis.advance(299)
    ws4redis.connect('orders', subscribe='user', user=john).assert_received(
        json_contains={'item': 'tea'}
    )
    ws4redis.advance(1)
    assert ws4redis.persisted(facility='orders', users=[john]) is None
    ws4redis.connect('orders', subscribe='user', user=john).assert_nothing_received()


# What browsers send


def test_browser_is_heard_by_the_others(ws4redis: Broker) -> None:
    # Without publish= it may only listen. It gets its own messages back only with echo=True.
    speaker = ws4redis.connect('lobby', subscribe='broadcast', publish='broadcast')
    listener = ws4redis.connect('lobby', subscribe='broadcast')
    speaker.send('hello')
    assert listener.receive() == 'hello'
    speaker.assert_nothing_received()


def test_pages_of_the_site_get_their_own_messages_back(client: Client, ws4redis: Broker) -> None:
    # The address as the page has it, with its query string.
    text = html.unescape(client.get('/broadcast/').text)
    [address] = re.findall('data-uri="ws://testserver(.+?)"', text)
    page = ws4redis.connect(address)
    page.send('hello')
    assert page.receive() == 'hello'


# An override of the subscriber: WS4REDIS_SUBSCRIBER is orders.tenants.TenantSubscriber


def visit(ws4redis: Broker, host: str, user: User) -> WebSocketClient:
    """The page of the orders at another host; a browser sends the page's own origin with it."""
    return ws4redis.connect(
        'orders', subscribe='tenant', user=user, headers={'Host': host}, origin=f'http://{host}'
    )


def test_each_tenant_hears_of_its_own_orders(
    ws4redis: Broker, settings: Settings, john: User, mary: User
) -> None:
    settings.ALLOWED_HOSTS = ['acme.example', 'globex.example']
    acme, globex = visit(ws4redis, 'acme.example', mary), visit(ws4redis, 'globex.example', mary)
    announce(Order.objects.create(customer=john, tenant='acme.example', item='tea'))
    acme.assert_received(json_contains={'item': 'tea'})
    globex.assert_nothing_received()


def test_browser_says_that_an_order_is_ready(
    ws4redis: Broker, john: User, mary: User, tea: Order
) -> None:
    customer = ws4redis.connect('orders', subscribe='user', user=john)
    kitchen = ws4redis.connect('orders', subscribe='tenant', user=mary)
    kitchen.send_json({'ready': tea.pk})
    # The override runs in the test's thread, on its database connection.
    tea.refresh_from_db()
    assert tea.state == 'ready'
    for page in (customer, kitchen):
        assert page.receive_json() == {'order': tea.pk, 'item': 'tea', 'state': 'ready'}


@pytest.mark.parametrize('message', ['not JSON', '[]', '{"ready": "tea"}', '{"ready": 0}', b'\xff'])
def test_browser_that_talks_nonsense_changes_nothing(
    ws4redis: Broker, john: User, tea: Order, message: str | bytes
) -> None:
    page = ws4redis.connect('orders', subscribe='tenant', user=john)
    page.send(message)
    ws4redis.assert_nothing_published()
    assert page.open


def test_browser_cannot_touch_the_orders_of_another_tenant(
    ws4redis: Broker, john: User, mary: User
) -> None:
    theirs = Order.objects.create(customer=john, tenant='acme.example', item='tea')
    ws4redis.connect('orders', subscribe='tenant', user=mary).send_json({'ready': theirs.pk})
    theirs.refresh_from_db()
    assert theirs.state == 'new'


def test_override_alone(ws4redis: Broker, tea: Order) -> None:
    # Without a browser: the test calls the methods itself.
    subscriber = ws4redis.make_subscriber(
        TenantSubscriber, facility='orders', channels=['subscribe-tenant']
    )
    announce(tea)
    websocket = FakeWebSocket()
    subscriber.send_persisted_messages(websocket)
    assert websocket.sent == [tea.as_message()]


@pytest.mark.parametrize('case', subscriber_contract(TenantSubscriber), ids=str)
def test_override_keeps_to_the_contract(case: SubscriberCase, ws4redis: Broker, db: None) -> None:
    # A dozen rules that every subscriber keeps to: nothing lost, nothing twice, nothing to somebody
    # who may not have it.
    case(ws4redis)


# Rights: WS4REDIS_ALLOWED_CHANNELS is chatserver.policies.allowed_channels


def test_strangers_may_not_see_orders(ws4redis: Broker, db: None) -> None:
    with pytest.raises(HandshakeRejected) as refused:
        ws4redis.connect('orders', subscribe='tenant')
    assert refused.value.status_code == 403
    # The reason is for the log; the browser is told nothing.
    assert refused.value.reason.endswith('orders are for those who have logged in')
    assert refused.value.body == b'Forbidden\n'


def test_strangers_only_listen_outside_the_lobby(ws4redis: Broker, db: None) -> None:
    page = ws4redis.connect('group-chat', subscribe='broadcast', publish='broadcast')
    page.send('let me in')
    ws4redis.assert_nothing_published()
    assert ws4redis.connect('lobby', subscribe='broadcast', publish='broadcast').channels == [
        'broadcast:lobby'
    ]


def test_page_of_another_site_is_refused(ws4redis: Broker) -> None:
    with pytest.raises(
        HandshakeRejected, match="'https://evil.example' is not that of host 'testserver'"
    ):
        ws4redis.connect('lobby', subscribe='broadcast', origin='https://evil.example')


def test_logout_closes_the_pages_of_this_browser(ws4redis: Broker, john: User) -> None:
    here, there = Client(), Client()
    for browser in (here, there):
        browser.force_login(john)
    pages = [
        ws4redis.connect('orders', subscribe='user', client=browser) for browser in (here, there)
    ]
    here.post('/accounts/logout/')
    pages[0].assert_closed(1008)
    assert pages[1].open


# Redis is away


def test_page_survives_an_outage(client: Client, ws4redis: Broker) -> None:
    page = ws4redis.connect('lobby', subscribe='broadcast')
    with ws4redis.outage():
        # The view's publisher has raised redis.ConnectionError, of which the site's middleware
        # makes an answer.
        assert client.post('/broadcast/', {'message': 'not sent'}).status_code == 503
    assert page.open
    client.post('/broadcast/', {'message': 'sent'})
    assert page.receive_all() == ['sent']


def test_message_that_is_lost_on_its_way_is_caught_up_with(
    client: Client, ws4redis: Broker
) -> None:
    page = ws4redis.connect('lobby', subscribe='broadcast')
    ws4redis.lose_publishes()
    client.post('/broadcast/', {'message': 'kept'})
    page.assert_nothing_received()
    # The lobby's messages are persisted: when the connection is back, what was missed is sent.
    ws4redis.drop_subscribers()
    assert page.receive() == 'kept'


# Other ways to the same


def test_broker_is_a_context_manager_too(client: Client) -> None:
    with Broker() as broker:
        page = broker.connect('lobby', subscribe='broadcast', name='the page')
        client.post('/broadcast/', {'message': 'hello'})
        page.assert_received('hello')


@pytest.mark.ws4redis
def test_mark_keeps_what_is_published_in_this_test(client: Client) -> None:
    assert client.post('/broadcast/', {'message': 'hello'}).status_code == 204


def test_publisher_of_its_own_needs_no_fixture() -> None:
    publisher = FakeRedisPublisher(facility='lobby', broadcast=True)
    publisher.publish_message('hello', expire=10)
    assert publisher.fetch_message(None, 'lobby', 'broadcast') == b'hello'
