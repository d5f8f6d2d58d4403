// A shared library with one function to probe: `lib_hot` counts its calls in
// the process that makes them. See uses-libhot.c.
static long calls;

__attribute__((noinline)) long lib_hot(void) { return ++calls; }
