"""What two processes change against one, at the same batch: the figures of lesson 03, section 12.

    OMP_NUM_THREADS=1 python tests/measure_processes.py data/turntable outputs/measured
    OMP_NUM_THREADS=1 torchrun --nproc_per_node 2 tests/measure_processes.py data/turntable outputs/measured

Each prints the last epoch of eight runs; compare the lines in pairs. Half a minute on two cores.
"""

import os
import sys

from unet_course import devices, training

# photos that a run of the network of smoke sees, and how many seeds are tried with it
RUNS = {192: 5, 960: 3}


def main(data_dir: str, output: str) -> None:
    os.environ["UNET_COURSE_PROGRESS"] = os.devnull
    for images, seeds in RUNS.items():
        training.PRESETS["smoke"]["images"] = images
        for seed in range(seeds):
            _, history = training.train(data_dir, output, preset="smoke", seed=seed)
            if devices.this_process().is_main_process:
                loss, dice = history[-1]["train_loss"], history[-1]["val_dice"]
                name = f"{images} photos, seed {seed}"
                print(f"{name}: training loss {loss:.4f}, validation Dice {dice:.4f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
