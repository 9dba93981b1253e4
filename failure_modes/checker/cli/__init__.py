"""The command line, one file a command.

`main` has the table of the commands, `command` their class, `output` the text and JSON output, and `exits`
the exit codes. Several commands use `options`, `search_output` and `paths`. `proof_options` and
`proof_output` belong to `prove`, `explore_policies` to `explore`, and `scaffold` to `new`.
"""
