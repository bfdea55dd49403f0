"""The WSGI application, as a site has it; its database is made first."""

import os

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'tests.sites.production.settings')

from django.core.management import call_command  # noqa: E402  (the settings module has to be named first)
from django.db import connections  # noqa: E402

from ws4redis.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

call_command('migrate', run_syncdb=True, verbosity=0)
connections.close_all()
