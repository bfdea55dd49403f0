# -*- coding: utf-8 -*-
"""The three chats."""
from __future__ import unicode_literals

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.views.generic import TemplateView
from redis import StrictRedis
from ws4redis.publisher import RedisPublisher, redis_connection_pool
from ws4redis.redis_store import RedisMessage

from chatroom.redis_store import present_key


def publish(text, **audience):
    """Publish from Django what somebody has entered."""
    RedisPublisher(**audience).publish_message(RedisMessage(text))
    return HttpResponse('OK')


class BroadcastChatView(TemplateView):
    """Everybody reads what everybody writes into the websocket; what is posted here goes to everybody too."""

    template_name = 'broadcast_chat.html'

    def get_context_data(self, **kwargs):
        entries = StrictRedis(connection_pool=redis_connection_pool).smembers(present_key())
        present = sorted(set(entry.decode('utf-8').split('/')[0] for entry in entries))
        return super(BroadcastChatView, self).get_context_data(present=present, **kwargs)

    def post(self, request, *args, **kwargs):
        return publish('* ' + request.POST.get('message'), facility='lobby', broadcast=True)


class UserChatView(TemplateView):
    """A letter to one user."""

    template_name = 'user_chat.html'

    def get_context_data(self, **kwargs):
        users = User.objects.exclude(pk=self.request.user.pk).order_by('username')
        return super(UserChatView, self).get_context_data(users=users, **kwargs)

    def post(self, request, *args, **kwargs):
        text = '%s: %s' % (request.user.username, request.POST.get('message'))
        return publish(text, facility='letters', users=[request.POST.get('user')])


class GroupChatView(TemplateView):
    """A message to all members of a group."""

    template_name = 'group_chat.html'

    def get_context_data(self, **kwargs):
        groups = self.request.user.groups.order_by('name')
        return super(GroupChatView, self).get_context_data(groups=groups, **kwargs)

    def post(self, request, *args, **kwargs):
        text = '%s: %s' % (request.user.username, request.POST.get('message'))
        return publish(text, facility='clubs', groups=[request.POST.get('group')])
