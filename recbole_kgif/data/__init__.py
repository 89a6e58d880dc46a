"""Finding, reading, checking and preparing data sets.

Nothing here imports torch or RecBole. `recipes` makes data sets from other formats:
they read, `cleaning` filters, `splitting` splits, `writer` writes the atomic files, and
`staging` lets the folder appear at once.
"""
