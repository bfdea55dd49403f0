"""The table of hosts by cases says what the run has shown, and nothing where nothing was run."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests.processes.hosts import HOSTS, REFUSING
from tests.tools.table import Outcome, outcome_of, table


@pytest.mark.parametrize(
    ('report', 'expected'),
    [
        ('<testcase name="test_a[uwsgi]"/>', Outcome('uwsgi', 'test_a', 'passed', '')),
        (
            '<testcase name="test_a[uwsgi]"><failure message="1&#10;2"/></testcase>',
            Outcome('uwsgi', 'test_a', 'failed', '1'),
        ),
        (
            '<testcase name="test_a[uwsgi]"><error message="setup"/></testcase>',
            Outcome('uwsgi', 'test_a', 'failed', 'setup'),
        ),
        (
            '<testcase name="test_a[uwsgi]"><skipped message="none"/></testcase>',
            Outcome('uwsgi', 'test_a', 'skipped', 'none'),
        ),
    ],
)
def test_report_of_a_test_is_read(report: str, expected: Outcome) -> None:
    assert outcome_of(ElementTree.fromstring(report)) == expected


def test_every_host_has_its_line_and_a_cell_without_a_test_is_empty() -> None:
    outcomes = [
        Outcome('runserver', 'test_upgrade_is_accepted', 'passed', ''),
        Outcome('runserver', 'test_foreign_origin_is_refused', 'failed', 'why'),
        Outcome('uwsgi', 'test_foreign_origin_is_refused', 'skipped', 'no uWSGI'),
    ]
    lines = table(outcomes).splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(HOSTS) + len(REFUSING)]] == [
        *HOSTS,
        *REFUSING,
    ]
    rows = {line.split()[0]: line for line in lines[1:] if line}
    assert re.fullmatch(r'runserver +ok +FAIL', rows['runserver'])
    assert rows['uwsgi'].index('skip') == rows['runserver'].index('FAIL')
    assert rows['pywsgi'] == 'pywsgi'
    assert '  1  test_upgrade_is_accepted' in lines
