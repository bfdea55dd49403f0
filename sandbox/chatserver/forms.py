"""One form for each audience: each knows to whom its message goes."""

from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.http import QueryDict

from ws4redis.redis_store import SELF

__all__ = ['BroadcastForm', 'GroupForm', 'MessageForm', 'SessionForm', 'UserForm']


class MessageForm(forms.Form):
    """A text to publish.

    Args:
        data: what was posted, None for an empty form.
        sender: the user who fills it in.
    """

    message = forms.CharField(
        max_length=1000, widget=forms.TextInput(attrs={'autocomplete': 'off'})
    )

    def __init__(self, data: QueryDict | None = None, *, sender: User | AnonymousUser) -> None:
        super().__init__(data, auto_id='form-%s')
        self.sender = sender

    def audience(self) -> dict[str, Any]:
        """Return the RedisPublisher's keywords that name who gets the message."""
        raise NotImplementedError


class BroadcastForm(MessageForm):
    """To everybody who listens."""

    def audience(self) -> dict[str, Any]:
        return {'broadcast': True}


class UserForm(MessageForm):
    """To one user, in all browsers where this user listens."""

    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by('username'), to_field_name='username'
    )
    field_order = ['user', 'message']

    def audience(self) -> dict[str, Any]:
        return {'users': [self.cleaned_data['user']]}


class GroupForm(MessageForm):
    """To one of the groups that the sender belongs to."""

    field_order = ['group', 'message']

    def __init__(self, data: QueryDict | None = None, *, sender: User | AnonymousUser) -> None:
        super().__init__(data, sender=sender)
        groups = sender.groups.order_by('name')
        self.fields['group'] = forms.ModelChoiceField(groups, to_field_name='name')
        self.order_fields(self.field_order)

    def audience(self) -> dict[str, Any]:
        return {'groups': [self.cleaned_data['group']]}


class SessionForm(MessageForm):
    """To all windows of the browser that sent it."""

    def audience(self) -> dict[str, Any]:
        return {'sessions': [SELF]}
