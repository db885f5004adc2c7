"""`cai-eval doctor`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click


@click.command("doctor")
def command() -> int:
    """Say what this machine, this installation and the caches offer. Exit code 1 if something is broken."""
    from cai_eval import registry
    from cai_eval.caches import cache_directory
    from cai_eval.provenance import environment

    about = environment()
    click.echo(f"python {about['python']} on {about['platform']}, {about['cpus']} cores")
    for package, version in about["packages"].items():
        click.echo(f"{package} {version}")
    click.echo(_device())
    for line in _sandbox():
        click.echo(line)
    offline = "set: nothing is fetched" if os.environ.get("HF_HUB_OFFLINE") == "1" else "not set"
    click.echo(f"HF_HUB_OFFLINE is {offline}")
    cache = cache_directory()
    used = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.exists() else 0
    free = shutil.disk_usage(cache if cache.exists() else Path.home()).free
    click.echo(f"cache: {used / 2**20:,.0f} MiB of models and answers in {cache}; {free / 2**30:,.0f} GiB free there")
    plugins = [plugin.problem for group in registry.GROUPS for plugin in registry.describe(group) if plugin.problem]
    constitutions = list(_constitutions())
    for what, broken in (("plug-ins", plugins), ("constitutions", constitutions)):
        for problem in broken:
            click.echo(f"broken: {problem}")
        click.echo(f"{len(broken)} {what} do not load" if broken else f"all {what} load")
    return 1 if plugins or constitutions else 0


def _constitutions() -> Iterator[str]:
    """What is wrong with the shipped constitutions."""
    from cai_eval.constitution import load_constitution, names
    from cai_eval.errors import UserError

    for name in names():
        try:
            load_constitution(name)
        except UserError as error:
            yield str(error)


def _sandbox() -> Iterator[str]:
    """What stands between this machine and a program that a model wrote."""
    from cai_eval.errors import UserError
    from cai_eval.sandbox import Sandbox

    try:
        with Sandbox(workers=1) as sandbox:
            layers = sandbox.layers
    except UserError as error:
        yield f"sandbox: none; {error}"
        return
    yield f"sandbox: {layers.backend}"
    for mark, lines in (("closed", layers.closed), ("open", layers.open), ("refused by the kernel", layers.refused)):
        yield from (f"  {mark}: {line}" for line in lines)


def _device() -> str:
    """The device and dtype that a run would take."""
    from cai_eval.models.loading import choose_device, choose_dtype

    device = choose_device(None)
    dtype = str(choose_dtype(None, device)).removeprefix("torch.")
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"device: {device} ({name}), {dtype} by default"
