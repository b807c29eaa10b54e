"""Ingest measured on real text of this machine; `benches/ingest.sh` calls it.

corpus   files of this machine (crate sources, Python's library, headers, manuals, package docs, locale folders), each content once, as JSON
         lines. Where there is less than asked for, that is what there is; the curve's larger sizes repeat it with one word in twelve
         replaced, so that nothing is an exact copy.
stages   seconds of each stage on one thread, from rows to a shard.
peers    `tokenizers`' own batch encode from Python on the same text; `assay submit` and `assay ingest` on one and two threads, with the
         CPU time of their children; datatrove's reader, MinHash and tokenizer, one process.
curve    largest resident memory of `submit` and `ingest` by size.
"""
import argparse
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time


def files_of_this_machine():
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    share = "/usr/share/"
    roots = [(home + "/registry/src", (".rs", ".md", ".txt", ".toml")), (os.path.dirname(os.__file__), (".py", ".pyi", ".rst", ".txt"))]
    roots += [("/usr/include", (".h", ".hpp")), ("/usr/lib/python3", (".py", ".txt"))]
    roots += [(share + d, None) for d in ("doc", "man", "info", "perl", "perl5", "vim", "dict", "emacs", "common-licenses", "locale", "i18n")]
    roots += [("/usr/lib/x86_64-linux-gnu/perl", None), ("/opt", (".py", ".md", ".txt", ".rst", ".js", ".html"))]
    for root, endings in roots:
        for folder, folders, files in sorted(os.walk(root)):
            folders.sort()
            for name in sorted(files):
                if endings is None or name.endswith(endings):
                    yield os.path.join(folder, name)


def make_corpus(path, limit):
    seen, total, count = set(), 0, 0
    with open(path + ".part", "w", encoding="utf-8") as out:
        for file in files_of_this_machine():
            try:
                if os.path.islink(file) or os.path.getsize(file) > 2_000_000:
                    continue
                with (gzip.open if file.endswith(".gz") else open)(file, "rb") as handle:
                    text = handle.read(4_000_000).decode()
            except (OSError, EOFError, UnicodeDecodeError):
                continue
            if len(text) < 100 or "\0" in text:
                continue
            digest = hashlib.sha256(text.encode()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            out.write(json.dumps({"text": text, "license": "MIT", "source": file}, ensure_ascii=False) + "\n")
            total, count = total + len(text.encode()), count + 1
            if total >= limit:
                break
    os.rename(path + ".part", path)
    print(f"corpus: {count} documents, {total / 1e6:.1f} MB of text", flush=True)


def grow(source, path, limit):
    """Copies with one word in twelve replaced, until there are `limit` bytes."""
    if os.path.exists(path):
        return
    rng, total = random.Random(1), 0
    with open(path + ".part", "w", encoding="utf-8") as out:
        for turn in range(1000):
            with open(source, encoding="utf-8") as lines:
                for line in lines:
                    if turn:
                        row = json.loads(line)
                        words = row["text"].split(" ")
                        for i in range(rng.randrange(12), len(words), 12):
                            words[i] = format(rng.getrandbits(40), "x")
                        row["text"] = " ".join(words)
                        line = json.dumps(row, ensure_ascii=False) + "\n"
                    out.write(line)
                    total += len(line.encode())
                    if total >= limit:
                        os.rename(path + ".part", path)
                        return


def run(command, **more):
    """Wall seconds, CPU seconds, largest resident megabytes, stdout."""
    begun = time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(f"{command}: status {status}: {out.decode()[:500]}")
    return time.time() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.decode()


def size_of(path):
    total = tokens = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            total += len(json.loads(line)["text"].encode())
    return total


def home(args, corpus, name, threads):
    """Submits and ingests a corpus; returns both runs."""
    folder = os.path.join(args.work, name)
    shutil.rmtree(folder, ignore_errors=True)
    env = dict(os.environ, XDG_STATE_HOME=folder + "-state")
    assay = [os.path.join(args.target, "assay"), "--json", "--threads", str(threads)]
    targets = os.path.join(args.work, "target")
    os.makedirs(targets, exist_ok=True)
    for i in range(2):
        with open(f"{targets}/{i}.txt", "w") as file:
            file.write(f"a held-out text of its own, number {i}, with words enough to be a target of this corpus and of no other " * 3)
    more = ["--home", folder]
    run(assay + ["init", "--origin", "bench/log"] + more, env=env)
    run(assay + ["epoch", "open", "--target", targets, "--pool-minor", "100"] + more, env=env)
    submitted = run(assay + ["import", "--source", "bench", "--for", "bench", corpus] + more, env=env)
    run(assay + ["epoch", "close"] + more, env=env)
    ingested = run(assay + ["ingest", "--tokenizer", args.tokenizer] + more, env=env)
    shutil.rmtree(folder, ignore_errors=True)
    return submitted, ingested


BATCH_ENCODE = """
import json, sys, time
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
texts = [json.loads(line)["text"] for line in open(sys.argv[2], encoding="utf-8")]
begun, cpu = time.time(), time.process_time()
tokens = 0
for i in range(0, len(texts), 1000):
    tokens += sum(len(e.ids) for e in tokenizer.encode_batch_fast(texts[i:i + 1000], add_special_tokens=False))
print(json.dumps({"wall": time.time() - begun, "cpu": time.process_time() - cpu, "tokens": tokens}))
"""

DATATROVE = """
import sys, os
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.dedup import MinhashDedupSignature, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashConfig
from datatrove.pipeline.tokens import DocumentTokenizer
folder, name, work, tokenizer = sys.argv[1:]
config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
read = lambda: JsonlReader(folder, glob_pattern=name, text_key="text")
steps = [
    [read(), MinhashDedupSignature(output_folder=work + "/sig", config=config)],
    [MinhashDedupBuckets(input_folder=work + "/sig", output_folder=work + "/buckets", config=config)],
    [MinhashDedupCluster(input_folder=work + "/buckets", output_folder=work + "/remove", config=config)],
    [read(), MinhashDedupFilter(input_folder=work + "/remove"), DocumentTokenizer(output_folder=work + "/tokens", tokenizer_name_or_path=tokenizer, eos_token=None, shuffle_documents=False)],
]
for i, pipeline in enumerate(steps):
    tasks = 14 if i == 1 else 1
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=work + f"/logs{i}").run()
"""


def peers(args, corpus, megabytes):
    rows = []
    for threads in (1, 2):
        env = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true")
        said = json.loads(run([sys.executable, "-c", BATCH_ENCODE, args.tokenizer, corpus], env=env)[3])
        rows.append((f"`tokenizers` batch encode from Python, {threads} threads", said["wall"], said["cpu"], said["tokens"]))
        submitted, ingested = home(args, corpus, f"t{threads}", threads)
        rows.append((f"`assay submit`, {threads} threads", submitted[0], submitted[1], None))
        tokens = sum(row["tokens"] for row in json.loads(ingested[3])["contributors"])
        rows.append((f"`assay ingest`, {threads} threads", ingested[0], ingested[1], tokens))
        wall, cpu = submitted[0] + ingested[0], submitted[1] + ingested[1]
        rows.append((f"both, {threads} threads", wall, cpu, tokens))
    work = os.path.join(args.work, "datatrove")
    shutil.rmtree(work, ignore_errors=True)
    try:
        found = run([sys.executable, "-c", DATATROVE, os.path.dirname(corpus), os.path.basename(corpus), work, args.tokenizer])
        rows.append(("datatrove: read, MinHash, tokenize, 1 process", found[0], found[1], None))
    except SystemExit as e:
        print(f"datatrove: {e}", file=sys.stderr)
    print("\n| what | wall s | CPU s | MB a CPU s | tokens a CPU s |\n|---|---|---|---|---|")
    for name, wall, cpu, tokens in rows:
        rate = "" if tokens is None else f"{tokens / cpu:,.0f}"
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {megabytes / cpu:.2f} | {rate} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--mb", type=int, default=500)
    parser.add_argument("--curve", default="50,200,500,2000")
    parser.add_argument("--parts", default="stages,peers,curve")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    corpus = os.path.join(args.work, f"corpus-{args.mb}.jsonl")
    if not os.path.exists(corpus):
        make_corpus(corpus, args.mb * 1_000_000)
    args.tokenizer = os.path.join(args.work, "tokenizer.json")
    if not os.path.exists(args.tokenizer):
        from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        sample = (json.loads(line)["text"] for i, line in enumerate(open(corpus, encoding="utf-8")) if i % 20 == 0)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator(sample, trainers.BpeTrainer(vocab_size=32_000, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]))
        tokenizer.save(args.tokenizer)
    megabytes = size_of(corpus) / 1e6
    print(f"{megabytes:.1f} MB of text, vocabulary 32,000", flush=True)
    parts = args.parts.split(",")
    if "stages" in parts:
        print(run([os.path.join(args.target, "examples", "stages"), corpus, args.tokenizer])[3], flush=True)
    if "peers" in parts:
        peers(args, corpus, megabytes)
    if "curve" in parts:
        print("\n| MB of JSON lines | `submit`, MB resident | `ingest`, MB resident | `submit` s | `ingest` s |\n|---|---|---|---|---|")
        for mb in map(int, args.curve.split(",")):
            path = os.path.join(args.work, f"curve-{mb}.jsonl")
            grow(corpus, path, mb * 1_000_000)
            submitted, ingested = home(args, path, "curve", 2)
            print(f"| {mb} | {submitted[2]:.0f} | {ingested[2]:.0f} | {submitted[0]:.0f} | {ingested[0]:.0f} |", flush=True)
            os.remove(path)


main()
