"""KGIF: the reference in one file, and a faster equivalent of it."""

# Importing RecBole registers the model, which imports the modules of this package. It
# comes first, so that none of them is imported in part by then.
import recbole  # noqa: F401
