"""Addresses of the sandbox; those under WEBSOCKET_URL never come here."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path('', views.IndexView.as_view(), name='index'),
    path('broadcast/', views.BroadcastChatView.as_view(), name='broadcast'),
    path('user/', views.UserChatView.as_view(), name='user'),
    path('group/', views.GroupChatView.as_view(), name='group'),
    path('session/', views.SessionChatView.as_view(), name='session'),
    path('accounts/login/', LoginView.as_view(), name='login'),
    path('accounts/logout/', LogoutView.as_view(), name='logout'),
]
