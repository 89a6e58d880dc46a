"""One training: loading, the trainer, the checkpoint, resuming, several processes."""
