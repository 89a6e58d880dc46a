"""Own data, plain or in the KGAT format, made into RecBole's atomic files.

`kgat` and `plain` read, `cleaning` filters, `splitting` splits, `atomic` writes, and
`folder` lets the result appear whole or not at all. Nothing here imports torch.
"""
