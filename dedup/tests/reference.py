"""The known answers of docs/dedup.md, from a second implementation that shares no code: `python3 dedup/tests/reference.py`."""

MASK = (1 << 64) - 1
SLOTS, BANDS, ROWS, REFINE, SHINGLE, WINNOWING_SPAN = 112, 14, 8, 4, 5, 25
EMPTY = 0xFFFFFFFF
BAND_MULTIPLIER = 0x9E3779B97F4A7C15


def mix(x):
    x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    x = ((x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53) & MASK
    return x ^ (x >> 33)


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & MASK


def fold(a, b):
    return ((a * b) & MASK) ^ ((a * b) >> 64)


def word_hash(word):
    data, h = word.encode(), 0x9E3779B97F4A7C15
    for i in range(0, len(data), 8):
        h = fold(h ^ int.from_bytes(data[i : i + 8], "little"), 0xD6E8FEB86659FD93)
    return fold(h ^ len(data), 0xA0761D6478BD642F) & 0xFFFFFFFF


def constants(key):
    k = [int.from_bytes(key[8 * i : 8 * i + 8], "little") for i in range(4)]
    return k[0] ^ mix(k[2]), (k[1] ^ mix(k[3])) | 1


def hash_run(seed, multiplier, words):
    h = seed
    for w in words:
        h = rotate(((h ^ w) * multiplier) & MASK, 29)
    return mix(h)


def shingles(words, seed, multiplier):
    if len(words) < SHINGLE:
        return [hash_run(seed, multiplier, words)]
    return [hash_run(seed, multiplier, words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]


def signature(words, seed, multiplier):
    slots = [EMPTY] * SLOTS
    for h in shingles(words, seed, multiplier):
        slot = ((h >> 32) * SLOTS) >> 32
        slots[slot] = min(slots[slot], (h & 0xFFFFFFFF) >> 1)
    sources, values, r = [s for s in range(SLOTS) if slots[s] != EMPTY], list(slots), 0
    while EMPTY in slots:
        r += 1
        for s in sources:
            target = mix((s << 32) | r) % SLOTS
            if slots[target] == EMPTY:
                slots[target] = values[s]
    return slots


def band_key(slots, band):
    return hash_run(band + 1, BAND_MULTIPLIER, slots[ROWS * band : ROWS * (band + 1)]) >> 16


def refined_key(slots, band, level, before):
    first = ROWS * band + ROWS + REFINE * (level - 1)
    return hash_run(before, BAND_MULTIPLIER, [slots[(first + i) % SLOTS] for i in range(REFINE)]) >> 16


def fingerprints(words, seed, multiplier):
    own = [mix((rotate(seed, 17) ^ multiplier) ^ w) for w in words]
    hashes = []
    for i in range(len(words) - WINNOWING_SPAN + 1):
        h = 0
        for w in own[i : i + WINNOWING_SPAN]:
            h = rotate(h, 1) ^ w
        hashes.append(h)
    upper, group = [h >> 32 for h in hashes], min(WINNOWING_SPAN, len(hashes))
    kept = []
    for i in range(len(hashes)):
        groups = range(max(0, i - group + 1), min(i, len(hashes) - group) + 1)
        if any(min(upper[g : g + group]) == upper[i] for g in groups):
            key = hashes[i] & ((1 << 48) - 1)
            if not any(k == key and i - at < WINNOWING_SPAN for k, at in kept):
                kept.append((key, i))
    return kept


def digest(values):
    h = 0
    for v in values:
        h = ((h ^ v) * 0x100000001B3) & MASK
    return h


key, words = bytes([7] * 32), list(range(400))
seed, multiplier = constants(key)
slots, few = signature(words, seed, multiplier), signature(words[:3], seed, multiplier)
for word in ["assay", "strasse", "漢", "internationalisation"]:
    print("word", word, word_hash(word))
print("first shingle", shingles(words, seed, multiplier)[0])
print("first slots", slots[:3])
print("bands", digest(band_key(slots, b) for b in range(BANDS)), "band 0", band_key(slots, 0))
print("refined", refined_key(slots, 0, 1, band_key(slots, 0)))
print("slots of three words", digest(few))
prints = fingerprints(words, seed, multiplier)
print("fingerprints", len(prints), "first key and position", prints[0])
