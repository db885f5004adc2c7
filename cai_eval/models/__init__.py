"""Models as they come: which there are, how large, whether two are the same, and how to load one."""
