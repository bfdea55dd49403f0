"""The board: what is sent in one of the eight tiles arrives in those that may have it."""

import json
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ws4redis.exceptions import ChannelNameError
from ws4redis.publisher import RedisPublisher

from .panes import FACILITY, PANES, leave, pane_request, panes_of

__all__ = ['AUDIENCES', 'FACILITY', 'board', 'log_out', 'send']

AUDIENCES = ('broadcast', 'user', 'group', 'session')


class SendForm(forms.Form):
    """What a tile sends. The number comes back with the message, so that the page can tell how
    long it was on its way.
    """

    pane = forms.ChoiceField(choices=[(name, name) for name in PANES])
    audience = forms.ChoiceField(choices=[(name, name) for name in AUDIENCES])
    to = forms.CharField(max_length=150, required=False)
    text = forms.CharField(max_length=200)
    number = forms.IntegerField(required=False)


def board(request: HttpRequest) -> HttpResponse:
    """The page, with john's pane and mary's."""
    try:
        panes_of(request)
    except User.DoesNotExist:
        return render(request, 'tour/no_users.html', status=503)
    panes = [{'name': name, 'groups': list(_groups(name))} for name in PANES]
    choices = {
        'user': PANES,
        'group': list(Group.objects.order_by('name').values_list('name', flat=True)),
    }
    tiles = [
        {'audience': audience, 'title': title, 'who': who, 'choices': choices.get(audience)}
        for audience, title, who in (
            ('broadcast', 'Broadcast', 'Everybody who has this page open.'),
            ('user', 'User', 'One user, in every window and browser.'),
            ('group', 'Group', 'The members of a group.'),
            ('session', 'Session', 'This pane alone: it has a session of its own.'),
        )
    ]
    context = {'panes': panes, 'tiles': tiles, 'facility': FACILITY, 'subscribe': AUDIENCES}
    return render(request, 'tour/board.html', context)


def _groups(name: str) -> Any:
    return Group.objects.filter(user__username=name).order_by('name').values_list('name', flat=True)


@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Publish what a tile sends, as the user of its pane."""
    form = SendForm(request.POST)
    if not form.is_valid():
        return JsonResponse({'errors': form.errors}, status=400)
    sent = form.cleaned_data
    sender = pane_request(request, sent['pane'])
    if not sender.user.is_authenticated:
        return JsonResponse({'errors': {'pane': [f'{sent["pane"]} is logged out.']}}, status=403)
    message = json.dumps({
        'audience': sent['audience'],
        'from': sent['pane'],
        'text': sent['text'],
        'number': sent['number'],
    })  # fmt: skip
    try:
        publisher = RedisPublisher(
            facility=FACILITY, **_audience(sent['audience'], sent['to'], sender)
        )
    except ChannelNameError as exc:
        return JsonResponse({'errors': {'to': [f'There is no such {exc.kind}.']}}, status=400)
    publisher.publish_message(message, expire=0)
    return HttpResponse(status=204)


def _audience(audience: str, to: str, sender: HttpRequest) -> dict[str, Any]:
    if audience == 'broadcast':
        return {'broadcast': True}
    if audience == 'user':
        return {'users': [to or sender.user]}
    if audience == 'group':
        return {'groups': [to] if to else list(_groups(sender.user.get_username()))}
    return {'sessions': [sender.session.session_key]}


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Log the user of one pane out, as in another tab."""
    leave(request, request.POST.get('pane', ''))
    return HttpResponse(status=204)
