"""The gate between layers: suites made from a contract, and the verdict on a batch. Knows no environment."""
