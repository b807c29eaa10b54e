#!/usr/bin/env python3
"""Time per command as a home grows, by the program itself.

    benches/size.py log BINARY FOLDER [--database URL]         200 contributors, six epochs: 5,000 entries
    benches/size.py people BINARY FOLDER N [--database URL]    N contributors from registration to paid accounts

Each line is a command with its wall-clock and CPU seconds. A command that fails ends the script. Texts are made from a seed,
so that two programs get the same. FOLDER is made anew; the home is FOLDER/h.
"""

import argparse
import csv
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import time

WORDS = 6000
RUN = """
[model]
layers = 1
channels = 16
heads = 2
kv_heads = 1
hidden = 32
tied = true
context = 32
rope_base = 10000.0
norm_eps = 1e-5

[optimizer]
lr = 3e-3
warmup_steps = 4
min_lr_ratio = 0.1
beta1 = 0.9
beta2 = 0.95
eps = 1e-8
weight_decay = 0.1
clip_norm = 1.0

[schedule]
steps = 32
rows_per_step = 32

[attribution]
rule = "simpson"
first_window = 4
max_window = 8
residual_limit = 0.1
pricing_tokens = 512
progress_windows = 2
max_buckets = 16
"""


def lexicon():
    """Invented words of two to four syllables."""
    draw = random.Random(1)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = set()
    while len(words) < WORDS:
        words.add("".join(draw.choice(syllables) for _ in range(draw.randint(2, 4))))
    return sorted(words)


LEXICON = lexicon()


def text(seed, words):
    draw = random.Random(seed)
    out, sentence = [], []
    for _ in range(words):
        sentence.append(draw.choice(LEXICON))
        if len(sentence) > 7 and draw.random() < 0.2:
            out.append(" ".join(sentence).capitalize() + ".")
            sentence = []
    return " ".join(out + [" ".join(sentence)]) + "\n"


class Program:
    def __init__(self, binary, folder, database):
        self.binary, self.folder, self.home = binary, folder, folder / "h"
        self.now, self.database, self.first = 1_800_000_000, database, None
        self.environment = dict(os.environ, XDG_STATE_HOME=str(folder / "state"))

    def run(self, *args, show=None, quiet=True):
        """Runs a command on the home; prints its time under the name `show`."""
        command = [str(self.binary), *map(str, args), "--home", str(self.home), "--now", str(self.now), "--json"]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        if show:
            report(show, wall, cpu)
        return json.loads(done.stdout), wall, cpu

    def best(self, show, *args, times=5):
        """The quickest of some runs of a command that only looks."""
        runs = [self.run(*args) for _ in range(times)]
        report(show, min(wall for _, wall, _ in runs), min(cpu for _, _, cpu in runs))
        return runs[0][0]


def report(what, wall, cpu):
    print(f"{what:<34} {wall:10.3f} s {cpu:10.3f} s CPU", flush=True)


def size_of(path):
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def begin(program, folder):
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "run.toml").write_text(RUN)
    for target in ["east", "west"]:
        for i in range(4):
            path = folder / "target" / target / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(f"target {target} {i}", 200))
    (folder / "pay.toml").write_text('threshold_minor = "1"\ncontrol_gap_ppm = 100000000\n')
    (folder / "rail.toml").write_text('rail = "csv"\n')
    database = ["--database", program.database] if program.database else []
    program.run("init", "--origin", "size.test/log", "--currency", "EUR", *database, show="init")


def open_epoch(program, show=None):
    targets = ["--target", "east=target/east", "--target", "west=target/west"]
    program.run("epoch", "open", *targets, "--pool-minor", 100_000_000, "--hold-days", 1, "--pay", "pay.toml", show=show)


def documents(folder, seed, words=60):
    folder.mkdir(parents=True)
    (folder / "text.jsonl").write_text(json.dumps({"text": text(seed, words), "license": "MIT"}) + "\n")


def log(program, folder):
    people, epochs = 200, 6
    begin(program, folder)
    for i in range(people):
        program.run("contributor", "add", f"person{i}")
    for epoch in range(epochs):
        open_epoch(program)
        begun, cpus = time.monotonic(), 0.0
        for i in range(people):
            path = folder / "from" / f"{epoch}" / f"person{i}"
            documents(path, f"{epoch} {i}")
            done, _, cpu = program.run("submit", f"person{i}", path)
            program.first = program.first or done["submission"]
            cpus += cpu
        report(f"200 submissions, epoch {epoch}", time.monotonic() - begun, cpus)
        if epoch < epochs - 1:
            program.run("epoch", "close")
            program.run("ingest", "--vocabulary", 512, show=f"ingest, epoch {epoch}")
            _, _, _ = program.run("train", "run.toml", show=f"train, epoch {epoch}")
            program.run("replay", "--run", epoch, show=f"replay, epoch {epoch}")
            program.run("reward", "--run", epoch, show=f"reward, epoch {epoch}")
    looks(program, folder)


def looks(program, folder):
    size = program.best("status", "status")["log_size"]
    print(f"entries: {size}")
    program.best("books show", "books", "show")
    program.best("payout list", "payout", "list")
    program.best("submission show", "submission", "show", program.first)
    program.best("prove", "prove", f"{program.first}/0")
    program.run("audit", "--replay", 0, show="audit without replay")
    log_bytes = size_of(program.home / "log")
    print(f"log folder: {log_bytes / 1e6:.2f} MB; home: {size_of(program.home) / 1e6:.1f} MB")


def people(program, folder, count):
    begin(program, folder)
    payees, sources = folder / "payees", folder / "from"
    payees.mkdir()
    width = len(str(count))
    for i in range(count):
        name = f"person{i:0{width}}"
        (payees / f"{name}.toml").write_text(f'kind = "other"\nreference = "account {i}"\n')
        documents(sources / name, f"people {i}")
    program.run("contributor", "add", "--each", "payees", show="contributor add --each")
    open_epoch(program, show="epoch open")
    submitted, _, _ = program.run("import", "from", "--each", "--source", "size", show="import --each")
    program.first = submitted["submissions"][0]["submission"]
    program.run("epoch", "close", show="epoch close")
    program.run("ingest", "--vocabulary", 512, show="ingest")
    program.run("train", "run.toml", show="train")
    program.run("replay", show="replay")
    program.run("reward", show="reward")
    program.now += 2 * 24 * 60 * 60
    payout = program.run("payout", "propose", "rail.toml", show="payout propose")[0]["payout"]
    program.run("payout", "approve", payout, show="payout approve")
    program.run("payout", "export", payout, "--out", "pay.csv", show="payout export")
    with open(folder / "pay.csv", newline="") as paid, open(folder / "report.csv", "w", newline="") as told:
        told.write("reference,status,amount,reason\n")
        told.writelines(f"{row['reference']},settled,{row['amount']},\n" for row in csv.DictReader(paid))
    program.run("payout", "reconcile", payout, "report.csv", show="payout reconcile")
    open_epoch(program, show="epoch open")
    documents(folder / "more", "more")
    program.run("submit", f"person{0:0{width}}", "more", show="one more submission")
    program.best("books show", "books", "show", times=3)
    looks(program, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["log", "people"])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--database")
    given = parser.parse_args()
    program = Program(given.binary.resolve(), given.folder.resolve(), given.database)
    if given.part == "log":
        log(program, program.folder)
    else:
        people(program, program.folder, given.count)


if __name__ == "__main__":
    main()
