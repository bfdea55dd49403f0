"""Websockets for Django over Redis."""

__version__ = '1.0.0.dev0'
