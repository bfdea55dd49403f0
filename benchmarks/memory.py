"""What an idle websocket costs: memory, descriptors, threads, greenlets, Redis connections.

    python -m benchmarks.memory [--form gevent|gthread] [--few 1000] [--many 5000]

Each websocket has a session and a logged-in user of its own, and listens on two channels (user and
broadcast). Ends with 1 if one costs more than 4 KiB, or if one was refused or closed.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.programs import Load, Programs
from benchmarks.server import (
    FORMS,
    Server,
    descriptors,
    environment,
    machine,
    own_redis,
    pss,
    raise_descriptor_limit,
    threads,
)

__all__ = ['Figures', 'main']

TARGET: Final = 4096
"""Bytes a websocket."""

SETTLED: Final = 5.0
"""Seconds after the handshakes, when what they needed is given back."""

PINGED: Final = 25.0
"""Seconds after which every client has answered a ping: WS4REDIS_PING_INTERVAL and some."""

SESSION_AGE: Final = timedelta(days=1)

PATH: Final = '/ws/memory?subscribe-user&subscribe-broadcast'


@dataclass(frozen=True)
class Figures:
    """The worker at one moment."""

    websockets: int
    pss: int
    descriptors: int
    threads: int
    greenlets: int
    pubsub_connections: int

    def __str__(self) -> str:
        return (
            f'{self.websockets} websockets: {self.pss / 1024:.0f} KiB, {self.descriptors} '
            f'descriptors, {self.threads} threads, '
            f'{self.greenlets} greenlets, {self.pubsub_connections} pub/sub connections'
        )


def make_sessions(count: int, cookies: Sequence[Path], sizes: Sequence[int]) -> None:
    """Make users, logged in, in the database of the settings, and write the Cookie headers.

    Args:
        count: how many.
        cookies, sizes: the files to write, and how many lines each.
    """
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.utils.timezone import now

    call_command('migrate', verbosity=0)
    User.objects.bulk_create(
        [User(username=f'user{number}', password='!') for number in range(count)]
    )
    store, expires = SessionStore(), now() + SESSION_AGE
    sessions = [
        Session(
            session_key=f'{user.pk:032d}',
            session_data=store.encode(
                {
                    SESSION_KEY: str(user.pk),
                    BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                }
            ),
            expire_date=expires,
        )
        for user in User.objects.order_by('pk')
    ]
    Session.objects.bulk_create(sessions)
    lines = iter(
        [f'{settings.SESSION_COOKIE_NAME}={session.session_key}\n' for session in sessions]
    )
    for path, size in zip(cookies, sizes, strict=True):
        path.write_text(''.join(next(lines) for _ in range(size)))


def take(server: Server, redis: Any) -> Figures:
    """The figures of this moment, memory first: asking for the others needs some."""
    memory = pss(server.worker)
    client = redis.client()
    try:
        connections = client.client_list(_type='pubsub')
    finally:
        client.close()
    return Figures(
        pss=memory,
        descriptors=descriptors(server.worker),
        threads=threads(server.worker),
        websockets=server.status()['websockets'],
        greenlets=server.ask('/greenlets')['greenlets'],
        pubsub_connections=len(connections),
    )


def idle(server: Server, redis: Any, load: Load, opened_at: float) -> tuple[Figures, Figures]:
    """The figures when the handshakes are forgotten, and when each client has answered a ping."""
    time.sleep(max(0.0, opened_at + SETTLED - time.monotonic()))
    settled = take(server, redis)
    print(f'  {settled}')
    time.sleep(max(0.0, opened_at + PINGED - time.monotonic()))
    deadline = time.monotonic() + PINGED
    while (figures := load.look())['pinged'] < figures['opened'] and time.monotonic() < deadline:
        time.sleep(0.5)
    pinged = take(server, redis)
    print(f'  {pinged}; each client has answered a ping')
    return settled, pinged


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.memory', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('--form', choices=FORMS, default='gevent')
    parser.add_argument('--few', type=int, default=1000, help='websockets before the first figure')
    parser.add_argument(
        '--many',
        type=int,
        default=5000,
        help='websockets before the second; the difference is divided',
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = parse_arguments(arguments)
    more = options.many - options.few
    raise_descriptor_limit(options.many + 200)
    print(machine())
    with Programs() as programs, own_redis() as redis, contextlib.ExitStack() as websockets:
        cookies = [programs.directory / name for name in ('few', 'more')]
        database = programs.directory / 'database.sqlite3'
        os.environ.update(environment(redis.url, database))
        make_sessions(options.many, cookies, [options.few, more])
        server = websockets.enter_context(Server(options.form, redis.url, database))
        print(f'{options.form}:\n  {take(server, redis)}')
        figures, loads = [], []
        for count, file in zip((options.few, more), cookies, strict=True):
            loads.append(
                websockets.enter_context(Load(programs, server.port, PATH, count, cookies=file))
            )
            figures.append(idle(server, redis, loads[-1], time.monotonic()))
        wrong = [load.look() for load in loads if load.look()['closed'] or load.opened['refused']]
        status, log = server.status(), server.said()
    (_, few), (settled, pinged) = figures
    bytes_each = [
        (later.pss - few.pss) / max(1, later.websockets - few.websockets)
        for later in (settled, pinged)
    ]
    descriptors_each = (pinged.descriptors - few.descriptors) / max(
        1, pinged.websockets - few.websockets
    )
    print(
        f'{options.form}: {bytes_each[0]:.0f} bytes a websocket, {bytes_each[1]:.0f} after a '
        f'ping; target at most {TARGET}; '
        f'{descriptors_each:.2f} descriptors a websocket; threads {few.threads} and '
        f'{pinged.threads}, '
        f'greenlets {few.greenlets} and {pinged.greenlets}, pub/sub connections '
        f'{pinged.pubsub_connections}'
    )
    if wrong:
        print(f'REFUSED OR CLOSED: {wrong}\nstatus {status}\n{log[-2000:]}')
    return 1 if wrong or max(bytes_each) > TARGET else 0


if __name__ == '__main__':
    sys.exit(main())
