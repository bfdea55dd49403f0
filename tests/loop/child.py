"""The process that serves websockets for tests of the loop:
`python -m tests.loop.child FORM REDIS DATABASE`.

FORM is patched (gevent has patched everything and serves), unpatched (Django's development server),
or forked: as unpatched, but a child that was forked once everything was imported serves. It ends in
order when its standard input is closed.
"""

import sys

if sys.argv[1] == 'patched':
    from gevent import monkey

    monkey.patch_all()

import json
import os
import pickle
import socket
import threading
import traceback
from typing import Any

from django.conf import settings


def configure(redis: str, database: str) -> None:
    """Settings of the suite, with what this process needs of its own."""
    os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'
    settings.DATABASES = {
        'default': {
            'ENGINE': 'django.db.backends.sqlite3',
            'NAME': database,
            'OPTIONS': {'timeout': 20},
        }
    }
    settings.MIGRATION_MODULES = dict.fromkeys(('auth', 'contenttypes', 'sessions'))
    settings.WS4REDIS_CONNECTION = redis
    settings.ALLOWED_HOSTS = ['*']
    for name, value in json.loads(os.environ.get('LOOP_SETTINGS', '{}')).items():
        setattr(settings, name, value)
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    call_command('migrate', run_syncdb=True, verbosity=0)
    connections.close_all()


def answer(connection: socket.socket) -> None:
    """One call from the test: a function, by its name, and its arguments."""
    with connection, connection.makefile('rb') as stream:
        try:
            function, args, kwargs = pickle.load(stream)
            result: Any = (True, function(*args, **kwargs))
            data = pickle.dumps(result)
        except BaseException as exc:
            data = pickle.dumps((False, f'{exc!r}\n{traceback.format_exc()}'))
        connection.sendall(data)


def answer_calls(listener: socket.socket) -> None:
    """Serve the test, one thread (or greenlet) for each call."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def serve(application: Any) -> int:
    """Serve the application in the background; give its port."""
    if sys.argv[1] == 'patched':
        from gevent.pywsgi import WSGIServer

        server = WSGIServer(('127.0.0.1', 0), application, log=None)
        server.start()
        assert server.server_port is not None
        return server.server_port
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    development = ThreadedWSGIServer(('127.0.0.1', 0), WSGIRequestHandler)
    development.set_app(application)
    threading.Thread(target=development.serve_forever, daemon=True).start()
    return int(development.server_port)


def wait_for_end_of_input() -> None:
    """Return when the test has closed its end."""
    if sys.argv[1] == 'patched':
        import gevent.os

        gevent.os.tp_read(0, 1)
    else:
        os.read(0, 1)


def main() -> None:
    _, form, redis, database = sys.argv
    configure(redis, database)
    from tests.loop import inside
    from ws4redis.wsgi import get_wsgi_application

    application = get_wsgi_application()
    if form == 'forked' and (child := os.fork()):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    inside.keep_logs()
    listener = socket.create_server(('127.0.0.1', 0))
    threading.Thread(target=answer_calls, args=(listener,), daemon=True).start()
    print(
        json.dumps({'port': serve(application), 'control': listener.getsockname()[1]}), flush=True
    )
    wait_for_end_of_input()


if __name__ == '__main__':
    main()
