"""WebSocketClient: what a test says, reads and asserts of a browser's websocket.

ProtocolClient is what it has in common with a client over TCP. The bytes, and what failures have to
know, are at its end: browser_end.py; how it stands is in standing.py.
"""

import json as json_module
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from ws4redis.core.frames import CloseCode
from ws4redis.publishing import as_json
from ws4redis.testing.asynchronous import OwnThread, names_twin, twin_of
from ws4redis.testing.browser_end import MemoryEnd
from ws4redis.testing.explain.matching import ANY, Wanted
from ws4redis.testing.explain.published import check_threads
from ws4redis.testing.explain.reasons import failure
from ws4redis.testing.explain.received import unexpected_messages, why_not_received
from ws4redis.testing.publications import short
from ws4redis.testing.standing import EndT, Standing

if TYPE_CHECKING:
    from ws4redis.testing.broker import Broker

__all__ = ['HandshakeRejected', 'ProtocolClient', 'Received', 'WebSocketClient']

__unittest = True


class HandshakeRejected(Exception):
    """The server refused the websocket.

    Attributes:
        status_code: HTTP status of the answer.
        headers, body: of the answer.
        reason: what the log says and the client never sees.
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str], body: bytes, reason: str
    ) -> None:
        super().__init__(f'{status_code}: {reason}')
        self.status_code = status_code
        self.headers = headers
        self.body = body
        self.reason = reason


class Received(list[str | bytes]):
    """Messages in the order of their arrival, with whom they are of, for failures to explain
    themselves.
    """

    def __init__(self, messages: Iterable[str | bytes], owner: 'ProtocolClient[Any]') -> None:
        super().__init__(messages)
        self._owner = owner


class ProtocolClient(Standing[EndT]):
    """A browser's websocket in a test, whatever carries the bytes. Every read settles first.

    Args:
        broker: whose client it is.
        end: the browser's end.
    """

    def __init__(self, broker: 'Broker', end: EndT) -> None:
        super().__init__(end)
        self._broker = broker

    # What a kind of client adds

    @abstractmethod
    def _settle(self) -> None:
        """Until everything that was published or sent has arrived."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read on, what has gathered first."""

    @property
    def _thread(self) -> OwnThread:
        return self._broker._thread

    # What a test says

    @names_twin('asend')
    def send(self, message: str | bytes) -> None:
        """Send a text or binary message, and let the server work it off."""
        if isinstance(message, str):
            self._end.protocol.send_text(message.encode('utf-8'))
        elif isinstance(message, (bytes, bytearray)):
            self._end.protocol.send_binary(message)
            message = bytes(message)
        else:
            raise TypeError(
                f'message is {type(message).__name__}: send() takes str or bytes, send_json() '
                f'anything else'
            )
        self._end.said.append(message)
        self._end.flush()
        self._settle()

    @twin_of(send)
    def asend(self) -> None:
        """As send()."""

    def send_json(self, obj: object) -> None:
        """Send an object as JSON text."""
        self.send(as_json(obj))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, whatever they mean."""
        self._end.put(data)
        self._settle()

    def drop(self) -> None:
        """Vanish without a close frame."""
        self._end.dropped = self.open
        self._end.vanish()
        self._settle()

    def stop_reading(self) -> None:
        """Read nothing more, as a client does whose machine is busy."""
        self._end.reads = False

    def ping(self, data: bytes = b'') -> None:
        """Send a ping."""
        self._end.protocol.send_ping(data)
        self._end.flush()
        self._settle()

    @names_twin('aclose')
    def close(self, code: int = CloseCode.NORMAL, reason: str = '') -> None:
        """Close as a browser does: the close frame, the server's answer, the end."""
        if self._end.open:
            self._end.protocol.send_close(code, reason)
            self._end.flush()
        self._settle()

    @twin_of(close)
    def aclose(self) -> None:
        """As close()."""

    @names_twin('areceive')
    def receive(self) -> str | bytes:
        """The next message that was not read yet.

        Raises:
            AssertionError: there is none; it says why, and its `reasons` are the codes.
        """
        __tracebackhide__ = True
        self._settle()
        if not self._end.inbox:
            raise self._nothing(Wanted())
        return self._end.inbox.popleft()

    @twin_of(receive)
    def areceive(self) -> None:
        """As receive()."""

    def _nothing(self, wanted: Wanted) -> AssertionError:
        return failure(why_not_received(self._broker, self._end, wanted))

    def receive_text(self) -> str:
        """The next message, which is a text message."""
        __tracebackhide__ = True
        message = self.receive()
        if not isinstance(message, str):
            raise AssertionError(f'{self.name} got a binary message: {short(message)}')
        return message

    def receive_bytes(self) -> bytes:
        """The next message, which is a binary message."""
        __tracebackhide__ = True
        message = self.receive()
        if not isinstance(message, bytes):
            raise AssertionError(f'{self.name} got a text message: {short(message)}')
        return message

    def receive_json(self) -> Any:
        """The next message, from JSON."""
        __tracebackhide__ = True
        message = self.receive()
        try:
            return json_module.loads(message)
        except ValueError as exc:
            raise AssertionError(
                f'{self.name} got what is no JSON: {short(message)}: {exc}'
            ) from exc

    def receive_all(self) -> Received:
        """All messages that were not read yet."""
        self._settle()
        messages = Received(self._end.inbox, self)
        self._end.inbox.clear()
        return messages

    @property
    def received(self) -> Received:
        """All messages so far, read or not: str for text, bytes for binary messages."""
        self._settle()
        return Received(self._end.history, self)

    @property
    def unread(self) -> int:
        """How many messages were not read yet."""
        self._settle()
        return len(self._end.inbox)

    def assert_received(
        self, message: object = ANY, *, json: object = ANY, json_contains: object = ANY
    ) -> None:
        """It is among the unread messages; the first such one counts as read from now on.

        Args:
            message: equal text or bytes, a compiled pattern, a callable, or any object that
                compares.
            json: what the message is from JSON; json_contains: a part of it.
        """
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        self._settle()
        for position, found in enumerate(self._end.inbox):
            if wanted.matches(found):
                del self._end.inbox[position]
                return
        raise self._nothing(wanted)

    def assert_not_received(
        self, message: object = ANY, *, json: object = ANY, json_contains: object = ANY
    ) -> None:
        """It never came, read or not; the arguments are those of assert_received()."""
        __tracebackhide__ = True
        wanted = Wanted(message, json, json_contains)
        self._settle()
        check_threads(self._broker)
        found = [arrived for arrived in self._end.history if wanted.matches(arrived)]
        if found:
            raise self._unexpected(f'{self.name} got {wanted!r}', found)

    def assert_nothing_received(self) -> None:
        """Nothing is unread: a fact, since everything that was published has been read."""
        __tracebackhide__ = True
        self._settle()
        check_threads(self._broker)
        if self._end.inbox:
            count = f'{len(self._end.inbox)} unread message' + (
                's' if len(self._end.inbox) > 1 else ''
            )
            raise self._unexpected(f'{self.name} has {count}', list(self._end.inbox))

    def assert_closed(self, code: object = ANY, reason: object = ANY) -> None:
        """It has ended, with this close code and this reason."""
        __tracebackhide__ = True
        self._settle()
        if self.open:
            raise AssertionError(f'{self.name} is open')
        if code != self.close_code or reason != self.close_reason:
            wanted = ', '.join(repr(value) for value in (code, reason) if value is not ANY)
            raise AssertionError(
                f'{self.name} was closed with {self.close_code}, {self.close_reason!r}, not '
                f'{wanted}'
            )

    def _unexpected(self, first: str, messages: list[str | bytes]) -> AssertionError:
        return failure([unexpected_messages(self._broker, first, messages)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.name}>'


class WebSocketClient(ProtocolClient[MemoryEnd]):
    """A browser's websocket in a test, in memory; made by Broker.connect()."""

    def _settle(self) -> None:
        self._broker.settle()

    def resume_reading(self) -> None:
        self._end.read_on()
        self._settle()
