"""Runs the client under Node.js, which nobody but this suite needs."""

import os
import re
import shutil
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tests.conftest import require

__all__ = ['CASES', 'SCRIPT', 'STATIC', 'classic', 'find_node', 'run_node', 'without']

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / 'ws4redis/static/js'
SCRIPT = STATIC / 'ws4redis.js'
CASES = sorted((ROOT / 'tests/js').glob('*.test.mjs'))

OLDEST = (18, 15)
"""The first version of Node.js whose test runner can be told its format."""


def find_node() -> str:
    """Node.js; the test is skipped without it, and fails where WS4REDIS_REQUIRE names it."""
    node = shutil.which('node')
    require('node', node, 'put node on PATH (Debian: apt-get install nodejs)')
    assert node is not None
    version = run_node(node, '--version').stdout.strip()
    found = re.match(r'v(\d+)\.(\d+)', version)
    assert found, version
    wanted = '.'.join(map(str, OLDEST))
    require(
        'node',
        (int(found[1]), int(found[2])) >= OLDEST,
        f'{node} is {version}, {wanted} or later is needed',
    )
    return node


def run_node(
    node: str, *arguments: str, static: Path | None = None
) -> 'subprocess.CompletedProcess[str]':
    """Run Node.js.

    Args:
        static: where ws4redis.js and ws4redis.esm.js are; None for those of the package.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('NODE_', 'WS4REDIS_STATIC'))
    }
    if static is not None:
        environment['WS4REDIS_STATIC'] = str(static)
    return subprocess.run(
        [node, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding='utf-8',
        timeout=120,
        check=False,
    )


def classic(module: str) -> str:
    """The classic script that is made of the module."""
    spec = spec_from_file_location('make_script', ROOT / 'docs/make_script.py')
    assert spec is not None and spec.loader is not None
    make_script = module_from_spec(spec)
    spec.loader.exec_module(make_script)
    return str(make_script.script(module))


def without(text: str, *changes: tuple[str, str]) -> str:
    """The text with each of these replaced, which has to be there once."""
    for old, new in changes:
        assert text.count(old) == 1, (
            f'the client has {old!r} {text.count(old)} times: the fault needs another way'
        )
        text = text.replace(old, new)
    return text
