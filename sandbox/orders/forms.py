"""The form of the page."""

from typing import Any

from django import forms

from .models import Order

__all__ = ['OrderForm']


class OrderForm(forms.ModelForm):
    """What is ordered."""

    class Meta:
        model = Order
        fields: Any = ['item']
