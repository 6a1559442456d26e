"""Suites per layer, generated from the contract: expectations, and the words that their results are told in."""
