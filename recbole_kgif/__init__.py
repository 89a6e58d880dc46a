"""KGIF, a knowledge-graph recommender, as a plugin for RecBole.

Importing this package makes the model known to RecBole::

    import recbole_kgif
    from recbole.quick_start import run_recbole

    run_recbole(model="KGIF", dataset="ml-100k")
"""

from recbole_kgif.register import register, register_once_recbole_is_imported

__version__ = "0.1.0"
__all__ = ["register"]

register_once_recbole_is_imported()
