"""python -m ws4redis.testing certify URL, as a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ws4redis.testing.__main__ import main
from ws4redis.testing.redis_process import RedisProcess

ROOT = Path(__file__).resolve().parent.parent.parent
BROKEN = (
    'import sys\nfrom tests.faults.broken import apply\n'
    'from ws4redis.testing.__main__ import main\n'
)


def command(
    *arguments: str, code: str = '', **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it, without settings unless the environment names some."""
    kept = {name: value for name, value in os.environ.items() if name != 'DJANGO_SETTINGS_MODULE'}
    program = ['-c', code] if code else ['-m', 'ws4redis.testing']
    return subprocess.run(
        [sys.executable, '-W', 'error', *program, *arguments],
        env={**kept, 'PYTHONPATH': str(ROOT), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize('settings', [{}, {'DJANGO_SETTINGS_MODULE': 'tests.settings'}])
def test_cases_are_run_on_the_server_and_leave_nothing_there(
    redis_process: RedisProcess, settings: dict[str, str]
) -> None:
    client = redis_process.client()
    client.set('broadcast:news', 'of somebody else')
    done = command('certify', redis_process.url, '-k', 'prefix', **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'process {redis_process.pid}' in done.stdout
    [row] = [
        line
        for line in done.stdout.splitlines()
        if line.startswith('prefix_stands_before_every_name')
    ]
    assert set(row.split()[1:]) == {'ok'}
    assert client.keys() == [b'broadcast:news']
    assert client.get('broadcast:news') == b'of somebody else'
    client.close()


def test_case_that_does_not_hold_is_shown_and_ends_with_1(redis_url: str) -> None:
    code = f"{BROKEN}apply('lets-the-own-echo-through')\nsys.exit(main())"
    done = command('certify', redis_url, '-k', 'no_own_echo', code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'FAILED' in done.stdout
    assert 'client.assert_nothing_received()' in done.stdout


def test_server_of_ones_own_is_started(redis_url: str) -> None:
    done = command('certify', 'server', '-k', 'binary_arrives')
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ('url', 'said'),
    [
        ('http://localhost', "url is 'http://localhost': a Broker takes"),
        ('http://user:s3cret@localhost', "url is 'http://***@localhost': a Broker takes"),
        ('localhost:6379', "url is 'localhost:6379': a Broker takes"),
        ('memory://', 'name one'),
        ('redis://127.0.0.1:1/0', 'no answer from redis://127.0.0.1:1/0'),
        ('redis://user:s3cret@127.0.0.1:1/0', 'no answer from redis://***@127.0.0.1:1/0'),
        ('redis://127.0.0.1:1/0?wrong=1', 'an argument that redis-py does not take'),
    ],
)
def test_wrong_url_is_said_in_a_line(url: str, said: str) -> None:
    done = command('certify', url)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert 's3cret' not in done.stderr + done.stdout


def test_no_redis_server_is_said_in_a_line() -> None:
    done = command('certify', 'server', PATH='/nowhere')
    assert (done.returncode, done.stdout) == (2, '')
    assert 'no redis-server on PATH' in done.stderr


def test_no_such_case_is_said() -> None:
    done = command('certify', 'server', '-k', 'no such case')
    assert done.returncode == 2
    assert "no case has 'no such case' in its name" in done.stderr


def test_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['certify', '--help'])
    assert ended.value.code == 0
    assert 'ws4redis-test:' in capsys.readouterr().out


def test_nothing_to_do_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert 'required' in capsys.readouterr().err
