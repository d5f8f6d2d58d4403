// Stops, timers, signals and processes as files: what the live kernel answers is what must come out.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/loader/in_directory.hpp"

using namespace trapline;
using namespace trapline::test;

namespace {

void check_part(const char* part) { check_in_directory({TRAPLINE_EVENT_CALLS, part}); }

} // namespace

TEST_SUITE("events of programs") {
    TEST_CASE("children stop and go on as under the live kernel") { check_part("stops"); }
    TEST_CASE("a stop stops all threads of a process") { check_part("threads"); }
    TEST_CASE("timers as files answer as the live kernel's do") { check_part("timers"); }
    TEST_CASE("signals as files answer as the live kernel's do") { check_part("signals"); }
    TEST_CASE("processes as files answer as the live kernel's do") { check_part("processes"); }
    TEST_CASE("timers that send signals count and stop as the live kernel's do") { check_part("intervals"); }

    TEST_CASE("shared memory of System V is attached, inherited and removed as under the live kernel") {
        check_part("segments");
    }

    TEST_CASE("FIFOs and shared memory carry what programs put into them") {
        check_in_directory({"/bin/bash", "-c",
                            "mkfifo f; seq 1000 > f & wc -l < f; wait; test -p f && echo fifo; stat -c %F f; "
                            "rm f; echo x > /dev/shm/trapline-a; mv /dev/shm/trapline-a /dev/shm/trapline-b; "
                            "cat /dev/shm/trapline-b; rm /dev/shm/trapline-b; ls /dev/shm/trapline-* 2>&1"});
        check_in_directory({"/usr/bin/python3", "-c",
                            "import multiprocessing as m\n"
                            "from multiprocessing import shared_memory as s\n"
                            "if __name__ == '__main__':\n"
                            "  m.set_start_method('fork')\n"
                            "  a = s.SharedMemory(create=True, size=100)\n"
                            "  def f():\n"
                            "    b = s.SharedMemory(a.name); b.buf[:5] = b'hello'; b.close()\n"
                            "  p = m.Process(target=f); p.start(); p.join()\n"
                            "  print(bytes(a.buf[:5]), p.exitcode); a.close(); a.unlink()\n"
                            "  l = m.Lock(); q = m.Queue()\n"
                            "  with l: q.put(1)\n"
                            "  print(q.get())\n"});
    }
}
