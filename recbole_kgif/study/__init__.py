"""Studies of a model: what its parts earn, and how it bears a damaged knowledge graph.

A study is a comparison of *variants*, each a model with options, and perhaps a changed
knowledge graph, under a name of its own. `variants` and `conditions` say which there
are, `plan` turns them into requests that `recbole_kgif.compare.runner` runs, `ablation`
and `robustness` make of the records rows and a document, which `report` writes.
`corruption`, `empty_graph`, `item_hits` and `shared_entities` work inside of a run.
"""
