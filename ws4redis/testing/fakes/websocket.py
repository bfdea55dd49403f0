"""FakeWebSocket: the websocket that send_persisted_messages() gets, without a browser at the
other end.
"""

from collections import deque
from collections.abc import Callable, Iterable

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ws4redis.core.agenda import Agenda
from ws4redis.core.entries import Entry
from ws4redis.core.handle import Handle
from ws4redis.core.recipient import Recipient
from ws4redis.exceptions import WebSocketError
from ws4redis.limits import current_limits

__all__ = ['FakeWebSocket']


class FakeWebSocket(Handle):
    """The websocket of send_persisted_messages(websocket), for a test of one override alone.

    It is the real object over a real recipient: what that refuses is refused here, with the same
    errors. Only the browser is replaced; what it would have got is in `sent`.

        websocket = FakeWebSocket()
        ws4redis.make_subscriber(TenantSubscriber,
        channels='subscribe-broadcast').send_persisted_messages(websocket) assert websocket.sent ==
        ['welcome']

    Args:
        scripted: what receive() gives, str or bytes, one at a time.
        file_descriptor: what get_file_descriptor() gives.

    The websocket of release 0.6.0 had receive() and get_file_descriptor(); the one of this package
    has neither. They are here only if `scripted` or `file_descriptor` was given, for code that has
    not been moved yet: else asking for them is an AttributeError, as in production.
    """

    receive: Callable[[], str | bytes]
    get_file_descriptor: Callable[[], int]

    def __init__(
        self, *, scripted: Iterable[str | bytes] = (), file_descriptor: int | None = None
    ) -> None:
        recipient = Recipient(current_limits(), Agenda(), name='of a test')
        super().__init__(recipient, self._receive_entry)
        self._browser = ClientProtocol(
            parse_uri('ws://testserver/'), state=State.OPEN, max_size=None
        )
        self._history: list[str | bytes] = []
        self._goodbye: Close | None = None
        recipient.start(b'', persisted=False)
        if scripted:
            self._script = deque(map(_checked, scripted))
            self.receive = self._receive
        if file_descriptor is not None:
            self.get_file_descriptor = lambda: file_descriptor

    def _receive_entry(self, recipient: Recipient, entry: Entry) -> None:
        recipient.receive_entry(entry)

    @property
    def sent(self) -> list[str | bytes]:
        """Every message that was sent so far: str for a text frame, bytes for a binary one."""
        self._pass_on()
        return list(self._history)

    @property
    def close_code(self) -> int | None:
        """The close code that was sent; 1006 after drop(); None while it is open."""
        return self._recipient.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason that was sent; None if no close frame was."""
        self._pass_on()
        return self._goodbye.reason if self._goodbye is not None else None

    def drop(self) -> None:
        """The browser vanishes: from here on the websocket is closed, as it may be at any time
        in production.
        """
        self._pass_on()
        self._recipient.receive_eof()

    def _pass_on(self) -> None:
        # A look at what has arrived is where joining ends: until then the real one holds back what
        # is sent, too.
        if self._recipient.held is not None:
            self._recipient.complete_join()
        outbox = self._recipient.websocket
        data = outbox.data_to_send()
        outbox.sent(len(data))
        self._browser.receive_data(data)
        for frame in self._browser.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.CLOSE:
                self._goodbye = Close.parse(bytes(frame.data))
            else:
                binary = frame.opcode is Opcode.BINARY
                self._history.append(
                    bytes(frame.data) if binary else bytes(frame.data).decode('utf-8')
                )

    def _receive(self) -> str | bytes:
        if self.closed:
            raise WebSocketError('websocket is closed')
        if not self._script:
            self.drop()
            raise WebSocketError('websocket is closed: its script has ended')
        return self._script.popleft()


def _checked(message: str | bytes) -> str | bytes:
    if not isinstance(message, (str, bytes)):
        raise TypeError(f'scripted has {type(message).__name__}: a browser sends str or bytes')
    return message
