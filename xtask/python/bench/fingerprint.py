"""One exact number per cell, by which a cell is known again in whatever way it was read."""

import numpy as np


def weights(genes):
    """Return a small whole number for each gene, given its number."""
    return (np.asarray(genes, dtype=np.uint64) * 2654435761 % 2**32 // 2**20 + 1).astype(np.float64)


def fingerprints(matrix, weights):
    """Return the weighted sum of each row; exact, because counts are whole numbers."""
    return matrix.astype(np.float64) @ weights
