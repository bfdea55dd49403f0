"""Addresses of the sandbox; those under WEBSOCKET_URL never come here."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from orders.views import OrdersView, ready
from tour import board, operations, persist, progress, sources

from . import views

urlpatterns = [
    path('', board.board, name='board'),
    path('board/send/', board.send, name='board-send'),
    path('board/log-out/', board.log_out, name='board-log-out'),
    path('persist/', persist.persist, name='persist'),
    path('persist/keep/', persist.keep, name='persist-keep'),
    path('persist/state/', persist.state, name='persist-state'),
    path('progress/', progress.progress, name='progress'),
    path('progress/start/', progress.start, name='progress-start'),
    path('operations/', operations.operations, name='operations'),
    path('operations/burst/', operations.burst, name='operations-burst'),
    path('operations/take-away/', operations.take_away, name='operations-take-away'),
    path('tests/', sources.sources, name='sources'),
    path('chats/', views.ChatsView.as_view(), name='chats'),
    path('broadcast/', views.BroadcastChatView.as_view(), name='broadcast'),
    path('user/', views.UserChatView.as_view(), name='user'),
    path('group/', views.GroupChatView.as_view(), name='group'),
    path('session/', views.SessionChatView.as_view(), name='session'),
    path('orders/', OrdersView.as_view(), name='orders'),
    path('orders/<int:pk>/ready/', ready, name='order-ready'),
    path('accounts/login/', LoginView.as_view(), name='login'),
    path('accounts/logout/', LogoutView.as_view(), name='logout'),
]
