"""The journey project in processes of its own: management commands, and real servers on free
ports of the loopback.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes.hosts import APPLICATION, HOSTS, OLD, REFUSING, Host

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = ROOT / 'tests' / 'projects' / 'journey'

GUARD = 30.0
"""Seconds after which what has not happened is a failure; on a busy machine a server takes some
to come up.
"""

ATTEMPTS = 3
"""Between asking for a free port and listening on it somebody else may take it."""

LINES = 100
"""What of a log is shown when a test has failed."""


@dataclass(frozen=True)
class Site:
    """The journey project with a database file and a Redis.

    Attributes:
        application: the WSGI application to serve, as MODULE:NAME; None leaves it to the host.
        project: the directory of the project, or of a copy that may be changed.
        origins: of which pages may open websockets, besides those of the websockets' own host.
        settings: the module.
    """

    database: Path
    redis_url: str
    application: str | None = None
    project: Path = PROJECT
    origins: tuple[str, ...] = ()
    settings: str = 'journey.settings'

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its processes."""
        return {
            **os.environ,
            'PYTHONPATH': os.pathsep.join([str(ROOT), str(self.project)]),
            'PYTHONUNBUFFERED': '1',
            'DJANGO_SETTINGS_MODULE': self.settings,
            'JOURNEY_DATABASE': str(self.database),
            'JOURNEY_APPLICATION': (self.application or APPLICATION).replace(':', '.'),
            'JOURNEY_ORIGINS': ' '.join(self.origins),
            'REDIS_URL': self.redis_url,
        }

    def manage(self, *arguments: str) -> str:
        """Run a management command, expect it to succeed and return what it said."""
        command = [sys.executable, 'manage.py', *arguments]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=GUARD * 2,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@dataclass
class ServerProcess:
    """A server inside a with block; what it writes goes into the file `log`.

    Args:
        host: one of HOSTS, REFUSING or OLD; without the nginx that may stand in front of it.
        log: a file that is made.
        options: for the command line.
    """

    site: Site
    host: str
    log: Path
    options: tuple[str, ...] = ()
    port: int = field(default=0, init=False)
    _process: 'subprocess.Popen[bytes] | None' = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process id of the server; of its master, if it has workers."""
        assert self._process is not None, f'{self.host} is not running'
        return self._process.pid

    @property
    def origin(self) -> str:
        """As a browser names it."""
        return f'{self.kind.scheme}://127.0.0.1:{self.port}'

    @property
    def kind(self) -> Host:
        """How it was started, and what can be said of it."""
        return (HOSTS | REFUSING | OLD)[self.host]

    def serving_pids(self) -> list[int]:
        """The process ids of those that serve: the workers, or the server itself."""
        if not self.kind.workers:
            return [self.pid]
        # uWSGI has started its router last.
        return children(self.pid)[: self.kind.workers]

    def said(self) -> str:
        """What it has written so far."""
        return self.log.read_text('utf-8', 'replace')

    def __enter__(self) -> 'ServerProcess':
        for _ in range(ATTEMPTS):
            self.port = free_port()
            try:
                self._start()
                return self
            except BaseException as exc:
                self._end()
                if 'in use' not in self.said():
                    raise AssertionError(
                        f'{self.host} has not come up: {exc}\n{self.said()}'
                    ) from exc
        raise AssertionError(f'{self.host} has found no free port:\n{self.said()}')

    def _start(self) -> None:
        kind = self.kind
        command = [
            *kind.command(self.site.application or kind.application, f'127.0.0.1:{self.port}'),
            *self.options,
        ]
        with self.log.open('wb') as log, interruptible():
            # A session of its own, so that the workers of a server can be ended with it.
            self._process = subprocess.Popen(
                command,
                cwd=self.site.project,
                env=self.site.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._serves, f'{self.host} does not listen')

    def _serves(self) -> bool:
        return self._listens() and len(self.serving_pids()) >= self.kind.workers

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f'it has ended with {self._process.returncode}')
        return listens(self.port)

    def begin_to_end(self) -> None:
        """Send SIGTERM, as who runs servers does."""
        os.kill(self.pid, signal.SIGTERM)

    def interrupt(self) -> None:
        """Send SIGINT to all of its processes, as Ctrl-C in its terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def begin_to_reload(self) -> None:
        """Let it load its code again, as who runs servers does."""
        if self.kind.reloads == 'file':
            (self.site.project / 'journey' / 'views.py').touch()
        else:
            os.kill(self.pid, signal.SIGHUP)

    def wait(self) -> int:
        """Wait for its end, and return the exit code."""
        assert self._process is not None
        return self._process.wait(GUARD)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            # The group lives as long as one of its members, whether or not its leader still does.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __exit__(self, *exc_info: object) -> None:
        self._end()
        # For the report of a test that has failed.
        print(f'--- {self.host} said:', *self.said().splitlines()[-LINES:], sep='\n')


@contextmanager
def interruptible() -> Iterator[None]:
    """Processes that start in here hear SIGINT, as in a terminal: what a shell has put into the
    background ignores it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def eventually(happened: Callable[[], Any], otherwise: str, seconds: float = GUARD) -> Any:
    """Ask until the answer is true, and return it: for what other processes do. `otherwise` is
    the failure's text.
    """
    deadline = time.monotonic() + seconds
    while not (answer := happened()):
        if time.monotonic() > deadline:
            raise AssertionError(otherwise)
        # As short as a process takes to do anything.
        time.sleep(0.005)
    return answer


def children(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [
        int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text('ascii').split()
    ]


def descriptor_count(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f'/proc/{pid}/fd'))


def thread_count(pid: int) -> int:
    """How many threads a process has."""
    return len(os.listdir(f'/proc/{pid}/task'))


def listens(port: int) -> bool:
    """Whether somebody takes connections on this port."""
    with suppress(OSError), socket.create_connection(('127.0.0.1', port), timeout=GUARD):
        return True
    return False


def form_data(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """The fields of a form, a list of values as several of one name."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        pairs.extend((name, str(one)) for one in values)
    return pairs


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
