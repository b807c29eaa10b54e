// A source behind the shim, as a shared library with one entry. kernels.h lists its kernels as KERNEL(name).

#include "shim.h"

#include "source.cu"

#define KERNEL(name) {#name, shim::Entry<&name>::call}

static const struct {
    const char* name;
    void (*call)(void*);
} KERNELS[] = {
#include "kernels.h"
};

// Runs a kernel to its end; 0, or 1 if there is no kernel of that name.
extern "C" __attribute__((visibility("default"))) int emulated_launch(
    const char* name, unsigned blocks, unsigned threads, void** arguments
) {
    for (const auto& kernel : KERNELS) {
        if (std::strcmp(kernel.name, name) == 0) {
            shim::launch(kernel.name, kernel.call, blocks, threads, arguments);
            return 0;
        }
    }
    return 1;
}
