"""Verification: each rung holds a derivation, kernel or model against something that it was not made from."""

from adasde.verify.check import Check
from adasde.verify.ladder import verify

__all__ = ["Check", "verify"]
