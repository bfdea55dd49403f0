"""Wheel and sdist, built from a copy and installed: everything is in them, and the README's
example passes on them.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (
    'ws4redis',
    'tests',
    'sandbox',
    'setup.py',
    'pyproject.toml',
    'pytest.ini',
    'MANIFEST.in',
    'Makefile',
)
DOCUMENTS = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'LICENSE')
LEFT_OUT = shutil.ignore_patterns('__pycache__', '*.sqlite3*', '*.egg-info', '.*')

SETTINGS = """
SECRET_KEY = 'a key for tests only'
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
INSTALLED_APPS = [
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    'django.contrib.staticfiles',
    'ws4redis',
]
MIDDLEWARE = [
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
]
ROOT_URLCONF = 'urls'
STATIC_URL = '/static/'
STATIC_ROOT = 'collected'
"""
URLS = """
from django.urls import path
from shop.views import order
urlpatterns = [path('order/', order)]
"""
WHERE = """
import ws4redis, importlib.metadata as metadata, pathlib
print(pathlib.Path(ws4redis.__file__).parent.parent)
assert metadata.version('django-websocket-redis') == ws4redis.__version__
"""


def python(*arguments: str, cwd: Path, site: Path | None = None) -> str:
    """Run Python with what is installed in site before what is installed here, expect success
    and return its output.
    """
    hidden = ('DJANGO_SETTINGS_MODULE', 'PYTHONPATH')
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if site is not None:
        environment |= {
            'PYTHONPATH': os.pathsep.join([str(site), '.']),
            'DJANGO_SETTINGS_MODULE': 'settings',
        }
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and with the wheel that was built from it."""
    copy = tmp_path_factory.mktemp('source')
    for name in (*SOURCE, *DOCUMENTS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, copy / name)
    python('-m', 'build', '--no-isolation', cwd=copy)
    return copy / 'dist'


def files_of_the_package() -> set[str]:
    """Return what git would show below ws4redis/: code, types, static files, templates."""
    found = (
        path
        for path in (ROOT / 'ws4redis').rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    )
    return {path.relative_to(ROOT).as_posix() for path in found}


def readme_files() -> dict[str, str]:
    """Return the README's Python files, of which each begins with a comment that names it."""
    blocks = re.findall(
        r'```python\n# (\S+\.py)\n(.*?)```', (ROOT / 'README.md').read_text('utf-8'), re.DOTALL
    )
    return dict(blocks)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Django project that consists of the README's example."""
    files = {'settings.py': SETTINGS, 'urls.py': URLS, 'shop/__init__.py': '', **readme_files()}
    for name, text in files.items():
        path = tmp_path / 'project' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, 'utf-8')
    return tmp_path / 'project'


def test_wheel_has_every_file_of_the_package_and_no_other(built: Path) -> None:
    (wheel,) = built.glob('*.whl')
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if '.dist-info/' not in name} == files_of_the_package()
    assert 'ws4redis/py.typed' in names
    assert 'ws4redis/static/js/ws4redis.js' in names


def test_sdist_brings_the_suite_along(built: Path) -> None:
    (sdist,) = built.glob('*.tar.gz')
    listing = subprocess.run(
        ['tar', '-tzf', str(sdist)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = {name.partition('/')[2] for name in listing}
    assert files_of_the_package() <= names
    assert {
        'tests/settings.py',
        'tests/test_packaging.py',
        'sandbox/manage.py',
        'pytest.ini',
        'Makefile',
        *DOCUMENTS,
    } <= names
    assert [name for name in names if 'sqlite3' in name or '__pycache__' in name] == []


@pytest.mark.parametrize('kind', ['*.whl', '*.tar.gz'])
def test_installed_package_passes_the_example_of_the_readme(
    built: Path, project: Path, tmp_path: Path, kind: str
) -> None:
    site = tmp_path / 'site'
    (archive,) = built.glob(kind)
    options = (
        '--quiet',
        '--no-deps',
        '--no-index',
        '--no-build-isolation',
        '--disable-pip-version-check',
    )
    python('-m', 'pip', 'install', *options, '--target', str(site), str(archive), cwd=tmp_path)
    assert Path(python('-c', WHERE, cwd=project, site=site).strip()) == site

    # The fixture comes from the entry point: nothing here names the plugin.
    output = python(
        '-m',
        'pytest',
        '-W',
        'error',
        '-p',
        'no:cacheprovider',
        'shop/test_views.py',
        cwd=project,
        site=site,
    )
    assert '1 passed' in output

    python('-m', 'django', 'collectstatic', '--noinput', cwd=project, site=site)
    assert (project / 'collected/js/ws4redis.js').is_file()
