"""The training loop: exact resume, guards, and a gradient that does not depend on how a step is split."""

import math
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cai_eval.errors import UserError
from cai_eval.training.checkpoints import Checkpoints
from cai_eval.training.log import Log, read_log
from cai_eval.training.loop import Progress, Trained, train
from cai_eval.training.optimisation import Optimisation, make_optimizers, order

OPTIMISATION = Optimisation(steps=8, rate=1e-2, warmup=2)
DATA = torch.randint(0, 11, (64, 6), generator=torch.Generator().manual_seed(3))


class Model(nn.Module):
    """Embedding, dropout, a hidden matrix, a norm, a head: next tokens from this one."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embedding = nn.Embedding(11, 8)
            self.hidden = nn.Linear(8, 8)
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 11)
        self.dropout = nn.Dropout(0.2)

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.hidden(self.dropout(self.embedding(ids)))))
        return logits


def objective(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    ids = batch["ids"]
    loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    return loss, ids[:, 1:].numel()


def batches(step: int) -> list[dict[str, Tensor]]:
    ids = DATA[torch.from_numpy(order(0, step, 64)[:8])]
    return [{"ids": ids[:5]}, {"ids": ids[5:]}]


def run(
    directory: Path,
    model: nn.Module | None = None,
    *,
    optimisation: Optimisation = OPTIMISATION,
    batches: Callable[[int], Sequence[Mapping[str, Tensor]]] = batches,
    stop_before: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[nn.Module, Trained]:
    """A training; with `stop_before`, one that is interrupted when it asks for that step's data."""
    model = model or Model()

    def interrupted(step: int) -> Sequence[Mapping[str, Tensor]]:
        if step == stop_before:
            raise KeyboardInterrupt
        return batches(step)

    def evaluate(model: nn.Module, step: int) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        return {"loss": objective(model, {"ids": DATA})[0].item()}

    trained = train(
        model,
        interrupted,
        objective,
        optimisation,
        directory,
        checkpoint_every=3,
        evaluate=evaluate,
        evaluate_at=(0, 2, 5, 8),
        patience=5,
        progress=progress,
    )
    return model, trained


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)


def timeless(path: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in read_log(path)]


# ---------------------------------------------------------------------------------------------------
# Resume
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("stop", [1, 4, 7])
def test_an_interrupted_training_ends_in_the_same_bits(optimizer: str, stop: int, tmp_path: Path) -> None:
    optimisation = replace(OPTIMISATION, optimizer=optimizer)  # type: ignore[arg-type]
    whole, trained = run(tmp_path / "whole", optimisation=optimisation)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", optimisation=optimisation, stop_before=stop)
    resumed, again = run(tmp_path / "cut", optimisation=optimisation)
    assert_same(resumed, whole)
    assert again == trained
    assert list(trained.evaluations) == [0, 2, 5, 8]
    assert timeless(tmp_path / "cut" / "log.jsonl") == timeless(tmp_path / "whole" / "log.jsonl")


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    whole, trained = run(tmp_path)
    again, same = run(tmp_path, stop_before=0)
    assert_same(again, whole)
    assert same == trained


def test_the_state_of_the_callers_random_numbers_is_left_alone(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    run(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop_before=7)
    newest = max((tmp_path / "cut" / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed, _ = run(tmp_path / "cut")
    assert_same(resumed, whole)


def test_other_settings_do_not_go_on_where_these_stopped(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(UserError, match="other settings"):
        run(tmp_path, optimisation=replace(OPTIMISATION, rate=2e-2))


def test_checkpoints_rotate_when_the_next_one_is_complete(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 10):
        checkpoints.save(step, {"step": step})
    assert [path.name[:13] for path in sorted(tmp_path.iterdir())] == ["step-00000002", "step-00000010"]
    assert checkpoints.load(torch.device("cpu")) == (10, {"step": 10})


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"weights": torch.zeros(10)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(UserError, match=r"step-00000002 cannot be written .* make room"):
            checkpoints.save(2, {"weights": torch.zeros(1 << 18)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(tmp_path.iterdir())) == 1
    found = checkpoints.load(torch.device("cpu"))
    assert found is not None
    assert found[0] == 1


# ---------------------------------------------------------------------------------------------------
# The step
# ---------------------------------------------------------------------------------------------------


def undropped() -> nn.Module:
    model = Model()
    model.dropout.p = 0.0
    return model.double()


@pytest.mark.parametrize("sizes", [[8], [1, 7], [2, 2, 2, 2]])
def test_the_split_into_micro_batches_changes_nothing(sizes: list[int], tmp_path: Path) -> None:
    def split(step: int) -> list[dict[str, Tensor]]:
        ids = torch.cat([batch["ids"] for batch in batches(step)])
        return [{"ids": part} for part in ids.split(sizes)]

    one, _ = run(tmp_path / "one", undropped())
    other, _ = run(tmp_path / "other", undropped(), batches=split)
    torch.testing.assert_close(weights(one), weights(other), rtol=1e-9, atol=1e-12)


def test_steps_are_those_of_a_loop_by_hand(tmp_path: Path) -> None:
    ours, trained = run(tmp_path, undropped())
    model = undropped()
    (optimizer,) = make_optimizers(model, OPTIMISATION)
    for step in range(OPTIMISATION.steps):
        ids = torch.cat([batch["ids"] for batch in batches(step)])
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), OPTIMISATION.clip)
        for group in optimizer.param_groups:
            group["lr"] = OPTIMISATION.rate_at(step)
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(weights(ours), weights(model), rtol=1e-9, atol=1e-12)
    assert trained.loss == pytest.approx(loss.item())


def test_frozen_parameters_stay_and_the_others_move(tmp_path: Path) -> None:
    model = Model()
    model.embedding.weight.requires_grad_(False)
    before = weights(model)
    run(tmp_path, model)
    changed = {name for name, tensor in weights(model).items() if not torch.equal(tensor, before[name])}
    assert changed == before.keys() - {"embedding.weight"}


def test_bfloat16_learns_and_keeps_weights_in_float32(tmp_path: Path) -> None:
    model, trained = run(tmp_path, optimisation=replace(OPTIMISATION, precision="bf16"))
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
    assert trained.evaluations[8]["loss"] < trained.evaluations[0]["loss"]


# ---------------------------------------------------------------------------------------------------
# Guards
# ---------------------------------------------------------------------------------------------------


def test_a_training_that_diverges_stops_and_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    class Poisoned(Model):
        steps = 0

        def forward(self, ids: Tensor) -> Tensor:
            self.steps += self.training
            logits = super().forward(ids)
            return logits * math.nan if self.steps > 2 * 4 else logits

    with pytest.raises(UserError, match="diverged at step 5: lower the learning rate; the last good checkpoint is in"):
        run(tmp_path, Poisoned())
    found = Checkpoints(tmp_path / "checkpoints", 2).load(torch.device("cpu"))
    assert found is not None
    assert found[0] == 3
    assert all(tensor.isfinite().all() for tensor in found[1]["weights"])


def test_a_rate_that_is_far_too_high_is_noticed_while_all_is_finite(tmp_path: Path) -> None:
    rates = [1e-2] * 4 + [10.0] * 20

    class Sudden(Optimisation):
        def rate_at(self, step: int) -> float:
            return rates[step]

    with pytest.raises(UserError, match=r"diverged at step 1\d: lower the learning rate"):
        run(tmp_path, optimisation=Sudden(len(rates), 1.0))
    found = [entry["loss"] for entry in read_log(tmp_path / "log.jsonl") if "loss" in entry]
    assert all(math.isfinite(loss) for loss in found)
    kept = Checkpoints(tmp_path / "checkpoints", 2).load(torch.device("cpu"))
    assert kept is not None
    assert kept[0] == 3  # every later one holds weights of the high rate


def test_a_resumed_training_remembers_the_loss_that_it_began_with(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_before=4)
    run(tmp_path)
    found = Checkpoints(tmp_path / "checkpoints", 2).load(torch.device("cpu"))
    assert found is not None
    assert found[1]["first"] == next(entry["loss"] for entry in read_log(tmp_path / "log.jsonl") if "loss" in entry)


def test_broken_weights_are_never_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"diverged at step \d+: lower the learning rate\.$"):
        run(tmp_path, optimisation=replace(OPTIMISATION, rate=1e39, warmup=0))
    assert Checkpoints(tmp_path / "checkpoints", 2).load(torch.device("cpu")) is None


def test_a_training_that_changes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="changed no weight"):
        run(tmp_path, optimisation=replace(OPTIMISATION, rate=0.0))


def test_a_step_without_tokens_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no token counts in the loss of step 1"):
        run(tmp_path, batches=lambda step: [])


def test_progress_ends_at_the_last_step(tmp_path: Path) -> None:
    seen: list[Progress] = []
    _, trained = run(tmp_path, progress=seen.append)
    last = seen[-1]
    assert (last.step, last.steps, last.loss, last.eta) == (8, 8, trained.loss, 0)
    assert last.tokens_per_second > 0


def test_tensorboard_shows_the_log_of_a_resumed_training(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_before=5)
    run(tmp_path)
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = [entry for entry in read_log(tmp_path / "log.jsonl") if "rate" in entry]
    assert [(event.step, event.value) for event in shown.Scalars("rate")] == [
        (entry["step"], pytest.approx(entry["rate"])) for entry in logged
    ]


# ---------------------------------------------------------------------------------------------------
# Optimisation
# ---------------------------------------------------------------------------------------------------


def test_rates_rise_and_fall() -> None:
    linear = Optimisation(steps=10, rate=1.0, warmup=2, final=0.5)
    assert [linear.rate_at(step) for step in (0, 1, 2, 6)] == [0.5, 1.0, 1.0, 0.75]
    cosine = replace(linear, decay="cosine")
    assert [cosine.rate_at(step) for step in (2, 6)] == pytest.approx([1.0, 0.75])
    assert cosine.rate_at(4) > linear.rate_at(4)
    assert replace(linear, decay="constant").rate_at(9) == 1.0


@settings(deadline=None)
@given(
    steps=st.integers(1, 50),
    warmup=st.integers(0, 60),
    decay=st.sampled_from(["constant", "linear", "cosine"]),
    final=st.floats(0, 1),
)
def test_no_rate_leaves_its_bounds(steps: int, warmup: int, decay: str, final: float) -> None:
    optimisation = Optimisation(steps, 2.0, warmup, decay, final)  # type: ignore[arg-type]
    rates = [optimisation.rate_at(step) for step in range(steps)]
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)


def test_muon_takes_hidden_matrices_alone_and_all_parameters_have_one_optimiser() -> None:
    model = Model()
    muon, adamw = make_optimizers(model, replace(OPTIMISATION, optimizer="muon"))
    assert [p for group in muon.param_groups for p in group["params"]] == [model.hidden.weight]
    taken = [p for group in adamw.param_groups for p in group["params"]]
    assert {id(p) for p in taken} == {id(p) for p in model.parameters()} - {id(model.hidden.weight)}
    assert len(taken) == len(list(model.parameters())) - 1
    decayed = next(group["params"] for group in adamw.param_groups if group["weight_decay"])
    assert {id(p) for p in decayed} == {id(model.embedding.weight), id(model.head.weight)}


@settings(deadline=None)
@given(seed=st.integers(0, 99), epoch=st.integers(0, 99), n=st.integers(0, 200))
def test_an_order_is_a_permutation(seed: int, epoch: int, n: int) -> None:
    assert sorted(order(seed, epoch, n).tolist()) == list(range(n))


def test_orders_are_those_of_their_seed_and_epoch() -> None:
    assert order(0, 0, 6).tolist() == [5, 1, 3, 4, 0, 2]
    assert order(0, 1, 50).tolist() != order(0, 0, 50).tolist() != order(1, 0, 50).tolist()


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match=r"log\.jsonl cannot be written to .*: make room"):
        Log(tmp_path / "file" / "log.jsonl", 0)
    assert (tmp_path / "file").read_text() == "kept"
