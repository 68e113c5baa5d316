"""Hand-written device functions of the CUDA kernels, all of them inlined, and the reduction of moments."""
