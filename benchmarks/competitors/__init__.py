"""Other libraries on the benchmark workloads, one module each; `worker.py` runs each in a process of its own."""

MODULES = ("diffrax_euler", "jax_loop", "torchsde_euler", "jitcsde_pinned", "sdeint_euler")
