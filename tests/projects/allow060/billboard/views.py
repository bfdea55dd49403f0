# -*- coding: utf-8 -*-
"""The billboard."""
from __future__ import unicode_literals

from django.http import HttpResponse
from django.views.generic import TemplateView
from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import RedisMessage


class BillboardView(TemplateView):
    """Everybody reads what everybody writes into the websocket, or posts."""

    template_name = 'billboard.html'

    def post(self, request, *args, **kwargs):
        publisher = RedisPublisher(facility='billboard', broadcast=True)
        publisher.publish_message(RedisMessage(request.POST.get('message')))
        return HttpResponse('OK')
