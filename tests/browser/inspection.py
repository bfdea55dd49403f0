"""Whether a page is for everybody: axe-core, in light and dark, on a telephone and on a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ['inspect']

NARROWEST = 320
WIDTHS = (390, 1280)
SCHEMES: tuple[tuple[Literal['light', 'dark'], list[str] | None], ...] = (
    ('light', None),
    ('dark', ['color-contrast']),
)
"""With the rules that are asked: None for all; in the dark nothing but the colours is another."""

RUN = """async (rules) => {
    const only = rules ? {runOnly: rules} : {};
    const {violations} = await axe.run({resultTypes: ['violations'], ...only});
    const found = (id, node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`;
    return violations.flatMap(({id, nodes}) => nodes.map((node) => found(id, node)));
}"""


def inspect(page: Page) -> None:
    """Expect that axe-core finds no violation in the page as it is now, and that nothing sticks
    out of it.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(Axe().axe_script)
    found = []
    # What is still fading has no colour of its own yet.
    page.emulate_media(reduced_motion='reduce')
    for width in (NARROWEST, *WIDTHS):
        page.set_viewport_size({'width': width, 'height': 800})
        beyond = page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth'
        )
        if beyond > 0:
            found.append(f'at {width}: {beyond} pixels stick out')
        for scheme, rules in SCHEMES if width in WIDTHS else ():
            page.emulate_media(color_scheme=scheme)
            found += [
                f'at {width}, {scheme}: {violation}' for violation in page.evaluate(RUN, rules)
            ]
    if found:
        raise AssertionError('\n'.join([page.url, *found]))
