"""Who reads an Erlang module: OTP's parser where it can, else tree-sitter's grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from gen_smtp.porting import otp_reader, tree_sitter_reader
from gen_smtp.porting.model import ErlangModule
from gen_smtp.porting.otp_reader import CannotReadError


def read_module(path: Path, include: Sequence[Path] = ()) -> ErlangModule:
    """Read a module.

    OTP's own parser is asked first: it knows macros and the files that are included. It needs them all, so a
    module whose include files are not there goes to tree-sitter, which looks at the text alone.

    Args:
        path: of the file.
        include: folders of its include files; those beside the file and in `../include` are looked at anyway.

    Raises:
        CannotReadError: neither can read it; says why, and what to do.
        OSError: the file can't be read.
    """
    path.read_bytes()
    folders = [*include, path.parent, path.parent.parent / "include"]
    try:
        return otp_reader.read(path, folders)
    except CannotReadError as error:
        why = str(error)
    try:
        module = tree_sitter_reader.read(path)
    except CannotReadError as error:
        raise CannotReadError(
            f"OTP: {why} (--include FOLDER says where include files are); {error}"
        ) from None
    return dataclasses.replace(module, reader=f"tree-sitter, since OTP could not: {why}")
