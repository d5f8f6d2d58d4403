// The example of seed 004, section 9, for the virtual kernel: a module that is told a process and an address, registers
// a probe there, and counts. Here the module also starts the process.
//
//     count-hits PROGRAM 0xADDRESS       nm PROGRAM says where its functions are (linked without -pie)
//
// Read probes/register.hpp for the interface and scenarios/rig.hpp for the machine.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <probes/register.hpp>
#include <scenarios/rig.hpp>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: count-hits PROGRAM 0xADDRESS\n");
        return 2;
    }

    trapline::RunRequest request;
    request.program = argv[1];
    request.strategy = "xol";
    trapline::Rig rig(request);
    if (const auto ready = rig.set_up(); !ready) {
        std::fprintf(stderr, "%s\n", ready.error().text().c_str());
        return 2;
    }

    std::uint64_t hits = 0;
    trapline::UserProbe probe;
    probe.pid = rig.kernel().processes().begin()->second->pid;
    probe.vaddr = std::strtoull(argv[2], nullptr, 0);
    probe.handler = [&](trapline::UserProbe&, trapline::HitContext&) { ++hits; };
    if (const int error = trapline::register_uprobe(rig.uprobes(), probe); error != 0) {
        std::fprintf(stderr, "register_uprobe: %s\n", std::strerror(-error));
        return 1;
    }

    const trapline::RunReport report = rig.report(rig.kernel().run());
    trapline::unregister_uprobe(rig.uprobes(), probe);
    std::printf("%llu hits, exit %d, token %s\n", static_cast<unsigned long long>(hits), report.exit_code,
                report.token.c_str());
    return 0;
}
