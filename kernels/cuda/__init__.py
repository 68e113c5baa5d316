"""Generated CUDA kernels: one thread a path, the loop over steps inside."""
