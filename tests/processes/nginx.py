"""nginx in front of two servers: one for Django's pages, one for the websockets."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes.hosts import Host, nginx_program
from tests.processes.journey import Deployment, ServerProcess
from tests.processes.serving import ROOT, ServingProcess, free_port, listens

CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_timeout 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
{lines}
}}
"""

DEPLOYMENT = ROOT / 'docs' / 'deployment.md'

PASS_HOST = re.compile(r'^ *proxy_set_header Host .*\n', re.MULTILINE)


def recommended(port: int, pages: int, websockets: int) -> str:
    """The lines of the deployment page, on these ports."""
    [lines] = re.findall(
        r'^```nginx\n(.*?)^```$', DEPLOYMENT.read_text('utf-8'), re.MULTILINE | re.DOTALL
    )
    for on_the_page, here in (
        ('listen 8080;', f'listen 127.0.0.1:{port};'),
        ('proxy_pass http://127.0.0.1:8000;', f'proxy_pass http://127.0.0.1:{pages};'),
        ('proxy_pass http://127.0.0.1:8001;', f'proxy_pass http://127.0.0.1:{websockets};'),
    ):
        assert lines.count(on_the_page) == 1, on_the_page
        lines = lines.replace(on_the_page, here)
    return str(lines)


@dataclass
class BehindNginx:
    """What a ServerProcess is, with nginx in front; inside a with block.

    Args:
        host: what serves the websockets.
        directory: for logs and nginx's own files.
        passes_host: whether nginx tells the servers the Host that the browser has asked for.
        pages_host: what serves the pages.
        lines: what nginx is told of them, from the ports of nginx, pages and websockets.
    """

    deployment: Deployment
    host: str
    directory: Path
    passes_host: bool = True
    pages_host: str = 'gunicorn-gthread'
    lines: Callable[[int, int, int], str] = recommended
    port: int = field(default=0, init=False)

    @property
    def origin(self) -> str:
        """As a browser names it."""
        return f'http://127.0.0.1:{self.port}'

    @property
    def kind(self) -> Host:
        """How the websockets' server was started."""
        return self._websockets.kind

    @property
    def pid(self) -> int:
        """The process id of the websockets' server."""
        return self._websockets.pid

    def serving_pids(self) -> list[int]:
        """The process ids of those that serve the websockets."""
        return self._websockets.serving_pids()

    def said(self) -> str:
        """What all three have written so far."""
        return self._websockets.said() + self._pages.said() + self._nginx.said()

    def begin_to_end(self) -> None:
        """Send SIGTERM to the websockets' server."""
        self._websockets.begin_to_end()

    def interrupt(self) -> None:
        """Send SIGINT to the websockets' server, as Ctrl-C in its terminal does."""
        self._websockets.interrupt()

    def begin_to_reload(self) -> None:
        """Let the websockets' server load its code again."""
        self._websockets.begin_to_reload()

    def wait(self) -> int:
        """Wait for the end of the websockets' server, and return the exit code."""
        return self._websockets.wait()

    def __enter__(self) -> 'BehindNginx':
        with ExitStack() as stack:
            logs = self.directory
            self._websockets = stack.enter_context(
                ServerProcess(self.deployment, self.host, logs / 'websockets.log')
            )
            self._pages = stack.enter_context(
                ServerProcess(self.deployment, self.pages_host, logs / 'pages.log')
            )
            self._nginx = ServingProcess(logs / 'nginx.log')
            stack.callback(self._nginx.kill)
            self._start()
            self._stack = stack.pop_all()
        return self

    def _start(self) -> None:
        self.port = free_port()
        lines = self.lines(self.port, self._pages.port, self._websockets.port)
        assert PASS_HOST.search(lines)
        configuration = self.directory / 'nginx.conf'
        configuration.write_text(
            CONFIGURATION.format(
                directory=self.directory,
                lines=lines if self.passes_host else PASS_HOST.sub('', lines),
            )
        )
        command = [nginx_program() or 'nginx', '-p', str(self.directory), '-e', 'stderr']
        self._nginx.launch([*command, '-c', str(configuration)], os.environ)
        self._nginx.until(lambda: listens(self.port), 'nginx does not listen')

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
        self._nginx.show('nginx')
