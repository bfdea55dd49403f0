"""The tour as a Django app."""

from django.apps import AppConfig

__all__ = ['TourConfig']


class TourConfig(AppConfig):
    """It has no models."""

    name = 'tour'
    verbose_name = 'A tour of ws4redis'
