"""The executors keep what every executor promises."""

from __future__ import annotations

import pytest

from tests.contracts.executor import ExecutorContract

pytestmark = pytest.mark.timeout(600)


class TestLocal(ExecutorContract):
    name = "local"
