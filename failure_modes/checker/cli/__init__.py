"""The command line, one file a command.

`main` has the table of the commands, `command` the class of each, `output` what a command prints as text and
as JSON, `exits` the exit codes. `options`, `searches` and `keeping` are what commands share; `proof_options`
and `proof_output` belong to `prove`, `hunting` to `explore`, `scaffold` to `new`.
"""
