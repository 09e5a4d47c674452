"""Delivery to Maildirs."""

from gen_smtp.maildir.handler import MaildirHandler

__all__ = ["MaildirHandler"]
