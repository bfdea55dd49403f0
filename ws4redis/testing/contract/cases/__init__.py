"""What holds on every way from a publisher to a browser: in memory and over TCP, on fakeredis and
on a Redis server.

Each case is a function `check_*(site)` that fails with an AssertionError, and needs no test
framework; CASES has all of them by name. A site is a Broker, or whatever else has its names: see
Site. It shows what a browser would see, so it is made with raise_server_exceptions=False; it is new
for each case, and so is the database, where a case has one.

    for name, case in CASES.items():
        with Broker(raise_server_exceptions=False) as broker:
            case(broker)
"""

from ws4redis.testing.contract.cases import (
    audience,
    closing,
    echo,
    faults,
    handshake,
    hooks,
    joining,
    limits,
    messages,
    overrides,
    persisting,
    protocol,
    publishing,
    rights,
)
from ws4redis.testing.contract.site import Case

__all__ = ['CASES']

SUBJECTS = (
    audience,
    messages,
    publishing,
    echo,
    persisting,
    joining,
    limits,
    protocol,
    closing,
    handshake,
    rights,
    faults,
    overrides,
    hooks,
)

CASES: dict[str, Case] = {
    name.removeprefix('check_'): case
    for subject in SUBJECTS
    for name, case in vars(subject).items()
    if name.startswith('check_')
}
"""Every case by its name, subject by subject."""
