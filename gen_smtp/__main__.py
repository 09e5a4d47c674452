"""`python -m gen_smtp` is the command `gen-smtp`."""

from gen_smtp.cli.commands import app

if __name__ == "__main__":
    app(prog_name="gen-smtp")
