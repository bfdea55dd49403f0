"""Threads that a test has started and that still run: what they publish later, no assertion can know."""

import os
import sys
import sysconfig
import threading
from types import FrameType

from ws4redis.testing.publications import PACKAGE, place

__all__ = ['thread_ids', 'threads_since']

_NOT_THE_PROJECTS = tuple(
    os.path.realpath(path) + os.sep for name, path in sysconfig.get_paths().items() if name in ('stdlib', 'platstdlib', 'purelib')
)


def thread_ids() -> set[int | None]:
    """The threads that run now."""
    return {thread.ident for thread in threading.enumerate()}


def threads_since(before: set[int | None]) -> list[str]:
    """Name, function and line of each thread that was started since and is in the project's code.

    One that waits in a library alone, as those of idle executors do, has nothing of the project left to do.
    """
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        if thread.ident in before or thread is threading.current_thread():
            continue
        frame = _of_the_project(frames.get(thread.ident or 0))
        if frame is not None:
            function = frame.f_code
            found.append(f'{thread.name} ({function.co_name}, {place(f"{function.co_filename}:{frame.f_lineno}")})')
    return found


def _of_the_project(frame: FrameType | None) -> FrameType | None:
    while frame is not None and os.path.realpath(frame.f_code.co_filename).startswith((PACKAGE, *_NOT_THE_PROJECTS)):
        frame = frame.f_back
    return frame
