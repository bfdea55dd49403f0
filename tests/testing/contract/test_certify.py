"""Running the contract: what is proved, what is caught, and what the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ws4redis import settings as package_settings
from ws4redis.testing import Broker
from ws4redis.testing.contract import certify
from ws4redis.testing.contract.certify import Outcome, Way, prove, run, table

if TYPE_CHECKING:
    from pytest_django import Settings

    from ws4redis.testing.contract.site import Case, Site

FAKE = Way('fakeredis', 'memory://', False)


def holds(site: Site) -> None:
    site.publish('hello', facility='news', broadcast=True)


def fails(site: Site) -> None:
    assert site.persisted(facility='news', broadcast=True) == b'hello', 'nothing was published'


def crashes(site: Site) -> None:
    raise KeyError('a bug of the case')


def test_way_proves_that_fakeredis_stands_for_the_server() -> None:
    with FAKE.open() as site:
        assert prove(FAKE, site) == 'fakeredis'
        with pytest.raises(AssertionError, match='redis is served by fakeredis'):
            prove(Way('redis', 'redis://localhost', False), site)


def test_way_proves_that_a_server_answers_in_another_process(redis_url: str) -> None:
    way = Way('redis', redis_url, False)
    with way.open() as site:
        assert prove(way, site).startswith('Redis ')
        with pytest.raises(AssertionError, match='fakeredis is served by redis'):
            prove(FAKE, site)


def test_run_proves_the_way_before_the_case_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(Broker):
        def __init__(self, url: str, **keywords: Any) -> None:
            super().__init__('memory://', **keywords)

    monkeypatch.setattr(certify, 'Broker', Elsewhere)
    with pytest.raises(AssertionError, match='redis is served by fakeredis'):
        run(holds, Way('redis', 'redis://localhost', False))


def test_run_pins_the_settings_that_cases_take_for_granted(settings: Settings) -> None:
    settings.WS4REDIS_PREFIX = 'shop'
    settings.WS4REDIS_HEARTBEAT = 'beat'
    seen: list[Any] = []

    def look(site: Site) -> None:
        seen.append(
            (
                package_settings.WS4REDIS_PREFIX,
                package_settings.WS4REDIS_HEARTBEAT,
                package_settings.WS4REDIS_EXPIRE,
            )
        )

    run(look, FAKE)
    assert seen == [(None, None, 3600)]
    assert package_settings.WS4REDIS_PREFIX == 'shop'


def test_each_case_has_a_site_of_its_own() -> None:
    run(holds, FAKE)
    with pytest.raises(AssertionError, match='nothing was published'):
        run(fails, FAKE)


def test_failures_are_outcomes_and_the_database_is_emptied_after_each_run() -> None:
    calls: list[Any] = []
    cases: dict[str, Case] = {'holds': holds, 'fails': fails, 'crashes': crashes}
    outcomes = certify.certify(cases, [FAKE], lambda: calls.append('emptied'), calls.append)
    assert [(outcome.case, outcome.way, outcome.passed) for outcome in outcomes] == [
        ('holds', 'fakeredis', True),
        ('fails', 'fakeredis', False),
        ('crashes', 'fakeredis', False),
    ]
    assert calls == ['emptied', outcomes[0], 'emptied', outcomes[1], 'emptied', outcomes[2]]
    assert 'AssertionError: nothing was published' in str(outcomes[1].failure)
    assert "KeyError: 'a bug of the case'" in str(outcomes[2].failure)


def test_failure_names_the_line_of_the_contract() -> None:
    from ws4redis.testing.contract.steps import refusal

    def accepted(site: Site) -> None:
        refusal(site, 'news')

    [outcome] = certify.certify({'accepted': accepted}, [FAKE], list)
    assert outcome.failure is not None
    place, _, said = outcome.failure.partition('\n')
    assert place.startswith('steps.py:') and place.endswith(
        "raise AssertionError('the handshake was not refused')"
    )
    assert said.strip() == 'AssertionError: the handshake was not refused'


def test_table_shows_each_run_and_nothing_where_there_was_none() -> None:
    outcomes = [Outcome(name, 'fakeredis', None) for name in ('first', 'the second')]
    outcomes.append(Outcome('first', 'redis', 'broken'))
    assert table(outcomes).splitlines() == [
        'case        fakeredis  redis',
        'first       ok         FAILED  differs',
        'the second  ok',
    ]


def test_table_of_nothing_is_its_head() -> None:
    assert table([]).strip() == 'case'
