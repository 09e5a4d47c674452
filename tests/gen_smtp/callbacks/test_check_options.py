"""`Behaviour.check_options`: wrong callback options are found before a server goes by them."""

from __future__ import annotations

from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server import BehaviourError, OptionsError
from gen_smtp.gen_smtp_server_session import Behaviour, ok
from tests.gen_smtp.live import listener, serving


class Strict(Behaviour):
    """Takes an option `colour`, which is a text."""

    @classmethod
    def check_options(cls, options: Any) -> None:
        if options.get("colour") == "odd":
            raise ValueError("an odd colour")
        if not isinstance(options.get("colour"), str):
            raise OptionsError("not a colour", option="colour", allowed="its name")

    def handle_VRFY(self, address: str) -> Any:
        return ok(f"252 {type(self).__name__}")


def options_of(*colours: Any) -> list[dict[str, Any]]:
    return [listener(sessionoptions={"callbackoptions": {"colour": colour}}) for colour in colours]


def start_child(module: Any, options: Any) -> Any:
    return gen_smtp_server.child_spec("mx", module, options)


@pytest.mark.parametrize(
    "start", [gen_smtp_server.start, gen_smtp_server.check, gen_smtp_server.serve_forever, start_child]
)
@pytest.mark.parametrize("make", [Strict, lambda: Strict()], ids=["class", "factory"])
def test_every_start_looks_at_the_options_of_each_listener(start: Any, make: Any) -> None:
    with pytest.raises(OptionsError) as caught:
        start(make, options_of("red", 7))
    assert (caught.value.listener, caught.value.option) == (2, "sessionoptions.callbackoptions.colour")
    assert str(caught.value).endswith("colour: not a colour; allowed: its name")


def test_another_value_error_is_one_of_the_options_too() -> None:
    with pytest.raises(OptionsError) as caught:
        gen_smtp_server.check(Strict, options_of("odd"))
    assert str(caught.value) == "listener 1, option sessionoptions.callbackoptions: an odd colour"
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_is_right_starts_nothing_by_a_check_and_a_server_by_a_start() -> None:
    gen_smtp_server.check(Strict, options_of("red"))
    gen_smtp_server.check(Behaviour)
    options = {"callbackoptions": {"colour": "red"}}
    with serving(Strict, sessionoptions=options) as server, server.greeted() as client:
        assert client.say("VRFY x") == "252 Strict"


def test_a_check_finds_wrong_options_of_the_server_and_a_wrong_class() -> None:
    with pytest.raises(OptionsError, match="max_sesions"):
        gen_smtp_server.check(Behaviour, serveroptions={"max_sesions": 7})
    with pytest.raises(BehaviourError):
        gen_smtp_server.check(dict)  # type: ignore[arg-type]


def test_a_running_server_takes_no_wrong_ones_either() -> None:
    with serving() as server:
        with pytest.raises(OptionsError, match="not a colour"):
            gen_smtp_server.change_code(server.ref, type("Next", (Strict,), {}))
        with server.greeted() as client:
            assert client.say("VRFY x").startswith("252 VRFY disabled")
    with serving(Strict, sessionoptions={"callbackoptions": {"colour": "red"}}) as server:
        with pytest.raises(OptionsError, match="not a colour"):
            gen_smtp_server.add_listener(server.ref, options_of(None)[0])
        assert len(gen_smtp_server.addresses(server.ref)) == 1
        gen_smtp_server.change_code(server.ref, type("Next", (Strict,), {}))
        with server.greeted() as client:
            assert client.say("VRFY x") == "252 Next"


def test_it_must_need_no_object() -> None:
    def check_options(self: Any, options: Any) -> None:
        """No object is there yet."""

    module = type("Odd", (Behaviour,), {"check_options": check_options})
    with pytest.raises(BehaviourError, match=r"Odd\.check_options must be a classmethod"):
        gen_smtp_server.check(module)
