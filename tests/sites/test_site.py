"""The three forms of a site are what their names say, and what is read of each is complete."""

import json
import os
from typing import Any

import pytest

from tests.sites.forms import FORMS, forms
from tests.sites.production import inside
from tests.sites.production.gunicorn import InGunicorn, dotted
from tests.sites.site import InBroker, InThread, Site, request
from tests.subscribers import overrides, probes

CHAT = '/ws/news?subscribe-broadcast&publish-broadcast'


def test_each_form_has_its_class() -> None:
    assert [kind.form for kind in (InBroker, InThread, InGunicorn)] == list(FORMS)


def test_form_is_what_its_name_says(site: Site) -> None:
    client = site.connect()
    if isinstance(site, InGunicorn):
        nature = site.run(inside.nature)
        assert nature.pop('pid') != os.getpid()
        assert nature == {'patched': True, 'library': 'redis'}
        assert client.sock.getpeername()[1] == site.port
    elif isinstance(site, InThread):
        assert not site.live._loop.hub.patched
        assert site.live._loop.server.in_memory
        assert client._end._sock.getpeername()[1] == site.live.port
    else:
        assert isinstance(site, InBroker)
        assert site.broker._engine.server.in_memory
        assert not hasattr(client, '_sock')


def test_what_is_read_is_complete(site: Site) -> None:
    client, slow = (
        site.connect(CHAT),
        site.connect('/ws/news?subscribe-broadcast', overrides.PassesOn),
    )
    for begin in range(0, 500, 100):
        texts = [str(number) for number in range(begin, begin + 100)]
        site.publish(*texts)
        assert slow.receive_all() == texts
        assert client.receive_all() == texts
    site.send_together(client, *texts)
    assert [text for _, text in site.published[-100:]] == texts
    assert slow.receive_all() == texts


def test_error_that_nobody_has_looked_at_is_told_once(site: Site) -> None:
    site.connect('/ws/news', overrides.FailsToRelease).close()
    assert len(site.errors()) == 1
    assert site.errors() == []
    assert 'release() failed' in site.said()


def test_settings_of_the_test_are_those_of_the_site(site: Site, settings: Any) -> None:
    for prefix in ('shop', 'lab'):
        settings.WS4REDIS_PREFIX = prefix
        site.connect()
        site.assert_listeners(f'{prefix}:broadcast:news', 1)


def test_setting_of_one_websocket_is_none_of_the_next(site: Site) -> None:
    site.connect(CHAT, probes.NotesMessages, allowed_channels=None).send('first')
    site.connect(CHAT).send('second')
    assert len(site.notes()) == 1
    assert site.published == [('broadcast:news', 'second')]


@forms(broker='it has no port')
def test_nobody_else_reaches_into_the_process(site: Site) -> None:
    called = {
        'key': 'guessed',
        'function': 'tests.sites.production.inside.figures',
        'arguments': [],
    }
    port = (
        site.port
        if isinstance(site, InGunicorn)
        else site.live.port
        if isinstance(site, InThread)
        else 0
    )
    with pytest.raises(AssertionError, match='/call/: 403'):
        request(port, 'POST', '/call/', json.dumps(called))


def test_what_is_left_out_has_a_reason_and_a_form_that_there_is() -> None:
    with pytest.raises(AssertionError, match='gunicorn'):
        forms(gunicorn='it is called otherwise')
    with pytest.raises(AssertionError, match='broker'):
        forms(broker='x', thread_memory='x', gunicorn_redis='nothing would be left')


def test_class_without_a_name_cannot_be_told_to_another_process() -> None:
    class Local:
        pass

    assert dotted(overrides.ExtraChannel) == 'tests.subscribers.overrides.ExtraChannel'
    assert dotted(probes.deny) == 'tests.subscribers.probes.deny'
    assert dotted('a.dotted.path') == 'a.dotted.path'
    with pytest.raises(AssertionError, match='Local'):
        dotted(Local)
