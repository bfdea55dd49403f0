"""Serves the site with waitress, which gives its sockets to nobody:
`python serve_waitress.py ADDRESS MODULE:APPLICATION`.
"""

import sys
from importlib import import_module

from waitress import serve


def main(address: str, application: str) -> None:
    """Serve until the process is ended."""
    module, _, name = application.partition(':')
    serve(getattr(import_module(module), name), listen=address)


if __name__ == '__main__':
    main(*sys.argv[1:])
