"""Where the update rules come from, by the keys that rules cite."""

from __future__ import annotations

CITATIONS = {
    "bernstein2018": "J. Bernstein et al., signSGD: compressed optimisation for non-convex problems, ICML 2018",
    "chen2023": "X. Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023, arXiv 2302.06675",
    "chen2023admeta": "Y. Chen et al., Bidirectional looking with a novel double exponential moving average to "
    "adaptive and non-adaptive momentum optimizers, ICML 2023, arXiv 2307.00631",
    "compagnoni2025": "E. Monzio Compagnoni et al., Adaptive Methods through the Lens of SDEs, ICLR 2025",
    "defazio2024": "A. Defazio et al., The road less scheduled, NeurIPS 2024, arXiv 2405.15682",
    "dozat2016": "T. Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop",
    "dubey2020": "S. R. Dubey et al., diffGrad: an optimization method for neural networks, IEEE TNNLS 31, 2020",
    "duchi2011": "J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods, JMLR 12, 2011",
    "kingma2015": "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015",
    "li2019": "Q. Li, C. Tai and W. E, Stochastic modified equations and dynamics of SGD I, JMLR 20, 2019",
    "liu2020": "L. Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020",
    "loshchilov2019": "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019",
    "nesterov1983": "Y. Nesterov, A method for a convex programming problem with convergence rate O(1/k^2), 1983",
    "pagliardini2024": "M. Pagliardini et al., The AdEMAMix optimizer: better, faster, older, arXiv 2409.03137, 2024",
    "polyak1964": "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
    "reddi2018": "S. J. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond, ICLR 2018",
    "robbins1951": "H. Robbins and S. Monro, A stochastic approximation method, Ann. Math. Statist. 22, 1951",
    "sigsign2024": "sigSignGrad and tanhSignGrad, arXiv 2408.11839, 2024",
    "taniguchi2024": "S. Taniguchi et al., ADOPT: modified Adam can converge with any beta2, NeurIPS 2024",
    "tieleman2012": "T. Tieleman and G. Hinton, Lecture 6.5: RMSprop, COURSERA, 2012",
    "tiger2023": "J. Su, Tiger: a tight-fisted optimizer, 2023",
    "xie2024": "X. Xie et al., Adan: adaptive Nesterov momentum algorithm, IEEE TPAMI 2024, arXiv 2208.06677",
    "zaheer2018": "M. Zaheer et al., Adaptive methods for nonconvex optimization, NeurIPS 2018",
    "zeiler2012": "M. D. Zeiler, ADADELTA: an adaptive learning rate method, arXiv 1212.5701, 2012",
    "zhuang2020": "J. Zhuang et al., AdaBelief optimizer, NeurIPS 2020",
}


def citation(key: str) -> str:
    """The reference behind a key; the key itself where a user's rule cites something else."""
    return CITATIONS.get(key, key)
