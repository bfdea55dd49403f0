"""The browser client: its cases run under Node.js' own test runner, and here is what can be said
of its files.
"""

from __future__ import annotations

import gzip
import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import call_command

from tests.processes.node import CASES, STATIC, classic, find_node, run_node

if TYPE_CHECKING:
    from pytest_django import Settings

FILES = ('ws4redis.js', 'ws4redis.esm.js')
MOST = 4096
"""Bytes of the client, minified and compressed."""


@pytest.fixture
def node() -> str:
    """Node.js."""
    return find_node()


@pytest.mark.parametrize('path', CASES, ids=lambda path: path.name)
def test_cases_pass(path: Path, node: str) -> None:
    done = run_node(node, '--test', '--test-reporter=tap', str(path))
    counts = {
        name: int(count)
        for name, count in re.findall(r'^# (\w+) (\d+)$', done.stdout, re.MULTILINE)
    }
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts['pass'] == counts['tests'] > 10, done.stdout


OLD_PAGES = (
    'the script defines one global',
    'new may be left out, and jQuery given',
    'the callbacks of the options are told everything',
    'the methods of release 0.6.0 say how it stands',
    'between two attempts it is closed in the old words',
)


@pytest.mark.row('U15')
def test_what_pages_of_release_0_6_0_call_is_there(node: str) -> None:
    """The cases of the script that are about nothing else."""
    pattern = '|'.join(re.escape(name) for name in OLD_PAGES)
    [path] = [path for path in CASES if path.name == 'interface.test.mjs']
    done = run_node(
        node, '--test', '--test-reporter=tap', f'--test-name-pattern={pattern}', str(path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in OLD_PAGES:
        assert re.search(
            rf'^ *ok \d+ - (?!.*# SKIP).*{re.escape(name)}', done.stdout, re.MULTILINE
        ), done.stdout


def test_every_case_is_for_both_files() -> None:
    """Those of one file alone, which say something about it, are in one place."""
    assert len(CASES) == 5
    alone = {
        path.name
        for path in CASES
        if re.search(r'^\s*(test|testForm)\(', path.read_text('utf-8'), re.MULTILINE)
    }
    assert alone == {'interface.test.mjs'}


def test_script_is_the_one_that_is_made_of_the_module() -> None:
    module = (STATIC / 'ws4redis.esm.js').read_text('utf-8')
    assert classic(module) == (STATIC / 'ws4redis.js').read_text('utf-8'), (
        'run python docs/make_script.py'
    )


def squeezed(text: str) -> str:
    """The script without comments and indentation: less than any minifier would take away."""
    lines = re.sub(r'^/\*.*?\*/', '', text, flags=re.DOTALL).splitlines()
    return '\n'.join(
        stripped for line in lines if (stripped := line.strip()) and not stripped.startswith('//')
    )


@pytest.mark.parametrize('name', FILES)
def test_script_is_small(name: str) -> None:
    assert (
        len(gzip.compress(squeezed((STATIC / name).read_text('utf-8')).encode('utf-8'), 9)) < MOST
    )


@pytest.mark.parametrize('name', FILES)
def test_squeezed_script_still_works(name: str, tmp_path: Path, node: str) -> None:
    """So that what was measured is the client."""
    for other in FILES:
        text = (STATIC / other).read_text('utf-8')
        (tmp_path / other).write_text(squeezed(text) if other == name else text, 'utf-8')
    [path] = [path for path in CASES if path.name == 'reconnect.test.mjs']
    done = run_node(node, '--test', str(path), static=tmp_path)
    assert done.returncode == 0, done.stdout


class AggregatingStorage(ManifestStaticFilesStorage):
    """Hashed names, and imports of modules rewritten: Django's strictest."""

    support_js_module_import_aggregation = True


def test_collectstatic_with_hashed_names_leaves_the_files_as_they_are(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    settings.STORAGES = {
        **settings.STORAGES,
        'staticfiles': {'BACKEND': f'{__name__}.AggregatingStorage'},
    }
    call_command('collectstatic', interactive=False, stdout=StringIO())
    for name in FILES:
        pattern = name.replace('.js', r'\.\w{12}\.js')
        [hashed] = [
            path for path in tmp_path.glob('js/ws4redis*') if re.fullmatch(pattern, path.name)
        ]
        assert hashed.read_text('utf-8') == (STATIC / name).read_text('utf-8')


def test_types_name_every_method(node: str) -> None:
    """And no other."""
    types = (
        (STATIC / 'ws4redis.esm.d.ts').read_text('utf-8').partition('export class WS4Redis {')[2]
    )
    declared = re.findall(r'^  (?:static |readonly )*(\w+)[(<:]', types, re.MULTILINE)
    code = """
        const source = fs.readFileSync(process.argv[1], 'base64');
        const {WS4Redis} = await import(`data:text/javascript;base64,${source}`);
        const statics = Object.getOwnPropertyNames(WS4Redis)
            .filter((name) => typeof WS4Redis[name] === 'function');
        console.log([...statics, ...Object.getOwnPropertyNames(WS4Redis.prototype)].join(' '));
    """
    done = run_node(
        node,
        '--input-type=module',
        '-e',
        f"import fs from 'node:fs';{code}",
        str(STATIC / 'ws4redis.esm.js'),
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(declared)


def test_types_name_every_option() -> None:
    """As the first lines of the module do, and as it reads them."""
    module = (STATIC / 'ws4redis.esm.js').read_text('utf-8')
    head, _, body = module.partition('*/')
    options = head.partition('* Options')[2].partition('* Methods')[0]
    documented = re.findall(r'^ \*     (\w+)(?:\(\w*\))?  ', options, re.MULTILINE)
    types = (STATIC / 'ws4redis.esm.d.ts').read_text('utf-8')
    callbacks = types.partition('interface Callbacks')[2].partition('interface SubscribeOptions')[0]
    declared = re.findall(r'^  (\w+)\??[(:]', callbacks, re.MULTILINE)
    assert sorted(documented) == sorted(declared)
    assert all(re.search(rf'\b{name}\b', body) for name in documented)
