"""Self-signed certificates for the servers, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.processes import WORKSHOP

KeyKind = Literal["ecdsa", "rsa"]

_KEY_OPTIONS: dict[KeyKind, tuple[str, ...]] = {
    "ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    "rsa": ("-newkey", "rsa:2048"),
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of one certificate."""

    certfile: Path
    keyfile: Path


def certificate(kind: KeyKind) -> Certificate:
    """The certificate with a key of a kind (ECDSA on P-256, RSA of 2048 bits), made when first asked for.

    Raises:
        OSError, subprocess.CalledProcessError: openssl is missing or failed.
    """
    folder = WORKSHOP / "certificates"
    made = Certificate(folder / f"{kind}.pem", folder / f"{kind}.key")
    if not made.certfile.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=localhost"]
        command += [*_KEY_OPTIONS[kind], "-keyout", str(made.keyfile), "-out", str(made.certfile)]
        subprocess.run(command, check=True, capture_output=True)
    return made
