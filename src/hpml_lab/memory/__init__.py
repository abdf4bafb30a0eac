"""The memory of a training step: planned without a device, and measured."""
