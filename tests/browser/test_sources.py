"""The page that shows code and tests."""

from __future__ import annotations

from tests.browser.visitor import Visitor, expect
from tests.processes.serving import ROOT


def test_chapter_shows_the_code_beside_its_tests(visitor: Visitor) -> None:
    page = visitor.open('/tests/')
    page.get_by_role('navigation', name='Chapters').get_by_role('link', name='A long task').click()
    heading = page.get_by_role('heading', name='A long task')
    expect(heading).to_be_in_viewport()
    for path in ('tour/progress.py', 'tests/test_progress.py'):
        shown = page.get_by_role('region', name=path, exact=path.startswith('tour'))
        assert shown.text_content() == (ROOT / 'sandbox' / path).read_text('utf-8')


def test_every_page_is_reached_from_every_other_by_its_link(visitor: Visitor) -> None:
    page = visitor.open('/tests/')
    links = page.get_by_role('navigation', name='Pages').get_by_role('link')
    for name in links.all_inner_texts():
        links.filter(has_text=name).click()
        if name != 'Orders':
            # A stranger is asked to log in there.
            expect(links.filter(has_text=name)).to_have_attribute('aria-current', 'page')
        expect(page.get_by_role('heading', level=1)).to_be_visible()
