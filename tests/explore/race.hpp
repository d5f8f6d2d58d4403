// tests/explore/race.hpp: requests for small races.
#pragma once

#include "scenarios/run.hpp"

#include <string>
#include <vector>

namespace trapline {

/// A probe on `hot` of a guest. `operations`: what tracers do, one tracer for each, as "register" or "unregister";
/// with one that only registers the probe is not there before.
inline RunRequest race(const std::string& guest, const std::string& strategy, const std::string& kernel,
                       const std::vector<std::string>& operations = {}) {
    RunRequest r;
    r.program = std::string(TRAPLINE_GUESTS_DIR) + "/" + guest;
    r.capture_output = true;
    r.working_directory = "/";
    r.environment = {"PATH=/bin"};
    r.strategy = strategy;
    r.kernel = kernel;
    r.limit = 1'000'000'000;
    ScenarioProbe p;
    p.spec = parse_probe_spec(":hot").value();
    p.registered = operations.empty() || operations.front() == "unregister";
    r.probes.push_back(p);
    for (const std::string& operation : operations) r.tracers.push_back({{{operation == "register", 0, operation}}, 0});
    return r;
}

} // namespace trapline
