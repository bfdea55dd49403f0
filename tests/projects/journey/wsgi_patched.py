"""For a server that loads the site before its workers fork: patched here, since Django's
connections could not be any more.
"""

from gevent import monkey

monkey.patch_all()

from journey.wsgi import application  # noqa: E402  (what it imports has to be patched)

__all__ = ['application']
