"""Rules that need more than a coordinate's own gradient, by families: own draws, further gradients, norms, workers."""
