"""Tuning models: the same number of trials for each, judged by validation alone.

The data flows one way: `spaces` says what may be tried, `plan` describes the trials of
a model, `search` keeps its Optuna study in step with the trials' files, `runner` lets
`recbole_kgif.compare` run them, and `results` writes what came of it.
"""
