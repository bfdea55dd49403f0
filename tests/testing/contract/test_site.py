"""What cases are given has the names that they use, whatever carries the bytes."""

import inspect

import pytest

from ws4redis.testing import Broker, LiveClient, WebSocketClient
from ws4redis.testing.contract.certify import OverTcp, Way
from ws4redis.testing.contract.site import Case, Client, Site


def names_of(protocol: type) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith('_')}


def plays_both_parts(site: Site) -> None:
    client: Client = site.connect('news', subscribe='broadcast')
    site.publish('hello', facility='news', broadcast=True)
    assert client.receive_all() == ['hello']


@pytest.mark.parametrize('tcp', [False, True])
def test_site_and_client_have_every_name(tcp: bool) -> None:
    with Way('fakeredis', 'memory://', tcp).open() as site:
        client = site.connect('news', subscribe='broadcast')
        assert isinstance(site, OverTcp if tcp else Broker)
        assert isinstance(client, LiveClient if tcp else WebSocketClient)
        assert {name for name in names_of(Site) if not hasattr(site, name)} == set()
        assert {name for name in names_of(Client) if not hasattr(client, name)} == set()


@pytest.mark.parametrize('name', ['connect', 'publish', 'persisted', 'ttl'])
def test_site_takes_what_a_broker_takes(name: str) -> None:
    asked = inspect.signature(getattr(Site, name)).parameters
    assert set(asked) <= set(inspect.signature(getattr(Broker, name)).parameters)


@pytest.mark.parametrize('tcp', [False, True])
def test_case_is_a_function_of_a_site(tcp: bool) -> None:
    case: Case = plays_both_parts
    with Way('fakeredis', 'memory://', tcp).open() as site:
        case(site)
