"""Tests of networks run beside others: torch on one thread is faster there than on threads that wait for each other."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
