"""The orders as a Django app."""

from django.apps import AppConfig

__all__ = ['OrdersConfig']


class OrdersConfig(AppConfig):
    """One model, Order."""

    name = 'orders'
    verbose_name = 'Orders'
