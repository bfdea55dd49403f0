"""A process that serves: its start, until it answers, what it writes, and its end.

The benchmarks have it from here too, so this file imports nothing but the standard library.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

__all__ = ['GUARD', 'ROOT', 'ServingProcess', 'eventually', 'free_port', 'listens']

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""

GUARD = 30.0
"""Seconds after which what has not happened is a failure; on a busy machine a server takes some
to come up.
"""

LINES = 100
"""What of a log is shown when a test has failed."""

T = TypeVar('T')


class ServingProcess:
    """A process of its own, from its start until it has ended; then it may be started again.

    Args:
        log: the file to whose end it writes.
        talks: whether its standard input and output are pipes, on which it answers what it is
            told; only its standard error goes into the log then.
        leads: whether it has a session of its own, so that its workers can be ended with it.
    """

    def __init__(self, log: Path, *, talks: bool = False, leads: bool = False) -> None:
        self.log = log
        self._talks = talks
        self._leads = leads
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0

    def launch(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: Path = ROOT,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start it.

        Args:
            environment: all of it.
            directory: where it runs.
            descriptors: those that it shall have of ours.
        """
        self._begin = len(self.said())
        with self.log.open('ab') as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=directory,
                stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._talks else log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=self._leads,
            )

    @property
    def running(self) -> 'subprocess.Popen[bytes]':
        """The process."""
        assert self._process is not None, f'{type(self).__name__} is not running'
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the one that was started; it may have workers."""
        return self.running.pid

    def said(self) -> str:
        """What stands in its log."""
        return self.log.read_text('utf-8', 'replace') if self.log.exists() else ''

    def said_now(self) -> str:
        """What it has written since it was started last."""
        return self.said()[self._begin :]

    def show(self, name: str) -> None:
        """Print the end of its log, for the report of a test that has failed."""
        print(f'--- {name} said:', *self.said().splitlines()[-LINES:], sep='\n')

    def until(self, look: Callable[[], T | None], otherwise: str, seconds: float = GUARD) -> T:
        """The first answer that is true.

        Raises:
            AssertionError: it has ended before; or there was none in time: `otherwise`.
        """

        def look_again() -> T | None:
            answer = look()
            if not answer and self.running.poll() is not None:
                raise AssertionError(
                    f'{otherwise}: it has ended with {self.running.returncode}:\n{self.said_now()}'
                )
            return answer

        found: T = eventually(look_again, otherwise, seconds)
        return found

    def read_line(self, seconds: float = GUARD) -> str:
        """The next line that it tells, without its end; it is killed if it tells none in time."""
        assert self.running.stdout is not None
        # Its end is what ends the reading.
        guard = threading.Timer(seconds, self.running.kill)
        guard.start()
        try:
            line = self.running.stdout.readline()
        finally:
            guard.cancel()
        assert line, f'it has ended, or told nothing for {seconds:.0f} s:\n{self.said_now()}'
        return line.decode().strip()

    def write_line(self, line: str) -> None:
        """Tell it a line."""
        assert self.running.stdin is not None
        self.running.stdin.write(f'{line}\n'.encode())
        self.running.stdin.flush()

    def begin_to_end(self) -> None:
        """Send SIGTERM, as who runs servers does."""
        self.running.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = GUARD) -> int:
        """Wait for its end, and return the exit status."""
        return self.running.wait(seconds)

    def stop(self, seconds: float = GUARD) -> int:
        """End it in order, and return the exit status; one that does not end is killed."""
        try:
            self.begin_to_end()
            return self.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, and those that it leads; nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._leads:
            # The group lives as long as one of its members, whether or not its leader still does.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


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


def listens(port: int) -> bool:
    """Whether somebody takes connections on this port."""
    with suppress(OSError), socket.create_connection(('127.0.0.1', port), timeout=GUARD):
        return True
    return False


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
