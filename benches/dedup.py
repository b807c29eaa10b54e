"""Near-duplicate removal measured: `assay dedup` beside other tools, on the same labelled JSON lines.

Usage: dedup.py --assay PATH [--mb 200] [--seed 1] [--work DIR] [--workloads natural,templated] [--tools a,b] [--rounds 1]

natural    real text of this machine (crate sources, Python's library, manuals, package docs); no two sources reach
           Jaccard 0.5. One document in eight is a copy of an earlier one: reformatted, or with words replaced so that
           its Jaccard is as close above 1, 0.95, 0.9, 0.8, 0.7 or 0.5 as whole words allow.
templated  17,500 documents of one template with 30 fields, random pairs at Jaccard 0.35 to 0.6, and 2,500 copies of
           them at 0.9 or more.

Jaccard is over sets of 5-word shingles: NFKC and case folding, words are maximal runs of letters, digits and underscores.
Each tool is one child process, from reading the file to writing whom each document duplicates; one thread.
"""
import argparse
import gzip
import html
import importlib.metadata
import json
import math
import os
import random
import re
import shutil
import string
import subprocess
import sys
import time
import unicodedata

SHINGLE, BANDS, ROWS, THRESHOLD = 5, 14, 8, 0.8
LEVELS = ("formatting", "0.95", "0.9", "0.8", "0.7", "0.5")
WORD = re.compile(r"\w+")


# Workloads

def words_of(text):
    fold = lambda s: unicodedata.normalize("NFKC", s).casefold()
    return WORD.findall(text.lower() if text.isascii() else unicodedata.normalize("NFKC", fold(text)))


def shingles_of(words):
    if len(words) < SHINGLE:
        return {tuple(words)} if words else set()
    return set(zip(*(words[i:] for i in range(SHINGLE))))


def overlap(a, b):
    """The two integers whose quotient is the Jaccard similarity."""
    both = len(a & b)
    return both, len(a) + len(b) - both


def unambiguous(text):
    """Whether all definitions of a word in use agree on the text: mostly ASCII, no marks, no numbers but digits."""
    if text.isascii():
        return True
    rare = [c for c in text if c > "\x7f"]
    if len(rare) > len(text) // 20:
        return False
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", "".join(set(rare))).casefold())
    for c in folded:
        category = unicodedata.category(c)
        letter = category[0] == "L" and not 0x0E00 <= ord(c) < 0x1100 and ord(c) < 0x3000
        if c > "\x7f" and not (letter or category == "Nd" or category[0] in "PSZC" and category != "Pc"):
            return False
    # Replacing words by their place in the raw text needs the raw and the folded text to be cut alike.
    return [w for raw in WORD.findall(text) for w in words_of(raw)] == words_of(text)


def files_of_this_machine():
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    share = "/usr/share/"
    roots = [(home + "/registry/src", (".rs", ".md", ".txt")), (os.path.dirname(os.__file__), (".py",))]
    roots += [("/usr/include", (".h", ".hpp"))]
    roots += [(share + d, None) for d in ("doc", "man", "info", "perl", "perl5", "vim", "dict", "emacs", "common-licenses")]
    for root, endings in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in ("site-packages", "__pycache__")]
            for name in files:
                if endings is None or name.endswith(endings):
                    yield os.path.join(folder, name)


def read_text(path):
    try:
        if os.path.islink(path) or os.path.getsize(path) > 100_000:
            return None
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            text = file.read(100_001).decode()
    except (OSError, EOFError, UnicodeDecodeError):
        return None
    if not 200 <= len(text.encode()) <= 100_000 or "\0" in text:
        return None
    if "<html" in text[:2000].lower():
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    return text if len(words_of(text)) >= 20 and unambiguous(text) else None


def without_near_copies(texts, limit):
    """Texts in order, each below Jaccard 0.5 with every one before it, up to `limit` bytes.

    With sources that far apart, a copy at 0.7 or more reaches 0.8 with nothing but its own source: 1 - J is a metric.
    Exact but for collisions of 64-bit hashes, by prefix filtering: two sets with J >= t share one of their rarest
    n - ceil(t * n) + 1 elements (Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search").
    """
    import numpy as np
    numbers, hashed = {}, []
    for text in texts:
        ids = np.array([numbers.setdefault(w, len(numbers)) for w in words_of(text)], np.uint64)
        h = np.zeros(len(ids) - SHINGLE + 1, np.uint64)
        for i in range(SHINGLE):
            h = (h ^ ids[i:len(ids) - SHINGLE + 1 + i]) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(29)
        hashed.append(np.unique(h))
    values, counts = np.unique(np.concatenate(hashed), return_counts=True)
    # What one document alone has finds nobody.
    values, counts = values[counts > 1], counts[counts > 1]
    index, kept, size = {}, [], 0
    for number, (text, h) in enumerate(zip(texts, hashed)):
        at = np.minimum(np.searchsorted(values, h), len(values) - 1)
        shared = values[at] == h
        common, frequency = h[shared], counts[at[shared]]
        prefix = max(0, len(h) - math.ceil(len(h) / 2) + 1 - (len(h) - len(common)))
        rarest = common[np.lexsort((common, frequency))[:prefix]].tolist()
        candidates = {c for x in rarest for c in index.get(x, ())}
        copy = False
        for c in candidates:
            both = len(np.intersect1d(h, hashed[c], assume_unique=True))
            if 2 * both >= len(h) + len(hashed[c]) - both:
                copy = True
                break
        if not copy:
            for x in rarest:
                index.setdefault(x, []).append(number)
            kept.append(text)
            size += len(text.encode())
            if size >= limit:
                break
    return kept


def reformatted(text, rng):
    """The same words in other case, white space and punctuation."""
    gaps = (" ", "\n", "  ", ", ", "; ", " (", ") ", "\t", " - ", ": ")
    out, cases = [rng.choice(("", "\n", "* "))], (str.upper, str.lower, str.capitalize)
    for word in WORD.findall(text):
        case = rng.choice(cases)
        out += [case(word) if word.isascii() else word, rng.choice(gaps)]
    return "".join(out)


def edited(text, target, rng):
    """The text with whole words replaced; Jaccard as close above `target` as that goes."""
    spans = [m.span() for m in WORD.finditer(text)]
    words = [text[a:b].lower() for a, b in spans]
    before = shingles_of(words)
    # A word in the middle is in five shingles, the word at place r < 5 in r: places spaced by five leave the first ones
    # to make up the remainder.
    grid = list(range(2 * SHINGLE, len(words) - SHINGLE, SHINGLE))
    rng.shuffle(grid)
    fresh = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(6, 10))) for _ in range(len(grid) + 1)]

    def attempt(count, first):
        changed = dict(zip(grid[:count], fresh))
        if first:
            changed[first - 1] = fresh[-1]
        both, either = overlap(before, shingles_of([changed.get(i, w) for i, w in enumerate(words)]))
        return both / either, changed

    low, high = 0, len(grid) + 1
    guess = int(len(before) * (1 - target) / SHINGLE / (1 + target))
    probes = [guess + 1, guess]
    while high - low > 1:
        # The guess is nearly always right; texts that repeat themselves are searched.
        count = probes.pop() if probes else (low + high) // 2
        if low < count < high:
            low, high = (count, high) if attempt(count, 0)[0] >= target else (low, count)
    best = attempt(low, 0)
    for first in range(1, SHINGLE):
        trial = attempt(low, first)
        if target <= trial[0] < best[0]:
            best = trial
    out, last = [], 0
    for i in sorted(best[1]):
        out += [text[last:spans[i][0]], best[1][i]]
        last = spans[i][1]
    return "".join(out + [text[last:]])


def templated(seed, count=20_000, copies=2_500):
    """Sources of one template of 200 words with 30 fields in 12 groups."""
    rng = random.Random(seed)
    word = lambda: "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(1, 4)))
    fixed = [word() for _ in range(170)]
    # Pools of different sizes spread the similarity of pairs.
    groups = [(10 + 13 * g, [[word() for _ in range(2 + g % 2)] for _ in range((6, 40, 300, 5000)[g % 4])]) for g in range(12)]
    texts, seen = [], set()
    while len(texts) < count - copies:
        words = list(fixed)
        for at, pool in reversed(groups):
            words[at:at] = rng.choice(pool)
        if tuple(words) not in seen:
            seen.add(tuple(words))
            texts.append(" ".join(w + "." if i % 12 == 11 else w for i, w in enumerate(words)))
    return texts


def generate(kind, folder, mb, seed):
    rng = random.Random(seed)
    if kind == "natural":
        limit = int(mb * 1e6 * 7 / 8)
        paths = sorted(files_of_this_machine())
        rng.shuffle(paths)
        texts, size = [], 0
        for path in paths:
            text = read_text(path)
            if text:
                texts.append(text)
                size += len(text.encode())
                # Near copies go: installed packages share a lot.
                if size > 2.5 * limit:
                    break
        sources, levels, copies, at_least = without_near_copies(texts, limit), LEVELS, None, 250
    else:
        sources, levels, copies, at_least = templated(seed), ("formatting", "0.95", "0.9"), 2_500, 100
    fit = [i for i, t in enumerate(sources) if len(WORD.findall(t)) >= at_least]
    chosen = rng.sample(fit, min(copies or len(sources) // 7, len(fit)))
    placed = [(rng.random(), i, None) for i in range(len(sources))]
    # A copy comes after its source, anywhere.
    placed += [(rng.uniform(placed[i][0], 1), i, levels[n % len(levels)]) for n, i in enumerate(chosen)]
    placed.sort(key=lambda p: (p[0], p[2] or ""))
    name, size, labels = {}, 0, 0
    with open(folder + "/docs.jsonl", "w") as docs, open(folder + "/labels.jsonl", "w") as out:
        for n, (_, i, level) in enumerate(placed):
            text, id = sources[i], f"d{n}"
            if level is None:
                name[i] = id
            else:
                original = text
                text = reformatted(text, rng) if level == "formatting" else edited(text, float(level), rng)
                both, either = overlap(shingles_of(words_of(original)), shingles_of(words_of(text)))
                out.write(json.dumps({"id": id, "source": name[i], "level": level, "intersection": both, "union": either}) + "\n")
                labels += 1
            size += len(text.encode())
            docs.write(json.dumps({"id": id, "text": text}) + "\n")
    print(f"{kind}: {len(placed)} documents, {size / 1e6:.1f} MB of text, {labels} copies", file=sys.stderr)
    with open(folder + "/size.json", "w") as file:
        json.dump({"kind": kind, "mb": mb, "seed": seed, "documents": len(placed), "bytes": size, "copies": labels}, file)


# Peers: each reads the file and returns, for every document, the position of the one it duplicates, its own if it is
# kept, or None if it is removed and the tool does not say for whom.

def read(file):
    with open(file) as lines:
        for line in lines:
            yield json.loads(line)["text"]


def strings(text):
    """Distinct 5-word shingles for the tools that are fed from Python."""
    words = WORD.findall(text.lower())
    if len(words) < SHINGLE:
        return [" ".join(words)]
    # In order, since rensa's rho samples by place.
    return list(dict.fromkeys(map(" ".join, zip(*(words[i:] for i in range(SHINGLE))))))


def batches(iterable, size=200):
    batch = []
    for item in iterable:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def spaced(text):
    """Words and single spaces, for the tools that would count every further space or sign as an empty word."""
    return " ".join(WORD.findall(text))


def shingles_only(file, work):
    """What reading and shingling in Python costs, which is part of the lines of `datasketch` and `rensa`."""
    return [i for i, t in enumerate(read(file)) if strings(t)]


def datasketch(file, work, check=False):
    import xxhash
    from datasketch import MinHash, MinHashLSH
    index, of, sketches = MinHashLSH(params=(BANDS, ROWS), num_perm=BANDS * ROWS), [], {}
    # Its documentation recommends a faster hash than the default SHA-1.
    encoded = ([s.encode() for s in strings(t)] for t in read(file))
    for i, sketch in enumerate(MinHash.generator(encoded, num_perm=BANDS * ROWS, hashfunc=xxhash.xxh32_intdigest)):
        found = index.query(sketch)
        if check:
            found = [k for k in found if sketches[k].jaccard(sketch) >= THRESHOLD]
        of.append(min(found) if found else i)
        if not found:
            index.insert(i, sketch, check_duplication=False)
            if check:
                sketches[i] = sketch
    return of


def rensa(file, work):
    from rensa import RMinHash, RMinHashDeduplicator
    index, of = RMinHashDeduplicator(THRESHOLD, BANDS * ROWS, True, num_bands=BANDS, seed=42), []
    for batch in batches(map(strings, read(file))):
        sketches = RMinHash.from_token_sets(batch, num_perm=BANDS * ROWS, seed=42)
        kept = index.add_pairs([(str(len(of) + i), s) for i, s in enumerate(sketches)])
        removed = [i for i, k in enumerate(kept) if not k]
        found = dict(zip(removed, index.get_duplicate_sets([sketches[i] for i in removed])))
        here = len(of)
        for i in range(len(batch)):
            earlier = [int(k) for k in found.get(i, ()) if int(k) < here + i]
            of.append(min(earlier, default=None) if i in found else here + i)
    return of


def rensa_rho(file, work):
    """Flags every member of a group, the first too, and does not say which are together."""
    from rensa import RMinHash, RMinHashLSH
    matrix = RMinHash.digest_matrix_from_token_sets_rho(map(strings, read(file)), num_perm=BANDS * ROWS, seed=42)
    flags = RMinHashLSH(THRESHOLD, BANDS * ROWS, BANDS).query_duplicate_flags_matrix_one_shot(matrix)
    return [None if flag else i for i, flag in enumerate(flags)]


def gaoya(file, work):
    from gaoya.minhash import MinHashStringIndex
    index = MinHashStringIndex(hash_size=32, jaccard_threshold=THRESHOLD, num_bands=BANDS, band_size=ROWS, num_hashes=BANDS * ROWS,
                               analyzer="word", lowercase=True, ngram_range=(SHINGLE, SHINGLE), id_container="smallvec")
    texts, of = list(read(file)), []
    for start in range(0, len(texts), 1000):
        batch = texts[start:start + 1000]
        index.par_bulk_insert_docs(list(range(start, start + len(batch))), batch)
    for start in range(0, len(texts), 1000):
        for found in index.par_bulk_query(texts[start:start + 1000]):
            i = len(of)
            of.append(min((k for k in found if k < i and of[k] == k), default=i))
    return of


def dedup_rs(file, work):
    import numpy as np
    from dedup_rs import EmbedFunc
    index, count = EmbedFunc.from_b_r(BANDS, ROWS, SHINGLE, BANDS * ROWS, "text", "id", "u32", SHINGLE), 0
    for batch in batches(map(spaced, read(file))):
        index.batch_embed_shard(batch, np.arange(count, count + len(batch), dtype=np.uint32))
        count += len(batch)
    clusters = index.cluster()
    return [clusters.find(i) for i in range(count)]


def text_dedup(file, work):
    os.environ.update(HF_HOME=work, HF_DATASETS_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1", HF_HUB_OFFLINE="1")
    from text_dedup import minhash
    with open(work + "/docs.jsonl", "w") as out:
        for text in read(file):
            out.write(json.dumps({"text": spaced(text)}) + "\n")
    minhash.main(["--path", "json", "--data_files", work + "/docs.jsonl", "--split", "train", "--column", "text",
                  "--output", work + "/out", "--cache_dir", work, "--ngram", str(SHINGLE),
                  "--num_perm", str(BANDS * ROWS), "--b", str(BANDS), "--r", str(ROWS), "--hash_func", "xxh3",
                  "--hash_bits", "32", "--num_proc", "1"], standalone_mode=False)
    with open(file) as lines:
        return [minhash.uf.find(i) for i, _ in enumerate(lines)]


def datatrove(file, work):
    import struct
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Split(WordTokenizer):
        """Punctuation is spaces by then; the default, spaCy, takes many times as long."""
        word_tokenize = lambda self, text: text.split()
        sent_tokenize = span_tokenize = None

    config = MinhashConfig(n_grams=SHINGLE, num_buckets=BANDS, hashes_per_bucket=ROWS,
                           hash_config=HashConfig(precision=64, hash_fc="xxhash"), norm_config=TextNormConfig(norm_numbers=False))
    source = JsonlReader(os.path.dirname(file), glob_pattern=os.path.basename(file))
    for steps, tasks in (([source, MinhashDedupSignature(work + "/sig", config=config, language=Split())], 1),
                         ([MinhashDedupBuckets(work + "/sig", work + "/buckets", config=config)], BANDS),
                         ([MinhashDedupCluster(work + "/buckets", work + "/ids", config=config, save_cluster_id=True)], 1)):
        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=f"{work}/log{len(os.listdir(work))}").run()
    with open(file) as lines:
        of = list(range(sum(1 for _ in lines)))
    if os.path.exists(work + "/ids/000000.remove"):
        with open(work + "/ids/000000.remove", "rb") as ids:
            removed = {i for i, in struct.iter_unpack("<I", ids.read())}
        with open(work + "/ids/000000.clusters", "rb") as ids:
            pairs = list(struct.iter_unpack("<II", ids.read()))
        kept = {cluster: i for i, cluster in pairs if i not in removed}
        for i, cluster in pairs:
            of[i] = kept[cluster]
    return of


BANDED = f"{BANDS} x {ROWS} permutations"
PEERS = {
    # Function, distribution, settings.
    "shingles": (shingles_only, None, "reading and shingling in Python, nothing else"),
    "datasketch": (datasketch, "datasketch", f"{BANDED}, xxh32, generator, query then insert, no check"),
    "datasketch-checked": (lambda file, work: datasketch(file, work, True), "datasketch", f"the same, estimate >= {THRESHOLD}"),
    "rensa": (rensa, "rensa", f"R-MinHash, {BANDED}, from_token_sets, add_pairs, estimate >= {THRESHOLD}"),
    "rensa-rho": (rensa_rho, "rensa", f"rho, {BANDED}, one-shot flags"),
    "gaoya": (gaoya, "gaoya", f"{BANDED}, 32 bits, native words, bulk insert and query, estimate >= {THRESHOLD}"),
    "dedup-rs": (dedup_rs, "dedup-rs", f"{BANDED}, 32 bits, text respaced, union-find, no check"),
    "text-dedup": (text_dedup, "text-dedup", f"{BANDED}, xxh3, 32 bits, text respaced, union-find, no check"),
    "datatrove": (datatrove, "datatrove", f"{BANDED}, xxhash 64 bits, str.split, union-find, no check"),
}
ASSAY = {
    "assay --no-spans": ["--no-spans"],
    "assay --no-spans --no-verify": ["--no-spans", "--no-verify"],
    "assay": [],
}


def run_peer(name, file, out):
    work = out + ".work"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    of = PEERS[name][0](os.path.abspath(file), work)
    with open(file) as lines, open(out, "w") as result:
        # The id comes first; the text need not be parsed again.
        ids = [json.loads(line[:line.index(",")] + "}")["id"] for line in lines]
        for id, k in zip(ids, of, strict=True):
            result.write(json.dumps({"id": id, "of": None if k is None else ids[k]}) + "\n")
    shutil.rmtree(work, ignore_errors=True)


# Measurement

def measure(command, log):
    """CPU and wall seconds, peak resident memory in MB, exit status of one child and what it waited for.

    A child starts with its parent's peak as its own, so this process loads nothing big.
    """
    environment = dict(os.environ, RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONHASHSEED="0")
    with open(log, "w") as file:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, child.returncode


def last_line(log):
    with open(log, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1][:200] if lines else "no message"


def contained(verdicts):
    """Ids that Assay removed because they lie within another document, whose Jaccard may be low; None if unknown."""
    try:
        import pyarrow.parquet
    except ImportError:
        return None
    table = pyarrow.parquet.read_table(verdicts)
    name = next((n for n in ("id", "document") if n in table.column_names), None)
    if name is None or "kind" not in table.column_names:
        return None
    return {id for id, kind in zip(table[name].to_pylist(), table["kind"].to_pylist()) if "contain" in str(kind)}


def evaluate(folder, out):
    """Exact figures for one result; run as a child, since it holds the workload."""
    with open(folder + "/labels.jsonl") as lines:
        labels = [json.loads(line) for line in lines]
    with open(folder + "/docs.jsonl") as lines:
        text = {d["id"]: d["text"] for d in map(json.loads, lines)}
    if out.endswith(".clusters"):
        with open(out) as lines:
            of = dict(zip(text, (json.loads(line) if line.startswith('"') else line.strip() for line in lines), strict=True))
    else:
        with open(out) as lines:
            of = {r["id"]: r["of"] for r in map(json.loads, lines)}
    removed = [id for id, kept in of.items() if kept != id]
    named = [id for id in removed if of[id] is not None]
    near = lambda both, either: 5 * both >= 4 * either
    spans = contained(out.replace(".clusters", ".parquet")) if out.endswith("+spans.clusters") else set()
    result = {"removed": len(removed)}
    if spans is None:
        result["true"] = None
    elif named or not removed:
        judged = [id for id in named if id not in spans]
        result["contained"] = len(named) - len(judged)
        true = sum(near(*overlap(shingles_of(words_of(text[id])), shingles_of(words_of(text[of[id]])))) for id in judged)
        result["true"], result["compared"] = true / len(judged) if judged else None, "named kept"
        if len(named) < len(removed):
            result["compared"] += f", {len(removed) - len(named)} unnamed"
        chained = sum(of[of[id]] != of[id] for id in named)
        if chained:
            result["compared"] += f", {chained} of them removed too"
    else:
        # Nothing but the planted pairs reaches 0.8 in these workloads.
        partner = {i for label in labels if near(label["intersection"], label["union"]) for i in (label["id"], label["source"])}
        result["true"], result["compared"] = sum(id in partner for id in removed) / len(removed), "any document"
    for level in LEVELS:
        pairs = [label for label in labels if label["level"] == level]
        if pairs:
            # Which of the two a tool keeps is its own affair.
            result[level] = sum(of[p["id"]] != p["id"] or of[p["source"]] != p["source"] for p in pairs) / len(pairs)
    print(json.dumps(result))


def formula(folder):
    rows = {}
    with open(folder + "/labels.jsonl") as lines:
        for label in map(json.loads, lines):
            rows.setdefault(label["level"], []).append(label["intersection"] / label["union"])
    return {level: (sum(js) / len(js), sum(1 - (1 - j ** ROWS) ** BANDS for j in js) / len(js), len(js)) for level, js in rows.items()}


def table(kind, options):
    folder = os.path.join(options.work, kind)
    os.makedirs(folder, exist_ok=True)
    me, docs = [sys.executable, os.path.abspath(__file__)], folder + "/docs.jsonl"
    try:
        with open(folder + "/size.json") as file:
            size = json.load(file)
    except OSError:
        size = {}
    if (size.get("mb"), size.get("seed")) != (options.mb, options.seed):
        subprocess.run(me + ["--generate", kind, folder, "--mb", str(options.mb), "--seed", str(options.seed)], check=True)
        with open(folder + "/size.json") as file:
            size = json.load(file)
    planted, mb = formula(folder), size["bytes"] / 1e6
    levels = [level for level in LEVELS if level in planted]
    print(f"\n### {kind}: {size['documents']} documents, {mb:.1f} MB of text, {size['copies']} planted copies\n")
    print("| tool | version | settings | CPU s | wall s | MB / CPU s | peak MB | removed | of these J >= 0.8 | with | "
          + " | ".join(f"found at {level}" for level in levels) + " |")
    print("|---|---|---|" + "---:|" * 6 + "---|" + "---:|" * len(levels))
    jaccard = " | ".join(f"{planted[x][0]:.4f} ({planted[x][2]})" for x in levels)
    print(f"| *planted* | | mean Jaccard (count) | | | | | | | | {jaccard} |")
    print("| *expected* | | 1-(1-J^8)^14 | | | | | | | | " + " | ".join(f"{planted[x][1]:.3f}" for x in levels) + " |")
    for tool in options.tools or [*ASSAY, *PEERS]:
        if tool in ASSAY:
            settings = " ".join(["--threads 1"] + ASSAY[tool])
            out = f"{folder}/{tool.replace(' ', '')}{'' if '--no-spans' in ASSAY[tool] else '+spans'}.clusters"
            command = [options.assay, "dedup", "--input", docs, "--clusters", out, "--verdicts", out.replace(".clusters", ".parquet"),
                       "--threshold", str(THRESHOLD), "--threads", "1"] + ASSAY[tool]
            if not options.assay or not os.path.exists(options.assay):
                print(f"| {tool} | | {settings} | skipped: no binary at {options.assay} |", flush=True)
                continue
            version = subprocess.run([options.assay, "--version"], capture_output=True, text=True).stdout.strip().split(" ")[-1]
        else:
            _, distribution, settings = PEERS[tool]
            out = f"{folder}/{tool}.out"
            command = me + ["--run-peer", tool, docs, out]
            try:
                version = importlib.metadata.version(distribution) if distribution else sys.version.split()[0]
            except importlib.metadata.PackageNotFoundError:
                print(f"| {tool} | | {settings} | not installed |", flush=True)
                continue
        cpu, wall, peak, status = min((measure(command, out + ".log") for _ in range(options.rounds)), key=lambda m: (m[3] != 0, m[0]))
        if status:
            print(f"| {tool} | {version} | {settings} | failed ({status}): {last_line(out + '.log').replace('|', '/')} |", flush=True)
            continue
        cells = [tool, version, settings, f"{cpu:.2f}", f"{wall:.2f}", f"{mb / cpu:.2f}", f"{peak:.0f}"]
        if tool != "shingles":
            judged = subprocess.run(me + ["--evaluate", folder, out], capture_output=True, text=True)
            if judged.returncode:
                cells += ["not judged: " + judged.stderr.strip().splitlines()[-1]]
            else:
                r = json.loads(judged.stdout)
                cells += [str(r["removed"]) + (f" ({r['contained']} contained)" if r.get("contained") else ""),
                          "not known" if r["true"] is None else f"{r['true']:.4f}", r.get("compared", "")]
                cells += [f"{r[level]:.3f}" for level in levels]
        print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default="target/release/assay")
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="dedup-bench")
    parser.add_argument("--workloads", default="natural,templated")
    parser.add_argument("--tools", type=lambda s: s.split(","))
    parser.add_argument("--rounds", type=int, default=1, help="of these the one with the least CPU time is shown")
    parser.add_argument("--generate", nargs=2, metavar=("KIND", "FOLDER"))
    parser.add_argument("--run-peer", nargs=3, metavar=("NAME", "FILE", "OUT"))
    parser.add_argument("--evaluate", nargs=2, metavar=("FOLDER", "OUT"))
    options = parser.parse_args()
    if options.generate:
        generate(*options.generate, options.mb, options.seed)
    elif options.run_peer:
        run_peer(*options.run_peer)
    elif options.evaluate:
        evaluate(*options.evaluate)
    else:
        for kind in options.workloads.split(","):
            table(kind, options)


if __name__ == "__main__":
    main()
