"""Make the accounts that the sandbox's pages speak of."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand
from django.db import transaction

__all__ = ['Command']

USERNAMES = ('john', 'mary')
PASSWORD = 'secret'
GROUPS = {'chatters': USERNAMES, 'moderators': ('mary',)}


class Command(BaseCommand):
    """Make john and mary, both in the group chatters, mary a moderator too; running it again
    changes nothing.
    """

    help = (
        'Make the users john and mary (password: secret), both in the group chatters, mary in '
        'the group moderators too.'
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and set back what was changed."""
        groups = {name: Group.objects.get_or_create(name=name)[0] for name in GROUPS}
        for username in USERNAMES:
            user, created = User.objects.get_or_create(username=username)
            if created or not user.check_password(PASSWORD):
                user.set_password(PASSWORD)
                user.save(update_fields=['password'])
            user.groups.add(
                *(groups[name] for name, members in GROUPS.items() if username in members)
            )
        if options['verbosity'] > 0:
            self.stdout.write(
                f'Users: {", ".join(USERNAMES)}; password: {PASSWORD}; groups: {", ".join(GROUPS)}.'
            )
