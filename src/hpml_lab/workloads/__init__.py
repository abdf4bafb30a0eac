"""What is trained: images, networks, optimizers and the step that joins them."""
