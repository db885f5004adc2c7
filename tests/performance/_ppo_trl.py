"""TRL's half of `ppo.py`: run by the python of an environment that has trl 1.12, never by ours.

python _ppo_trl.py FOLDER
"""

import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"


def main() -> None:
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    work = json.loads((folder / "work.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "policy", padding_side="left", pad_token="<pad>")
    prompts = [prompt for update in work["prompts"] for prompt in update]
    rows = Dataset.from_list([{"input_ids": tokenizer(prompt)["input_ids"]} for prompt in prompts])

    ends, tokens = [], []
    truncate = ppo_trainer.truncate_response

    def counted(stop, pad, responses):
        kept = truncate(stop, pad, responses)
        tokens.append(int((kept != pad).sum()))
        return kept

    class Clock(TrainerCallback):
        def on_step_end(self, *arguments, **named):
            ends.append(time.process_time())

    ppo_trainer.truncate_response = counted
    config = PPOConfig(
        output_dir=str(folder / "trl"),
        # so, and not by accumulation, each minibatch is an optimiser step
        per_device_train_batch_size=work["batch"],
        gradient_accumulation_steps=1,
        num_mini_batches=work["minibatches"],
        num_ppo_epochs=work["epochs"],
        total_episodes=len(prompts),
        response_length=work["max_tokens"],
        local_rollout_forward_batch_size=work["batch"],
        stop_token="eos",
        temperature=1.0,
        learning_rate=work["rate"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        kl_coef=0.05,
        num_sample_generations=0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        dataloader_pin_memory=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    policy, reference = (AutoModelForCausalLM.from_pretrained(folder / "policy") for _ in range(2))
    value, reward = (
        AutoModelForSequenceClassification.from_pretrained(folder / "reward", num_labels=1) for _ in range(2)
    )
    trainer = PPOTrainer(
        args=config,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=reward,
        value_model=value,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[Clock()],
    )
    trainer.train()
    seconds = [after - before for before, after in pairwise(ends)]
    print(json.dumps({"seconds": seconds, "tokens": sum(tokens) / len(tokens) / work["batch"]}))


if __name__ == "__main__":
    main()
