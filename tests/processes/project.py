"""A Django project of a few lines, in a directory and a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.processes.serving import ROOT

__all__ = ['Project']

SETTINGS = """
from pathlib import Path

SECRET_KEY = 'of a test'
ALLOWED_HOSTS = ['*']
ROOT_URLCONF = 'urls'
USE_TZ = True
DATABASES = {'default': {
    'ENGINE': 'django.db.backends.sqlite3', 'NAME': Path(__file__).with_name('db.sqlite3'),
}}
"""


class Project:
    """Its files; what is imported there comes from the directory first, as with manage.py.

    Args:
        directory: where the files go.
        settings: what its settings have besides those that every project has.
        files: the other modules, each by its path.
    """

    def __init__(self, directory: Path, settings: str, files: dict[str, str]) -> None:
        self.directory = directory
        everything = {'urls.py': 'urlpatterns = []', **files}
        everything['settings.py'] = SETTINGS + textwrap.dedent(settings)
        for name, text in everything.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), 'utf-8')

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its processes."""
        return {
            **os.environ,
            'PYTHONPATH': f'{self.directory}{os.pathsep}{ROOT}',
            'DJANGO_SETTINGS_MODULE': 'settings',
            'PYTHONDONTWRITEBYTECODE': '1',
        }

    def python(self, *arguments: str) -> 'subprocess.CompletedProcess[str]':
        """Run Python with these arguments."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def run(self, code: str) -> str:
        """Run this behind django.setup(), expect that it ends well, and return what it logged."""
        start = 'import django\ndjango.setup()\n'
        process = self.python('-c', start + textwrap.dedent(code))
        assert process.returncode == 0, process.stderr
        return process.stderr
