"""Images, networks, optimizers and the training step that combines them."""
