"""The page that shows code and tests, and the policy under which all pages run."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from tour.sources import CHAPTERS, SANDBOX

from ws4redis.testing import Broker

PAGES = ('/', '/persist/', '/progress/', '/operations/', '/tests/', '/chats/', '/broadcast/')


def test_every_chapter_is_shown_as_it_is_in_the_files(client: Client, db: None) -> None:
    chapters = client.get('/tests/').context['chapters']
    assert len(chapters) == len(CHAPTERS)
    for chapter in chapters:
        for part in ('code', 'tests'):
            assert chapter[part]['text'] == (SANDBOX / chapter[part]['path']).read_text('utf-8')


@pytest.mark.parametrize('path', PAGES)
def test_page_has_neither_code_nor_style_in_it(
    client: Client, john: User, mary: User, ws4redis: Broker, path: str
) -> None:
    page = client.get(path)
    assert "script-src 'self'" in page.headers['Content-Security-Policy']
    text = page.content.decode()
    assert '<style' not in text and ' style=' not in text and ' onclick=' not in text
    tags = [tag.partition('>')[0] for tag in text.split('<script')[1:]]
    assert all('src=' in tag or 'application/json' in tag for tag in tags)


def test_pages_of_django_about_errors_keep_their_style(
    client: Client, settings: Settings, db: None
) -> None:
    settings.DEBUG = True
    page = client.get('/no/such/page/')
    assert page.status_code == 404
    assert 'Content-Security-Policy' not in page.headers
