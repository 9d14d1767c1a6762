"""The controllers of a cluster, small and driven by simulated time."""

from .manager import Controllers

__all__ = ["Controllers"]
