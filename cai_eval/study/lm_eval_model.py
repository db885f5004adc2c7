"""lm-evaluation-harness with our policies: `--model cai-eval`.

lm-eval 0.4 finds models in a table of its own and has no entry point for others: ours must be entered before it runs.
Importing this module does that, and `main`, the command `cai-lm-eval`, then hands over to lm-eval's own command line
with all its options:

    cai-lm-eval run --model cai-eval \\
        --model_args pretrained=EleutherAI/pythia-70m,intervention=hhh-prompt,conversations=2 --tasks lambada_openai
"""

from __future__ import annotations

import sys
from typing import Any

import lm_eval.models  # noqa: F401 - enters lm-eval's own models, which it does only where there are none
from lm_eval.api.registry import model_registry

from cai_eval.contracts import ContextTooLong, PolicySpec
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.inference.lm_eval_bridge import PolicyLM
from cai_eval.study.graph import Graph
from cai_eval.study.session import untouched
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models

NAME = "cai-eval"


class CaiEvalLM(PolicyLM):
    """A model under an intervention that trains nothing.

    pretrained: hub id or directory. intervention: a trainer's name. device, dtype: as in `cai-eval run`. seed: of
    generation. config: of the trainer ("conversations=2"). Batch sizes are found, not given. Raises UserError.
    """

    def __init__(
        self,
        pretrained: str,
        intervention: str = "none",
        device: str | None = None,
        dtype: str | None = None,
        seed: int = 0,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        **config: Any,
    ) -> None:
        import torch

        if device == "cuda:0" and not torch.cuda.is_available():
            device = None  # lm-eval's default, which its own models take as lightly
        models = Models(device=device, dtype=dtype, seed=seed)
        super().__init__(models.policy(prepared(pretrained, intervention, config, models)))

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes into its results."""
        spec = self.policy.spec
        return {"model_fingerprint": spec.fingerprint, "format": spec.format, "prefix": spec.prefix.label}


def prepared(pretrained: str, intervention: str, config: dict[str, Any], models: Models) -> PolicySpec:
    """The policy that an instant trainer makes of a model. Raises UserError where the trainer is not instant."""
    suite = Suite(
        name="lm-eval",
        title="lm-eval",
        ladder="",
        interventions={intervention: Intervention(trainer=intervention, config=config)},
        benchmarks={"lm-eval": Measurement(benchmark="lm-eval")},
    )
    node = Graph(suite, [untouched(pretrained)], PublishedSource(), models.tokenizer).node(intervention, 0, {})
    if not node.final:
        raise UserError(f"intervention {intervention!r} needs training: run it, then pass what it made as pretrained.")
    spec = node.policy
    if len(spec.prefix.ids) >= spec.context:
        raise UserError(
            f"{spec.prefix.label} take {len(spec.prefix.ids):,} tokens and the model's context has {spec.context:,}: "
            "give fewer (conversations=K) or a model with a larger context."
        )
    return spec


def main() -> None:
    """lm-eval's command line, with ours among its models."""
    from lm_eval.__main__ import cli_evaluate

    try:
        cli_evaluate()
    except UserError as error:
        sentence = str(error)
    except ContextTooLong as error:
        sentence = f"{error}: give fewer examples or conversations, or a model with a larger context."
    else:
        return
    print(f"cai-eval: {sentence}", file=sys.stderr)
    sys.exit(2)


if NAME not in model_registry:
    model_registry.register(NAME, target="cai_eval.study.lm_eval_model:CaiEvalLM")

if __name__ == "__main__":
    main()
