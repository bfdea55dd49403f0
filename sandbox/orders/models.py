"""What was ordered, by whom, and how far it is."""

import json

from django.contrib.auth.models import User
from django.db import models

__all__ = ['Order', 'State']


class State(models.TextChoices):
    """How far an order is."""

    NEW = 'new'
    READY = 'ready'


class Order(models.Model):
    """One order of one customer; the tenant is the host under which the site was visited."""

    tenant = models.CharField(max_length=255)
    customer = models.ForeignKey(User, on_delete=models.CASCADE, related_name='orders')
    item = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)

    class Meta:
        ordering = ['pk']

    def __str__(self) -> str:
        return f'{self.item} for {self.customer} is {self.state}'

    def as_message(self) -> str:
        """What pages are told of it, as JSON."""
        return json.dumps({'order': self.pk, 'item': self.item, 'state': self.state})
