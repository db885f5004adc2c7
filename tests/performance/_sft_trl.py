"""TRL's half of `sft.py`: run by the python of an environment that has trl, never by ours.

python _sft_trl.py FOLDER
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    import torch
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    work = json.loads((folder / "work.json").read_text("utf-8"))
    mask = [int(place >= work["quiet"]) for place in range(len(work["rows"][0]))]
    rows = Dataset.from_list([{"input_ids": ids, "completion_mask": mask} for ids in work["rows"]])

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, dataset=None):
            return SequentialSampler(dataset if dataset is not None else self.train_dataset)

    config = SFTConfig(
        output_dir=str(folder / "trl"),
        max_steps=work["steps"],
        per_device_train_batch_size=work["batch"],
        learning_rate=work["rate"],
        lr_scheduler_type="linear",
        warmup_steps=0,
        weight_decay=0.01,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=False,
        gradient_checkpointing=False,
        completion_only_loss=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    model = LlamaForCausalLM.from_pretrained(folder / "model")
    trainer = InOrder(model=model, args=config, train_dataset=rows, processing_class=tokenizer(PreTrainedTokenizerFast))
    began = time.process_time()
    trainer.train()
    seconds = time.process_time() - began
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(json.dumps({"seconds": seconds, "loss": float(losses[-1])}))


def tokenizer(kind):
    """Any: the rows are ids already."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    words = {f"w{number}": number for number in range(2048)}
    return kind(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), eos_token="w0", pad_token="w0")


if __name__ == "__main__":
    main()
