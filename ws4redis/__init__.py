"""Websockets for Django over Redis."""

from typing import Any

__version__ = '1.0.0.dev0'

unrequested: Any = None
"""Asked for a server when something is published outside a Broker; set by the pytest plugin for
the time of a test run.
"""
