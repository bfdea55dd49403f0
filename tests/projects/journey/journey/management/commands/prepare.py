"""manage.py prepare: the database with its users; a user's password is the username."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import BaseCommand

USERS = {'john': ['chess', 'staff'], 'mary': ['chess']}
"""Usernames, and the groups of each."""


class Command(BaseCommand):
    """Makes tables, users and groups."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        call_command('migrate', verbosity=0)
        for username, groups in USERS.items():
            user = User.objects.create_user(username, password=username)
            user.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])
