"""Comparing models: many runs under one protocol, and reports made of their records.

The data flows one way: `plan` turns arguments into requested runs, `runner` starts a
process for each, `worker` is that process, `store` knows the files between them,
`recbole_kgif.report` reads these back. Only `worker` imports torch and RecBole.
"""
