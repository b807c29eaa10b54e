// Near-duplicate removal on a GPU: signatures, the sort of band records, exact verification of pairs.
//
// All arithmetic is on integers that wrap, and no result depends on the order in which threads run: a slot is a
// minimum, a throw of the densification is a minimum over its turn, counts are sums, ranks come from positions.
// So the bytes equal those of the CPU. Not yet run on hardware.
//
// Self-contained: no header is included, so that NVRTC needs no toolkit, and the host compiler can take the same text
// behind shim.h. Numbers that the host knows too (SLOTS, SIGN_THREADS and others) stand ahead of this text, written by
// src/dedup/source.rs: each has one definition, and those of signatures are the CPU's own. Blocks are one-dimensional and a multiple of 32 threads; all shared memory is static and at most 48 KB.
//
//   sign, sign_long          word streams -> 112 slots and 14 band keys a document
//   radix_varying            which bits of the keys differ at all, so that constant digits are skipped
//   radix_histogram, radix_scan, radix_scatter   one pass of a stable sort by an 8-bit digit
//   verify                   pairs of documents -> |A|, |B|, |A and B| of their distinct shingles

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static constexpr u64 EMPTY_HASH = ~0ull;
static constexpr u32 ALL_LANES = 0xffffffffu;
// The code below relies on these.
static_assert(SHINGLE == 5, "shingles are hashed five words at a time");
static_assert(ROWS == 8 && BANDS <= WARP, "a lane reads the eight slots of its band as two vectors");
static_assert(SLOTS % 4 == 0 && SLOTS / 4 <= WARP, "a warp writes the slots as vectors, one per lane");
static_assert(SLOTS <= 128, "a source takes seven bits of a throw");
static_assert(RADIX_THREADS == DIGITS, "a thread of the sort keeps a digit");

// ---------------------------------------------------------------------------------------------------------------------
// Hashes

// The finalizer of MurmurHash3 with 64 bits (Appleby 2011).
__device__ __forceinline__ u64 mix(u64 x) {
    x = (x ^ (x >> MIX_SHIFT)) * MIX_FIRST;
    x = (x ^ (x >> MIX_SHIFT)) * MIX_SECOND;
    return x ^ (x >> MIX_SHIFT);
}

__device__ __forceinline__ u64 absorb(u64 hash, u32 word, u64 multiplier) {
    hash = (hash ^ word) * multiplier;
    return (hash << ROTATION) | (hash >> (64 - ROTATION));
}

__device__ __forceinline__ u64 hash_five(u64 seed, u64 multiplier, u32 a, u32 b, u32 c, u32 d, u32 e) {
    u64 hash = absorb(seed, a, multiplier);
    hash = absorb(hash, b, multiplier);
    hash = absorb(hash, c, multiplier);
    hash = absorb(hash, d, multiplier);
    return mix(absorb(hash, e, multiplier));
}

// The only shingle of a stream of fewer than five words.
__device__ __forceinline__ u64 hash_short(u64 seed, u64 multiplier, const u32* words, u32 length) {
    u64 hash = seed;
    for (u32 i = 0; i < length; i++) hash = absorb(hash, words[i], multiplier);
    return mix(hash);
}

// ---------------------------------------------------------------------------------------------------------------------
// Signatures

// A document's slots while they are made.
struct __align__(16) Signature {
    u32 slots[SLOTS];
    // Earliest throw at a slot, as (round << 7) | source: that order is the order of the throws.
    u32 throws[SLOTS];
    // Slots that a shingle filled, ascending.
    u8 filled[SLOTS];
};

__device__ __forceinline__ void offer(u32* slots, u64 hash) {
    u32 slot = (u32)(((hash >> 32) * SLOTS) >> 32);
    u32 value = (u32)hash >> 1;
    // The n-th shingle of a slot is its minimum with probability 1/n, so almost all stop at the read. A value that
    // another lane is lowering may be read old, which costs an atomic and changes nothing.
    if (value < *(volatile const u32*)(slots + slot)) atomicMin(slots + slot, value);
}

// Four words from an index that is a multiple of four; words from `limit` on are not read.
__device__ __forceinline__ uint4 load_four(const u32* __restrict__ words, u32 at, u32 limit) {
    uint4 four;
    if (at < limit && limit - at >= 4) {
        four = *(const uint4*)(words + at);
    } else {
        four.x = at < limit ? words[at] : 0;
        four.y = at + 1 < limit ? words[at + 1] : 0;
        four.z = at + 2 < limit ? words[at + 2] : 0;
        four.w = 0;
    }
    return four;
}

// Offers every five-word shingle inside words[begin, begin + length), by one warp.
//
// A tile is 128 words: 16 bytes a lane, aligned, the next tile in flight while this one is hashed. A lane's four shingles
// need the four words of its neighbour; the last lane's neighbour is the first lane of the next tile.
__device__ __forceinline__ void offer_shingles(
    u32* slots, const u32* __restrict__ words, u64 begin, u32 length, u64 seed, u64 multiplier
) {
    const u32 lane = threadIdx.x % WARP;
    // Documents begin anywhere; the words before `lead` belong to the document in front.
    const u32 lead = (u32)(begin & 3);
    const u32 limit = lead + length;
    words += begin - lead;
    u32 at = 4 * lane;
    uint4 current = load_four(words, at, limit);
    for (u32 tile = 0; tile + SHINGLE <= limit; tile += 4 * WARP, at += 4 * WARP) {
        uint4 next = load_four(words, at + 4 * WARP, limit);
        const u32 neighbour = (lane + 1) % WARP;
        u32 x = __shfl_sync(ALL_LANES, lane == 0 ? next.x : current.x, neighbour);
        u32 y = __shfl_sync(ALL_LANES, lane == 0 ? next.y : current.y, neighbour);
        u32 z = __shfl_sync(ALL_LANES, lane == 0 ? next.z : current.z, neighbour);
        u32 w = __shfl_sync(ALL_LANES, lane == 0 ? next.w : current.w, neighbour);
        u64 first = hash_five(seed, multiplier, current.x, current.y, current.z, current.w, x);
        u64 second = hash_five(seed, multiplier, current.y, current.z, current.w, x, y);
        u64 third = hash_five(seed, multiplier, current.z, current.w, x, y, z);
        u64 fourth = hash_five(seed, multiplier, current.w, x, y, z, w);
        if (at >= lead && at + SHINGLE <= limit) offer(slots, first);
        if (at + 1 >= lead && at + 1 + SHINGLE <= limit) offer(slots, second);
        if (at + 2 >= lead && at + 2 + SHINGLE <= limit) offer(slots, third);
        if (at + 3 >= lead && at + 3 + SHINGLE <= limit) offer(slots, fourth);
        current = next;
    }
}

// Fills the empty slots from the filled ones, by one warp.
//
// The rule throws in turns, (round, source) ascending, and the first throw that hits an empty slot fills it. A later throw
// never wins, so 32 turns at once and the minimum over the turn give the same slots, however far the last ones overshoot.
__device__ __forceinline__ void densify(Signature* signature) {
    const u32 lane = threadIdx.x % WARP;
    u32 count = 0;
    for (u32 first = 0; first < SLOTS; first += WARP) {
        u32 slot = first + lane;
        bool filled = slot < SLOTS && signature->slots[slot] != EMPTY;
        u32 lanes = __ballot_sync(ALL_LANES, filled);
        if (filled) signature->filled[count + __popc(lanes & ((1u << lane) - 1))] = (u8)slot;
        // No throw is earlier than 0, so a filled slot keeps its own value.
        if (slot < SLOTS) signature->throws[slot] = filled ? 0 : EMPTY;
        count += __popc(lanes);
    }
    __syncwarp();
    for (u32 turn = lane;; turn += WARP) {
        bool open = false;
        for (u32 slot = lane; slot < SLOTS; slot += WARP) open |= signature->throws[slot] == EMPTY;
        if (__ballot_sync(ALL_LANES, open) == 0) break;
        u32 round = 1 + turn / count;
        u32 source = signature->filled[turn % count];
        u32 target = (u32)(mix(((u64)source << 32) | round) % SLOTS);
        atomicMin(signature->throws + target, (round << 7) | source);
        __syncwarp();
    }
    // Sources are slots that were filled before, which nothing writes to.
    for (u32 slot = lane; slot < SLOTS; slot += WARP) {
        u32 thrown = signature->throws[slot];
        if (thrown != 0) signature->slots[slot] = signature->slots[thrown & 127];
    }
    __syncwarp();
}

// Writes slots and band keys of a document, by one warp.
__device__ __forceinline__ void write_signature(const Signature* signature, u64 document, bool empty, u32* slots_out, u64* keys_out) {
    const u32 lane = threadIdx.x % WARP;
    if (lane < SLOTS / 4) ((uint4*)(slots_out + document * SLOTS))[lane] = ((const uint4*)signature->slots)[lane];
    if (lane < BANDS) {
        const uint4* rows = (const uint4*)(signature->slots + lane * ROWS);
        u64 hash = lane + 1;
        for (u32 half = 0; half < 2; half++) {
            uint4 four = rows[half];
            hash = absorb(hash, four.x, BAND_MULTIPLIER);
            hash = absorb(hash, four.y, BAND_MULTIPLIER);
            hash = absorb(hash, four.z, BAND_MULTIPLIER);
            hash = absorb(hash, four.w, BAND_MULTIPLIER);
        }
        keys_out[document * BANDS + lane] = empty ? ~0ull : mix(hash) >> (64 - KEY_BITS);
    }
}

// A warp a document. Documents of more than `long_words` words are left to sign_long, which would otherwise keep one warp
// busy after all others are done.
//
// words: concatenated streams, first word of the batch at index 0, 16-byte aligned
// offsets: documents + 1, `base` at the batch's first word; a document has fewer than 2^31 words
// slots_out: (documents, 112); keys_out: (documents, 14), 48 bits each; both all ones for an empty document
extern "C" __global__ void __launch_bounds__(SIGN_THREADS) sign(
    const u32* __restrict__ words, const u64* __restrict__ offsets, u64 base, u32 documents, u32 long_words,
    u64 seed, u64 multiplier, u32* __restrict__ slots_out, u64* __restrict__ keys_out
) {
    __shared__ Signature signatures[SIGN_THREADS / WARP];
    const u32 lane = threadIdx.x % WARP;
    const u64 document = (u64)blockIdx.x * (SIGN_THREADS / WARP) + threadIdx.x / WARP;
    // Whole warps leave, and nothing below waits for the block.
    if (document >= documents) return;
    const u64 begin = offsets[document] - base;
    const u32 length = (u32)(offsets[document + 1] - base - begin);
    if (length > long_words) return;
    Signature* signature = signatures + threadIdx.x / WARP;
    for (u32 slot = lane; slot < SLOTS; slot += WARP) signature->slots[slot] = EMPTY;
    __syncwarp();
    if (length >= SHINGLE) {
        offer_shingles(signature->slots, words, begin, length, seed, multiplier);
    } else if (length > 0 && lane == 0) {
        offer(signature->slots, hash_short(seed, multiplier, words + begin, length));
    }
    __syncwarp();
    if (length > 0) densify(signature);
    write_signature(signature, document, length == 0, slots_out, keys_out);
}

// A block a document, for the documents that `list` names; each has at least five words.
extern "C" __global__ void __launch_bounds__(SIGN_LONG_THREADS) sign_long(
    const u32* __restrict__ words, const u64* __restrict__ offsets, u64 base, const u32* __restrict__ list,
    u64 seed, u64 multiplier, u32* __restrict__ slots_out, u64* __restrict__ keys_out
) {
    __shared__ Signature signature;
    const u32 document = list[blockIdx.x];
    const u64 begin = offsets[document] - base;
    const u32 shingles = (u32)(offsets[document + 1] - base - begin) - (SHINGLE - 1);
    for (u32 slot = threadIdx.x; slot < SLOTS; slot += SIGN_LONG_THREADS) signature.slots[slot] = EMPTY;
    __syncthreads();
    // Each warp takes a contiguous share of the shingles, whole tiles, and reads the four words after it again.
    const u32 warps = SIGN_LONG_THREADS / WARP;
    const u32 share = (shingles / warps / (4 * WARP) + 1) * (4 * WARP);
    const u64 first = (u64)share * (threadIdx.x / WARP);
    if (first < shingles) {
        u32 count = shingles - (u32)first < share ? shingles - (u32)first : share;
        offer_shingles(signature.slots, words, begin + first, count + SHINGLE - 1, seed, multiplier);
    }
    __syncthreads();
    if (threadIdx.x < WARP) {
        densify(&signature);
        write_signature(&signature, document, false, slots_out, keys_out);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Stable sort of (u64 key, u32 ordinal) by 8-bit digits, least significant first
//
// A block takes a tile of 4096 records. Counts stand digit-major, (256, tiles), so that an exclusive sum over each row and
// over the totals of the rows gives every (digit, tile) its place: digits ascending, tiles ascending inside a digit.

static constexpr u32 RADIX_WARPS = RADIX_THREADS / WARP;
static constexpr u32 RADIX_TILE = RADIX_THREADS * RADIX_ITEMS;

__device__ __forceinline__ u32 digit_of(u64 key, u32 shift) { return (u32)(key >> shift) & (DIGITS - 1); }

// Sum of the values of the threads before this one in a block of 256, and of all of them in `total`.
__device__ __forceinline__ u32 exclusive_sum(u32 value, u32* warp_sums, u32* total) {
    const u32 lane = threadIdx.x % WARP;
    u32 sum = value;
    for (u32 distance = 1; distance < WARP; distance *= 2) {
        u32 before = __shfl_up_sync(ALL_LANES, sum, distance);
        if (lane >= distance) sum += before;
    }
    if (lane == WARP - 1) warp_sums[threadIdx.x / WARP] = sum;
    __syncthreads();
    u32 before = 0, all = 0;
    for (u32 warp = 0; warp < RADIX_WARPS; warp++) {
        if (warp < threadIdx.x / WARP) before += warp_sums[warp];
        all += warp_sums[warp];
    }
    // The sums may be written again by the next call.
    __syncthreads();
    *total = all;
    return before + sum - value;
}

// varying |= bits in which any key differs from the first; `varying` is zero before. An "or" has no order.
extern "C" __global__ void __launch_bounds__(RADIX_THREADS) radix_varying(const u64* __restrict__ keys, u32 count, u64* varying) {
    const u64 first = keys[0];
    u64 bits = 0;
    const u64 stride = (u64)gridDim.x * RADIX_THREADS;
    for (u64 i = (u64)blockIdx.x * RADIX_THREADS + threadIdx.x; i < count; i += stride) bits |= keys[i] ^ first;
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) bits |= __shfl_down_sync(ALL_LANES, bits, distance);
    if (threadIdx.x % WARP == 0 && bits != 0) atomicOr(varying, bits);
}

// counts (256, tiles): records of a tile with a digit.
extern "C" __global__ void __launch_bounds__(RADIX_THREADS) radix_histogram(
    const u64* __restrict__ keys, u32 count, u32 shift, u32* __restrict__ counts
) {
    __shared__ u32 histogram[DIGITS];
    histogram[threadIdx.x] = 0;
    __syncthreads();
    const u64 tile = (u64)blockIdx.x * RADIX_TILE;
    u64 keys_of_thread[RADIX_ITEMS];
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u64 at = tile + item * RADIX_THREADS + threadIdx.x;
        keys_of_thread[item] = at < count ? keys[at] : 0;
    }
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u64 at = tile + item * RADIX_THREADS + threadIdx.x;
        // A sum has no order.
        if (at < count) atomicAdd(histogram + digit_of(keys_of_thread[item], shift), 1u);
    }
    __syncthreads();
    counts[(u64)threadIdx.x * gridDim.x + blockIdx.x] = histogram[threadIdx.x];
}

// A block a digit: counts become sums over the tiles before, totals (256) the sum of the row.
extern "C" __global__ void __launch_bounds__(RADIX_THREADS) radix_scan(u32* __restrict__ counts, u32 tiles, u32* __restrict__ totals) {
    __shared__ u32 warp_sums[RADIX_WARPS];
    u32* row = counts + (u64)blockIdx.x * tiles;
    u32 running = 0;
    for (u32 first = 0; first < tiles; first += RADIX_THREADS) {
        const u32 tile = first + threadIdx.x;
        u32 value = tile < tiles ? row[tile] : 0;
        u32 total;
        u32 before = exclusive_sum(value, warp_sums, &total);
        if (tile < tiles) row[tile] = running + before;
        running += total;
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = running;
}

// Moves the records of a tile to their places.
//
// A record's rank among those of its digit in the tile: a warp takes 512 consecutive records, 32 at a time in their order;
// lanes that hold the same digit find each other, and the lowest of them keeps the warp's count. The tile is put in order
// in shared memory first, so that neighbours in a digit are written by neighbouring threads.
// Two blocks a multiprocessor at least: some compilers would take 140 registers, room for one. Three would spill.
extern "C" __global__ void __launch_bounds__(RADIX_THREADS, 2) radix_scatter(
    const u64* __restrict__ keys, const u32* __restrict__ ordinals, u32 count, u32 shift,
    const u32* __restrict__ counts, const u32* __restrict__ totals,
    u64* __restrict__ keys_out, u32* __restrict__ ordinals_out
) {
    __shared__ u64 exchange[RADIX_TILE];
    __shared__ u32 warp_counts[RADIX_WARPS][DIGITS];
    __shared__ u32 moves[DIGITS];
    __shared__ u32 warp_sums[RADIX_WARPS];
    const u32 lane = threadIdx.x % WARP;
    const u32 warp = threadIdx.x / WARP;
    const u64 tile = (u64)blockIdx.x * RADIX_TILE;
    const u32 valid = count - tile < RADIX_TILE ? (u32)(count - tile) : RADIX_TILE;
    for (u32 i = 0; i < RADIX_WARPS; i++) warp_counts[i][threadIdx.x] = 0;

    u64 keys_of_thread[RADIX_ITEMS];
    u32 ordinals_of_thread[RADIX_ITEMS];
    u32 places[RADIX_ITEMS];
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u32 at = (warp * RADIX_ITEMS + item) * WARP + lane;
        // Past the end stand keys of the last digit: they are last in the tile, so all records come before them.
        keys_of_thread[item] = at < valid ? keys[tile + at] : ~0ull;
        ordinals_of_thread[item] = at < valid ? ordinals[tile + at] : 0;
    }
    __syncthreads();
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u32 digit = digit_of(keys_of_thread[item], shift);
        u32 peers = __match_any_sync(ALL_LANES, digit);
        u32 leader = (u32)__ffs(peers) - 1;
        u32 before = 0;
        if (lane == leader) {
            before = warp_counts[warp][digit];
            warp_counts[warp][digit] = before + __popc(peers);
        }
        before = __shfl_sync(ALL_LANES, before, leader);
        places[item] = before + __popc(peers & ((1u << lane) - 1));
        // The next leader of this digit may be another lane.
        __syncwarp();
    }
    __syncthreads();

    // Thread d: where digit d begins in the tile, and in each warp's part of it, and how far its records move from there.
    u32 in_tile = 0;
    for (u32 i = 0; i < RADIX_WARPS; i++) {
        u32 own = warp_counts[i][threadIdx.x];
        warp_counts[i][threadIdx.x] = in_tile;
        in_tile += own;
    }
    u32 ignored;
    const u32 digit_begin = exclusive_sum(in_tile, warp_sums, &ignored);
    for (u32 i = 0; i < RADIX_WARPS; i++) warp_counts[i][threadIdx.x] += digit_begin;
    const u32 digit_base = exclusive_sum(totals[threadIdx.x], warp_sums, &ignored);
    // May be "negative": the sum with a place wraps back. The sums above and the barrier below order all that is written here.
    moves[threadIdx.x] = digit_base + counts[(u64)threadIdx.x * gridDim.x + blockIdx.x] - digit_begin;

#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        places[item] += warp_counts[warp][digit_of(keys_of_thread[item], shift)];
        exchange[places[item]] = keys_of_thread[item];
    }
    __syncthreads();
    u32 destinations[RADIX_ITEMS];
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u32 at = item * RADIX_THREADS + threadIdx.x;
        u64 key = exchange[at];
        destinations[item] = moves[digit_of(key, shift)] + at;
        if (at < valid) keys_out[destinations[item]] = key;
    }
    __syncthreads();
    u32* exchange_ordinals = (u32*)exchange;
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) exchange_ordinals[places[item]] = ordinals_of_thread[item];
    __syncthreads();
#pragma unroll
    for (u32 item = 0; item < RADIX_ITEMS; item++) {
        u32 at = item * RADIX_THREADS + threadIdx.x;
        if (at < valid) ordinals_out[destinations[item]] = exchange_ordinals[at];
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Verification

__device__ __forceinline__ u32 shingle_count(u32 length) { return length >= SHINGLE ? length - (SHINGLE - 1) : length > 0; }

__device__ __forceinline__ u64 shingle_at(const u32* __restrict__ words, u32 length, u32 index, u64 seed, u64 multiplier) {
    if (length < SHINGLE) return hash_short(seed, multiplier, words, length);
    const u32* at = words + index;
    return hash_five(seed, multiplier, at[0], at[1], at[2], at[3], at[4]);
}

// Entries of a table for so many shingles: a power of two, at most two thirds full, one at least left empty.
// The host computes the same.
__device__ __forceinline__ u64 table_entries(u32 shingles) {
    u64 least = (u64)shingles + shingles / 2 + 1;
    return least <= 1 ? 1 : 1ull << (64 - __clzll((long long)(least - 1)));
}

// Whether the hash was not in the table before.
__device__ __forceinline__ bool insert(u64* table, u64 mask, u64 hash) {
    for (u64 at = hash & mask;; at = (at + 1) & mask) {
        u64 found = atomicCAS(table + at, EMPTY_HASH, hash);
        if (found == EMPTY_HASH) return true;
        if (found == hash) return false;
    }
}

__device__ __forceinline__ bool contains(const u64* table, u64 mask, u64 hash) {
    for (u64 at = hash & mask;; at = (at + 1) & mask) {
        u64 found = table[at];
        if (found == hash) return true;
        if (found == EMPTY_HASH) return false;
    }
}

// Adds to counts[0..3] what one thread finds: distinct hashes of A, of B, of both; marks[0..2] tell whether A and B hold the
// one hash that stands for an empty entry.
__device__ __forceinline__ void intersect(
    u64* table_a, u64* table_b, const u32* __restrict__ words_a, u32 length_a, const u32* __restrict__ words_b, u32 length_b,
    u64 seed, u64 multiplier, u32* counts, u32* marks
) {
    const u32 shingles_a = shingle_count(length_a), shingles_b = shingle_count(length_b);
    const u64 entries_a = table_entries(shingles_a), entries_b = table_entries(shingles_b);
    for (u64 i = threadIdx.x; i < entries_a; i += VERIFY_THREADS) table_a[i] = EMPTY_HASH;
    for (u64 i = threadIdx.x; i < entries_b; i += VERIFY_THREADS) table_b[i] = EMPTY_HASH;
    __syncthreads();
    u32 distinct_a = 0, distinct_b = 0, shared = 0;
    for (u32 i = threadIdx.x; i < shingles_a; i += VERIFY_THREADS) {
        u64 hash = shingle_at(words_a, length_a, i, seed, multiplier);
        if (hash == EMPTY_HASH) atomicOr(marks, 1u);
        else distinct_a += insert(table_a, entries_a - 1, hash);
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < shingles_b; i += VERIFY_THREADS) {
        u64 hash = shingle_at(words_b, length_b, i, seed, multiplier);
        if (hash == EMPTY_HASH) {
            atomicOr(marks + 1, 1u);
        } else if (insert(table_b, entries_b - 1, hash)) {
            distinct_b += 1;
            shared += contains(table_a, entries_a - 1, hash);
        }
    }
    for (u32 distance = WARP / 2; distance > 0; distance /= 2) {
        distinct_a += __shfl_down_sync(ALL_LANES, distinct_a, distance);
        distinct_b += __shfl_down_sync(ALL_LANES, distinct_b, distance);
        shared += __shfl_down_sync(ALL_LANES, shared, distance);
    }
    if (threadIdx.x % WARP == 0) {
        atomicAdd(counts, distinct_a);
        atomicAdd(counts + 1, distinct_b);
        atomicAdd(counts + 2, shared);
    }
    __syncthreads();
}

// A block a pair. Which thread inserts a hash first is open, that exactly one does is not: the counts are exact.
//
// pairs: (pairs, 2), documents of the first and of the second collection, which may be the same
// scratch_at: where the pair's tables begin in `scratch`, in entries; unused where both fit in shared memory
// results: (pairs, 3), |A|, |B|, |A and B|
extern "C" __global__ void __launch_bounds__(VERIFY_THREADS) verify(
    const u32* __restrict__ words_a, const u64* __restrict__ offsets_a,
    const u32* __restrict__ words_b, const u64* __restrict__ offsets_b,
    const u32* __restrict__ pairs, const u64* __restrict__ scratch_at, u64* scratch,
    u64 seed, u64 multiplier, u32* __restrict__ results
) {
    __shared__ u64 tables[VERIFY_SHARED];
    __shared__ u32 counts[3];
    __shared__ u32 marks[2];
    const u64 pair = blockIdx.x;
    const u32 a = pairs[2 * pair], b = pairs[2 * pair + 1];
    const u64 begin_a = offsets_a[a], begin_b = offsets_b[b];
    const u32 length_a = (u32)(offsets_a[a + 1] - begin_a), length_b = (u32)(offsets_b[b + 1] - begin_b);
    const u64 entries_a = table_entries(shingle_count(length_a)), entries_b = table_entries(shingle_count(length_b));
    if (threadIdx.x < 3) counts[threadIdx.x] = 0;
    if (threadIdx.x < 2) marks[threadIdx.x] = 0;
    // Two calls, so that the compiler knows which memory the tables are in.
    if (entries_a + entries_b <= VERIFY_SHARED) {
        intersect(tables, tables + entries_a, words_a + begin_a, length_a, words_b + begin_b, length_b, seed, multiplier, counts, marks);
    } else {
        u64* table = scratch + scratch_at[pair];
        intersect(table, table + entries_a, words_a + begin_a, length_a, words_b + begin_b, length_b, seed, multiplier, counts, marks);
    }
    if (threadIdx.x < 3) {
        u32 mark = threadIdx.x < 2 ? marks[threadIdx.x] : marks[0] & marks[1];
        results[3 * pair + threadIdx.x] = counts[threadIdx.x] + mark;
    }
}
