// The part of CUDA C++ that the kernels use, for the host compiler.
//
// It is there to find mistakes, not to be fast. One block runs at a time, each of its threads as a fiber with a stack of
// its own, and a fiber gives way only at a barrier or a warp operation. So that a missing barrier shows:
//
// - the order in which fibers go on is shuffled, and how far warps run ahead of each other varies, by block;
// - shared memory is filled with 0xa5 before each block (ELF only, where the linker names the section's ends);
// - a barrier that some threads never reach, a warp operation with lanes missing, a block or a mask of another shape than
//   the kernels state: each ends the process with a message.
//
// What it cannot find: races between two barriers that need a switch in the middle of an expression, and anything that
// depends on a cache, a bank or a scheduler.
//
// Sources: the CUDA C++ Programming Guide for the meaning of each function.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#if defined(__ELF__)
#define __shared__ static __attribute__((section("shared_memory")))
#else
#define __shared__ static
#endif

struct dim3 {
    unsigned x, y, z;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

// Set by the scheduler before a fiber goes on.
static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

constexpr unsigned WARP = 32;
constexpr unsigned MAX_THREADS = 1024;
constexpr size_t STACK_BYTES = 128 << 10;

struct Fiber {
    ucontext_t context;
    jmp_buf place;
    bool started = false;
    bool finished = false;
    // The fiber waits until *waits_for is no longer waits_value.
    const uint64_t* waits_for = nullptr;
    uint64_t waits_value = 0;
};

// Values that lanes hand to each other. A lane can be one operation ahead of its neighbours, never two, so two sets do.
struct Warp {
    uint64_t values[2][WARP];
    unsigned arrived;
    uint64_t generation;
};

struct State {
    std::vector<Fiber*> fibers;
    Warp warps[MAX_THREADS / WARP];
    unsigned arrived;
    uint64_t generation;
    unsigned current;
    jmp_buf scheduler;
    void (*body)(void*);
    void* arguments;
    const char* kernel;
    uint64_t random = 0x2545f4914f6cdd1dull;
};

static State state;

[[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "kernel %s, block %u, thread %u: %s\n", state.kernel, blockIdx.x, threadIdx.x, what);
    std::abort();
}

__attribute__((noinline)) static void give_way() {
    if (!_setjmp(state.fibers[state.current]->place)) _longjmp(state.scheduler, 1);
}

static void wait_for(const uint64_t* generation) {
    Fiber* fiber = state.fibers[state.current];
    fiber->waits_for = generation;
    fiber->waits_value = *generation;
    give_way();
}

// Hands `value` to the warp; returns what all lanes handed in.
static const uint64_t* exchange(unsigned mask, uint64_t value) {
    if (mask != 0xffffffffu) fail("warp operation with a mask that is not all lanes");
    Warp& warp = state.warps[threadIdx.x / WARP];
    uint64_t* values = warp.values[warp.generation & 1];
    values[threadIdx.x % WARP] = value;
    if (++warp.arrived == WARP) {
        warp.arrived = 0;
        warp.generation++;
        // Going straight on would make the last lane the first every time.
        give_way();
    } else {
        wait_for(&warp.generation);
    }
    return values;
}

static void run_fiber() {
    for (;;) {
        state.body(state.arguments);
        state.fibers[state.current]->finished = true;
        give_way();
    }
}

__attribute__((noinline)) static void resume(unsigned thread) {
    Fiber* fiber = state.fibers[thread];
    state.current = thread;
    threadIdx = {thread, 0, 0};
    fiber->waits_for = nullptr;
    if (_setjmp(state.scheduler)) return;
    if (fiber->started) _longjmp(fiber->place, 1);
    fiber->started = true;
    setcontext(&fiber->context);
    fail("fiber does not start");
}

static uint64_t random() {
    state.random ^= state.random << 13;
    state.random ^= state.random >> 7;
    state.random ^= state.random << 17;
    return state.random;
}

#if defined(__ELF__)
// Names the linker gives to the ends of the section; weak, since a source may have no shared memory.
extern "C" __attribute__((weak, visibility("hidden"))) char __start_shared_memory[], __stop_shared_memory[];
static void poison_shared_memory() {
    if (__start_shared_memory) std::memset(__start_shared_memory, 0xa5, __stop_shared_memory - __start_shared_memory);
}
#else
static void poison_shared_memory() {}
#endif

static void shuffle(unsigned* first, unsigned count) {
    for (unsigned left = count; left > 1; left--) std::swap(first[left - 1], first[random() % left]);
}

static bool runnable(const Fiber* fiber) {
    return !fiber->finished && !(fiber->waits_for && *fiber->waits_for == fiber->waits_value);
}

static void run_block(unsigned threads) {
    poison_shared_memory();
    state.arrived = 0;
    for (Warp& warp : state.warps) warp.arrived = 0;
    for (unsigned thread = 0; thread < threads; thread++) {
        state.fibers[thread]->finished = false;
        state.fibers[thread]->waits_for = nullptr;
    }
    // Every second block or so, a warp goes as far as a barrier lets it before the next one starts; in the others all threads
    // keep step. Each shows mistakes that the other hides.
    const bool apart = random() & 1;
    std::vector<unsigned> order(threads);
    for (unsigned thread = 0; thread < threads; thread++) order[thread] = thread;
    if (apart) {
        unsigned warps[MAX_THREADS / WARP];
        for (unsigned warp = 0; warp < threads / WARP; warp++) warps[warp] = warp;
        shuffle(warps, threads / WARP);
        for (unsigned thread = 0; thread < threads; thread++) order[thread] = warps[thread / WARP] * WARP + thread % WARP;
        for (unsigned first = 0; first < threads; first += WARP) shuffle(&order[first], WARP);
    } else {
        shuffle(order.data(), threads);
    }
    const unsigned group = apart ? WARP : threads;
    for (unsigned running = threads; running > 0;) {
        bool moved = false;
        for (unsigned first = 0; first < threads; first += group) {
            bool moved_here;
            do {
                moved_here = false;
                for (unsigned i = first; i < first + group; i++) {
                    Fiber* fiber = state.fibers[order[i]];
                    if (!runnable(fiber)) continue;
                    resume(order[i]);
                    moved_here = true;
                    running -= fiber->finished;
                }
                moved |= moved_here;
            } while (moved_here && apart);
        }
        if (!moved) fail("threads wait at a barrier or a warp operation that the others never reach");
    }
}

static void prepare(unsigned threads) {
    while (state.fibers.size() < threads) {
        Fiber* fiber = new Fiber;
        void* stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED || getcontext(&fiber->context) != 0) fail("no memory for a fiber's stack");
        fiber->context.uc_stack.ss_sp = stack;
        fiber->context.uc_stack.ss_size = STACK_BYTES;
        fiber->context.uc_link = nullptr;
        makecontext(&fiber->context, run_fiber, 0);
        state.fibers.push_back(fiber);
    }
}

// Calls a kernel with arguments given the way cuLaunchKernel takes them: a pointer to each.
template <class... Arguments, size_t... Index>
static void unpack(void (*kernel)(Arguments...), void** arguments, std::index_sequence<Index...>) {
    kernel(*static_cast<Arguments*>(arguments[Index])...);
}

template <auto kernel>
struct Entry;
template <class... Arguments, void (*kernel)(Arguments...)>
struct Entry<kernel> {
    static void call(void* arguments) {
        unpack(kernel, static_cast<void**>(arguments), std::make_index_sequence<sizeof...(Arguments)>());
    }
};

static void launch(const char* name, void (*body)(void*), unsigned blocks, unsigned threads, void** arguments) {
    // Shared memory and fibers are there once.
    static std::mutex mutex;
    std::lock_guard<std::mutex> guard(mutex);
    state.kernel = name;
    state.body = body;
    state.arguments = arguments;
    if (blocks == 0 || threads == 0 || threads > MAX_THREADS || threads % WARP != 0) fail("launch of a shape that no device takes");
    prepare(threads);
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    for (unsigned block = 0; block < blocks; block++) {
        blockIdx = {block, 0, 0};
        run_block(threads);
    }
}

}  // namespace shim

// ---------------------------------------------------------------------------------------------------------------------
// Barriers and warp operations

static inline void __syncthreads() {
    if (++shim::state.arrived == blockDim.x) {
        shim::state.arrived = 0;
        shim::state.generation++;
        shim::give_way();
    } else {
        shim::wait_for(&shim::state.generation);
    }
}

static inline void __syncwarp(unsigned mask = 0xffffffffu) { shim::exchange(mask, 0); }

template <class T>
static inline T __shfl_sync(unsigned mask, T value, unsigned lane) {
    return static_cast<T>(shim::exchange(mask, static_cast<uint64_t>(value))[lane % shim::WARP]);
}

template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
    const unsigned lane = threadIdx.x % shim::WARP;
    const uint64_t* values = shim::exchange(mask, static_cast<uint64_t>(value));
    return lane >= distance ? static_cast<T>(values[lane - distance]) : value;
}

template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
    const unsigned lane = threadIdx.x % shim::WARP;
    const uint64_t* values = shim::exchange(mask, static_cast<uint64_t>(value));
    return lane + distance < shim::WARP ? static_cast<T>(values[lane + distance]) : value;
}

static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    const uint64_t* values = shim::exchange(mask, predicate != 0);
    unsigned lanes = 0;
    for (unsigned lane = 0; lane < shim::WARP; lane++) lanes |= static_cast<unsigned>(values[lane]) << lane;
    return lanes;
}

static inline unsigned __match_any_sync(unsigned mask, unsigned value) {
    const uint64_t* values = shim::exchange(mask, value);
    unsigned lanes = 0;
    for (unsigned lane = 0; lane < shim::WARP; lane++) lanes |= static_cast<unsigned>(values[lane] == value) << lane;
    return lanes;
}

// ---------------------------------------------------------------------------------------------------------------------
// Atomics: a fiber is not interrupted inside one

template <class T>
static inline T atomicMin(T* at, T value) {
    T old = *at;
    if (value < old) *at = value;
    return old;
}

template <class T>
static inline T atomicAdd(T* at, T value) {
    T old = *at;
    *at = old + value;
    return old;
}

template <class T>
static inline T atomicOr(T* at, T value) {
    T old = *at;
    *at = old | value;
    return old;
}

template <class T>
static inline T atomicCAS(T* at, T expected, T value) {
    T old = *at;
    if (old == expected) *at = value;
    return old;
}

// ---------------------------------------------------------------------------------------------------------------------
// Bits

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(unsigned x) { return x ? __builtin_ctz(x) + 1 : 0; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
