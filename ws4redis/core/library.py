"""What core/ takes of the websockets library, its Sans-I/O half; and what is said where a package
of the site's own has that name.
"""

from importlib.util import find_spec

from ws4redis.exceptions import HiddenLibraryError

__all__ = [
    'Close',
    'Frame',
    'Headers',
    'Opcode',
    'PayloadTooBig',
    'Protocol',
    'ProtocolError',
    'Request',
    'ServerProtocol',
    'Side',
    'State',
    'Subprotocol',
    'parse_connection',
    'parse_subprotocol',
]


def hiding() -> str | None:
    """Where that is which is imported as websockets and is not the library; None if it is the
    library, or there is nothing.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    spec = find_spec('websockets')
    if spec is None:
        return None
    found = spec.origin or next(iter(spec.submodule_search_locations or ()), 'a module')
    try:
        installed = str(distribution('websockets').locate_file('websockets/__init__.py'))
    except PackageNotFoundError:
        return found
    return found if found != installed else None


try:
    # A package of the site's own has no http11: with this one first, no more of it runs.
    from websockets.http11 import Request  # isort: skip
    from websockets.datastructures import Headers
    from websockets.exceptions import PayloadTooBig, ProtocolError
    from websockets.frames import Close, Frame, Opcode
    from websockets.headers import parse_connection, parse_subprotocol
    from websockets.protocol import Protocol, Side, State
    from websockets.server import ServerProtocol
    from websockets.typing import Subprotocol
except Exception as exc:
    # Whatever the site's own package raises.
    if (path := hiding()) is None:
        raise
    raise HiddenLibraryError(path) from exc
