"""The demo; `main` is its whole public face."""

from deploy.local.demo.main import main

__all__ = ["main"]
