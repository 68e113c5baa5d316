"""Where the update rules come from, by the keys that rules cite."""

from __future__ import annotations

CITATIONS = {
    "bernstein2018": "J. Bernstein et al., signSGD: compressed optimisation for non-convex problems, ICML 2018",
    "compagnoni2025": "E. Monzio Compagnoni et al., Adaptive Methods through the Lens of SDEs, ICLR 2025",
    "kingma2015": "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015",
    "loshchilov2019": "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019",
    "robbins1951": "H. Robbins and S. Monro, A stochastic approximation method, Ann. Math. Statist. 22, 1951",
    "tieleman2012": "T. Tieleman and G. Hinton, Lecture 6.5: RMSprop, COURSERA, 2012",
}


def citation(key: str) -> str:
    """The reference behind a key; the key itself where a user's rule cites something else."""
    return CITATIONS.get(key, key)
