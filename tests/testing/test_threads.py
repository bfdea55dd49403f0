"""Threads that a test has started: which are named, and how."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ws4redis.testing.threads import thread_ids, threads_since


def test_threads_of_now_are_known() -> None:
    assert threading.get_ident() in thread_ids()


def test_thread_is_named_with_function_file_and_line() -> None:
    begun, end = threading.Event(), threading.Event()

    def notify_later() -> None:
        begun.set()
        end.wait(20)

    before = thread_ids()
    thread = threading.Thread(target=notify_later, name='later')
    thread.start()
    begun.wait(20)
    try:
        line = notify_later.__code__.co_firstlineno + 2
        assert threads_since(before) == [f'later (notify_later, tests/testing/test_threads.py:{line})']
        assert threads_since(thread_ids()) == []
    finally:
        end.set()
        thread.join()
    assert threads_since(before) == []


def test_idle_thread_of_an_executor_has_nothing_left_to_do() -> None:
    before = thread_ids()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        assert len(thread_ids() - before) == 1
        assert threads_since(before) == []
