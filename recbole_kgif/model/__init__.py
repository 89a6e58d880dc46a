"""The model: KGIF, its layers and the graph that it works on."""
