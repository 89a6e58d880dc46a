"""New users, items, entities and interactions for a trained KGIF, without training."""
