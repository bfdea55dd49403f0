# -*- coding: utf-8 -*-
"""The pages of the chat."""
from __future__ import unicode_literals

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
# Django, not ws4redis: url() of django.conf.urls until Django 4.0.
from django.urls import re_path as url
from django.views.generic import RedirectView

from chatroom.views import BroadcastChatView, GroupChatView, UserChatView

urlpatterns = [
    url(r'^$', RedirectView.as_view(url='/chat/')),
    url(r'^chat/$', BroadcastChatView.as_view(), name='broadcast_chat'),
    url(r'^userchat/$', login_required(UserChatView.as_view()), name='user_chat'),
    url(r'^groupchat/$', login_required(GroupChatView.as_view()), name='group_chat'),
    url(r'^admin/', admin.site.urls),
] + staticfiles_urlpatterns()
