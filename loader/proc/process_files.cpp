// /proc/PID: what a process can learn about itself and the others. Formats: proc(5) and
// Documentation/filesystems/proc.rst.
#include "loader/proc/node.hpp"

#include "loader/files/file_table.hpp"
#include "loader/proc/process_text.hpp"
#include "loader/process_state.hpp"

#include <algorithm>
#include <charconv>
#include <dirent.h>
#include <sys/stat.h>

namespace trapline {
namespace {

std::optional<int> number(std::string_view text) {
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    const bool plain = error == std::errc() && end == text.data() + text.size() && n >= 0;
    return plain && (text == "0" || text.front() != '0') ? std::optional(n) : std::nullopt;
}

/// Splits "/a/b/c" behind its first `skip` components.
std::vector<std::string> components(const std::string& path, std::size_t skip) {
    std::vector<std::string> out;
    for (std::size_t at = 1; at <= path.size();) {
        const std::size_t slash = std::min(path.find('/', at), path.size());
        if (skip > 0)
            --skip;
        else
            out.push_back(path.substr(at, slash - at));
        at = slash + 1;
    }
    return out;
}

struct ProcessText {
    std::string_view name;
    std::string (*text)(Io&, Process&, Task&);
    mode_t mode = 0444;
    bool of_thread = true; ///< also in task/TID
};

constexpr ProcessText kTexts[] = {
    {"auxv", auxv_text, 0400},
    {"cmdline", cmdline_text},
    {"comm", comm_text, 0644},
    {"environ", environ_text, 0400},
    {"limits", limits_text},
    {"maps", maps_text},
    {"mountinfo", mountinfo_text},
    {"mounts", mounts_text},
    {"oom_score_adj", zero_text, 0644},
    {"stat", stat_text},
    {"statm", statm_text},
    {"status", status_text},
};

/// The memory of a process, read as a debugger reads it.
class ProcessMemory final : public File {
  public:
    ProcessMemory(int pid, Node node, int status_flags) : File(status_flags), pid_(pid), node_(std::move(node)) {}
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override {
        Process* p = io.kernel.process(pid_);
        if (p == nullptr || p->mm == nullptr) return 0;
        long total = 0;
        while (to.left() > 0) {
            std::uint8_t piece[256];
            std::size_t n = std::min<std::uint64_t>({sizeof piece, to.left(), kPageSize - (at & kPageMask)});
            if (at >= kTaskSize || !p->mm->force_read(at, piece, n)) return total != 0 ? total : -EIO;
            n = to.put(piece, n);
            if (n == 0) return total != 0 ? total : -EFAULT;
            at += n;
            total += static_cast<long>(n);
        }
        return total;
    }
    OrErrno<FileStat> stat(Io& io) override { return node_stat(io, node_); }
    [[nodiscard]] bool seekable() const override { return true; }
    std::string name() const override { return node_.path; }

  private:
    const int pid_;
    Node node_;
};

Node memory_node(const std::string& path, int pid) {
    Node n;
    n.kind = Node::Kind::device;
    n.path = path;
    n.mode = 0400;
    n.open = [pid, path](Io&, int flags) -> std::shared_ptr<File> {
        if ((flags & 3) != 0) return nullptr; // writing text from outside is the probes' business
        return std::make_shared<ProcessMemory>(pid, text_node(path, {}, 0400), flags);
    };
    return n;
}

Node descriptor_node(const std::string& path, const std::shared_ptr<File>& file) {
    Node n;
    n.kind = Node::Kind::descriptor;
    n.path = path;
    n.mode = (file->readable() ? 0500 : 0) | (file->writable() ? 0300 : 0);
    n.file = file;
    n.target = file->name();
    return n;
}

/// What is in /proc/PID and, for a thread, in /proc/PID/task/TID. `rest` are the components behind that.
Node inside(Process& p, Task& t, bool of_thread, const std::string& path, const std::vector<std::string>& rest) {
    const FileTable* files = p.files != nullptr ? &files_of(p) : nullptr;
    if (rest.empty()) {
        std::vector<Node::Name> names = {
            {"cwd", DT_LNK}, {"exe", DT_LNK}, {"fd", DT_DIR}, {"mem", DT_REG}, {"root", DT_LNK}};
        for (const ProcessText& e : kTexts) names.emplace_back(e.name, DT_REG);
        if (!of_thread) names.emplace_back("task", DT_DIR);
        return directory_node(path, std::move(names));
    }
    const std::string& name = rest.front();
    if (name == "fd" && files != nullptr) {
        if (rest.size() == 1) {
            std::vector<Node::Name> names;
            for (std::size_t i = 0; i < files->all().size(); ++i)
                if (files->all()[i].file != nullptr) names.emplace_back(std::to_string(i), DT_LNK);
            Node n = directory_node(path, std::move(names));
            n.mode = 0500;
            return n;
        }
        const auto fd = number(rest[1]);
        if (rest.size() > 2 || !fd) return {};
        const auto file = files->get(*fd);
        return file != nullptr ? descriptor_node(path, file) : Node{};
    }
    if (rest.size() > 1) return {};
    if (name == "cwd" && files != nullptr) return link_node(path, files->directory);
    if (name == "exe") return link_node(path, p.executable);
    if (name == "root") return link_node(path, "/");
    if (name == "mem") return memory_node(path, p.pid);
    for (const ProcessText& e : kTexts)
        if (e.name == name)
            return text_node(
                path,
                [pid = p.pid, tid = t.tid, make = e.text](Io& io) {
                    Process* now = io.kernel.process(pid);
                    Task* task = io.kernel.task(tid);
                    return now != nullptr && now->mm != nullptr && task != nullptr ? make(io, *now, *task)
                                                                                   : std::string();
                },
                e.mode);
    return {};
}

Task* first_task(Process* p) {
    return p == nullptr || p->mm == nullptr || p->tasks.empty() ? nullptr : p->tasks.front();
}

} // namespace

Node process_node(Io& io, const std::string& path) {
    if (path == "/proc") {
        Node n = machine_node(io, path);
        n.names.emplace_back("self", DT_LNK);
        n.names.emplace_back("thread-self", DT_LNK);
        for (const auto& [pid, p] : io.kernel.processes())
            if (first_task(p.get()) != nullptr) n.names.emplace_back(std::to_string(pid), DT_DIR);
        return n;
    }
    const Process& own = *io.task.process;
    if (path == "/proc/self") return link_node(path, std::to_string(own.pid));
    if (path == "/proc/thread-self")
        return link_node(path, std::to_string(own.pid) + "/task/" + std::to_string(io.task.tid));

    std::vector<std::string> rest = components(path, 1);
    const auto pid = number(rest.front());
    Process* p = pid ? io.kernel.process(*pid) : nullptr;
    Task* first = first_task(p);
    if (first == nullptr) return {};
    rest.erase(rest.begin());
    if (rest.empty() || rest.front() != "task") return inside(*p, *first, false, path, rest);
    if (rest.size() == 1) {
        std::vector<Node::Name> names;
        for (const Task* t : p->tasks) names.emplace_back(std::to_string(t->tid), DT_DIR);
        return directory_node(path, std::move(names));
    }
    const auto tid = number(rest[1]);
    for (Task* t : p->tasks)
        if (tid && t->tid == *tid) return inside(*p, *t, true, path, {rest.begin() + 2, rest.end()});
    return {};
}

} // namespace trapline
