import pytest

from gen_smtp.protocol.sasl.table import ALWAYS_THERE, BUILT_IN, find_mechanism


@pytest.mark.parametrize("name", BUILT_IN)
def test_mechanisms_are_found_by_name(name: str) -> None:
    found = find_mechanism(name, BUILT_IN.values())
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", ["", "TRUE", "XOAUTH2", "__init__", "plain"])
def test_other_names_are_none_of_the_old_ones(name: str) -> None:
    assert find_mechanism(name, ALWAYS_THERE) is None
