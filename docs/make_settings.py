"""Writes docs/settings.md from ws4redis/settings.py: python docs/make_settings.py"""

from pathlib import Path

from ws4redis.settings import SETTINGS, Setting

__all__ = ['PAGE', 'page']

PAGE = Path(__file__).resolve().parent / 'settings.md'

HEAD = """# Settings

They are read from Django's settings when they are needed, so `override_settings` works, and none is
needed to begin with. `manage.py check` finds values that cannot work. This page is made from
`ws4redis/settings.py` by `python docs/make_settings.py`.

| Setting | Default | In | Meaning |
|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    return HEAD + ''.join(map(row, SETTINGS.values()))


def row(setting: Setting) -> str:
    """A line of the table."""
    return f'| `{setting.name}` | `{setting.default!r}` | {setting.unit} | {setting.meaning} |\n'


if __name__ == '__main__':
    PAGE.write_text(page(), 'utf-8')
