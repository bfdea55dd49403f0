"""The Redis server that a Broker uses: in memory, a redis-server of the test run's own, or one
of the user's.
"""

import atexit
import itertools
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ws4redis.redis_client import RedisServer
from ws4redis.schemes import SCHEMES, is_memory
from ws4redis.seam import seam
from ws4redis.testing.redis_process import RedisProcess, find_redis_server

__all__ = ['SERVER', 'BrokerServer', 'enter', 'leave']

SERVER = 'server'

_RUN = secrets.token_hex(4)
_numbers = itertools.count(1)
_processes: dict[int, RedisProcess] = {}
_entered: list[RedisServer] = []
_before: RedisServer | None = None


class BrokerServer:
    """A server for one Broker, with nothing of other tests in it.

    Args:
        url: 'memory://'; 'server' for a redis-server from PATH, one for each process of the test
            run, emptied for each Broker; or the URL of a server that is in use otherwise: there
            names carry a prefix of this Broker's own.

    Attributes:
        server: what clients reach it by.
        namespace: what stands before each name that our classes make; empty unless the server is in
            use otherwise.
        shared: whether others use the server.

    Raises:
        ValueError: url is none of these.
        RuntimeError: there is no redis-server.
        redis.ConnectionError: the server does not answer.
    """

    def __init__(self, url: str) -> None:
        if not isinstance(url, str) or (url != SERVER and not url.startswith(SCHEMES)):
            shown = re.sub('//.*@', '//***@', url) if isinstance(url, str) else url
            raise ValueError(
                f'url is {shown!r}: a Broker takes memory://, server, or the URL of a server '
                f'({", ".join(SCHEMES)})'
            )
        self.shared = url != SERVER and not is_memory(url)
        self.namespace = (
            f'ws4redis-test:{_RUN}:{_worker()}:{next(_numbers)}:' if self.shared else ''
        )
        self.server = RedisServer(_process().url if url == SERVER else url)
        self.server.namespace = self.namespace
        self.in_memory = self.server.in_memory
        if not self.in_memory:
            self.server.client.ping()
        if url == SERVER:
            self.server.client.flushall()

    def keys(self) -> Iterator[Any]:
        """The keys that are this Broker's."""
        pattern = f'{self.namespace}*' if self.shared else None
        found: Iterator[Any] = self.server.client.scan_iter(match=pattern, count=1000)
        return found

    def close(self) -> None:
        """Take away what this Broker has left there, and the connections."""
        if not self.in_memory:
            left = list(self.keys())
            if left:
                self.server.client.unlink(*left)
        self.server.close()


def enter(server: RedisServer) -> RedisServer:
    """Let every client of this package go to this server, until leave()."""
    global _before
    if not _entered:
        _before = seam.server
    _entered.append(server)
    seam.server = server
    return server


def leave(server: RedisServer) -> None:
    """Back to the one that is in force without it: Brokers need not end in their order."""
    _entered.remove(server)
    seam.server = _entered[-1] if _entered else _before


def _worker() -> str:
    return os.environ.get('PYTEST_XDIST_WORKER', 'main')


def _process() -> RedisProcess:
    """The redis-server of this process, started when first asked for and ended with it."""
    process = _processes.get(os.getpid())
    if process is None:
        program = find_redis_server()
        if program is None:
            raise RuntimeError(
                'there is no redis-server on PATH (Debian: apt-get install redis-server), or '
                'take a URL or memory://'
            )
        directory = tempfile.mkdtemp(prefix='ws4redis-test-')
        process = RedisProcess(program, Path(directory) / 'redis.sock')
        try:
            process.start()
        except BaseException:
            process.stop()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        _processes[os.getpid()] = process
        atexit.register(_end, os.getpid(), process, directory)
    return process


def _end(pid: int, process: RedisProcess, directory: str) -> None:
    # A forked child has inherited this and not the server.
    if pid == os.getpid():
        process.stop()
        shutil.rmtree(directory, ignore_errors=True)
