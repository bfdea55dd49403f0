# -*- coding: utf-8 -*-
"""Who may listen, and who may talk."""
from __future__ import unicode_literals

from django.core.exceptions import PermissionDenied

CHANNELS = ['subscribe-broadcast', 'publish-broadcast', 'subscribe-user', 'subscribe-group']


def get_allowed_channels(request, channels):
    """Members only; letters to users and groups go through Django."""
    # Django, not ws4redis: is_authenticated() until Django 1.10.
    if not request.user.is_authenticated:
        raise PermissionDenied('The chat is for members')
    return set(channels).intersection(CHANNELS)
