"""Upgrade a server's code while clients are connected: edit the module, reload it, change the code.

python examples/hot_upgrade.py
"""

from __future__ import annotations

import importlib
import smtplib
import sys
import tempfile
from pathlib import Path

from gen_smtp import gen_smtp_server

VERSION = """
from gen_smtp.gen_smtp_server_session import Behaviour, ok

class Greeter(Behaviour):
    vsn = {vsn}

    def init(self, hostname, session_count, peername, options):
        self.greeted = 0
        return ok

    def handle_VRFY(self, address):
        self.greeted += 1
        return ok("{greeting}, that is number %d" % self.greeted)

    @classmethod
    def code_change(cls, old_vsn, old, extra):
        print("a session goes from version", old_vsn, "to", cls.vsn)
        return super().code_change(old_vsn, old, extra)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        module_file = Path(folder, "greeter.py")
        module_file.write_text(VERSION.format(vsn=1, greeting="Hello"))
        greeter = importlib.import_module("greeter")

        with gen_smtp_server.running(greeter.Greeter, [{"address": "127.0.0.1", "port": 0}]) as server:
            [address] = gen_smtp_server.addresses(server)
            with smtplib.SMTP(*address) as client:
                print(client.docmd("VRFY", "you"))

                module_file.write_text(VERSION.format(vsn=2, greeting="Good evening"))
                importlib.reload(greeter)
                change = gen_smtp_server.change_code(server, greeter.Greeter)
                print(len(change.changed), "session changed,", len(change.kept), "kept the old code")

                print(client.docmd("VRFY", "you"))  # the same connection, the same count, the new code


if __name__ == "__main__":
    main()
