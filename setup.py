"""Only what pyproject.toml cannot say: the plug-in folders install inside the package, whole."""

from setuptools import find_packages, setup

PLUGINS = ("benchmarks", "trainers", "reports", "constitutions")

packages = find_packages(include=["cai_eval", "cai_eval.*"])
for folder in PLUGINS:
    packages += [f"cai_eval.{name}" for name in find_packages(include=[folder, f"{folder}.*"])]

setup(packages=packages)
