"""Every block of code in docs/ runs: each names its file in its first line, and a page's files are one project."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PLUGIN, PLUGIN_INSTALLED

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / 'docs').glob('*.md'))
BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page in this language."""
    return [text for found, text in BLOCK.findall(page.read_text('utf-8')) if found == language]


def write_project(page: Path, directory: Path) -> list[str]:
    """Write the files of a page; gives their names."""
    names = []
    for text in [*blocks(page, 'python'), *blocks(page, 'ini')]:
        match = re.match(r'# (\S+)\n', text)
        assert match, f'{page.name}: a block does not name its file:\n{text}'
        path = directory / match[1]
        assert not path.exists(), f'{page.name}: {match[1]} is there twice'
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, 'utf-8')
        names.append(match[1])
    return names


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the project's tests as its reader would, and warnings are errors."""
    plugin = () if PLUGIN_INSTALLED else ('-p', PLUGIN)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('DJANGO_', 'PYTEST_'))}
    environment['PYTHONPATH'] = str(ROOT)
    command = [sys.executable, '-m', 'pytest', *plugin, '-W', 'error', '-p', 'no:cacheprovider', *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize('server', ['memory', 'server'])
def test_tests_of_the_page_about_testing_pass(tmp_path: Path, server: str, request: pytest.FixtureRequest) -> None:
    if server == 'server':
        request.getfixturevalue('redis_url')
    names = write_project(ROOT / 'docs/testing.md', tmp_path)
    tests = [name for name in names if name.startswith('tests/')]
    done = run(tmp_path, f'--ws4redis={server}', *tests)
    assert done.returncode == 0, done.stdout
    for name in tests:
        assert f'{name} .' in done.stdout, f'{name} has no test that passes'


def test_failure_reads_as_the_page_shows_it(tmp_path: Path) -> None:
    page = ROOT / 'docs/testing.md'
    write_project(page, tmp_path)
    done = run(tmp_path, 'examples/failing.py')
    assert done.returncode == 1, done.stdout
    [shown] = blocks(page, 'text')
    missing = [line for line in shown.splitlines() if line.strip() not in done.stdout]
    assert missing == [], done.stdout


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_block_is_in_a_language_that_is_run_or_listed(page: Path) -> None:
    languages = {language for language, _ in BLOCK.findall(page.read_text('utf-8'))}
    assert languages <= {'python', 'ini', 'sh', 'text'}


def codes_of_reasons() -> set[str]:
    """What Reason() and the function in front of it are called with."""
    tree = ast.parse((ROOT / 'ws4redis/testing/reasons.py').read_text('utf-8'))
    places = {'Reason': 0, '_reason': 2}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, 'id', '') in places]
    codes = [call.args[places[getattr(call.func, 'id', '')]] for call in calls]
    return {code.value for code in codes if isinstance(code, ast.Constant)}


def test_page_about_testing_lists_every_code_of_a_reason() -> None:
    table = set(re.findall(r'^\| `([a-z-]+)` \|', (ROOT / 'docs/testing.md').read_text('utf-8'), re.MULTILINE))
    assert len(table) >= 15
    assert table == codes_of_reasons()


@pytest.mark.parametrize('page', [*PAGES, ROOT / 'README.md', ROOT / 'CHANGELOG.md'], ids=lambda page: page.name)
def test_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text('utf-8')):
        assert (page.parent / target).exists(), f'{page.name}: {target} is missing'
