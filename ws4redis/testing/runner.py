"""The guard over what tests publish without a Broker, for those who run Django's own test runner.

    TEST_RUNNER = 'ws4redis.testing.DiscoverRunner'

A test takes a Broker with `self.ws4redis = self.enterContext(Broker())`.
"""

import os
import unittest
from typing import Any

from django.test import runner

from ws4redis.seam import seam
from ws4redis.testing.guard import Guard
from ws4redis.testing.publications import place

__all__ = ['DiscoverRunner', 'GuardMixin']


class GuardMixin:
    """Put in front of a runner of Django: what tests publish without a Broker is kept in memory,
    and named at the end.

    Attributes:
        ws4redis_unrequested: 'memory', 'fail' or 'real', as the pytest option of this name has it.
    """

    ws4redis_unrequested = 'memory'

    def setup_test_environment(self, **kwargs: object) -> None:
        """Django's, and the guard."""
        super().setup_test_environment(**kwargs)  # type: ignore[misc]
        self._guard = Guard(self.ws4redis_unrequested, place)
        seam.unrequested = self._guard

    def teardown_test_environment(self, **kwargs: object) -> None:
        """The end of both."""
        seam.unrequested = None
        if self._guard.summary():
            self.log(self._guard.summary())  # type: ignore[attr-defined]
        super().teardown_test_environment(**kwargs)  # type: ignore[misc]

    def get_resultclass(self) -> Any:
        """The result's class, which tells the guard that a test begins."""
        guard = self._guard
        base = super().get_resultclass() or unittest.TextTestResult  # type: ignore[misc]

        class Result(base):  # type: ignore[misc, valid-type]
            def startTest(self, test: unittest.TestCase) -> None:
                guard.begin(f'{test.id()} in {os.getpid()}')
                super().startTest(test)

        return Result


class DiscoverRunner(GuardMixin, runner.DiscoverRunner):
    """Django's runner, with the guard."""
