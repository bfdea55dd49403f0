"""Threads that a test has started and that still run: what they publish later, no assertion can
know.
"""

import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from types import FrameType
from weakref import WeakSet

from ws4redis.testing.publications import PACKAGE, place

__all__ = ['name_and_place', 'threads_now', 'threads_since']

_NOT_THE_PROJECTS = tuple(
    os.path.realpath(path) + os.sep
    for name, path in sysconfig.get_paths().items()
    if name in ('stdlib', 'platstdlib', 'purelib')
)


def threads_now() -> 'WeakSet[threading.Thread]':
    """The threads that run now; not their numbers, which are given anew when a thread has ended."""
    return WeakSet(threading.enumerate())


def threads_since(before: 'WeakSet[threading.Thread]') -> list[str]:
    """Name, function and line of each thread that was started since and has something of the
    project to do.

    That is one that is in the project's code, a Timer that still waits, and one whose function is
    the project's or publishes. One that waits in a library alone, as those of idle executors do,
    has nothing of the project left to do.
    """
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        if thread in before or thread is threading.current_thread():
            continue
        frame = _of_the_project(frames.get(thread.ident or 0))
        function = getattr(thread, 'function', None) or getattr(thread, '_target', None)
        if frame is not None:
            found.append(
                f'{thread.name} ({frame.f_code.co_name}, '
                f'{place(f"{frame.f_code.co_filename}:{frame.f_lineno}")})'
            )
        elif function is not None and (isinstance(thread, threading.Timer) or _publishes(function)):
            found.append(f'{thread.name} ({_name_of(function)})')
    return found


def _publishes(function: Callable[..., object]) -> bool:
    return str(getattr(function, '__module__', '')).startswith(
        'ws4redis.'
    ) and 'publish' in getattr(function, '__name__', '')


def _name_of(function: Callable[..., object]) -> str:
    name, where = name_and_place(function)
    return f'{name}, {where}' if where else name


def name_and_place(function: Callable[..., object]) -> tuple[str, str]:
    """A function as failures name it, and its file and line; '' if it was not written in Python."""
    code = getattr(getattr(function, '__func__', function), '__code__', None)
    where = place(f'{code.co_filename}:{code.co_firstlineno}') if code is not None else ''
    return getattr(function, '__qualname__', repr(function)), where


def _of_the_project(frame: FrameType | None) -> FrameType | None:
    while frame is not None and os.path.realpath(frame.f_code.co_filename).startswith(
        (PACKAGE, *_NOT_THE_PROJECTS)
    ):
        frame = frame.f_back
    return frame
