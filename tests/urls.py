"""Nothing is served by Django itself in the suite."""

from typing import Any

urlpatterns: list[Any] = []
