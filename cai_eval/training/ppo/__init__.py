"""Proximal policy optimisation with a KL penalty to a reference (Schulman et al. 2017; Bai et al. 2022a, §4.1)."""
