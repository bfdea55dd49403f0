"""The pages: messages arrive over the websocket; a form publishes them from Django."""

from typing import ClassVar

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.generic import TemplateView, View

from ws4redis.publisher import RedisPublisher

from .forms import BroadcastForm, GroupForm, MessageForm, SessionForm, UserForm
from .policies import OPEN_FACILITY

__all__ = [
    'BroadcastChatView',
    'ChatView',
    'ChatsView',
    'GroupChatView',
    'SessionChatView',
    'UserChatView',
]


class ChatsView(TemplateView):
    """The way to the four chats."""

    template_name = 'chatserver/chats.html'


class ChatView(View):
    """A page that shows one facility's messages and publishes to it."""

    facility: ClassVar[str]
    audience: ClassVar[str]
    form_class: ClassVar[type[MessageForm]]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page."""
        return self.render_page(request, self.form_class(sender=request.user))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Publish what the form holds; 204 leaves the browser, and its websocket, where they
        are.
        """
        form = self.form_class(request.POST, sender=request.user)
        if not form.is_valid():
            return self.render_page(request, form, status=400)
        publisher = RedisPublisher(facility=self.facility, request=request, **form.audience())
        publisher.publish_message(form.cleaned_data['message'])
        return HttpResponse(status=204)

    def render_page(
        self, request: HttpRequest, form: MessageForm, status: int = 200
    ) -> HttpResponse:
        """Return the page with this form and with what its websocket asks for."""
        context = {
            'form': form,
            'facility': self.facility,
            'subscribe': self.audience,
            'publish': self.audience,
        }
        return render(request, f'chatserver/{self.audience}.html', context, status=status)


class BroadcastChatView(ChatView):
    """Everybody talks to everybody, without logging in."""

    facility = OPEN_FACILITY
    audience = 'broadcast'
    form_class = BroadcastForm


class UserChatView(LoginRequiredMixin, ChatView):
    """Messages to one user."""

    facility = 'user-chat'
    audience = 'user'
    form_class = UserForm


class GroupChatView(LoginRequiredMixin, ChatView):
    """Messages to the members of a group."""

    facility = 'group-chat'
    audience = 'group'
    form_class = GroupForm


class SessionChatView(LoginRequiredMixin, ChatView):
    """Messages to the windows of one browser."""

    facility = 'session-chat'
    audience = 'session'
    form_class = SessionForm
