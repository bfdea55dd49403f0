# -*- coding: utf-8 -*-
"""The page of the billboard."""
from __future__ import unicode_literals

# Django, not ws4redis: url() of django.conf.urls until Django 4.0.
from django.urls import re_path as url

from billboard.views import BillboardView

urlpatterns = [
    url(r'^$', BillboardView.as_view()),
]
