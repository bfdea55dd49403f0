"""The C programs: compiled into a directory of this run alone, started, and listened to."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

__all__ = ['AT_ONCE', 'Limit', 'Load', 'Programs']

HERE: Final = Path(__file__).resolve().parent

LOOK: Final = 0.05
"""Seconds between two looks at the load program; each costs it some microseconds."""

AT_ONCE: Final = 64
"""Handshakes under way at once: they keep a worker busy, and none of them waits for long."""

QUIET: Final = 0.5
"""Seconds for which a repeated message may still be on its way after everything that was owed
has come.
"""


class Programs:
    """The compiled programs, inside a with block.

    Raises:
        SystemExit: there is no C compiler, or it failed.
    """

    def __enter__(self) -> 'Programs':
        if shutil.which('cc') is None:
            sys.exit(
                'These measurements need a C compiler, so that the load is not the bottleneck: '
                'there is no cc on PATH (Debian: apt-get install gcc libc6-dev).'
            )
        self._directory = tempfile.TemporaryDirectory(prefix='ws4redis-benchmarks-')
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._directory.cleanup()

    @property
    def directory(self) -> Path:
        """A directory of this run, gone at its end."""
        return Path(self._directory.name)

    def path(self, name: str) -> str:
        """The program of this name, compiled when it is first asked for."""
        program = self.directory / name
        if not program.exists():
            done = subprocess.run(
                ['cc', '-O2', '-o', str(program), str(HERE / f'{name}.c')],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(f'cc cannot compile {name}.c:\n{done.stderr}')
        return str(program)

    def publish(
        self, redis_port: int, channel: str, count: int, size: int, depth: int, rate: float = 0
    ) -> dict[str, Any]:
        """Publish messages; what the program printed.

        Args:
            count, size: how many, of how many bytes each.
            depth: how many are unanswered at the most.
            rate: so many a second; 0 for as many as Redis takes.
        """
        arguments = [str(value) for value in (redis_port, channel, count, size, depth, rate)]
        done = subprocess.run(
            [self.path('publish'), *arguments], stdout=subprocess.PIPE, check=True
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


class Load:
    """Open websockets, inside a with block.

    Args:
        programs: the compiled programs.
        port, path: where they are opened.
        count: how many.
        at_once: handshakes under way at once.
        cookies: a file with a Cookie header for each.
        numbers: the file that gets the number sequences when the block ends.

    Attributes:
        opened: what the program told when all handshakes were done.
        figures: what it told last.
    """

    def __init__(
        self,
        programs: Programs,
        port: int,
        path: str,
        count: int,
        *,
        at_once: int = AT_ONCE,
        cookies: Path | None = None,
        numbers: Path | None = None,
    ) -> None:
        options = ['-a', str(at_once)]
        if cookies is not None:
            options += ['-c', str(cookies)]
        if numbers is not None:
            options += ['-r', str(numbers)]
        self._command = [programs.path('load'), *options, str(port), path, str(count)]
        self.count = count
        self.figures: dict[str, Any] = {}

    def __enter__(self) -> 'Load':
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.opened = self._read()
        return self

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError('the load program has ended')
        self.figures = json.loads(line)
        return self.figures

    def look(self) -> dict[str, Any]:
        """The figures of this moment."""
        assert self._process.stdin is not None
        self._process.stdin.write(b'\n')
        self._process.stdin.flush()
        return self._read()

    def wait_for(self, messages: int, patience: float = 10.0) -> dict[str, Any]:
        """Wait until each websocket has so many, then a little for more than is owed; give up when
        nothing comes.

        Args:
            messages: for each websocket.
            patience: seconds without a message after which no more are waited for.
        """
        frames, since = -1, time.monotonic()
        while time.monotonic() - since < patience:
            figures = self.look()
            if figures['least'] >= messages:
                time.sleep(QUIET)
                return self.look()
            if figures['frames'] != frames:
                frames, since = figures['frames'], time.monotonic()
            time.sleep(LOOK)
        return self.figures

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        last = self._process.stdout.readline()
        if last:
            self.figures = json.loads(last)
        self._process.stdout.close()
        self._process.wait()


class Limit:
    """The bound, inside a with block: a C program that does one send() a message a websocket.

    Attributes:
        port: where it listens.
        pid: its process.
    """

    def __init__(self, programs: Programs, redis_port: int, channel: str) -> None:
        self._command = [programs.path('limit'), str(redis_port), channel]
        self.port = self.pid = 0

    def __enter__(self) -> 'Limit':
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port, self.pid = int(self._process.stdout.readline()), self._process.pid
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
