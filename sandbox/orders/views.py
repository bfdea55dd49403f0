"""Views that publish: one when the database has committed, one asynchronously."""

from functools import partial

from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django.views.generic import View

from .forms import OrderForm
from .models import Order, State
from .tenants import FACILITY, aannounce, announce, tenant_of

__all__ = ['OrdersView', 'ready']


class OrdersView(LoginRequiredMixin, View):
    """The page of the orders; a POST makes one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the orders of this tenant."""
        return self.render_page(request, OrderForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store the order and tell it when it is stored: nobody may hear of an order that is
        then rolled back.
        """
        form = OrderForm(request.POST)
        if not form.is_valid():
            return self.render_page(request, form, status=400)
        with transaction.atomic():
            order = form.save(commit=False)
            order.customer, order.tenant = request.user, tenant_of(request)
            order.save()
            transaction.on_commit(partial(announce, order))
        return HttpResponse(status=204)

    def render_page(self, request: HttpRequest, form: OrderForm, status: int = 200) -> HttpResponse:
        """Return the page with this form and with what its websocket asks for."""
        orders = Order.objects.filter(tenant=tenant_of(request)).select_related('customer')
        context = {
            'form': form,
            'orders': orders,
            'facility': FACILITY,
            'subscribe': 'tenant',
            'publish': '',
        }
        return render(request, 'orders/orders.html', context, status=status)


@login_required
@require_POST
async def ready(request: HttpRequest, pk: int) -> HttpResponse:
    """The order is ready; an asynchronous view, which awaits both the database and Redis."""
    order = await aget_object_or_404(
        Order.objects.select_related('customer'), pk=pk, tenant=tenant_of(request)
    )
    order.state = State.READY
    await order.asave(update_fields=['state'])
    await aannounce(order)
    return redirect('orders')
