"""Every block of code in docs/ runs.

A block of Python or JavaScript names its file in its first line. The files of a page, over those of
the shop that the page about testing begins with, are one project, whose tests pass.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.template import engines

from tests.conftest import PLUGIN, PLUGIN_INSTALLED, require
from tests.processes.node import find_node, run_node
from ws4redis.core.feed import FeedState
from ws4redis.core.recipient import Phase

if TYPE_CHECKING:
    from django.test import RequestFactory
    from pytest_django import Settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'ws4redis'
PAGES = sorted((ROOT / 'docs').glob('*.md'))
TESTING = ROOT / 'docs/testing.md'
BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page in this language."""
    return [text for found, text in BLOCK.findall(page.read_text('utf-8')) if found == language]


def files(page: Path) -> dict[str, str]:
    """The files of a page, by name."""
    found: dict[str, str] = {}
    for text in [*blocks(page, 'python'), *blocks(page, 'ini')]:
        match = re.match(r'# (\S+)\n', text)
        assert match, f'{page.name}: a block does not name its file:\n{text}'
        assert match[1] not in found, f'{page.name}: {match[1]} is there twice'
        found[match[1]] = text
    return found


def write_project(page: Path, directory: Path) -> list[str]:
    """Write the files of a page, and those of the shop that it does not have itself; gives the
    names of the page's own.
    """
    own = files(page)
    shop = {
        name: text
        for name, text in files(TESTING).items()
        if not name.startswith(('tests/', 'examples/'))
    }
    for name, text in (shop | own).items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, 'utf-8')
    return list(own)


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the project's tests as its reader would, and warnings are errors."""
    plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('DJANGO_', 'PYTEST_'))
    }
    environment['PYTHONPATH'] = str(ROOT)
    command = [
        sys.executable,
        '-m',
        'pytest',
        *plugin,
        '-W',
        'error',
        '-p',
        'no:cacheprovider',
        *arguments,
    ]
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


WITH_TESTS = [
    (page, 'memory') for page in PAGES if any(name.startswith('tests/') for name in files(page))
]


@pytest.mark.parametrize(
    ('page', 'server'),
    [*WITH_TESTS, (TESTING, 'server')],
    ids=lambda value: getattr(value, 'name', value),
)
def test_tests_of_a_page_pass(
    page: Path, server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if server == 'server':
        request.getfixturevalue('redis_url')
    tests = [name for name in write_project(page, tmp_path) if name.startswith('tests/')]
    done = run(tmp_path, f'--ws4redis={server}', *tests)
    assert done.returncode == 0, done.stdout
    for name in tests:
        assert f'{name} .' in done.stdout, f'{name} has no test that passes'


def commands(page: Path) -> list[list[str]]:
    """What a page says in a shell, and what it lets systemd start, word by word."""
    lines = [line for text in blocks(page, 'sh') for line in text.splitlines()]
    for text in blocks(page, 'systemd'):
        unit = ConfigParser(interpolation=None)
        unit.read_string(text)
        lines.append(unit['Service']['ExecStart'])
    return [shlex.split(line, comments=True) for line in lines]


GUNICORNS = [
    (page, command)
    for page in PAGES
    for command in commands(page)
    if command[0].endswith('gunicorn')
]


@pytest.mark.parametrize(
    ('page', 'command'), GUNICORNS, ids=lambda value: getattr(value, 'name', None)
)
def test_gunicorn_takes_its_command(page: Path, command: list[str], tmp_path: Path) -> None:
    write_project(page, tmp_path)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith('DJANGO_')
    }
    environment['PYTHONPATH'] = str(ROOT)
    checked = [sys.executable, '-m', 'gunicorn', '--check-config', *command[1:]]
    done = subprocess.run(
        checked,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_command_is_one_that_there_is(page: Path) -> None:
    extras = set(
        re.findall(r"^    '(\w+)': \[", (ROOT / 'setup.py').read_text('utf-8'), re.MULTILINE)
    )
    for command in commands(page):
        program = Path(command[0]).name
        assert program in ('pip', 'pytest', 'python', 'gunicorn', 'uwsgi'), command
        if program == 'pip':
            assert set(re.findall(r'\[(\w+)\]', ' '.join(command))) <= extras


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    program = shutil.which('nginx', path=f'{os.environ.get("PATH", "")}:/usr/sbin')
    require('nginx', program, 'put nginx on PATH (Debian: apt-get install nginx)')
    assert program is not None
    [text] = blocks(ROOT / 'docs/deployment.md', 'nginx')
    path = tmp_path / 'nginx.conf'
    path.write_text(
        f'pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{text}}}\n',
        'utf-8',
    )
    done = subprocess.run(
        [program, '-t', '-c', path, '-p', tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ('script', 'page'),
    [
        ('make_settings', 'settings.md'),
        ('make_reasons', 'testing.md'),
        ('make_reference', 'reference.md'),
    ],
)
def test_page_is_the_one_that_its_script_makes(script: str, page: str) -> None:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    code = (
        f'import sys; sys.path.insert(0, "docs"); import {script}; '
        f'sys.stdout.write({script}.page())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (ROOT / 'docs' / page).read_text('utf-8'), f'run python docs/{script}.py'


def test_failure_reads_as_the_page_shows_it(tmp_path: Path) -> None:
    write_project(TESTING, tmp_path)
    done = run(tmp_path, 'examples/failing.py')
    assert done.returncode == 1, done.stdout
    [shown] = blocks(TESTING, 'text')
    missing = [line for line in shown.splitlines() if line.strip() not in done.stdout]
    assert missing == [], done.stdout


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_block_is_in_a_language_that_is_run_or_listed(page: Path) -> None:
    languages = {language for language, _ in BLOCK.findall(page.read_text('utf-8'))}
    assert languages <= {'python', 'ini', 'sh', 'text', 'nginx', 'systemd', 'html', 'js'}


WITH_README = [*PAGES, ROOT / 'README.md']
SCRIPTS = [(page, text) for page in WITH_README for text in blocks(page, 'js')]
TEMPLATES = [(page, text) for page in WITH_README for text in blocks(page, 'html')]


@pytest.mark.parametrize(('page', 'text'), SCRIPTS, ids=lambda value: getattr(value, 'name', None))
def test_script_opens_its_websocket(page: Path, text: str, tmp_path: Path) -> None:
    assert re.match(r'// shop/static/shop/\w+\.js\n', text), (
        f'{page.name}: a block does not name its file:\n{text}'
    )
    path = tmp_path / 'page.js'
    path.write_text(text, 'utf-8')
    done = run_node(find_node(), str(ROOT / 'tests/js/page.mjs'), str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])['uri'].startswith('ws://example.org/ws/')


@pytest.mark.parametrize(
    ('page', 'text'), TEMPLATES, ids=lambda value: getattr(value, 'name', None)
)
def test_template_renders(page: Path, text: str, rf: RequestFactory, settings: Settings) -> None:
    settings.TEMPLATES = [
        {
            'BACKEND': 'django.template.backends.django.DjangoTemplates',
            'OPTIONS': {
                'context_processors': ['ws4redis.context_processors.default'],
                'string_if_invalid': 'INVALID',
            },
        }
    ]
    rendered = engines['django'].from_string(text).render({}, rf.get('/'))
    assert 'ws://testserver/ws/' in rendered and 'INVALID' not in rendered
    # What it links to is there: the package's own, or the script of a block beside it.
    for name in re.findall(r'src="/static/([^"]+)"', rendered):
        own = [
            script
            for other, script in SCRIPTS
            if other == page and script.startswith(f'// shop/static/{name}\n')
        ]
        assert own or (ROOT / 'ws4redis/static' / name).is_file(), name


DESIGN = ROOT / 'docs/design.md'
ROOM = re.compile(r'`([\w/.]+\.(?:py|js|ts|html))`')


def rooms() -> list[str]:
    """The files of ws4redis/ that the page about the design names in its section Rooms, each at the
    beginning of its line; those of a line that has several one after the other.
    """
    text = DESIGN.read_text('utf-8')
    section = text[text.index('\n## Rooms\n') : text.index('\n## What others call private\n')]
    lines = re.split(r'^- ', section, flags=re.MULTILINE)[1:]
    found = []
    for line in lines:
        first = ROOM.match(line)
        assert first, line
        found += [name for name in ROOM.findall(line) if (PACKAGE / name).is_file()]
        assert first[1] in found, f'{first[1]} is no file of ws4redis/'
    return found


def test_page_about_the_design_has_a_line_for_each_source_file() -> None:
    files = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob('*')
        if path.suffix in ('.py', '.js', '.ts', '.html') and path.stat().st_size
    }
    assert sorted(rooms()) == sorted(files)


@pytest.mark.parametrize('states', [Phase, FeedState], ids=lambda states: states.__name__)
def test_page_about_the_design_has_every_state_in_its_tables(states: type[Enum]) -> None:
    cells = {
        name
        for line in DESIGN.read_text('utf-8').splitlines()
        if line.startswith('| ')
        for name in re.findall(r'\b[A-Z]{2,}\b', line)
    }
    assert {state.name for state in states} <= cells


def test_changelog_has_its_sections_in_one_order() -> None:
    order = ['Security', 'Removed', 'Deprecated', 'Added', 'Changed', 'Fixed']
    for version in (ROOT / 'CHANGELOG.md').read_text('utf-8').split('\n## ')[1:]:
        sections = re.findall(r'^### (.*)$', version, re.MULTILINE)
        assert sections == [name for name in order if name in sections], version.splitlines()[0]


@pytest.mark.parametrize('page', [*PAGES, *sorted(ROOT.glob('*.md'))], ids=lambda page: page.name)
def test_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text('utf-8')):
        assert (page.parent / target).exists(), f'{page.name}: {target} is missing'
