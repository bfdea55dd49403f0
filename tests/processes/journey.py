"""The journey project in processes of its own: management commands, and real servers on free
ports of the loopback.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes.hosts import APPLICATION, HOSTS, OLD, REFUSING, Host
from tests.processes.serving import GUARD, ROOT, ServingProcess, free_port, listens

__all__ = [
    'PROJECT',
    'Deployment',
    'ServerProcess',
    'children',
    'descriptor_count',
    'form_data',
    'interruptible',
    'thread_count',
]

PROJECT = ROOT / 'tests' / 'projects' / 'journey'

ATTEMPTS = 3
"""Between asking for a free port and listening on it somebody else may take it."""


@dataclass(frozen=True)
class Deployment:
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


class ServerProcess(ServingProcess):
    """A server inside a with block.

    Args:
        deployment: what it serves.
        host: one of HOSTS, REFUSING or OLD; without the nginx that may stand in front of it.
        log: the file into which it writes, made anew.
        options: for the command line.
    """

    def __init__(
        self, deployment: Deployment, host: str, log: Path, options: tuple[str, ...] = ()
    ) -> None:
        super().__init__(log, leads=True)
        self.deployment = deployment
        self.host = host
        self.options = options
        self.port = 0

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

    def __enter__(self) -> 'ServerProcess':
        for _ in range(ATTEMPTS):
            self.port = free_port()
            self.log.unlink(missing_ok=True)
            try:
                self._start()
                return self
            except BaseException as exc:
                self.kill()
                if 'in use' not in self.said():
                    raise AssertionError(
                        f'{self.host} has not come up: {exc}\n{self.said()}'
                    ) from exc
        raise AssertionError(f'{self.host} has found no free port:\n{self.said()}')

    def _start(self) -> None:
        application = self.deployment.application or self.kind.application
        command = self.kind.command(application, f'127.0.0.1:{self.port}')
        with interruptible():
            self.launch(
                [*command, *self.options],
                self.deployment.environ,
                directory=self.deployment.project,
            )
        self.until(self._serves, 'it does not listen')

    def _serves(self) -> bool:
        return listens(self.port) and len(self.serving_pids()) >= self.kind.workers

    def interrupt(self) -> None:
        """Send SIGINT to all of its processes, as Ctrl-C in its terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def begin_to_reload(self) -> None:
        """Let it load its code again, as who runs servers does."""
        if self.kind.reloads == 'file':
            (self.deployment.project / 'journey' / 'views.py').touch()
        else:
            os.kill(self.pid, signal.SIGHUP)

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self.show(self.host)


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


def form_data(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """The fields of a form, a list of values as several of one name."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        pairs.extend((name, str(one)) for one in values)
    return pairs
