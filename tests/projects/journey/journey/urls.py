"""The pages of the site."""

from django.urls import path

from journey import views

urlpatterns = [
    path('login/', views.log_in),
    path('publish/', views.publish),
]
