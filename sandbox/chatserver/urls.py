"""Addresses of the sandbox; those under WEBSOCKET_URL never come here."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from orders.views import OrdersView, ready

from . import views

urlpatterns = [
    path('', views.IndexView.as_view(), name='index'),
    path('broadcast/', views.BroadcastChatView.as_view(), name='broadcast'),
    path('user/', views.UserChatView.as_view(), name='user'),
    path('group/', views.GroupChatView.as_view(), name='group'),
    path('session/', views.SessionChatView.as_view(), name='session'),
    path('orders/', OrdersView.as_view(), name='orders'),
    path('orders/<int:pk>/ready/', ready, name='order-ready'),
    path('accounts/login/', LoginView.as_view(), name='login'),
    path('accounts/logout/', LogoutView.as_view(), name='logout'),
]
