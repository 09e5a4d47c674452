"""The command line."""

from gen_smtp.cli.commands import app

__all__ = ["app"]
