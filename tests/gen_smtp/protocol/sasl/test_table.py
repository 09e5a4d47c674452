import pytest

from gen_smtp.protocol.sasl.table import ALWAYS_THERE, BUILT_IN, find_mechanism, usable


@pytest.mark.parametrize("name", BUILT_IN)
def test_mechanisms_are_found_by_name(name: str) -> None:
    found = find_mechanism(name, BUILT_IN.values())
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", ["", "TRUE", "XOAUTH2", "__init__", "plain"])
def test_other_names_are_none_of_the_old_ones(name: str) -> None:
    assert find_mechanism(name, ALWAYS_THERE) is None


@pytest.mark.parametrize(
    ("offered", "certified", "kept", "unknown"),
    [
        ("PLAIN LOGIN", False, "PLAIN LOGIN", ()),
        ("plain  Login ", False, "plain  Login ", ()),
        ("PLAIN XPLAIN login", False, "PLAIN login", ("XPLAIN",)),
        ("EXTERNAL PLAIN", False, "PLAIN", ()),
        ("EXTERNAL PLAIN", True, "EXTERNAL PLAIN", ()),
        ("EXTERNAL", False, "", ()),
        ("NTLM GSSAPI", True, "", ("NTLM", "GSSAPI")),
        ("", True, "", ()),
    ],
)
def test_what_is_left_of_a_list(offered: str, certified: bool, kept: str, unknown: tuple[str, ...]) -> None:
    assert usable(offered, BUILT_IN.values(), certified=certified) == (kept, unknown)
