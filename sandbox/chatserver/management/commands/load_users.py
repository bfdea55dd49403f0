"""Make the accounts that the sandbox's pages speak of."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand
from django.db import transaction

__all__ = ['Command']

USERNAMES = ('john', 'mary')
PASSWORD = 'secret'
GROUP = 'chatters'


class Command(BaseCommand):
    """Make john and mary, both in the group chatters; running it again changes nothing."""

    help = 'Make the users john and mary (password: secret), both in the group chatters.'

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and set back what was changed."""
        group, _ = Group.objects.get_or_create(name=GROUP)
        for username in USERNAMES:
            user, created = User.objects.get_or_create(username=username)
            if created or not user.check_password(PASSWORD):
                user.set_password(PASSWORD)
                user.save(update_fields=['password'])
            user.groups.add(group)
        if options['verbosity'] > 0:
            self.stdout.write(f'Users: {", ".join(USERNAMES)}; password: {PASSWORD}; group: {GROUP}.')
