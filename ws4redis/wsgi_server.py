"""WebsocketWSGIServer: a request becomes a websocket: handshake, access, takeover, loop; nothing
else happens here.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import redis
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest

from ws4redis import access, origin, settings
from ws4redis.core import handshake as core_handshake
from ws4redis.core.channel import check_facility
from ws4redis.core.query import requested_channels
from ws4redis.core.serving import ServingDriver
from ws4redis.exceptions import ChannelNameError, HandshakeError
from ws4redis.handshake import HANDSHAKE, Handshake, under_way
from ws4redis.limits import current_limits
from ws4redis.memory import serve_websockets
from ws4redis.subscriber import facility_of
from ws4redis.subscriber_methods import (
    method,
    needs_persisted,
    overrides_parse_response,
    possible_channels,
    subscriber_class,
)
from ws4redis.subscription import Subscription
from ws4redis.takeover import end_request, start_closing
from ws4redis.workers import close_database_connections

__all__ = ['WebsocketWSGIServer']

logger = logging.getLogger('ws4redis.wsgi_server')


class WebsocketWSGIServer:
    """A WSGI application that makes websockets of upgrade requests.

    Nothing is made, and Redis is not asked, before the first handshake.

    Args:
        redis_connection: a redis.Redis for the subscribers; None takes the one of
            WS4REDIS_CONNECTION.
        driver: what drives the websockets; None takes the loop of this process.
    """

    def __init__(
        self, redis_connection: 'redis.Redis | None' = None, driver: ServingDriver | None = None
    ) -> None:
        self._redis_connection = redis_connection
        self._driver = driver
        serve_websockets()

    @property
    def driver(self) -> ServingDriver:
        """What drives the websockets."""
        if self._driver is not None:
            return self._driver
        from ws4redis.loop import current_loop

        # A preloading server has made this object before it forked.
        serve_websockets()
        return current_loop()

    @property
    def Subscriber(self) -> Any:
        """The class of WS4REDIS_SUBSCRIBER; assignable for one server."""
        if '_subscriber_class' in self.__dict__:
            return self._subscriber_class
        return subscriber_class()

    @Subscriber.setter
    def Subscriber(self, subscriber_class: Any) -> None:
        self._subscriber_class = subscriber_class

    @property
    def possible_channels(self) -> list[str]:
        """The names that a query string may have."""
        return possible_channels(self.Subscriber)

    @property
    def websockets(self) -> list[Any]:
        """The open websockets of this process."""
        return list(self.driver.websockets)

    # Steps that a site may override

    def assure_protocol_requirements(self, environ: dict[str, Any]) -> None:
        """Refuse what is no upgrade to a websocket.

        Raises:
            HandshakeError, UpgradeRequiredError: it is none.
        """
        under_way(environ).accepted = core_handshake.accept(environ)

    def process_request(self, request: Any) -> None:
        """Put session and user on the request."""
        access.process_request(request)

    def process_subscriptions(self, request: Any) -> tuple[list[str], bool]:
        """The channels that the query string asks for, and whether it asks for the echo of own
        messages.

        Unknown names are logged, but for those with a value, as in `room=9`: these are for the
        site's own code.
        """
        channels, echo, unknown = requested_channels(request.GET, self.possible_channels)
        parameters = {name.lower() for name, value in request.GET.items() if value}
        unknown = [
            name
            for name in unknown
            if name not in parameters or name.startswith(('subscribe', 'publish'))
        ]
        if unknown:
            logger.warning(
                '%r asks for unknown names, which are ignored: %s',
                request.path_info,
                ', '.join(map(repr, unknown)),
            )
        return channels, echo

    def upgrade_websocket(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> core_handshake.Accepted:
        """The 101 that this request gets; it leaves once the connection is ours."""
        accepted = under_way(environ).accepted
        return (
            accepted
            if accepted is not None and accepted.answers(environ)
            else core_handshake.accept(environ)
        )

    # The whole way

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        driver = self.driver
        environ.setdefault(HANDSHAKE, Handshake())
        try:
            self._serve(driver, environ, start_response)
        except Exception as exc:
            refusal = access.refused(exc, type(self).__name__)
            if refusal is not exc:
                refusal.__cause__ = exc
            logger.warning(
                'refused %r with %s: %s',
                environ.get('PATH_INFO', ''),
                refusal.status,
                refusal.reason,
            )
            driver.refused(refusal)
            status, headers, body = core_handshake.refusal(refusal)
            start_closing(environ, start_response, status, headers)
            return [body]
        finally:
            # Its request leads back to the environ, and what no ring holds together is freed at
            # once.
            environ.pop(HANDSHAKE, None)
            self._close_connections()
        return end_request(environ, start_response)

    def _close_connections(self) -> None:
        close_database_connections()

    def _serve(
        self, driver: ServingDriver, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> None:
        handshake = under_way(environ)
        self.assure_protocol_requirements(environ)
        server_transport = driver.find_transport(environ, start_response)
        driver.admit()
        self._authorize(handshake, WSGIRequest(environ))
        self._enter(driver, handshake)
        try:
            self._subscribe(handshake)
            accepted = self.upgrade_websocket(environ, start_response)
            self._join(driver, handshake)
            transport, rest = server_transport.detach()
        except BaseException as exc:
            driver.forget(handshake.recipient)
            self._release(handshake.subscriber)
            raise access.refused(exc, type(handshake.subscriber).__name__) from exc
        logger.info('%s: open, %s', handshake.recipient, handshake.named)
        driver.open(
            handshake.recipient,
            transport,
            accepted.head,
            rest,
            handshake.persisted,
            handshake.descriptor,
        )

    def _authorize(self, handshake: Handshake, request: WSGIRequest) -> None:
        """Find out who it is, and which channels they get."""
        handshake.request = request
        self._check_facility(request)
        origin.check_origin(request)
        self.process_request(request)
        self._find_channels(handshake)
        handshake.access = access.describe(request, handshake.channels)
        handshake.named = access.names_for_log(
            handshake.access, getattr(request, 'user', None), handshake.channels
        )

    def _check_facility(self, request: WSGIRequest) -> None:
        if not request.path_info.startswith(settings.WEBSOCKET_URL):
            raise HandshakeError(
                'Not found', reason=f'the path is not below {settings.WEBSOCKET_URL!r}', status=404
            )
        facility = facility_of(request)
        try:
            check_facility(facility)
        except ChannelNameError as exc:
            raise HandshakeError('Bad facility', reason=str(exc)) from exc
        size = len(facility.encode('utf-8', 'surrogateescape'))
        limit = settings.WS4REDIS_MAX_FACILITY
        if size > limit:
            raise HandshakeError(
                'Facility too long', reason=f'facility has {size} bytes, limit is {limit}'
            )

    def _find_channels(self, handshake: Handshake) -> None:
        request = handshake.request
        try:
            asked, handshake.echo = self.process_subscriptions(request)
        except SuspiciousOperation as exc:
            raise HandshakeError('Bad query string', reason=str(exc)) from exc
        except Exception as exc:
            raise access.refused(exc, 'process_subscriptions') from exc
        channels = access.allowed_channels(request, list(asked), self.possible_channels)
        access.drop_lost_groups(request, channels)
        handshake.channels = channels

    def _enter(self, driver: ServingDriver, handshake: Handshake) -> None:
        """Make subscriber and recipient, in this order: the recipient would stay for ever if the
        other failed.
        """
        limits, name = current_limits(), repr(facility_of(handshake.request))
        try:
            subscriber = self.Subscriber(self._redis_connection or driver.connection)
        except Exception as exc:
            raise access.refused(exc, 'WS4REDIS_SUBSCRIBER') from exc
        recipient = driver.new_recipient(limits, name, handshake.echo)
        recipient.access, recipient.subscriber = handshake.access, subscriber
        handshake.subscriber, handshake.recipient = subscriber, recipient

    def _subscribe(self, handshake: Handshake) -> None:
        subscriber, recipient = handshake.subscriber, handshake.recipient
        subscriber._own_copies = recipient.own_copies
        method(subscriber, 'set_pubsub_channels')(handshake.request, handshake.channels)
        recipient.parses = overrides_parse_response(subscriber)

    def _join(self, driver: ServingDriver, handshake: Handshake) -> None:
        subscriber, recipient = handshake.subscriber, handshake.recipient
        handshake.descriptor = method(subscriber, 'get_file_descriptor')()
        subscription = getattr(subscriber, '_subscription', None)
        if handshake.descriptor is None and isinstance(subscription, Subscription):
            driver.subscribe(recipient, *subscription.attach(recipient))
        handshake.persisted = needs_persisted(subscriber)

    def _release(self, subscriber: object) -> None:
        try:
            method(subscriber, 'release')()
        except Exception:
            logger.exception('%s.release() failed', type(subscriber).__name__)
