"""A redis-server of the tests' own: on a free port or a unix socket, with nothing on disk."""

import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import redis

__all__ = ['RedisProcess', 'find_redis_server']

START_GUARD = 30.0
"""Seconds after which a redis-server that neither listens nor ends is given up."""

ATTEMPTS = 5
"""Between asking for a free port and listening on it somebody else may take it."""


def find_redis_server() -> str | None:
    """Return where redis-server is; None if it is not installed."""
    return shutil.which('redis-server')


class RedisProcess:
    """A redis-server that runs inside a with block.

    Args:
        program: the path of redis-server.
        socket_path: the unix socket to listen on; None takes a free port of the loopback.
    """

    def __init__(self, program: str, socket_path: Path | None = None) -> None:
        self.program = program
        self.socket_path = socket_path
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it listens, as WS4REDIS_CONNECTION takes it."""
        return (
            f'unix://{self.socket_path}' if self.socket_path else f'redis://127.0.0.1:{self.port}/0'
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, 'redis-server is not running'
        return self._process.pid

    def client(self) -> 'redis.Redis':
        """Return a plain client of redis-py, to be closed by the caller."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, empty; after stop() on the same port again.

        Raises:
            RuntimeError: it has ended at once, or somebody else answers in its place.
        """
        output = ''
        for _ in range(1 if self.port else ATTEMPTS):
            port = self.port or (0 if self.socket_path else _free_port())
            self._process = self._launch(port)
            output = self._wait_until_ready()
            if not output:
                self.port = port
                self._prove()
                return
            self.stop()
        raise RuntimeError(f'redis-server has ended at once:\n{output}')

    def _launch(self, port: int) -> 'subprocess.Popen[str]':
        where = (
            ['--unixsocket', str(self.socket_path)] if self.socket_path else ['--bind', '127.0.0.1']
        )
        command = [
            self.program,
            '--port',
            str(port),
            *where,
            '--save',
            '',
            '--appendonly',
            'no',
            '--daemonize',
            'no',
        ]
        elsewhere = tempfile.gettempdir()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=elsewhere,
        )

    def _wait_until_ready(self) -> str:
        """Read its log until it listens, and return ''; what it has said if it ends instead."""
        assert self._process is not None and self._process.stdout is not None
        lines = []
        # Its end is what ends this loop.
        guard = threading.Timer(START_GUARD, self._process.kill)
        guard.start()
        try:
            for line in self._process.stdout:
                if 'eady to accept connections' in line:
                    return ''
                lines.append(line)
        finally:
            guard.cancel()
        return ''.join(lines) or 'it has said nothing'

    def _prove(self) -> None:
        client = self.client()
        try:
            answers = client.info('server')['process_id']
            # Nobody reads its log any more: a full pipe would stop it.
            client.config_set('loglevel', 'warning')
        finally:
            client.close()
        if answers != self.pid:
            raise RuntimeError(
                f'{self.url} is served by process {answers}, not by {self.pid}, which was started'
            )

    def stop(self) -> None:
        """End it, also while it is stopped by a signal; it has nothing to save."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def __enter__(self) -> 'RedisProcess':
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
