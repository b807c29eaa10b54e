"""The own memory of `assay ingest` as its input grows, and its CPU time with one thread and two; `benches/memory.sh` calls it.

    benches/memory.py --assay PROGRAM --work FOLDER [--sizes 500,1000,2000,4000] [--parts memory,threads]

text     made, not collected, so that there is as much as is asked for and it is the same everywhere: words of a vocabulary by Zipf's law,
         documents of log-normal size (4.4 KB on average, as web pages have), one word in fifty occurs nowhere else, and one document in
         twenty is an earlier one with a word in a hundred replaced. The tokenizer is trained on 20 MB of it.
memory   peak of the process' own memory (`RssAnon` of `/proc/PID/status`, every 20 ms), which pages of mapped files are no part of.
         Any size from 1,000 MB on may differ by at most 10 % from the smallest of these; the exit code is 1 if one does.
threads  CPU seconds on 500 MB with `--threads 1` and with two: at most 1.1 times as many. Of the run with two, how many threads could run at
         each sample (state `R` in `/proc/PID/task/*/stat`): one alone is the serial part, at most 5 % of all work. Threads that wait for
         a core count as well, so that what else runs on the machine changes nothing. The exit code is 1 if one of them is above.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from array import array

SLOTS = 1 << 16


def vocabulary():
    """A word for each of 65,536 slots: one of rank r has slots in proportion to 1 / r."""
    rng = random.Random(1)
    letters = "bcdfghklmnprstvw"
    syllables = [a + b + c for a in letters for b in "aeiou" for c in ("", "n", "r", "s", "l")]
    words, seen = [], set()
    while len(words) < 30_000:
        word = "".join(rng.choice(syllables) for _ in range(1 + min(3, int(rng.expovariate(0.8)))))
        if word not in seen:
            seen.add(word)
            words.append(word)
    harmonic = sum(1 / r for r in range(1, len(words) + 1))
    slots = []
    for rank, word in enumerate(words, 1):
        slots += [word] * max(1, round(0.6 * SLOTS / (harmonic * rank)))
    slots = slots[:SLOTS]
    slots += [words[i % len(words)] for i in range(SLOTS - len(slots))]
    # Every twelfth ends a sentence, every hundredth a paragraph.
    return [w + (".\n\n" if i % 100 == 0 else "." if i % 12 == 0 else "," if i % 15 == 0 else "") for i, w in enumerate(slots)]


def documents(limit):
    """Texts, of `limit` bytes in all."""
    rng, words, total, recent = random.Random(2), vocabulary(), 0, []
    while total < limit:
        if recent and rng.random() < 0.05:
            parts = rng.choice(recent).split(" ")
            for i in range(rng.randrange(100), len(parts), 100):
                parts[i] = format(rng.getrandbits(40), "x")
        else:
            count = max(20, min(100_000, int(rng.lognormvariate(5.9, 1.0))))
            picks = array("H", rng.randbytes(2 * count))
            parts = [words[i] for i in picks]
            for i in range(rng.randrange(50), count, 50):
                parts[i] = format(rng.getrandbits(40), "x")
        text = " ".join(parts)
        if len(recent) < 1000:
            recent.append(text)
        elif rng.random() < 0.02:
            recent[rng.randrange(1000)] = text
        total += len(text)
        yield text


def make_text(path, megabytes):
    if os.path.exists(path):
        return
    count = 0
    with open(path + ".part", "w", encoding="utf-8", buffering=1 << 20) as out:
        for count, text in enumerate(documents(megabytes * 1_000_000), 1):
            out.write(json.dumps({"text": text, "license": "MIT", "source": f"made/{count}"}) + "\n")
    os.rename(path + ".part", path)
    print(f"{megabytes} MB of text: {count} documents", file=sys.stderr, flush=True)


def states(pid):
    """Threads that run or could run."""
    running = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                running += file.read().rsplit(")", 1)[1].split()[0] == "R"
        except OSError:
            pass
    return running


class Watched:
    """A command that ran: wall and CPU seconds, peaks in MB, and a sample every 20 ms."""

    def __init__(self, command, env):
        begun, self.own, self.mapped, self.samples = time.time(), 0, 0, []
        child, said = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env), []
        reader = threading.Thread(target=lambda: said.append(child.stderr.read()))
        reader.start()
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            try:
                self.sample(child.pid, begun)
            except OSError:
                pass
            time.sleep(0.02)
        child.returncode = status
        reader.join()
        if status:
            raise SystemExit(f"{' '.join(command)}: status {status}: {said[0].decode()[-2000:]}")
        self.wall, self.cpu = time.time() - begun, usage.ru_utime + usage.ru_stime

    def sample(self, pid, begun):
        with open(f"/proc/{pid}/status") as file:
            now = {key: int(value.split()[0]) / 1000 for key, value in (line.split(":", 1) for line in file if line.startswith("Rss"))}
        if now:
            self.own, self.mapped = max(self.own, now["RssAnon"]), max(self.mapped, now["RssFile"])
            self.samples.append((time.time() - begun, now["RssAnon"], states(pid)))

    def serial(self):
        """The share of the work that was done while one thread alone could run."""
        alone = sum(running == 1 for _, _, running in self.samples)
        together = sum(min(running, 2) for _, _, running in self.samples)
        return alone / max(together, 1)


class Home:
    """A home whose epoch is closed, with one submission."""

    def __init__(self, args, megabytes):
        self.folder = os.path.join(args.work, f"home-{megabytes}")
        self.env = dict(os.environ, XDG_STATE_HOME=self.folder + "-state")
        self.assay = args.assay
        corpus, targets = os.path.join(args.work, f"text-{megabytes}.jsonl"), os.path.join(args.work, "target")
        self.remove()
        make_text(corpus, megabytes)
        os.makedirs(targets, exist_ok=True)
        for i in range(2):
            with open(f"{targets}/{i}.txt", "w") as file:
                file.write(f"a held-out text of its own, number {i}, with words enough to be a target of this corpus and of no other " * 3)
        self.run("init", "--origin", "bench/log")
        self.run("epoch", "open", "--target", targets, "--pool-minor", "100")
        self.run("import", "--source", "bench", "--for", "bench", corpus)
        os.remove(corpus)
        self.run("epoch", "close")

    def run(self, *command, threads=2):
        return Watched([self.assay, "--json", "--threads", str(threads), *command, "--home", self.folder], self.env)

    def remove(self):
        for folder in (self.folder, self.folder + "-state"):
            shutil.rmtree(folder, ignore_errors=True)


def tokenizer(args):
    """A tokenizer that a home of 20 MB trained."""
    path = os.path.join(args.work, "tokenizer.json")
    if not os.path.exists(path):
        home = Home(args, 20)
        home.run("ingest")
        public = os.path.join(home.folder, "objects", "public")
        for name in os.listdir(public):
            with open(os.path.join(public, name), "rb") as file:
                content = file.read()
            if content.startswith(b"{") and b'"added_tokens"' in content:
                with open(path, "wb") as file:
                    file.write(content)
        home.remove()
    return path


def memory(args, sizes):
    print("| MB of text | own MB | mapped MB | wall s | CPU s |\n|--:|--:|--:|--:|--:|", flush=True)
    own = {}
    for megabytes in sizes:
        home = Home(args, megabytes)
        ran = home.run("ingest", "--tokenizer", tokenizer(args))
        if args.samples:
            with open(f"{args.samples}-{megabytes}", "w") as file:
                file.writelines("%.2f\t%.1f\t%d\n" % sample for sample in ran.samples)
        home.remove()
        own[megabytes] = ran.own
        print(f"| {megabytes:,} | {ran.own:,.0f} | {ran.mapped:,.0f} | {ran.wall:.0f} | {ran.cpu:.0f} |", flush=True)
    large = [mb for megabytes, mb in own.items() if megabytes >= 1000]
    worst = max((abs(mb / large[0] - 1) for mb in large), default=0)
    print(f"\nfrom 1,000 MB on it differs by at most {100 * worst:.1f} % (bar: 10 %)\n", flush=True)
    return worst <= 0.10


def threads(args):
    runs = []
    for count in (1, 2):
        home = Home(args, 500)
        runs.append(home.run("ingest", "--tokenizer", tokenizer(args), threads=count))
        home.remove()
    one, two = runs
    print("| threads | wall s | CPU s | own MB |\n|--:|--:|--:|--:|")
    for count, ran in enumerate(runs, 1):
        print(f"| {count} | {ran.wall:.1f} | {ran.cpu:.1f} | {ran.own:,.0f} |")
    ratio, serial = two.cpu / one.cpu, two.serial()
    print(f"\nCPU with two threads: {ratio:.3f} times that with one (bar: 1.1); serial part: {100 * serial:.1f} % (bar: 5 %)", flush=True)
    return ratio <= 1.1 and serial <= 0.05


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--sizes", default="500,1000,2000,4000")
    parser.add_argument("--parts", default="memory,threads")
    parser.add_argument("--samples", help="files for each size's samples: second, MB of own memory, threads that could run")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    held = True
    if "memory" in args.parts.split(","):
        held &= memory(args, sorted(map(int, args.sizes.split(","))))
    if "threads" in args.parts.split(","):
        held &= threads(args)
    sys.exit(0 if held else 1)


main()
