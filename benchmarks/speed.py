"""Frames a second, beside a C program that does one send() a message a websocket; round by round,
since machines are busy.

    python -m benchmarks.speed [--form gevent|gthread] [--rounds 5] [--websockets 1000]
                               [--messages 5000] [--bound-messages 500] [--size 100] [--depth 2000]
                               [--rate 0]

Each round opens the websockets anew, publishes, and counts from the first byte to Redis until the
last frame has been received. With --rate 50 --messages 200 --bound-messages 200 each message is a
batch of its own, so that nothing is gained by batches: only the CPU seconds say something then.
Ends with 1 if a websocket was closed or got less than it was owed.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.programs import Limit, Load, Programs
from benchmarks.server import FORMS, Server, cpu_seconds, machine, own_redis, raise_descriptor_limit

__all__ = ['Round', 'main', 'measure']

CHANNEL = 'broadcast:speed'


@dataclass(frozen=True)
class Round:
    """One run against one server.

    Attributes:
        frames: received by all websockets.
        seconds: from the first byte to Redis until the last frame.
        cpu: seconds of the server's process meanwhile, without the handshakes.
        complete: whether every websocket was there until the end and got exactly what it was owed.
        figures: what the load program told.
    """

    frames: int
    seconds: float
    cpu: float
    complete: bool
    figures: dict[str, Any]

    @property
    def speed(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def cpu_a_million(self) -> float:
        """CPU seconds for a million frames."""
        return self.cpu / max(1, self.frames) * 1e6


def measure(
    programs: Programs,
    port: int,
    redis_port: int,
    messages: int,
    options: argparse.Namespace,
    pid: int,
) -> Round:
    """Open the websockets, publish, wait for the last frame."""
    with Load(programs, port, '/ws/speed?subscribe-broadcast', options.websockets) as load:
        # Who has one message has joined: what is measured is the traffic, not the end of a thousand
        # handshakes.
        programs.publish(redis_port, CHANNEL, 1, options.size, 1)
        before = load.wait_for(1)
        cpu = cpu_seconds(pid)
        published = programs.publish(
            redis_port, CHANNEL, messages, options.size, options.depth, options.rate
        )
        figures = load.wait_for(1 + messages)
        cpu = cpu_seconds(pid) - cpu
    complete = (
        figures['least'] == figures['most'] == 1 + messages
        and not figures['closed']
        and not figures['refused']
    )
    seconds = max(1, figures['last_ns'] - published['start_ns']) / 1e9
    return Round(figures['frames'] - before['frames'], seconds, cpu, complete, figures)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.speed', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('--form', choices=FORMS, default='gevent')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--websockets', type=int, default=1000)
    parser.add_argument(
        '--messages',
        type=int,
        default=5000,
        help='of ours; a share stays below WS4REDIS_MAX_PENDING',
    )
    parser.add_argument(
        '--bound-messages', type=int, default=500, help='of the bound, which is slower'
    )
    parser.add_argument('--size', type=int, default=100, help='bytes of a message')
    parser.add_argument(
        '--depth', type=int, default=2000, help='PUBLISH commands under way at once'
    )
    parser.add_argument(
        '--rate', type=float, default=0, help='messages a second; 0: as many as Redis takes'
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = parse_arguments(arguments)
    raise_descriptor_limit(options.websockets + 200)
    print(machine())
    pairs: list[tuple[Round, Round]] = []
    with (
        Programs() as programs,
        own_redis() as redis,
        Server(options.form, redis.url) as server,
        Limit(programs, redis.port, CHANNEL) as bound,
    ):
        for number in range(1, options.rounds + 1):
            server.wait_until_empty()
            theirs = measure(
                programs, bound.port, redis.port, options.bound_messages, options, bound.pid
            )
            ours = measure(
                programs, server.port, redis.port, options.messages, options, server.worker
            )
            pairs.append((ours, theirs))
            print(
                f'round {number}: {tell(options.form, ours)}; {tell("bound", theirs)}; ratio '
                f'{ours.speed / theirs.speed:.1f}'
            )
            if not ours.complete:
                print(f'  status {server.status()}\n{server.said()[-2000:]}')
    ratio = statistics.median(ours.speed / theirs.speed for ours, theirs in pairs)
    cpu = statistics.median(ours.cpu_a_million for ours, _ in pairs)
    cpu_ratio = statistics.median(
        theirs.cpu_a_million / ours.cpu_a_million for ours, theirs in pairs
    )
    complete = all(found.complete for pair in pairs for found in pair)
    print(
        f'{options.form}: median ratio {ratio:.1f}, median {cpu:.4f} CPU seconds a million frames, '
        f'{cpu_ratio:.1f} times less than the bound; '
        f'{"no websocket was closed or short" if complete else "WEBSOCKETS WERE CLOSED OR SHORT"}'
    )
    return 0 if complete else 1


def tell(name: str, found: Round) -> str:
    """A round in words."""
    words = (
        f'{name} {found.speed / 1e6:.2f} million frames a second, {found.cpu_a_million:.3f} '
        f'CPU seconds a million'
    )
    return words if found.complete else f'{words}, CLOSED OR SHORT {found.figures}'


if __name__ == '__main__':
    sys.exit(main())
