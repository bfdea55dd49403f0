"""nginx in front of two servers: one for Django's pages, one for the websockets."""

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.hosts import Host, nginx_program
from tests.servers.processes import ServerProcess, Site, eventually, free_port, listens

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
    server {{
        listen 127.0.0.1:{port};
        {host}
        location / {{
            proxy_pass http://127.0.0.1:{pages};
        }}
        location /ws/ {{
            proxy_pass http://127.0.0.1:{websockets};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            {host}
        }}
    }}
}}
"""

PASS_HOST = 'proxy_set_header Host $http_host;'


@dataclass
class BehindNginx:
    """What a ServerProcess is, with nginx in front; inside a with block.

    Args:
        host: what serves the websockets; the pages come from gunicorn's threads.
        directory: for logs and nginx's own files.
        passes_host: whether nginx tells the servers the Host that the browser has asked for.
    """

    site: Site
    host: str
    directory: Path
    passes_host: bool = True
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
        return self._websockets.said() + self._pages.said() + self._log.read_text('utf-8', 'replace')

    def begin_to_end(self) -> None:
        """Send SIGTERM to the websockets' server."""
        self._websockets.begin_to_end()

    def begin_to_reload(self) -> None:
        """Let the websockets' server load its code again."""
        self._websockets.begin_to_reload()

    def wait(self) -> int:
        """Wait for the end of the websockets' server, and return the exit code."""
        return self._websockets.wait()

    def __enter__(self) -> 'BehindNginx':
        with ExitStack() as stack:
            logs = self.directory
            self._websockets = stack.enter_context(ServerProcess(self.site, self.host, logs / 'websockets.log'))
            self._pages = stack.enter_context(ServerProcess(self.site, 'gunicorn-gthread', logs / 'pages.log'))
            self._log = logs / 'nginx.log'
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: ExitStack) -> None:
        self.port = free_port()
        configuration = self.directory / 'nginx.conf'
        configuration.write_text(
            CONFIGURATION.format(
                directory=self.directory,
                port=self.port,
                pages=self._pages.port,
                websockets=self._websockets.port,
                host=PASS_HOST if self.passes_host else '',
            )
        )
        with self._log.open('wb') as log:
            command = [nginx_program() or 'nginx', '-p', str(self.directory), '-e', 'stderr', '-c', str(configuration)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        stack.callback(process.wait)
        stack.callback(process.kill)

        def serves() -> bool:
            assert process.poll() is None, self._log.read_text()
            return listens(self.port)

        eventually(serves, 'nginx does not listen')

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
        print('--- nginx said:', self._log.read_text('utf-8', 'replace'), sep='\n')
