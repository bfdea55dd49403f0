"""The form of the page."""

from typing import Any

from django import forms

from .models import Order

__all__ = ['OrderForm']


class OrderForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes one in the stubs alone
    """What is ordered."""

    class Meta:
        model = Order
        fields: Any = ['item']
