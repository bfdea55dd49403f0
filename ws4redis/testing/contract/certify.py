"""Runs the contract on every way from a publisher to a browser, and says what came of it, in a
table.

    in memory    the exchange driven in this thread, clients joined to it in memory
    over TCP     the real loop on a real port, clients on sockets

each on fakeredis and on a Redis server. A way proves itself before a case counts: that the server
is what its name says, and that the bytes go through a socket or through none.
"""

import contextlib
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.test.utils import override_settings

from ws4redis.schemes import MEMORY
from ws4redis.settings import SETTINGS
from ws4redis.testing.broker import Broker
from ws4redis.testing.contract.site import Case, Site
from ws4redis.testing.live.server import LiveServer

if TYPE_CHECKING:
    import redis

__all__ = ['Outcome', 'Way', 'certify', 'look', 'prove', 'run', 'table', 'ways']

CONTRACT = os.path.dirname(__file__) + os.sep
"""Where the cases are, and what they are made of."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a publisher to a browser.

    Attributes:
        name: of its column.
        url: of the Redis server, as a Broker takes it.
        tcp: whether clients come over TCP, else in memory.
    """

    name: str
    url: str
    tcp: bool

    @property
    def on_fakeredis(self) -> bool:
        """Whether fakeredis stands for the server."""
        return self.url == MEMORY

    @contextlib.contextmanager
    def open(self) -> Iterator[Site]:
        """A new site."""
        with Broker(self.url, raise_server_exceptions=False) as broker:
            if not self.tcp:
                yield broker
                return
            with LiveServer(broker, static=False) as live:
                yield OverTcp(live)


class OverTcp:
    """A live server as a site: clients, time and faults are its own, the rest is its broker's."""

    def __init__(self, live: LiveServer) -> None:
        self.live = live
        self.connect = live.connect
        self.advance = live.advance
        self.settle = live.settle
        self.outage = live.outage
        self.drop_subscribers = live.drop_subscribers
        self.lose_publishes = live.lose_publishes
        self.persisted = live.broker.persisted
        self.ttl = live.broker.ttl

    def publish(self, *arguments: Any, **keywords: Any) -> None:
        """As Broker.publish(), and until it has arrived over TCP."""
        self.live.broker.publish(*arguments, **keywords)
        self.live.settle()

    @property
    def redis(self) -> 'redis.Redis':
        """A client of the broker's server."""
        return self.live.broker.redis

    @property
    def now(self) -> float:
        """The broker's time."""
        return self.live.broker.now


def ways(url: str) -> list[Way]:
    """All ways, with the Redis server at this URL."""
    return [
        Way('fakeredis', MEMORY, False),
        Way('redis', url, False),
        Way('fakeredis-tcp', MEMORY, True),
        Way('redis-tcp', url, True),
    ]


def prove(way: Way, site: Site) -> str:
    """What a way really goes through.

    Raises:
        AssertionError: it is not what its name says.
    """
    assert isinstance(site, OverTcp) is way.tcp, f'{way.name} is {type(site).__name__}'
    through = f', TCP to {_peer(site)}' if isinstance(site, OverTcp) else ''
    return _server(way, site) + through


def _peer(site: OverTcp) -> str:
    """Where a client's socket ends, which is where the live server listens."""
    client = site.connect('proof')
    host, port = client._end.peer
    assert (host, port) == (site.live.host, site.live.port) and port
    client.close()
    return f'{host}:{port}'


def _server(way: Way, site: Site) -> str:
    connection = site.redis.connection_pool.connection_class
    module = next(
        base.__module__
        for base in connection.__mro__
        if not base.__module__.startswith('ws4redis.')
    )
    if way.on_fakeredis:
        assert module.partition('.')[0] == 'fakeredis', f'{way.name} is served by {module}'
        return 'fakeredis'
    assert module.partition('.')[0] == 'redis', f'{way.name} is served by {module}'
    info: Any = site.redis.info('server')
    assert info['process_id'] and info['process_id'] != os.getpid()
    return f'Redis {info["redis_version"]}, process {info["process_id"]}'


PINNED = {
    name: setting.default for name, setting in SETTINGS.items() if name != 'WS4REDIS_CONNECTION'
}


@contextlib.contextmanager
def pinned_settings() -> Iterator[None]:
    """The settings that the cases take for granted, whatever the project has."""
    with override_settings(
        **PINNED, ALLOWED_HOSTS=['testserver', 'localhost', '127.0.0.1'], CSRF_TRUSTED_ORIGINS=[]
    ):
        yield


def run(case: Case, way: Way) -> None:
    """Run one case on one way.

    Raises:
        AssertionError: the case does not hold there, or the way is not what its name says.
    """
    with pinned_settings(), way.open() as site:
        prove(way, site)
        case(site)


def look(way: Way) -> str:
    """What a way really goes through, seen on a site of its own."""
    with pinned_settings(), way.open() as site:
        return prove(way, site)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case on one way.

    Attributes:
        case, way: names.
        failure: None if it holds; else where and how it failed.
    """

    case: str
    way: str
    failure: str | None

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return self.failure is None


def certify(
    cases: dict[str, Case],
    on: Iterable[Way],
    between: Callable[[], object],
    tell: Callable[[Outcome], object] = bool,
) -> list[Outcome]:
    """Run every case on every way.

    Args:
        cases: by name.
        on: the ways.
        between: called after each run, to empty the database.
        tell: called with each outcome as it comes.
    """
    outcomes = []
    for way in on:
        for name, case in cases.items():
            failure = None
            try:
                run(case, way)
            except Exception as exc:
                failure = describe(exc)
            finally:
                between()
            outcomes.append(Outcome(name, way.name, failure))
            tell(outcomes[-1])
    return outcomes


def describe(exc: BaseException) -> str:
    """Where the case failed, and the line."""
    frames = traceback.extract_tb(exc.__traceback__)
    place = next(
        (
            frame
            for frame in reversed(frames)
            if frame.filename.startswith(CONTRACT) and frame.filename != __file__
        ),
        frames[-1],
    )
    text = str(exc).strip().splitlines()
    said = f': {text[0]}' if text else ''
    return (
        f'{os.path.basename(place.filename)}:{place.lineno}: {place.line}\n        '
        f'{type(exc).__name__}{said}'
    )


def table(outcomes: Iterable[Outcome]) -> str:
    """Case by way; a cell is what came of one run, and empty if there was none."""
    outcomes = list(outcomes)
    columns = list(dict.fromkeys(outcome.way for outcome in outcomes))
    rows: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.case, {})[outcome.way] = outcome
    width = max(len('case'), *map(len, rows)) if rows else len('case')
    lines = [f'{"case":<{width}}  ' + '  '.join(columns)]
    for name, row in rows.items():
        cells = [
            ('' if way not in row else 'ok' if row[way].passed else 'FAILED').ljust(len(way))
            for way in columns
        ]
        differs = '  differs' if len({outcome.passed for outcome in row.values()}) > 1 else ''
        lines.append((f'{name:<{width}}  ' + '  '.join(cells) + differs).rstrip())
    return '\n'.join(lines)
