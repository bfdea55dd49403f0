"""The sandbox in processes of its own: it has settings of its own. Management commands, its
tests, and the server.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PLUGIN, PLUGIN_INSTALLED
from tests.processes.serving import ROOT, ServingProcess

__all__ = ['Sandbox', 'SandboxServer']

SANDBOX_VARIABLES = ('DJANGO_SETTINGS_MODULE', 'REDIS_URL')


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
        own = {'PYTHONPATH': str(ROOT), 'SANDBOX_DATABASE': str(database)}
        self.environment = {**inherited, **own, **({'REDIS_URL': redis_url} if redis_url else {})}

    def manage(self, *arguments: str) -> str:
        """Run manage.py, expect it to succeed without a warning and return what it said."""
        command = [sys.executable, '-W', 'error', 'sandbox/manage.py', *arguments]
        process = subprocess.run(
            command,
            cwd=ROOT,
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
            cwd=ROOT,
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
            server.show('the sandbox')


class SandboxServer(ServingProcess):
    """The development server; after kill() or stop() it may be started again, and listens on the
    same port.

    Args:
        log: the file into which it writes.
        logins: by user, keys of sessions in its database in which the user is logged in.
    """

    def __init__(self, sandbox: Sandbox, log: Path, logins: dict[str, list[str]]) -> None:
        super().__init__(log)
        self.sandbox = sandbox
        self.logins = logins
        self.port = 0

    @property
    def host(self) -> str:
        """Host and port."""
        return f'127.0.0.1:{self.port}'

    @property
    def url(self) -> str:
        """The address of its first page, without the slash."""
        return f'http://{self.host}'

    def start(self) -> None:
        """Start it, and return when it listens."""
        command = [
            sys.executable,
            '-W',
            'error',
            '-u',
            'sandbox/manage.py',
            'runserver',
            '--noreload',
            self.host,
        ]
        self.launch(command, self.sandbox.environment)
        self.port = self.until(self._port, 'the sandbox does not listen')

    def _port(self) -> int | None:
        # The line that Django writes when it listens.
        found = re.search(r'development server at http://127\.0\.0\.1:(\d+)/', self.said_now())
        return int(found[1]) if found else None
