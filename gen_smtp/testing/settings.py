"""By what names programs are told of a mail server: one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tls = str | None
User = tuple[str, str]


def _django(host: str, port: int, tls: Tls, user: User) -> dict[str, Any]:
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": host,
        "EMAIL_PORT": port,
        "EMAIL_USE_TLS": tls == "starttls",
        "EMAIL_USE_SSL": tls == "implicit",
        "EMAIL_HOST_USER": user[0],
        "EMAIL_HOST_PASSWORD": user[1],
    }


def _flask_mail(host: str, port: int, tls: Tls, user: User) -> dict[str, Any]:
    return {
        "MAIL_SERVER": host,
        "MAIL_PORT": port,
        "MAIL_USE_TLS": tls == "starttls",
        "MAIL_USE_SSL": tls == "implicit",
        "MAIL_USERNAME": user[0] or None,
        "MAIL_PASSWORD": user[1] or None,
        "MAIL_SUPPRESS_SEND": False,
    }


def _environment(host: str, port: int, tls: Tls, user: User) -> dict[str, Any]:
    return {
        "SMTP_HOST": host,
        "SMTP_PORT": str(port),
        "SMTP_TLS": tls or "",
        "SMTP_USER": user[0],
        "SMTP_PASSWORD": user[1],
    }


PROGRAMS: dict[str, Callable[[str, int, Tls, User], dict[str, Any]]] = {
    "django": _django,
    "flask-mail": _flask_mail,
    "environment": _environment,
}


def settings_of(program: str, host: str, port: int, tls: Tls, user: User) -> dict[str, Any]:
    """The settings of a program.

    Raises:
        ValueError: there is no such program in the table; says which there are.
    """
    make = PROGRAMS.get(program)
    if make is None:
        raise ValueError(f"program: {program!r} is none of {', '.join(PROGRAMS)}")
    return make(host, port, tls, user)
