"""The `pulseiq` command line: parses words, calls one function, prints. Holds no logic of its own."""
