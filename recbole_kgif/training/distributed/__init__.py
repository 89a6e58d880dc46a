"""Training in several processes, by RecBole's way of sharing batches and gradients."""
