"""Fixtures of several test modules."""

from __future__ import annotations

import pytest

from adasde import cache


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):  # type: ignore[no-untyped-def]
    """A cache folder of the module's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv(cache.FOLDER, str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
