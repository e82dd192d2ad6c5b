"""Watches the stages and explains them to the operator; no stage imports it."""
