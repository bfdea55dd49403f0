"""The sandbox in processes of its own: it has settings of its own. Management commands, its
tests, and the server.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PLUGIN, PLUGIN_INSTALLED
from tests.processes.journey import eventually

__all__ = ['REPOSITORY', 'Sandbox', 'SandboxServer']

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SANDBOX_VARIABLES = ('DJANGO_SETTINGS_MODULE', 'REDIS_URL')
LINES = 100
"""What of a log is shown when a test has failed."""


class Sandbox:
    """The sandbox with a database file of its own.

    Args:
        database: the file, which is made.
        redis_url: where messages go; None for memory://.
    """

    def __init__(self, database: Path, redis_url: str | None = None) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if name not in SANDBOX_VARIABLES
        }
        own = {'PYTHONPATH': str(REPOSITORY), 'SANDBOX_DATABASE': str(database)}
        self.environment = {**inherited, **own, **({'REDIS_URL': redis_url} if redis_url else {})}

    def manage(self, *arguments: str) -> str:
        """Run manage.py, expect it to succeed without a warning and return what it said."""
        command = [sys.executable, '-W', 'error', 'sandbox/manage.py', *arguments]
        process = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout + process.stderr

    def test(self, *arguments: str) -> str:
        """Run its own tests by pytest, warnings as errors, and return the last line."""
        plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
        command = [
            sys.executable,
            '-W',
            'error',
            '-m',
            'pytest',
            '-q',
            '-p',
            'no:cacheprovider',
            *plugin,
            *arguments,
            'sandbox',
        ]
        process = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout.splitlines()[-1]

    @contextmanager
    def serve(
        self, log: Path, logins: dict[str, list[str]] | None = None
    ) -> Iterator['SandboxServer']:
        """Run the development server on a free port; it writes into the file `log`."""
        server = SandboxServer(self, log, logins or {})
        try:
            server.start()
            yield server
        finally:
            server.kill()
            # For the report of a test that has failed.
            print('--- the sandbox said:', *server.said().splitlines()[-LINES:], sep='\n')


class SandboxServer:
    """The development server; after kill() or stop() it may be started again, and listens on the
    same port.

    Args:
        log: the file into which it writes.
        logins: by user, keys of sessions in its database in which the user is logged in.
    """

    def __init__(self, sandbox: Sandbox, log: Path, logins: dict[str, list[str]]) -> None:
        self.sandbox = sandbox
        self.log = log
        self.logins = logins
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0

    @property
    def host(self) -> str:
        """Host and port."""
        return f'127.0.0.1:{self.port}'

    @property
    def url(self) -> str:
        """The address of its first page, without the slash."""
        return f'http://{self.host}'

    def said(self) -> str:
        """What it has written so far, also before it was started again."""
        return self.log.read_text('utf-8', 'replace') if self.log.exists() else ''

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._begin = len(self.said())
        command = [
            sys.executable,
            '-W',
            'error',
            '-u',
            'sandbox/manage.py',
            'runserver',
            '--noreload',
            f'127.0.0.1:{self.port}',
        ]
        with self.log.open('ab') as log:
            self._process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.sandbox.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = eventually(self._port, 'the sandbox does not listen')

    def _port(self) -> int | None:
        # The line that Django writes when it listens.
        found = re.search(
            r'development server at http://127\.0\.0\.1:(\d+)/', self.said()[self._begin :]
        )
        assert self._process is not None
        assert found or self._process.poll() is None, (
            f'the sandbox ended before it listened:\n{self.said()}'
        )
        return int(found[1]) if found else None

    def stop(self) -> None:
        """End it as a terminal does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait()
