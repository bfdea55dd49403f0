# -*- coding: utf-8 -*-
"""The subscriber of the chat, which greets, and knows who is there."""
from __future__ import unicode_literals

import uuid

from ws4redis.subscriber import RedisSubscriber


def present_key():
    """Where the entries are."""
    return RedisSubscriber.get_prefix() + 'present'


class PresenceSubscriber(RedisSubscriber):
    """Keeps an entry in a set of Redis as long as its websocket is open."""

    def __init__(self, connection):
        self._entry = None
        super(PresenceSubscriber, self).__init__(connection)

    def set_pubsub_channels(self, request, channels):
        super(PresenceSubscriber, self).set_pubsub_channels(request, channels)
        self._username = request.user.get_username()
        self._entry = '%s/%s' % (self._username, uuid.uuid4().hex)
        self._connection.sadd(present_key(), self._entry)

    def send_persited_messages(self, websocket):
        websocket.send('* Hello %s' % self._username)
        super(PresenceSubscriber, self).send_persited_messages(websocket)

    def release(self):
        if self._entry is not None:
            self._connection.srem(present_key(), self._entry)
        super(PresenceSubscriber, self).release()
