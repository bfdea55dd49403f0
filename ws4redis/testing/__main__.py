"""python -m ws4redis.testing certify URL: see that what holds on fakeredis holds on a Redis
server of one's choice too.
"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ws4redis.testing.contract.certify import Outcome

__all__ = ['database', 'main']

USAGE = 2
"""The exit status of a wrong call, as argparse has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says.

    Returns:
        The exit status: 0 if every case holds on every way, 1 if one does not, 2 if nothing could
        be run.
    """
    parser = argparse.ArgumentParser(prog='python -m ws4redis.testing', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='command')
    command = commands.add_parser(
        'certify',
        help='run the contract against a Redis server',
        description='Runs the contract of ws4redis.testing in memory and over TCP, on fakeredis '
        'and on the server, and prints '
        'which case holds where. On the server all names of the package begin with '
        'ws4redis-test: and are taken away at the '
        'end; a few raw names begin with contract-. Nothing is flushed.',
    )
    command.add_argument(
        'url',
        help="redis://, rediss:// or unix://, as WS4REDIS_CONNECTION takes it; 'server' starts a "
        'redis-server from PATH',
    )
    command.add_argument(
        '-k', metavar='TEXT', default='', help='only cases with this text in their names'
    )
    chosen = parser.parse_args(arguments)
    return _certify(chosen.url, chosen.k)


def _certify(url: str, part: str) -> int:
    with database() as empty:
        from ws4redis.testing.contract.cases import CASES
        from ws4redis.testing.contract.certify import certify, look, table, ways

        cases = {name: case for name, case in CASES.items() if part in name}
        problem = _problem(url) if cases else f'no case has {part!r} in its name'
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
    print(
        f'{len(outcomes) - len(failed)} of {len(outcomes)} runs passed: {len(cases)} cases on '
        f'{len(ways(url))} ways'
    )
    return 1 if failed else 0


@contextlib.contextmanager
def database() -> Iterator[Callable[[], object]]:
    """Django with a test database; gives what empties it.

    With DJANGO_SETTINGS_MODULE it is the project's, else SQLite in memory.
    """
    import django
    from django.conf import settings

    if not os.environ.get('DJANGO_SETTINGS_MODULE') and not settings.configured:
        settings.configure(**SITE)
    django.setup()
    from django.core.management import call_command
    from django.test.utils import (
        setup_databases,
        setup_test_environment,
        teardown_databases,
        teardown_test_environment,
    )

    setup_test_environment()
    try:
        old = setup_databases(verbosity=0, interactive=False)
        try:
            yield partial(call_command, 'flush', verbosity=0, interactive=False)
        finally:
            teardown_databases(old, verbosity=0)
    finally:
        teardown_test_environment()


SITE: dict[str, Any] = {
    'SECRET_KEY': 'of a site that lives as long as its tests',
    'USE_TZ': True,
    'DATABASES': {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}},
    'INSTALLED_APPS': [
        'django.contrib.auth',
        'django.contrib.contenttypes',
        'django.contrib.sessions',
        'ws4redis',
    ],
    'MIDDLEWARE': [
        'django.contrib.sessions.middleware.SessionMiddleware',
        'django.contrib.auth.middleware.AuthenticationMiddleware',
    ],
    'ROOT_URLCONF': (),
    'DEFAULT_AUTO_FIELD': 'django.db.models.BigAutoField',
}
"""A site that has what the cases need."""


def _show(outcome: 'Outcome') -> None:
    print('.' if outcome.passed else 'F', end='', flush=True)


def _problem(url: str) -> str | None:
    """What keeps the server from being used; None if it answers."""
    import redis
    from django.core.exceptions import ImproperlyConfigured

    from ws4redis.schemes import MEMORY, is_memory
    from ws4redis.testing.servers import BrokerServer

    if is_memory(url):
        return f'{MEMORY} is compared with a Redis server: name one'
    try:
        BrokerServer(url).close()
    except ImproperlyConfigured as exc:
        return str(exc).replace('WS4REDIS_CONNECTION', 'the URL')
    except TypeError as exc:
        return f'the URL has an argument that redis-py does not take: {exc}'
    except (RuntimeError, ValueError) as exc:
        return str(exc)
    except redis.RedisError as exc:
        return f'no answer from {_without_password(url)}: {exc}'
    return None


def _without_password(url: str) -> str:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.password is not None:
            return url.replace(parts.netloc, '***@' + parts.netloc.rpartition('@')[2], 1)
    return url


def _complain(text: str) -> int:
    print(f'ws4redis.testing: {text}', file=sys.stderr)
    return USAGE


if __name__ == '__main__':
    sys.exit(main())
