"""Closed forms: pure functions of sizes, without a model, a device or a clock."""
