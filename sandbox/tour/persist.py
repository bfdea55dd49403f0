"""Persist and expire: a message that lives for some seconds, for those who come late."""

import json

import redis
from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from ws4redis import publisher
from ws4redis.publisher import RedisPublisher

__all__ = ['FACILITY', 'keep', 'persist', 'state']

FACILITY = 'persist'


class KeepForm(forms.Form):
    """A message and how long it lives."""

    text = forms.CharField(label='Message', max_length=200, initial='the kettle is on')
    seconds = forms.IntegerField(
        label='Lifetime in seconds', min_value=1, max_value=600, initial=20
    )


def persist(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(
        request, 'tour/persist.html', {'form': KeepForm(auto_id='keep-%s'), 'facility': FACILITY}
    )


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Publish the message; Redis keeps it for those who come within its lifetime."""
    form = KeepForm(request.POST)
    if not form.is_valid():
        return JsonResponse({'errors': form.errors}, status=400)
    message = json.dumps({'text': form.cleaned_data['text']})
    RedisPublisher(facility=FACILITY, broadcast=True).publish_message(
        message, expire=form.cleaned_data['seconds']
    )
    return HttpResponse(status=204)


@require_GET
def state(request: HttpRequest) -> HttpResponse:
    """What Redis has of it now: channel and key share a name, and the value is the raw message,
    which may be no text.
    """
    key = f'broadcast:{FACILITY}'
    client = redis.Redis(connection_pool=publisher.redis_connection_pool)
    value, left = client.get(key), client.pttl(key)
    shown = value.decode('utf-8', 'replace') if isinstance(value, bytes) else value
    return JsonResponse({'key': key, 'value': shown, 'seconds': max(0, left) / 1000})
