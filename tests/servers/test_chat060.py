"""Two sites in the style of 2016 start and chat as they are.

tests/projects/chat060 on runserver, and on uWSGI as in its time; tests/projects/allow060, which
needs one line, on runserver.
"""

import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.processes.hosts import require_programs
from tests.processes.journey import Deployment, ServerProcess
from tests.processes.nginx import BehindNginx
from tests.processes.serving import GUARD, ROOT, eventually
from tests.servers.browser import FORM, receive
from ws4redis.testing.redis_process import RedisProcess

pytestmark = pytest.mark.usefixtures('redis_url')

PROJECTS = ROOT / 'tests' / 'projects'

COMPLAINTS = ('Traceback', 'Exception ignored', 'Internal Server Error', 'MonkeyPatchWarning')

HEARTBEAT = '--heartbeat--'

AnyServer = ServerProcess | BehindNginx


class OldDeployment(Deployment):
    """A project whose entry files name its settings, with a database file and a Redis."""

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its processes."""
        inherited = {
            name: value for name, value in os.environ.items() if name != 'DJANGO_SETTINGS_MODULE'
        }
        return {
            **inherited,
            'PYTHONPATH': os.pathsep.join([str(ROOT), str(self.project)]),
            'PYTHONUNBUFFERED': '1',
            'SITE060_DATABASE': str(self.database),
            'SITE060_REDIS_PORT': str(urlsplit(self.redis_url).port),
        }


class Visitor:
    """A browser at an old site: keeps cookies, fills in forms, and opens the websocket that a
    page's script asks for.

    Args:
        username: whom to log in, by the admin's form; None for nobody.
    """

    def __init__(self, server: AnyServer, username: str | None = None) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        if username is not None:
            login = '/admin/login/?next=/chat/'
            assert self.post(login, username=username, password=username) == (302, '')
            assert f'<span id="username">{username}</span>' in self.get('/chat/')

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=GUARD)
        headers = {'Cookie': self.cookie, 'Connection': 'close'}
        if body is not None:
            headers |= {'Content-Type': FORM, 'Origin': self.server.origin}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            for header in answer.headers.get_all('Set-Cookie', []):
                self.cookies |= {
                    name: morsel.value for name, morsel in SimpleCookie(header).items()
                }
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @property
    def cookie(self) -> str:
        """The header."""
        return '; '.join(f'{name}={value}' for name, value in self.cookies.items())

    def get(self, path: str) -> str:
        """A page, which has to be there."""
        status, text = self._request('GET', path)
        assert status == 200, (path, status, text)
        return text

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Fill in the form of a page, with the token that is on it."""
        token = re.search(r'csrfmiddlewaretoken(?:" value="|: \')(\w+)', self.get(path))
        assert token, f'{path} has no token'
        return self._request('POST', path, urlencode({'csrfmiddlewaretoken': token[1], **fields}))

    def say(self, path: str, **fields: str) -> None:
        """Post a message, and expect it to be taken."""
        assert self.post(path, **fields) == (200, 'OK')

    def open_uri(self, uri: str) -> ClientConnection:
        """Open a websocket."""
        return connect(
            uri,
            origin=Origin(self.server.origin),
            additional_headers={'Cookie': self.cookie} if self.cookie else None,
            proxy=None,
            open_timeout=GUARD,
            close_timeout=GUARD,
        )

    def open(self, path: str) -> ClientConnection:
        """Open the websocket of a page."""
        return self.open_uri(uri_of(self.get(path)))


def uri_of(page: str) -> str:
    """Where the script of a page connects."""
    match = re.search(r"uri: '([^']+)'", page)
    assert match, page
    return match[1]


def heartbeat_of(page: str) -> object:
    """What the script of a page takes for the heartbeat: a JavaScript literal."""
    match = re.search(r'heartbeat_msg: (.+)', page)
    assert match, page
    return json.loads(match[1])


def heard(websocket: ClientConnection) -> str | bytes:
    """The next message but for heartbeats, which the script of the pages keeps to itself;
    TimeoutError if there comes none.
    """
    deadline = time.monotonic() + GUARD
    while (message := receive(websocket)) == HEARTBEAT:
        if time.monotonic() > deadline:
            raise TimeoutError(f'nothing but heartbeats for {GUARD} seconds')
    return message


def split_060(port: int, pages: int, websockets: int) -> str:
    """nginx as the documentation of release 0.6.0 has it, but for the two lines with Host, which
    docs/migrating.md asks for.
    """
    return f"""
    server {{
        listen 127.0.0.1:{port};

        location / {{
            include /etc/nginx/uwsgi_params;
            uwsgi_param HTTP_HOST $host:$server_port;
            uwsgi_pass 127.0.0.1:{pages};
        }}

        location /ws/ {{
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host:$server_port;
            proxy_pass http://127.0.0.1:{websockets};
        }}
    }}
    """


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory, _shared_redis: RedisProcess) -> Deployment:
    """The chat, with its users, on the Redis of the whole run."""
    site = OldDeployment(
        tmp_path_factory.mktemp('chat060') / 'db.sqlite3',
        _shared_redis.url,
        project=PROJECTS / 'chat060',
    )
    assert 'ws4redis.' not in site.manage('check'), 'a check finds fault with it'
    site.manage('migrate')
    site.manage('loaddata', 'users')
    return site


ON = ['runserver-of-060', 'uwsgi-of-060', 'nginx-uwsgi-of-060']
"""The development server; one uWSGI; two, behind nginx."""


def serving(site: Deployment, on: str, directory: Path) -> AnyServer:
    """The chat on one of these."""
    if on.startswith('nginx'):
        require_programs('nginx')
        require_programs('uwsgi')
        return BehindNginx(
            site,
            'uwsgi-websockets-of-060',
            directory,
            pages_host='uwsgi-pages-of-060',
            lines=split_060,
        )
    require_programs(on)
    return ServerProcess(site, on, directory / 'log')


@pytest.fixture(scope='module', params=ON)
def server(
    request: pytest.FixtureRequest, site: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AnyServer]:
    """The chat, for all tests that leave it as they found it."""
    with serving(site, request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def client(redis_url: str) -> Iterator['redis.Redis']:
    """The Redis of the site, as redis-cli shows it."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture(scope='module')
def john(server: AnyServer) -> Visitor:
    """Member of the clubs chess and music."""
    return Visitor(server, 'john')


@pytest.fixture(scope='module')
def mary(server: AnyServer) -> Visitor:
    """Member of the club chess."""
    return Visitor(server, 'mary')


# Pages


@pytest.mark.parametrize(
    ('path', 'target'),
    [
        ('/chat/', 'lobby?subscribe-broadcast&publish-broadcast&echo'),
        ('/userchat/', 'letters?subscribe-user'),
        ('/groupchat/', 'clubs?subscribe-group'),
    ],
)
def test_page_has_what_its_script_needs(john: Visitor, path: str, target: str) -> None:
    page = john.get(path)
    assert uri_of(page) == f'ws://127.0.0.1:{john.server.port}/ws/{target}'
    assert heartbeat_of(page) == HEARTBEAT
    scripts = re.findall(r'<script [^>]*src="([^"]+)"', page)
    assert [script.rpartition('/')[2] for script in scripts] == ['jquery.min.js', 'ws4redis.js']
    assert all(john.get(script) for script in scripts)


# Messages


def test_lobby_hears_what_a_browser_and_what_django_says(
    john: Visitor, mary: Visitor, client: 'redis.Redis'
) -> None:
    with john.open('/chat/') as his, mary.open('/chat/') as hers:
        assert [heard(his), heard(hers)] == ['* Hello john', '* Hello mary']
        his.send('john: h\u00e9llo')
        assert [heard(his), heard(hers)] == ['john: h\u00e9llo'] * 2
        assert client.get('chat060:broadcast:lobby') == 'john: h\u00e9llo'
        assert 0 < client.ttl('chat060:broadcast:lobby') <= 3600
        assert client.pubsub_channels() == ['chat060:broadcast:lobby']
        mary.say('/chat/', message='tea is ready')
        assert [heard(his), heard(hers)] == ['* tea is ready'] * 2
        assert client.get('chat060:broadcast:lobby') == '* tea is ready'


def test_letter_reaches_its_reader_alone(
    john: Visitor, mary: Visitor, client: 'redis.Redis'
) -> None:
    with john.open('/userchat/') as his, mary.open('/userchat/') as hers:
        john.say('/userchat/', user='mary', message='tea?')
        mary.say('/userchat/', user='john', message='yes')
        assert [heard(hers), heard(hers)] == ['* Hello mary', 'john: tea?']
        # Had the letter come to him as well, it would have come before the answer.
        assert [heard(his), heard(his)] == ['* Hello john', 'mary: yes']
    assert client.get('chat060:user:mary:letters') == 'john: tea?'


def test_club_reaches_its_members_alone(
    john: Visitor, mary: Visitor, client: 'redis.Redis'
) -> None:
    with john.open('/groupchat/') as his, mary.open('/groupchat/') as hers:
        john.say('/groupchat/', group='music', message='la')
        mary.say('/groupchat/', group='chess', message='e4')
        assert [heard(his), heard(his), heard(his)] == ['* Hello john', 'john: la', 'mary: e4']
        assert [heard(hers), heard(hers)] == ['* Hello mary', 'mary: e4']
    assert sorted(client.keys('chat060:group:*')) == [
        'chat060:group:chess:clubs',
        'chat060:group:music:clubs',
    ]


def test_late_comer_gets_the_last_message(john: Visitor, mary: Visitor) -> None:
    with john.open('/chat/') as his:
        assert heard(his) == '* Hello john'
        for text in ('john: one', 'john: two'):
            his.send(text)
            assert heard(his) == text
    with mary.open('/chat/') as hers:
        assert [heard(hers), heard(hers)] == ['* Hello mary', 'john: two']


def test_heartbeats_come_and_are_kept_from_the_others(john: Visitor, client: 'redis.Redis') -> None:
    with john.open('/chat/') as his, client.pubsub() as pubsub:
        assert heard(his) == '* Hello john'
        pubsub.subscribe('chat060:broadcast:lobby')
        assert pubsub.get_message(timeout=GUARD)
        assert receive(his) == HEARTBEAT
        his.send(HEARTBEAT)
        his.send('john: here')
        message = pubsub.get_message(timeout=GUARD)
        assert message is not None
        assert message['data'] == 'john: here'


# The site's own code


def test_subscriber_of_the_site_sees_the_beginning_and_the_end(
    john: Visitor, mary: Visitor
) -> None:
    with mary.open('/chat/') as hers:
        assert heard(hers) == '* Hello mary'
        assert '<span id="present">mary</span>' in john.get('/chat/')
    eventually(
        lambda: '<span id="present"></span>' in john.get('/chat/'), 'she is said to be there still'
    )


def test_strangers_are_refused_by_the_callback(server: AnyServer) -> None:
    with pytest.raises(InvalidStatus) as refused, Visitor(server).open('/chat/'):
        pass
    assert refused.value.response.status_code == 403
    assert 'The chat is for members' in server.said()


def test_channels_that_the_callback_leaves_out_are_left_out(
    john: Visitor, client: 'redis.Redis'
) -> None:
    uri = uri_of(john.get('/userchat/'))
    with john.open_uri(f'{uri}&publish-user&subscribe-broadcast&publish-broadcast&echo') as his:
        assert heard(his) == '* Hello john'
        his.send('john: to myself')
        assert heard(his) == 'john: to myself'
    assert client.keys('chat060:*:letters') == ['chat060:broadcast:letters']


# The end


@pytest.mark.parametrize('on', ON)
def test_interrupted_server_ends_without_a_traceback(
    on: str, site: Deployment, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        server = serving(site, on, tmp_path)
        stack.enter_context(server)
        john = Visitor(server, 'john')
        websockets = [
            stack.enter_context(john.open(path)) for path in ('/chat/', '/userchat/', '/groupchat/')
        ]
        assert [heard(websocket) for websocket in websockets] == ['* Hello john'] * 3
        server.interrupt()
        codes = set()
        for websocket in websockets:
            with pytest.raises(ConnectionClosed) as closed:
                heard(websocket)
            codes.add(1006 if closed.value.rcvd is None else closed.value.rcvd.code)
        assert codes <= ({1001} if server.kind.says_goodbye else {1001, 1006})
        assert server.wait() == server.kind.interrupted
    assert [
        line
        for line in server.said().splitlines()
        if any(complaint in line for complaint in COMPLAINTS)
    ] == []


# The other site


LINE = "WS4REDIS_ALLOWED_CHANNELS = 'ws4redis.policies.allow_all'\n"


@pytest.mark.parametrize('changed', [True, False], ids=['with the line', 'without it'])
def test_strangers_may_publish_by_one_line(
    changed: bool, _shared_redis: RedisProcess, tmp_path: Path
) -> None:
    project = PROJECTS / 'allow060'
    if not changed:
        project = shutil.copytree(
            project, tmp_path / 'project', ignore=shutil.ignore_patterns('__pycache__')
        )
        settings = project / 'billboard' / 'settings.py'
        assert settings.read_text().count(LINE) == 1
        settings.write_text(settings.read_text().replace(LINE, ''))
    site = OldDeployment(tmp_path / 'db.sqlite3', _shared_redis.url, project=project)
    with ServerProcess(site, 'runserver-of-060', tmp_path / 'log') as server:
        writer, reader = Visitor(server), Visitor(server)
        with writer.open('/') as written, reader.open('/') as read:
            written.send('from a stranger')
            # The answer to this waits until the message before it has been dealt with.
            written.close()
            assert written.close_code == 1000
            writer.say('/', message='from Django')
            expected = ['from a stranger', 'from Django'] if changed else ['from Django']
            assert [heard(read) for _ in expected] == expected
        assert ('may publish nowhere' in server.said()) is not changed
