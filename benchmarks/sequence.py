"""Numbered messages to many websockets over TCP: does each get what it is owed, all of it, once, in
order?

    python -m benchmarks.sequence [--form gevent|gthread] [--websockets 1000] [--messages 1000]
                                  [--at-once 64] [--redis URL]

Ends with 1 unless nothing was lost, repeated, out of order or closed.
"""

import argparse
import multiprocessing
import os
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.programs import AT_ONCE, Load, Programs
from benchmarks.server import FORMS, Server, environment, machine, own_redis, raise_descriptor_limit

__all__ = ['Faults', 'compare', 'main']

PATH: Final = '/ws/sequence?subscribe-broadcast'


@dataclass
class Faults:
    """What a websocket, or all of them, got otherwise than owed."""

    lost: int = 0
    repeated: int = 0
    disordered: int = 0

    def add(self, other: 'Faults') -> None:
        """Add another's."""
        self.lost += other.lost
        self.repeated += other.repeated
        self.disordered += other.disordered


def compare(got: Sequence[int], owed: int) -> Faults:
    """How a sequence differs from 0, 1, ... owed - 1.

    A number that was never sent counts as repeated: it has come too often. One that comes first
    after a larger one is out of order.
    """
    faults = Faults()
    largest = -1
    seen: Counter[int] = Counter()
    for number in got:
        if seen[number] or not 0 <= number < owed:
            faults.repeated += 1
        elif number < largest:
            faults.disordered += 1
        seen[number] += 1
        largest = max(largest, number)
    faults.lost = owed - sum(1 for number in seen if 0 <= number < owed)
    return faults


def read_numbers(path: Path, websockets: int) -> Iterator[Sequence[int]]:
    """The sequences that the load program has written, websocket by websocket."""
    with path.open('rb') as file:
        for _ in range(websockets):
            count = array('I')
            count.fromfile(file, 1)
            numbers = array('I')
            numbers.fromfile(file, count[0])
            yield numbers


def publish_numbers(redis_url: str, facility: str, messages: int) -> None:
    """Publish the numbers one by one; runs in a process of its own."""
    os.environ.update(environment(redis_url))
    from ws4redis.publisher import RedisPublisher
    from ws4redis.redis_store import RedisMessage

    publisher = RedisPublisher(facility=facility, broadcast=True)
    for number in range(messages):
        publisher.publish_message(RedisMessage(f'{number:010d}'))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.sequence', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('--form', choices=FORMS, default='gevent')
    parser.add_argument('--websockets', type=int, default=1000)
    parser.add_argument('--messages', type=int, default=1000)
    parser.add_argument('--at-once', type=int, default=AT_ONCE, help='handshakes under way at once')
    parser.add_argument('--redis', metavar='URL', help='an empty Redis; without it one is started')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = parse_arguments(arguments)
    raise_descriptor_limit(options.websockets + 200)
    print(machine())
    with Programs() as programs, nullcontext() if options.redis else own_redis() as redis:
        redis_url = redis.url if redis is not None else options.redis
        numbers = programs.directory / 'numbers'
        with (
            Server(options.form, redis_url) as server,
            Load(
                programs,
                server.port,
                PATH,
                options.websockets,
                at_once=options.at_once,
                numbers=numbers,
            ) as load,
        ):
            process = multiprocessing.get_context('spawn').Process(
                target=publish_numbers, args=(redis_url, 'sequence', options.messages)
            )
            process.start()
            process.join()
            figures = load.wait_for(options.messages)
            status, log = server.status(), server.said()
        faults = Faults()
        for got in read_numbers(numbers, options.websockets):
            faults.add(compare(got, options.messages))
    closed = sum(figures['closed'].values())
    print(
        f'{options.form}: {figures["opened"]} websockets opened, {figures["refused"]} refused; '
        f'{options.messages} messages published, {figures["frames"]} frames received'
    )
    print(
        f'lost {faults.lost}, repeated {faults.repeated}, out of order {faults.disordered}, '
        f'closed {closed}'
    )
    right = faults == Faults() and not closed and not figures['refused'] and process.exitcode == 0
    if not right:
        print(
            f'close codes {figures["closed"]}; publisher ended with {process.exitcode}; status '
            f'{status}\n{log}'
        )
    return 0 if right else 1


if __name__ == '__main__':
    sys.exit(main())
