"""Finding, downloading, preparing and checking the data sets.

Nothing in this package imports torch or RecBole.
"""
