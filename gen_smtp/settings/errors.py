"""What is wrong with the settings."""

from __future__ import annotations


class CommandLineError(Exception):
    """What was asked for on the command line can't be done; the text is one line for its user."""
