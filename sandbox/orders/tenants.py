"""One more audience, the tenant: what a publisher and a subscriber need to know of it."""

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.request import split_domain_port

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisStore
from ws4redis.subscriber import RedisSubscriber, facility_of

from .models import Order, State

__all__ = ['FACILITY', 'TenantPublisher', 'TenantSubscriber', 'aannounce', 'announce', 'tenant_of']

FACILITY = 'orders'
EXPIRE = 300
"""Seconds for which the last order waits for those who open the page later."""

logger = logging.getLogger('ws4redis.sandbox')


def tenant_of(request: HttpRequest) -> str:
    """The host of the request, without its port: localhost and 127.0.0.1 are two tenants."""
    return split_domain_port(request.get_host())[0]


class TenantStore(RedisStore):
    """Knows the channel of a tenant."""

    def _get_message_channels(
        self,
        request: Any = None,
        facility: str | None = None,
        tenant: str | None = None,
        **audiences: Any,
    ) -> list[str]:
        channels = super()._get_message_channels(request, facility, **audiences)
        if tenant:
            channels.append(f'{self.get_prefix()}tenant:{tenant}:{facility}')
        return channels


class TenantPublisher(RedisPublisher, TenantStore):
    """Takes tenant= beside the other audiences."""

    if TYPE_CHECKING:

        def __init__(self, facility: str, users: Iterable[User], tenant: str) -> None: ...


class TenantSubscriber(RedisSubscriber, TenantStore):
    """Listens on the tenant's channel if asked to, and takes orders on from the browser."""

    subscription_channels = [*RedisSubscriber.subscription_channels, 'subscribe-tenant']

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        """The channels of every subscriber, and that of the tenant."""
        super().set_pubsub_channels(request, channels)
        self._facility = facility_of(request)
        self._tenant = tenant_of(request)
        if 'subscribe-tenant' in channels:
            for name in self._get_message_channels(request, self._facility, tenant=self._tenant):
                self._subscription.subscribe(name)

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        """A browser's message: on the orders' facility a command, anywhere else a message like
        any other.
        """
        if self._facility != FACILITY:
            super().publish_message(message, expire)
            return
        order = self._ready(message)
        if order is None:
            logger.warning('no command for the orders of %s: %.100r', self._tenant, message)
        else:
            announce(order)

    def _ready(self, message: str | bytes) -> Order | None:
        # Whatever a browser sends may be anything: of this tenant's orders alone, and only what is
        # known.
        try:
            number = json.loads(message)['ready']
            order = Order.objects.select_related('customer').get(pk=number, tenant=self._tenant)
        except (ValueError, TypeError, KeyError, Order.DoesNotExist):
            return None
        order.state = State.READY
        order.save(update_fields=['state'])
        return order


def announce(order: Order) -> None:
    """Publish an order: to its customer, and to everybody at work for its tenant."""
    _publisher(order).publish_message(order.as_message(), EXPIRE)


async def aannounce(order: Order) -> None:
    """As announce(), for asynchronous views."""
    await _publisher(order).apublish_message(order.as_message(), EXPIRE)


def _publisher(order: Order) -> TenantPublisher:
    return TenantPublisher(facility=FACILITY, users=[order.customer], tenant=order.tenant)
