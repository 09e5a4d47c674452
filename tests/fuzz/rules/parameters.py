"""Parameters of extensions, as their RFCs have them: what of them may be taken, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.fuzz.rules.transcript import Call

_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
_DATE = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)"
_FORMS = {
    "RET": ("DSN", "(?i:FULL|HDRS)"),
    "ENVID": ("DSN", _XTEXT),
    "NOTIFY": ("DSN", "(?i:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)"),
    "ORCPT": ("DSN", r"(?i:utf-8;\S+)|[^;\s]+;" + _XTEXT),
    "BY": ("DELIVERBY", r"[+-]?\d{1,9};(?i:[RN]T?)"),
    "HOLDFOR": ("FUTURERELEASE", r"[1-9]\d{0,8}"),
    "HOLDUNTIL": ("FUTURERELEASE", _DATE),
    "MT-PRIORITY": ("MT-PRIORITY", "-?[1-9]|0"),
    "REQUIRETLS": ("REQUIRETLS", ""),
    "RRVS": ("RRVS", _DATE + "(?:;(?i:[CR]))?"),
}
"""By keyword: the extension, and what its value may look like."""


def is_known(call: Call, offered: Mapping[str, str]) -> bool:
    """Whether a parameter that a handler does not know is taken all the same."""
    if call.answer.word != "reject" or not call.name.endswith("_extension"):
        return False
    keyword = call.args[0].partition("=")[0]
    return keyword in _FORMS and _FORMS[keyword][0] in offered


def is_wrong(parameter: str, offered: Mapping[str, str]) -> bool:
    """Whether a parameter must be refused, whatever a handler says of it."""
    keyword, equals, value = parameter.partition("=")
    if keyword not in _FORMS or _FORMS[keyword][0] not in offered:
        return False
    if keyword == "REQUIRETLS":
        return equals != ""
    return re.fullmatch(_FORMS[keyword][1], value, re.ASCII) is None and value.isascii()
