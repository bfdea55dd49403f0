"""The measured server: gunicorn with one worker on the site of this directory; and what the
kernel says about a process.
"""

import http.client
import importlib.util
import json
import os
import platform
import re
import resource
import socket
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.processes.serving import ROOT, ServingProcess
from ws4redis.testing.redis_process import RedisProcess, find_redis_server

__all__ = [
    'FORMS',
    'Server',
    'cpu_seconds',
    'descriptors',
    'machine',
    'own_redis',
    'pss',
    'raise_descriptor_limit',
    'threads',
]

FORMS: Final = {
    'gevent': ['--worker-class', 'gevent'],
    'gthread': ['--worker-class', 'gthread', '--threads', '8'],
}
"""The two forms of the loop: in the main hub of a patched process, in a thread of its own beside
the server's threads.
"""

START_TIME: Final = 60.0
"""Seconds that a worker may take to answer; it imports Django on a machine that may be busy."""


def own_redis() -> RedisProcess:
    """A redis-server of this run, to be entered.

    Raises:
        SystemExit: redis-server is not installed.
    """
    program = find_redis_server()
    if program is None:
        sys.exit(
            'These measurements start a Redis server: put redis-server on PATH (Debian: apt-get '
            'install redis-server).'
        )
    return RedisProcess(program)


class Server(ServingProcess):
    """gunicorn with one worker, inside a with block.

    Args:
        form: a key of FORMS.
        redis_url: where its Redis is.
        database: the file with sessions and users; None for none.

    Attributes:
        port: where it listens.
        worker: the process id of the worker.
    """

    def __init__(self, form: str, redis_url: str, database: Path | None = None) -> None:
        if importlib.util.find_spec('gunicorn') is None:
            sys.exit(
                "These measurements need gunicorn: pip install 'django-websocket-redis[gunicorn]'."
            )
        self._directory = tempfile.TemporaryDirectory(prefix='ws4redis-benchmarks-')
        super().__init__(Path(self._directory.name) / 'log')
        self.form = form
        self._environ = environment(redis_url, database)
        self.port = 0
        self.worker = 0

    def __enter__(self) -> 'Server':
        with socket.create_server(('127.0.0.1', 0), backlog=4096) as listener:
            self.port = listener.getsockname()[1]
            command = [
                sys.executable, '-m', 'gunicorn', '--workers', '1', *FORMS[self.form],
                '--log-level', 'warning',
                '--bind', f'fd://{listener.fileno()}', 'benchmarks.site.wsgi:application',
            ]  # fmt: skip
            self.launch(command, self._environ, descriptors=[listener.fileno()])
        try:
            status = self.until(self._try_status, 'gunicorn does not answer', START_TIME)
        except BaseException:
            self.__exit__()
            raise
        self.worker = status['pid']
        return self

    def _try_status(self) -> dict[str, Any] | None:
        try:
            return self.status()
        except OSError:
            return None

    def ask(self, path: str) -> dict[str, Any]:
        """The answer of one of the site's views."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=START_TIME)
        try:
            connection.request('GET', path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f'{path} answers {response.status}: {body[:500]!r}\n{self.said()}')
        answer: dict[str, Any] = json.loads(body)
        return answer

    def status(self) -> dict[str, Any]:
        """loop.status() of the worker."""
        return self.ask('/status')

    def wait_until_empty(self) -> None:
        """Wait until the websockets of the last round are gone, and their release() has run."""
        deadline = time.monotonic() + START_TIME
        while time.monotonic() < deadline:
            status = self.status()
            if not status['websockets'] and not status['running_jobs']:
                return
            time.sleep(0.1)
        raise RuntimeError(f'{status["websockets"]} websockets have not ended')

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.stop(START_TIME)
        finally:
            self._directory.cleanup()


def environment(redis_url: str, database: Path | None = None) -> dict[str, str]:
    """The environment in which the site's settings find Redis and the database."""
    return {
        **os.environ,
        'PYTHONPATH': os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])),
        'DJANGO_SETTINGS_MODULE': 'benchmarks.site.settings',
        'BENCHMARKS_REDIS': redis_url,
        'BENCHMARKS_DATABASE': str(database) if database is not None else ':memory:',
    }


def raise_descriptor_limit(needed: int) -> None:
    """Let this process and those that it starts open so many descriptors.

    Raises:
        SystemExit: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(
            f'{needed:,} descriptors are needed, the hard limit is {hard:,}: raise it, or open '
            f'fewer websockets.'
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used, all threads, user and system."""
    # clock_getcpuclockid(3), as the kernel's <linux/posix-timers.h> composes it.
    return time.clock_gettime(~pid << 3 | 2)


def pss(pid: int) -> int:
    """Bytes of memory, shared pages divided by those who share them."""
    match = re.search(
        r'^Pss:\s+(\d+) kB', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.MULTILINE
    )
    assert match is not None
    return int(match[1]) * 1024


def descriptors(pid: int) -> int:
    """Open descriptors."""
    return len(os.listdir(f'/proc/{pid}/fd'))


def threads(pid: int) -> int:
    """Native threads."""
    return len(os.listdir(f'/proc/{pid}/task'))


def machine() -> str:
    """What the figures were measured on, in one line."""
    model = re.search(r'^model name\s*: (.*)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    packages = ', '.join(
        f'{name} {version(name)}' for name in ('django', 'gevent', 'gunicorn', 'redis')
    )
    return (
        f'{os.cpu_count()} x {model[1] if model else platform.machine()}, Linux '
        f'{platform.release()}, '
        f'Python {platform.python_version()}, {packages}; load average {os.getloadavg()[0]:.1f}'
    )
