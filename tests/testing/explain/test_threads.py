"""Threads that a test has started: which are named, and how."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from ws4redis.publisher import RedisPublisher
from ws4redis.testing.explain.threads import threads_now, threads_since


def test_threads_of_now_are_known() -> None:
    assert threading.current_thread() in threads_now()


def test_thread_is_named_with_function_file_and_line() -> None:
    begun, end = threading.Event(), threading.Event()

    def notify_later() -> None:
        begun.set()
        end.wait(20)

    before = threads_now()
    thread = threading.Thread(target=notify_later, name='later')
    thread.start()
    begun.wait(20)
    try:
        line = notify_later.__code__.co_firstlineno + 2
        assert threads_since(before) == [
            f'later (notify_later, tests/testing/explain/test_threads.py:{line})'
        ]
        assert threads_since(threads_now()) == []
    finally:
        end.set()
        thread.join()
    assert threads_since(before) == []


def test_idle_thread_of_an_executor_has_nothing_left_to_do() -> None:
    before = threads_now()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        assert len(set(threads_now()) - set(before)) == 1
        assert threads_since(before) == []


def test_timer_that_still_waits_is_named_with_its_function() -> None:
    before = threads_now()

    def later() -> None:
        """Publishes, one day."""

    timer = threading.Timer(60, later)
    timer.start()
    try:
        line = later.__code__.co_firstlineno
        [name] = threads_since(before)
        assert name.endswith(f'later, tests/testing/explain/test_threads.py:{line})')
    finally:
        timer.cancel()
        timer.join()
    assert threads_since(before) == []


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_thread_that_publishes_is_named_though_all_of_it_is_in_libraries() -> None:
    before = threads_now()
    with socket.create_server(('127.0.0.1', 0)) as silent:
        silent.settimeout(20)
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=20)
        publisher = RedisPublisher(facility='news', broadcast=True, connection=client)
        thread = threading.Thread(target=publisher.publish_message, args=('hi',))
        thread.start()
        connection, _ = silent.accept()
        [name] = threads_since(before)
        assert 'publish_message' in name
        connection.close()
        silent.close()
        thread.join(20)
    client.close()


def test_number_of_a_thread_that_has_ended_may_come_again() -> None:
    ended = threading.Thread(target=int)
    ended.start()
    before = threads_now()
    ended.join()
    end, begun = threading.Event(), threading.Event()

    def later() -> None:
        begun.set()
        end.wait(20)

    threads = []
    for _ in range(20):
        thread = threading.Thread(target=later)
        thread.start()
        threads.append(thread)
    try:
        assert begun.wait(20)
        assert len(threads_since(before)) == 20
    finally:
        end.set()
        for thread in threads:
            thread.join()
