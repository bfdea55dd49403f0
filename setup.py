"""The package and what it needs. The tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Return the version without importing the package, whose dependencies are not there yet."""
    match = re.search(
        r"^__version__ = '(.+)'$", (ROOT / 'ws4redis/__init__.py').read_text('utf-8'), re.MULTILINE
    )
    if match is None:
        raise SystemExit('setup.py: ws4redis/__init__.py has no line __version__ = ...')
    return match[1]


# Each lower bound is the version on which the test suite has passed.
RUNTIME = [
    'django>=5.2',  # the framework whose sessions, users and settings decide who hears what
    'redis[hiredis]>=8.1',  # the way to Redis; hiredis parses replies in C, twice as fast
    'gevent>=26.9',  # the event loop that carries the websockets
    'websockets>=17.4',  # RFC 6455 without I/O: frames, handshake, state
]

EXTRAS = {
    # What a project's tests need.
    'testing': [
        'fakeredis>=2.40',  # the server behind memory://
        'pytest>=9.2',  # fixtures
        'pytest-django>=4.14',  # the test database and settings
    ],
    # What a production server needs.
    'gunicorn': [
        'gunicorn[gevent]>=27.0',  # its gevent worker needs packages that plain gunicorn lacks
    ],
    # The other production server; pip builds it, which needs a C compiler and Python.h.
    'uwsgi': [
        'uwsgi>=2.0.31',  # its http router and its gevent loop
    ],
    # A server that gives its connections to nobody, for the suite; pip builds it, which needs
    # Apache's headers too.
    'apache': [
        'mod_wsgi>=6.1',  # in Apache, as many Django sites are served
    ],
    # What the sandbox needs.
    'sandbox': [
        'fakeredis>=2.40',  # the sandbox runs on memory://, without a Redis server
    ],
    # What this package's own suite and linters need besides.
    'dev': [
        'axe-playwright-python>=0.1.8',  # axe-core: pages that work without mouse or sight
        'basedpyright>=1.40.2',  # the types, as the other half of the editors sees them
        'build>=1.6',  # wheel and sdist, which the suite installs
        'coverage>=7.17',  # which branches the suite takes
        'django-stubs>=6.1',  # types of Django
        'freezegun>=1.5',  # one of the clocks that a Broker moves
        'hypothesis>=6.170',  # fragments, orders and names that nobody would think of
        'mypy>=2.4',  # the types
        'playwright>=1.65',  # the sandbox in a browser, as people use it; takes Debian's chromium
        'pytest-randomly>=5.1',  # the contract in random order
        'pytest-socket>=0.8',  # the contract where sockets are forbidden
        'pytest-xdist>=3.8',  # the suite in parallel: pytest -n auto
        'ruff>=0.17',  # style
        'setuptools>=65.5',  # the build without isolation; from Python 3.12 on a venv has none
        'time-machine>=3.6',  # the other clock that a Broker moves
        'types-channels>=4.3.0.20260518',  # types of Channels, beside which benchmarks/ measures
        'types-gevent>=26.9.0.20261006',  # types of gevent
        'types-gunicorn>=26.2.0.20261008',  # types of gunicorn
        'types-setuptools>=84.2.0.20261104',  # types of setuptools, for setup.py
        'types-waitress>=3.0.1.20260724',  # types of waitress
        'waitress>=3.0',  # a server that gives its connections to nobody
        'websocket-client>=1.9',  # with which old projects test against LiveServerTestCase
        'wheel>=0.48',  # older setuptools cannot write a wheel without it
    ],
}

setup(
    name='django-websocket-redis',
    version=read_version(),
    description='Websockets for Django over Redis',
    long_description=(ROOT / 'README.md').read_text('utf-8'),
    long_description_content_type='text/markdown',
    author='the ws4redis authors',
    license='MIT',
    license_files=['LICENSE'],
    keywords=['django', 'websocket', 'redis', 'gevent', 'realtime'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Web Environment',
        'Framework :: Django',
        'Framework :: Django :: 5.2',
        'Framework :: Django :: 6.0',
        'Framework :: Django :: 6.1',
        'Framework :: Pytest',
        'Intended Audience :: Developers',
        'Operating System :: POSIX',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Internet :: WWW/HTTP',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['ws4redis', 'ws4redis.*']),
    package_data={'ws4redis': ['py.typed', 'static/**/*', 'templates/**/*']},
    python_requires='>=3.11',
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={'pytest11': ['ws4redis = ws4redis.testing.plugin']},
    zip_safe=False,
)
