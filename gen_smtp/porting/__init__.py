"""`gen-smtp port`: an Erlang callback module becomes the skeleton of a Python one.

The files import one way: `model` is what a module says; `otp_reader` and `tree_sitter_reader` make it of a
file, by OTP's parser or by tree-sitter's; `reading` chooses one of them; `known` has the tables of what there
is here; `python` writes values, conditions and results, `skeleton` the class; `command` is what users call.

Imports: `tree_sitter_language_pack`, `typer`, and nothing of this project.
"""
