"""What tests of the loop run inside the process that serves, and the subscribers that it serves
with.
"""

import gc
import importlib
import logging
import os
import resource
import socket
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings as django_settings

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_client import active_server
from ws4redis.subscriber import RedisSubscriber
from ws4redis.transport import DescriptorTransport

GUARD = 20.0
MISSING = '<missing>'


@dataclass(frozen=True)
class LogLine:
    """A log record; exception is the class name of the one that was logged with it."""

    logger: str
    level: int
    text: str
    exception: str | None


_log: list[LogLine] = []


class _Keeper(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        _log.append(
            LogLine(
                record.name,
                record.levelno,
                record.getMessage(),
                kind.__name__ if kind is not None else None,
            )
        )


def keep_logs() -> None:
    """From now on log lines are kept for take_logs()."""
    logging.getLogger().addHandler(_Keeper())
    logging.getLogger('ws4redis').setLevel(logging.DEBUG)


def take_logs() -> list[LogLine]:
    lines, _log[:] = list(_log), []
    return lines


def change_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Set Django settings, and give what was there before."""
    before = {name: getattr(django_settings, name, MISSING) for name in values}
    for name, value in values.items():
        if value == MISSING:
            delattr(django_settings, name)
        else:
            setattr(django_settings, name, value)
    return before


_constants: dict[tuple[str, str], Any] = {}


def change_constant(module: str, name: str, value: Any) -> None:
    """Set an attribute of a module until restore_constant()."""
    found = importlib.import_module(module)
    _constants[module, name] = getattr(found, name)
    setattr(found, name, value)


def restore_constant(module: str, name: str) -> None:
    setattr(importlib.import_module(module), name, _constants.pop((module, name)))


# Figures


def status() -> dict[str, Any]:
    figures: dict[str, Any] = the_loop().status()
    return figures


def the_loop() -> Any:
    from ws4redis.loop import current_loop

    return current_loop()


def loop_is_patched() -> bool:
    return bool(the_loop().hub.patched)


def pass_through_hub() -> None:
    """Return when the hub has done what it was asked to before."""
    done = threading.Event()
    the_loop().hub.call(done.set)
    assert done.wait(GUARD)


def usage() -> dict[str, int]:
    """What this process uses: descriptors, native threads but the workers, greenlets, active
    watchers, and so on.
    """
    loop = the_loop()
    pass_through_hub()
    gc.collect()
    greenlet = sys.modules['greenlet'].greenlet
    return {
        # As many connections of the pool are open as commands were once under way at the same time,
        # at most 50.
        'descriptors': len(os.listdir('/dev/fd')) - pooled_connections(),
        # Workers are made as they are needed, at most 32 of them.
        'threads': len(sys._current_frames()) - threads_named('ws4redis-worker'),
        'greenlets': sum(isinstance(item, greenlet) and bool(item) for item in gc.get_objects()),
        'watchers': loop.hub.loop.activecnt,
        'own': len(loop._own),
        'wishes': len(loop.exchange.feed._wishes),
        'timers': len(
            [1 for _, _, recipient in loop.exchange._timers if recipient.phase.name != 'GONE']
        ),
    }


def pooled_connections() -> int:
    """Open connections of the pool that publishers and subscribers share; on memory:// they have
    no descriptors.
    """
    server = the_loop().server
    if server.in_memory:
        return 0
    return sum(
        connection is not None and connection.is_connected
        for connection in server.pool._connections
    )


def pings_answered() -> int:
    """Signs of life that Redis was asked for and gave."""
    feed = the_loop().exchange.feed
    return int(feed._pings) - (feed._asked is not None)


def watches_reading() -> list[bool]:
    """Of each websocket, whether the loop reads from its client."""
    return [recipient.transport.watches_reading for recipient in the_loop().websockets]


def threads_named(prefix: str) -> int:
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def open_databases() -> int:
    """Connections to the database that are open, of whatever thread."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    pass_through_hub()
    return sum(
        isinstance(item, BaseDatabaseWrapper) and item.connection is not None
        for item in gc.get_objects()
    )


_writes: list[tuple[int, int]] = []


def count_writes() -> None:
    """From now on writes to clients are kept for take_writes()."""
    send = DescriptorTransport.send

    def counted(transport: DescriptorTransport, data: bytes) -> int:
        count = send(transport, data)
        _writes.append((transport.descriptor, count))
        return count

    counted.uncounted = send  # type: ignore[attr-defined]
    DescriptorTransport.send = counted  # type: ignore[method-assign, assignment]


def take_writes() -> list[tuple[int, int]]:
    """The descriptors that were written to since count_writes(), which ends."""
    pass_through_hub()
    writes, _writes[:] = list(_writes), []
    DescriptorTransport.send = DescriptorTransport.send.uncounted  # type: ignore[attr-defined, method-assign]
    return writes


_spare: list[int] = []


def hold_descriptors(count: int) -> int:
    """Let descriptor numbers go up; the limit if it is too low for that, else 0."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < count + 200:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, most))
    _spare.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(count))
    return 0


def let_go_of_descriptors() -> None:
    for descriptor in _spare:
        os.close(descriptor)
    _spare.clear()


def descriptors_of_websockets() -> list[int]:
    return [recipient.transport.descriptor for recipient in the_loop().websockets]


# Publishing and Redis


def waits_long() -> bool:
    """Whether the next attempt to connect to Redis is more than a minute away."""
    loop = the_loop()
    return bool(loop.exchange.feed._retry_at > loop.now() + 60)


def retry_now() -> None:
    """Try to connect to Redis at once."""
    loop = the_loop()
    loop.exchange.feed.retry_now()
    loop.hub.call(loop.work_off)


def publish(
    message: str | bytes, facility: str = 'news', expire: float | None = 0, **audience: Any
) -> None:
    RedisPublisher(facility=facility, **audience or {'broadcast': True}).publish_message(
        message, expire=expire
    )


def try_to_publish(message: str, facility: str = 'news') -> str:
    """Publish; what came of it."""
    try:
        publish(message, facility, expire=60)
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        return 'timeout' if isinstance(exc, redis.TimeoutError) else 'connection'
    return 'published'


def publish_burst(messages: Iterable[str], channel: str) -> None:
    """Publish in one piece, as another program's pipeline does."""
    pipeline = active_server().client.pipeline(transaction=False)
    for message in messages:
        pipeline.publish(channel, message)
    pipeline.execute()


def raw_publish(channel: str, message: str | bytes) -> Any:
    return active_server().client.publish(channel, message)


def raw_set(channel: str, message: str | bytes) -> None:
    active_server().client.set(channel, message, ex=60)


def listeners(channel: str) -> int:
    """PUBSUB NUMSUB of this channel."""
    ((_, count),) = active_server().client.pubsub_numsub(channel)
    return int(count)


def pubsub_connections() -> int:
    """Connections that have subscribed to something, of whatever process."""
    return sum(
        int(client['sub']) + int(client['psub']) > 0
        for client in active_server().client.client_list()
    )


def empty_redis() -> None:
    active_server().client.flushall()


# Users


def log_in(name: str, groups: Iterable[str] = ()) -> str:
    """Make a user, and a session of theirs as a login makes it; its key."""
    from django.contrib.auth.models import Group, User
    from django.test import Client

    user, _ = User.objects.get_or_create(username=name)
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    client = Client()
    client.force_login(user)
    key = client.cookies['sessionid'].value
    _clients[key] = client
    close_databases()
    return key


_clients: dict[str, Any] = {}


def log_out(session_key: str) -> None:
    _clients.pop(session_key).logout()
    close_databases()


def delete_session(session_key: str) -> None:
    from django.contrib.sessions.models import Session

    Session.objects.filter(pk=session_key).delete()
    close_databases()


def deactivate(name: str) -> None:
    from django.contrib.auth.models import User

    User.objects.filter(username=name).update(is_active=False)
    close_databases()


def leave_group(name: str, group: str) -> None:
    from django.contrib.auth.models import Group, User

    User.objects.get(username=name).groups.remove(Group.objects.get(name=group))
    close_databases()


def close_databases() -> None:
    from django.db import connections

    connections.close_all()


# Subscribers, and what they have seen

seen: list[Any] = []
gate = threading.Event()
meeting = threading.Barrier(2, timeout=GUARD)


def take_seen() -> list[Any]:
    found, seen[:] = list(seen), []
    return found


def open_gate() -> None:
    gate.set()


def close_gate() -> None:
    gate.clear()


class Gated(RedisSubscriber):
    """Publishes what a client sent once the gate is open."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        seen.append(bytes(message).decode())
        assert gate.wait(GUARD)
        super().publish_message(message, expire)


class GatedPersisted(RedisSubscriber):
    """Sends the persisted messages once the gate is open."""

    def send_persisted_messages(self, websocket: Any) -> None:
        seen.append('asked')
        assert gate.wait(GUARD)
        super().send_persisted_messages(websocket)


class Meeting(RedisSubscriber):
    """Publishes once two websockets are at it at the same time."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        meeting.wait()
        super().publish_message(message, expire)


class Recording(RedisSubscriber):
    """Keeps what clients send, and tells of its end."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        seen.append(bytes(message).decode())
        super().publish_message(message, expire)

    def release(self) -> None:
        seen.append('release')
        super().release()


class ReleasedInFile(RedisSubscriber):
    """Writes a byte into the file SITE_FILE when it is released."""

    def release(self) -> None:
        with open(django_settings.SITE_FILE, 'ab') as file:  # type: ignore[misc]
            file.write(b'x')


class LooksUpOnRelease(ReleasedInFile):
    """Asks for a host's address first, as a connection does; gevent does that in native threads."""

    def release(self) -> None:
        socket.getaddrinfo('localhost', 80)
        super().release()


class Spawning(RedisSubscriber):
    """Leaves the publishing to a greenlet."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        import gevent

        gevent.spawn(super().publish_message, message, expire)


class Blocking(RedisSubscriber):
    """Stands still in a way that gevent cannot patch."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        from gevent.monkey import get_original

        get_original('time', 'sleep')(0.3)
        super().publish_message(message, expire)


class Raising(RedisSubscriber):
    """Raises the built-in exception that the client names."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        import builtins

        import gevent

        name = bytes(message).decode()
        raise getattr(builtins, name, None) or getattr(gevent, name)('a secret')


class RaisingOnJoin(RedisSubscriber):
    def send_persisted_messages(self, websocket: Any) -> None:
        raise RuntimeError('a secret')


class RaisingOnRelease(RedisSubscriber):
    def release(self) -> None:
        super().release()
        raise RuntimeError('a secret')


class Late(RedisSubscriber):
    """Subscribes when the client says so."""

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        name = bytes(message).decode()
        try:
            self._subscription.subscribe(name)
        except redis.ConnectionError:
            seen.append('no acknowledgement')
            return
        seen.append(listeners(name))


class OwnRedis(RedisSubscriber):
    """Has a pub/sub connection of its own, as projects have it."""

    def set_pubsub_channels(self, request: Any, channels: list[str]) -> None:
        url = django_settings.OWN_REDIS  # type: ignore[misc]
        self._connection = redis.Redis.from_url(url, protocol=2)
        self._subscription = self._connection.pubsub()
        self._subscription.subscribe('of-its-own')

    def get_file_descriptor(self) -> int | None:
        connection = self._subscription.connection
        return connection and int(connection._sock.fileno())

    def parse_response(self) -> Any:
        reply = self._subscription.parse_response()
        return reply if reply[0] == b'message' else None

    def release(self) -> None:
        self._subscription.close()
        self._connection.close()


class AsksDatabase(RedisSubscriber):
    def publish_message(self, message: Any, expire: float | None = None) -> None:
        from django.contrib.auth.models import User

        super().publish_message(str(User.objects.count()), expire)


class Keeps(RedisSubscriber):
    """Keeps the websocket's handle, and closes or sends by it later."""

    def send_persisted_messages(self, websocket: Any) -> None:
        self.websocket = websocket

    def publish_message(self, message: Any, expire: float | None = None) -> None:
        if message == b'close':
            self.websocket.close(4001, 'as you wish')
        else:
            self.websocket.send(b'back: ' + message)


gaps: list[tuple[float, int, bool]] = []


def listen_to_gaps() -> None:
    """Keep what redis_gap says, and whether it was said in the hub."""
    from ws4redis.signals import WebSockets, redis_gap

    redis_gap.connect(_note_gap, sender=WebSockets)


def _note_gap(seconds: float, channels: int, **kwargs: Any) -> None:
    import greenlet

    gaps.append((seconds, channels, greenlet.getcurrent() is the_loop().hub.greenlet))


def take_gaps() -> list[tuple[float, int, bool]]:
    found, gaps[:] = list(gaps), []
    return found


# Faults


def recheck_at_the_gate(some: Any) -> set[Any]:
    """Stands for a look at rights that takes long."""
    seen.append('rechecked')
    assert gate.wait(GUARD)
    return set()


def wait_in_hub(seconds: float) -> None:
    """Return when a timer of the hub has run out: those that were due before have been served
    then.
    """
    done = threading.Event()
    loop = the_loop()
    loop.hub.call(lambda: loop.hub.later(seconds, done.set))
    assert done.wait(GUARD)


def fail_in_hub(name: str) -> None:
    """Raise the built-in exception in a callback of the hub."""
    import builtins

    def fail() -> None:
        raise getattr(builtins, name)('a fault of ours')

    the_loop().hub.call(fail)
    pass_through_hub()


def fail_for_next_client(name: str) -> None:
    """Let the loop raise the built-in exception when it next reads from a client, once."""
    import builtins

    loop = the_loop()

    def fail(recipient: Any, data: bytes) -> None:
        del loop.receive_data
        raise getattr(builtins, name)('a fault of ours')

    loop.receive_data = fail


def start_loop_at_once(count: int) -> int:
    """Ask for the loop from several threads at the same moment; how many there are."""
    from ws4redis.loop import current_loop

    together = threading.Barrier(count, timeout=GUARD)
    found: list[Any] = []

    def ask() -> None:
        together.wait()
        found.append(current_loop())

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD)
    assert len(found) == count
    return len({id(loop) for loop in found})


def stop_loop(timeout: float | None = None) -> bool:
    return bool(the_loop().stop(timeout))


def use_and_close_loop(rounds: int) -> list[dict[str, int]]:
    """Begin a loop and close it again; what the process used after each round."""
    import weakref

    from ws4redis.loop import current_loop
    from ws4redis.signals import rights_withdrawn

    used = []
    for _ in range(rounds):
        loop = current_loop()
        assert loop.close(GUARD) is True
        assert loop.close(GUARD) is True
        loop.server.close()
        # Neither the exit nor a signal nor the process's own table keeps it.
        kept = weakref.ref(loop)
        del loop
        gc.collect()
        used.append(
            {
                'descriptors': len(os.listdir('/dev/fd')),
                'threads': threads_named('ws4redis-'),
                'loops': int(kept() is not None),
                'receivers': len(rights_withdrawn.receivers),
            }
        )
    return used


def close_loop(timeout: float) -> bool:
    """Close the loop that serves."""
    return bool(the_loop().close(timeout))
