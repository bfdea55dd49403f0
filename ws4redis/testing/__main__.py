"""python -m ws4redis.testing certify URL: see that what holds on fakeredis holds on a Redis server of one's choice too."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ws4redis.testing.certify import Outcome

__all__ = ['main']

USAGE = 2
"""The exit status of a wrong call, as argparse has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says.

    Returns:
        The exit status: 0 if every case holds on every way, 1 if one does not, 2 if nothing could be run.
    """
    parser = argparse.ArgumentParser(prog='python -m ws4redis.testing', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='command')
    command = commands.add_parser(
        'certify',
        help='run the contract against a Redis server',
        description='Runs the contract of ws4redis.testing in memory and over TCP, on fakeredis and on the server, and prints '
        'which case holds where. On the server all names of the package begin with ws4redis-test: and are taken away at the '
        'end; a few raw names begin with contract-. Nothing is flushed.',
    )
    command.add_argument(
        'url', help="redis://, rediss:// or unix://, as WS4REDIS_CONNECTION takes it; 'server' starts a redis-server from PATH"
    )
    command.add_argument('-k', metavar='TEXT', default='', help='only cases with this text in their names')
    chosen = parser.parse_args(arguments)
    return _certify(chosen.url, chosen.k)


def _certify(url: str, part: str) -> int:
    from ws4redis.testing.certify import certify, database, look, table, ways
    from ws4redis.testing.contract import CASES

    cases = {name: case for name, case in CASES.items() if part in name}
    if not cases:
        return _complain(f'no case has {part!r} in its name')
    with database() as empty:
        problem = _problem(url)
        if problem:
            return _complain(problem)
        for way in ways(url):
            print(f'{way.name:<16} {look(way)}')
        # Half of the cases are about errors, which the server's side logs.
        logging.disable(logging.CRITICAL)
        try:
            outcomes = certify(cases, ways(url), empty, _show)
        finally:
            logging.disable(logging.NOTSET)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(f'\n\n{table(outcomes)}\n')
    for outcome in failed:
        print(f'{outcome.case}, {outcome.way}:\n    {outcome.failure}\n')
    print(f'{len(outcomes) - len(failed)} of {len(outcomes)} runs passed: {len(cases)} cases on {len(ways(url))} ways')
    return 1 if failed else 0


def _show(outcome: 'Outcome') -> None:
    print('.' if outcome.passed else 'F', end='', flush=True)


def _problem(url: str) -> str | None:
    """What keeps the server from being used; None if it answers."""
    import redis
    from django.core.exceptions import ImproperlyConfigured

    from ws4redis.testing.servers import MEMORY, BrokerServer

    if url.startswith(MEMORY):
        return f'{MEMORY} is compared with a Redis server: name one'
    try:
        BrokerServer(url).close()
    except ImproperlyConfigured as exc:
        return str(exc).replace('WS4REDIS_CONNECTION', 'the URL')
    except TypeError as exc:
        return f'the URL has an argument that redis-py does not take: {exc}'
    except RuntimeError as exc:
        return str(exc)
    except redis.RedisError as exc:
        return f'no answer from {_without_password(url)}: {exc}'
    return None


def _without_password(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.password is not None:
            return url.replace(parts.netloc, '***@' + parts.netloc.rpartition('@')[2], 1)
    return url


def _complain(text: str) -> int:
    print(f'ws4redis.testing: {text}', file=sys.stderr)
    return USAGE


if __name__ == '__main__':
    sys.exit(main())
