"""Context distillation against the straightforward loop: teacher behind the prompt and student, full logits, each step.

    python tests/performance/distillation.py [--threads 1]

Both take the same texts in the same order; ours begins with the caching of the teacher's targets. Models are random
and alike but for their weights; KL is the full one to the teacher, nats a token, on texts of the training.
"""

import argparse
import tempfile
from pathlib import Path

from training import cpu_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--width", type=int, default=96)
    options = parser.parse_args()

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from cai_eval.inference.logprobs import Engine
    from cai_eval.training.data import make_batches
    from cai_eval.training.loop import train
    from cai_eval.training.objectives import context_distillation, full_kl
    from cai_eval.training.optimisation import Optimisation, make_optimizers
    from cai_eval.training.targets import Targets
    from cai_eval.training.teacher import Passage, Teacher

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=options.width,
        intermediate_size=5 * options.width // 2,
        num_hidden_layers=3,
        num_attention_heads=options.width // 32,
        max_position_embeddings=options.prompt + options.tokens,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    teacher = LlamaForCausalLM(config).eval()
    start = {name: tensor.clone() for name, tensor in LlamaForCausalLM(config).state_dict().items()}
    prompt = torch.randint(0, 2048, (options.prompt,))
    texts = torch.randint(0, 2048, (options.texts, options.tokens))
    optimisation = Optimisation(options.steps, 1e-3)
    chosen = make_batches([options.tokens] * options.texts, options.rows, 0, lambda some: {"rows": torch.tensor(some)})

    def fresh() -> LlamaForCausalLM:
        student = LlamaForCausalLM(config)
        student.load_state_dict(start)
        return student

    @torch.no_grad()
    def predicted(ids: torch.Tensor) -> torch.Tensor:
        whole = torch.cat([prompt.expand(len(ids), -1), ids], dim=1)
        return teacher(input_ids=whole).logits[:, options.prompt : -1].log_softmax(-1)

    def straightforward() -> LlamaForCausalLM:
        student = fresh().train()
        (optimizer,) = make_optimizers(student, optimisation)
        for step in range(options.steps):
            for batch in chosen(step):
                ids = texts[batch["rows"]]
                logits = student(input_ids=ids).logits[:, :-1]
                loss = full_kl(logits.flatten(0, 1), predicted(ids).flatten(0, 1))
                (loss / (options.rows * (options.tokens - 1))).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = optimisation.rate_at(step)
            optimizer.step()
            optimizer.zero_grad()
        return student.eval()

    def ours() -> LlamaForCausalLM:
        student = fresh()
        passages = [Passage(tuple(ids), tuple(ids), options.tokens - 1) for ids in texts.tolist()]
        with tempfile.TemporaryDirectory() as folder:
            asked = Teacher(Engine(teacher), tuple(prompt.tolist()), 2048)
            targets = Targets(Path(folder), passages, "", 50, 2048, asked.top)
            batches = make_batches([options.tokens] * options.texts, options.rows, 0, targets.batch)
            train(student, batches, context_distillation, optimisation, Path(folder) / "run", checkpoint_every=10)
        return student

    @torch.no_grad()
    def apart(student: LlamaForCausalLM) -> float:
        ids = texts[:16]
        loss = full_kl(student(input_ids=ids).logits[:, :-1].flatten(0, 1), predicted(ids).flatten(0, 1))
        return loss.item() / (len(ids) * (options.tokens - 1))

    theirs, plain = cpu_seconds(straightforward)
    seconds, student = cpu_seconds(ours)
    print(f"{options.steps} steps of {options.rows} × {options.tokens} tokens, a prompt of {options.prompt}")
    print(f"before           KL {apart(fresh().eval()):.4f}")
    print(f"straightforward  KL {apart(plain):.4f} {theirs:8.2f} CPU s")
    print(f"ours             KL {apart(student):.4f} {seconds:8.2f} CPU s, caching included")
    print(f"ratio {theirs / seconds:.1f}")


if __name__ == "__main__":
    main()
