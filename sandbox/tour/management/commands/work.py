"""The long task as a process of its own; it reaches the page through a Redis server."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tour.progress import work

__all__ = ['Command']


class Command(BaseCommand):
    """What a worker of a task queue would do."""

    help = (
        'Do the long task of the progress page, for the pages of the session whose key comes by '
        'standard input. '
        'Needs a Redis server (REDIS_URL).'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How it ends."""
        parser.add_argument('--fails', action='store_true', help='fail half-way')

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        work(sys.stdin.read().strip(), fails=options['fails'])
