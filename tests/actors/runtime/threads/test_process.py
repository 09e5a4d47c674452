"""What a process does to its actors: the interpreter's end, forks, monkey-patches, the prompt."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.actors.helpers import run_python, run_script

PATCH = "from gevent import monkey; monkey.patch_all()\n"

UNDER_LOAD = """
import threading, time
import actors
from actors.runtime import hub
from tests.actors.helpers import LOOPBACK, Echo, Probe, greeted, hold, read_exactly

hub.GRACE_AT_EXIT = 0.1  # some actors of this script would never end
server = actors.launch(actors.ServerActor([LOOPBACK] * 2, Echo))
addresses = server.proxy().addresses().get()
exchanged = threading.Semaphore(0)

def hammer(address):
    try:
        while True:
            with greeted(address) as client:
                for _ in range(20):
                    client.sendall(b"x" * 1000)
                    if len(read_exactly(client, 1000)) < 1000:
                        return
                    exchanged.release()
    except (OSError, AssertionError):
        return  # the server is gone

def tick(probe):
    actors.send_after(0.001, probe.actor_ref, tick)

def block():
    blocked.set()
    released.wait(30)

for index in range(4):
    threading.Thread(target=hammer, args=(addresses[index % 2],), daemon=True).start()
probes = [Probe.start() for _ in range(5)]
for ref in probes[:2]:
    hold(ref)
blocked, released = threading.Event(), threading.Event()
probes[3].tell(tick)
probes[4].tell(lambda _: actors.run_blocking(block))
blocked.wait()
for _ in range(100):
    exchanged.acquire()
"""

EXITS = {
    "falls off its end": ("print('under load')", 0, ""),
    "sys.exit": ("import sys; print('under load'); sys.exit(3)", 3, ""),
    "an exception": ("print('under load'); raise SystemExit('said last')", 1, "said last\n"),
}


def test_twenty_exits_under_load_are_clean() -> None:
    """A daemon thread with busy greenlets would crash most of them."""
    with ThreadPoolExecutor(2) as two:
        ends = list(
            two.map(lambda _: run_python("-c", UNDER_LOAD + EXITS["falls off its end"][0]), range(20))
        )
    assert {(end.returncode, end.stdout, end.stderr) for end in ends} == {(0, "under load\n", "")}


@pytest.mark.parametrize("patch", ["", PATCH], ids=["unpatched", "patched"])
@pytest.mark.parametrize("how", EXITS)
def test_an_exit_under_load_keeps_its_code_and_its_last_words(patch: str, how: str) -> None:
    last, code, words = EXITS[how]
    end = run_python("-c", patch + UNDER_LOAD + last)
    assert (end.returncode, end.stdout, end.stderr) == (code, "under load\n", words)


def test_an_exit_stops_the_actors_in_good_order_the_latest_first() -> None:
    script = """
import atexit
import actors
from tests.actors.helpers import Echo, LOOPBACK, address_of, greeted

atexit.register(lambda: client.close())  # after the actors' end, which is registered later

class Said(actors.GeventActor):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def on_stop(self):
        print(self.what, self.exit_reason)

class Session(Echo):
    def on_stop(self):
        print("session", self.exit_reason)

class Server(actors.ServerActor):
    def on_stop(self):
        print("server", self.exit_reason)

refs = [Said.start(number) for number in range(3)]
server = actors.launch(Server([LOOPBACK], Session))
client = greeted(address_of(server))
print("the end")
"""
    said = run_script(script).splitlines()
    assert said[0] == "the end"
    assert sorted(said[1:]) == ["0 normal", "1 normal", "2 normal", "server normal", "session shutdown"]
    assert [line for line in said if line[0].isdigit()] == ["2 normal", "1 normal", "0 normal"]
    assert said.index("session shutdown") < said.index("server normal")


def test_after_the_actors_have_ended_at_exit_none_can_be_started() -> None:
    """Exit handlers run the latest first: one registered before the first actor comes after the hub's."""
    script = """
import atexit
import actors
from actors.runtime.hub import Hub
from tests.actors.helpers import Probe

def too_late():
    print("the hub's thread has ended:", hub._ended.is_set())
    print(ref.is_alive(), ref.stop(), actors.whereis("mx"))
    try:
        Probe.start()
    except RuntimeError as error:
        print(error)

atexit.register(too_late)
ref = actors.launch(Probe(), name="mx")
hub = Hub.current()
"""
    assert run_script(script).splitlines() == [
        "the hub's thread has ended: True",
        "False False None",
        "no actor can be started any more: the interpreter is exiting",
    ]


def test_daemon_threads_that_go_on_asking_hold_up_no_exit() -> None:
    script = """
import contextlib, threading
import pykka
import actors
from tests.actors.helpers import Probe

started = threading.Semaphore(0)

def churn():
    with contextlib.suppress(pykka.ActorDeadError, actors.StartError, RuntimeError, ValueError):
        while True:
            ref = Probe.start()
            started.release()
            ref.ask(lambda _: None)
            ref.stop()

for _ in range(3):
    threading.Thread(target=churn, daemon=True).start()
for _ in range(100):
    started.acquire()
print("done")
"""
    assert run_script(script) == "done\n"


def test_a_process_that_only_imports_starts_no_thread() -> None:
    script = "import actors, threading, os; print(len(os.listdir('/proc/self/task')))"
    assert run_script(script) == "1\n"


def test_an_exception_in_the_main_thread_shows_its_own_traceback_alone() -> None:
    end = run_python("-c", "import actors\nactors.GeventActor.start()\nraise LookupError('mine')")
    assert end.returncode == 1
    assert end.stderr.startswith("Traceback")
    assert end.stderr.endswith("LookupError: mine\n")
    assert end.stderr.count("Traceback") == 1


# -- forks --------------------------------------------------------------------------------------------

FORK = """
import os, sys, threading
import pykka
import actors
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    Echo, LOOPBACK, Probe, address_of, connect, greeted, hold, open_sockets, read_all, read_exactly,
    serving, sessions_of, start_probe,
)

path = sys.argv[1]
server = actors.launch(actors.ServerActor([LOOPBACK, actors.Endpoint(path, None, "unix")], Echo), name="mx")
address = address_of(server)
client = greeted(address)
(session,) = sessions_of(server)
busy, _ = start_probe()
gate = hold(busy)
busy.tell("unread")
timer = actors.send_after(0.001, "child", "of the parent")
ours = {os.readlink(f"/proc/self/fd/{client.fileno()}")}

def dead(ref):
    for send in (ref.tell, ref.ask):
        try:
            send("hello")
        except actors.ActorDeadError as error:
            assert "forked" in str(error), error
        else:
            raise AssertionError("the message went to the parent")
    assert not ref.is_alive() and ref.stop() is False and actors.wait_down(ref, 0) == "noproc"

def in_child():
    assert open_sockets() == ours
    assert Hub.running() is None
    assert actors.whereis("mx") is None and actors.registered() == []
    assert pykka.ActorRegistry.get_all() == []
    for ref in (server, session, busy):
        dead(ref)
    client.close()
    with serving() as new:
        actors.register("mx", new)
        with greeted(address_of(new)) as mine:
            mine.sendall(b"child")
            assert read_exactly(mine, 5) == b"child"
            assert len(sessions_of(new)) == 1
        assert new.actor_urn.split(":")[2] != server.actor_urn.split(":")[2]
        assert actors.run_blocking(lambda: "worker") == "worker"
    print("child done", flush=True)

def in_parent():
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.sendall(b"parent")
    assert read_exactly(client, 6) == b"parent"
    greeted(address).close()
    greeted(path).close()
    assert actors.whereis("mx") is server
    gate.open()
    busy.stop()
    assert server.stop() is True
    assert read_all(client) == b""
    client.close()
    assert not os.path.exists(path)
    print("parent done")

child = os.fork()
in_child() if child == 0 else in_parent()
"""


@pytest.mark.parametrize("patch", ["", PATCH], ids=["unpatched", "patched"])
def test_a_fork_leaves_the_actors_to_the_parent_and_a_new_runtime_works_in_the_child(
    patch: str, short_path: Any
) -> None:
    # A fork with threads is what this is about; Python 3.12 warns of it.
    script = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n" + FORK
    assert run_script(patch + script, str(short_path / "s")) == "child done\nparent done\n"


def test_forks_of_a_busy_program_never_hang() -> None:
    """Locks that other threads held at the fork must not be held for ever in the child."""
    script = """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import actors
from tests.actors.helpers import Probe, start_probe

ref, heard = start_probe()
go_on = True

def talk():
    while go_on:
        ref.ask(lambda _: None)
        other = Probe.start()
        actors.link(ref, other)
        actors.register(other.actor_urn, other)
        other.stop()

threads = [threading.Thread(target=talk) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        mine, _ = start_probe()
        assert not ref.is_alive() and mine.ask(lambda _: "mine") == "mine"
        mine.stop()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
go_on = False
for thread in threads:
    thread.join()
ref.stop()
print("done")
"""
    assert run_script(script) == "done\n"


# -- monkey-patched programs, and the prompt ----------------------------------------------------------

PATCHED = """
import threading, time, socket
import actors
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    Echo, address_of, greeted, hold, read_all, read_exactly, serving, sessions_of, start_probe,
)

ref, heard = start_probe()
assert Hub.current().thread_id == actors.runtime.hub.thread_id()          # the program's own hub
assert ref.ask(lambda _: threading.get_ident()) != threading.get_ident()
other, _ = start_probe()
order = []

def sleep_until_the_other_was_there(_):
    while not order:
        time.sleep(0.001)                                         # cooperative here
    order.append("slept")

ref.tell(sleep_until_the_other_was_there)
other.ask(lambda _: order.append("meanwhile"))
ref.ask(lambda _: None)
assert order == ["meanwhile", "slept"]
assert actors.run_blocking(lambda: "worker") == "worker"
asked = []
thread = threading.Thread(target=lambda: asked.append(ref.ask(lambda _: "asked")))
thread.start()
thread.join()
assert asked == ["asked"]
gate = hold(other)
other.kill()
assert actors.wait_down(other, 5) == "noproc" and other.exit_reason == "killed"
with serving() as server:
    with greeted(address_of(server)) as client:
        client.sendall(b"patched")
        assert read_exactly(client, 7) == b"patched"
        assert len(sessions_of(server)) == 1
ref.stop()
print("done")
"""


def test_in_a_monkey_patched_program_the_programs_own_hub_runs_the_actors() -> None:
    assert run_script(PATCH + PATCHED) == "done\n"


def test_an_actor_that_raises_keyboard_interrupt_in_a_patched_program_interrupts_the_main_greenlet() -> None:
    """Ctrl-C may hit a turn there, since the turns run in the main thread."""
    script = """
import logging; logging.disable()
import gevent
import actors
from tests.actors.helpers import raise_, start_probe

ref, _ = start_probe()
ref.tell(lambda _: raise_(KeyboardInterrupt()))
try:
    gevent.sleep(5)
except KeyboardInterrupt:
    print("interrupted")
"""
    end = run_python("-c", PATCH + script)
    assert (end.returncode, end.stdout) == (0, "interrupted\n")


def test_at_an_unpatched_prompt_references_work_between_the_lines() -> None:
    lines = """
import actors
from tests.actors.helpers import *
server = actors.launch(actors.ServerActor([LOOPBACK], Echo), name="mx")
client = greeted(address_of(server))
client.sendall(b"hello")
print(read_exactly(client, 5))
print(len(sessions_of(server)), actors.whereis("mx") is server)
client.close()
session = sessions_of(server)
print(server.stop())
print(server.stop())
"""
    end = run_python("-i", "-q", source=lines)
    assert end.returncode == 0
    assert end.stdout == "b'hello'\n1 True\nTrue\nFalse\n"
    assert "Error" not in end.stderr
    assert "Traceback" not in end.stderr


def test_a_prompt_left_with_a_live_server_ends_cleanly() -> None:
    lines = """
import actors
from tests.actors.helpers import *
server = actors.launch(actors.ServerActor([LOOPBACK], Echo))
print(server.is_alive())
"""
    end: subprocess.CompletedProcess[str] = run_python("-i", "-q", source=lines)
    assert (end.returncode, end.stdout) == (0, "True\n")
    assert "Traceback" not in end.stderr


ECHO = """
import os, socket, sys
os.environ["GEVENT_LOOP"] = sys.argv[1]
import actors

class Echo(actors.SessionActor):
    def on_data(self, data):
        self.send(data)

server = actors.ServerActor.start([actors.Endpoint(address="127.0.0.1", port=0)], Echo)
(address,) = server.proxy().addresses().get()
with socket.create_connection(address, timeout=10) as client:
    for said in (b"one", b"two"):
        client.sendall(said)
        print(client.recv(10).decode())
server.stop()
"""


@pytest.mark.parametrize("loop", ["libev-cext", "libev-cffi", "libuv"])
def test_sockets_are_served_on_each_loop_that_gevent_has(loop: str) -> None:
    """libuv lacks the kind of watcher that spares a call for each readiness."""
    assert run_script(ECHO, loop) == "one\ntwo\n"


CHILDREN = """
import multiprocessing, threading
import actors

def work():
    assert threading.current_thread() is threading.main_thread()

def fork():
    threading.current_thread()  # as logging asks
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(20)
    return child.exitcode

class Forking(actors.GeventActor):
    def on_receive(self, how):
        return fork() if how == "hub" else actors.run_blocking(fork)

ref = Forking.start()
print(ref.ask("hub", timeout=30), ref.ask("worker thread", timeout=30))
ref.stop()
"""


def test_children_of_a_turn_and_of_a_worker_thread_end_well() -> None:
    """Neither thread is one of `threading`'s, whose end asks the main thread for a lock."""
    done = subprocess.run([sys.executable, "-c", CHILDREN], capture_output=True, text=True, timeout=50)
    assert done.stdout == "0 0\n", done.stderr
    assert "Traceback" not in done.stderr
