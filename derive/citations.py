"""Where the update rules come from, by the keys that rules cite."""

from __future__ import annotations

CITATIONS = {
    "abadi2016": "M. Abadi et al., Deep learning with differential privacy, CCS 2016",
    "ahn2024": "K. Ahn and A. Cutkosky, Adam with model exponential moving average is effective for nonconvex "
    "optimization, arXiv 2405.18199, 2024",
    "alistarh2017": "D. Alistarh et al., QSGD: communication-efficient SGD via gradient quantization and encoding, "
    "NeurIPS 2017",
    "andriushchenko2022": "M. Andriushchenko and N. Flammarion, Towards understanding sharpness-aware minimization, "
    "ICML 2022",
    "anisotropic2021": "Optimizing information-theoretical generalization bound via anisotropic noise of SGLD, arXiv "
    "2110.13750",
    "bernstein2018": "J. Bernstein et al., signSGD: compressed optimisation for non-convex problems, ICML 2018",
    "bernstein2019": "J. Bernstein et al., signSGD with majority vote is communication efficient and fault tolerant, "
    "ICLR 2019",
    "chen2023": "X. Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023, arXiv 2302.06675",
    "chen2023admeta": "Y. Chen et al., Bidirectional looking with a novel double exponential moving average to "
    "adaptive and non-adaptive momentum optimizers, ICML 2023, arXiv 2307.00631",
    "compagnoni2025": "E. Monzio Compagnoni et al., Adaptive Methods through the Lens of SDEs, ICLR 2025",
    "compagnoni2025distributed": "E. M. Compagnoni et al., Unbiased and sign compression in distributed learning, "
    "AISTATS 2025",
    "cutkosky2023": "A. Cutkosky, H. Mehta and F. Orabona, Optimal stochastic non-smooth non-convex optimization, "
    "ICML 2023",
    "defazio2024": "A. Defazio et al., The road less scheduled, NeurIPS 2024, arXiv 2405.15682",
    "dozat2016": "T. Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop",
    "dubey2020": "S. R. Dubey et al., diffGrad: an optimization method for neural networks, IEEE TNNLS 31, 2020",
    "duchi2011": "J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods, JMLR 12, 2011",
    "foret2021": "P. Foret et al., Sharpness-aware minimization for efficiently improving generalization, ICLR 2021",
    "hazan2015": "E. Hazan, K. Levy and S. Shalev-Shwartz, Beyond convexity: stochastic quasi-convex optimization, "
    "2015",
    "hsieh2020": "Y.-G. Hsieh et al., Explore aggressively, update conservatively: stochastic extragradient methods, "
    "2020",
    "jin2020": "R. Jin et al., Stochastic-Sign SGD for federated learning with theoretical guarantees, arXiv "
    "2002.10940",
    "jordan2024": "K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024",
    "karimireddy2019": "S. P. Karimireddy et al., Error feedback fixes SignSGD and other gradient compression "
    "schemes, ICML 2019",
    "kingma2015": "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015",
    "konecny2016": "J. Konecny et al., Federated learning: strategies for improving communication efficiency, arXiv "
    "1610.05492",
    "li2019": "Q. Li, C. Tai and W. E, Stochastic modified equations and dynamics of SGD I, JMLR 20, 2019",
    "li2021svag": "Z. Li, S. Malladi and S. Arora, On the validity of modeling SGD with SDEs, NeurIPS 2021",
    "liu2020": "L. Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020",
    "loizou2020": "N. Loizou et al., Stochastic Hamiltonian gradient methods for smooth games, ICML 2020",
    "loshchilov2019": "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019",
    "nesterov1983": "Y. Nesterov, A method for a convex programming problem with convergence rate O(1/k^2), 1983",
    "pagliardini2024": "M. Pagliardini et al., The AdEMAMix optimizer: better, faster, older, arXiv 2409.03137, 2024",
    "pascanu2013": "R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, "
    "ICML 2013",
    "polyak1964": "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
    "private2026": "Differentially private SGD and SignSGD through SDEs, arXiv 2603.03226",
    "reddi2018": "S. J. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond, ICLR 2018",
    "robbins1951": "H. Robbins and S. Monro, A stochastic approximation method, Ann. Math. Statist. 22, 1951",
    "sigsign2024": "sigSignGrad and tanhSignGrad, arXiv 2408.11839, 2024",
    "taniguchi2024": "S. Taniguchi et al., ADOPT: modified Adam can converge with any beta2, NeurIPS 2024",
    "tieleman2012": "T. Tieleman and G. Hinton, Lecture 6.5: RMSprop, COURSERA, 2012",
    "tiger2023": "J. Su, Tiger: a tight-fisted optimizer, 2023",
    "welling2011": "M. Welling and Y. W. Teh, Bayesian learning via stochastic gradient Langevin dynamics, ICML 2011",
    "xie2024": "X. Xie et al., Adan: adaptive Nesterov momentum algorithm, IEEE TPAMI 2024, arXiv 2208.06677",
    "you2017": "Y. You, I. Gitman and B. Ginsburg, Large batch training of convolutional networks, arXiv 1708.03888",
    "you2020": "Y. You et al., Large batch optimization for deep learning: training BERT in 76 minutes, ICLR 2020",
    "zaheer2018": "M. Zaheer et al., Adaptive methods for nonconvex optimization, NeurIPS 2018",
    "zeiler2012": "M. D. Zeiler, ADADELTA: an adaptive learning rate method, arXiv 1212.5701, 2012",
    "zhuang2020": "J. Zhuang et al., AdaBelief optimizer, NeurIPS 2020",
}


def citation(key: str) -> str:
    """The reference behind a key; the key itself where a user's rule cites something else."""
    return CITATIONS.get(key, key)
