"""Serves the site with gevent.pywsgi: `python serve_pywsgi.py ADDRESS MODULE:APPLICATION`."""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  (what follows has to be patched)
import sys  # noqa: E402
from importlib import import_module  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402


def main(address: str, application: str) -> None:
    """Serve until SIGTERM; the websockets get their close frames when the interpreter ends."""
    module, _, name = application.partition(':')
    server = WSGIServer(address, getattr(import_module(module), name))
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.serve_forever()


if __name__ == '__main__':
    main(*sys.argv[1:])
