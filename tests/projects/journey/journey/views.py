"""Log in, and publish: what a site does from Django's side."""

import redis
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from ws4redis.publisher import RedisPublisher
from ws4redis.redis_store import SELF


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Log a user in; 403 for a wrong password."""
    user = authenticate(
        request, username=request.POST['username'], password=request.POST['password']
    )
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    return HttpResponse(status=204)


@require_POST
def publish(request: HttpRequest) -> HttpResponse:
    """Publish `message` to those whom the other fields name; 503 with the error's name while
    Redis is away.
    """
    form = request.POST
    publisher = RedisPublisher(
        facility=form['facility'],
        broadcast='broadcast' in form,
        users=form.getlist('user'),
        groups=form.getlist('group'),
        sessions=[SELF] if 'session' in form else [],
        request=request,
    )
    try:
        publisher.publish_message(
            form['message'], expire=float(form['expire']) if 'expire' in form else None
        )
    except redis.RedisError as exc:
        return HttpResponse(type(exc).__name__, status=503)
    return HttpResponse(status=204)
