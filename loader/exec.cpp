#include "loader/exec.hpp"

#include "loader/elf.hpp"
#include "loader/process_state.hpp"

#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr int kMostScripts = 4;        // BINPRM rewrites before ELOOP (fs/exec.c, exec_binprm)
constexpr Addr kLowestAddress = 65536; // vm.mmap_min_addr

using Failure = tl::unexpected<ExecFailure>;

Failure failure(long error, std::string what, const std::string& path, std::string hint = {}) {
    return tl::make_unexpected(ExecFailure{error, Error{std::move(what), std::move(hint), path, 0}});
}

Failure failure(long error, Error text) { return tl::make_unexpected(ExecFailure{error, std::move(text)}); }

tl::expected<OpenedFile, ExecFailure> open_program(System& system, const ExecRequest& request, std::string path) {
    Sandbox& files = system.sandbox();
    auto refused = [&](long error) { return failure(error, ::strerror(static_cast<int>(-error)), path); };
    auto where = files.resolve(request.directory, path, LastLink::follow);
    if (where && where->modelled && where->path == "/proc/self/exe" && !request.self.empty())
        where = files.resolve("/", request.self, LastLink::follow);
    if (!where) return refused(where.error());
    if (where->modelled) return refused(-EACCES);
    if (!where->exists()) return refused(-ENOENT);
    if (where->must_be_directory && !S_ISDIR(where->st.st_mode)) return refused(-ENOTDIR);
    if (S_ISDIR(where->st.st_mode)) return failure(-EACCES, "is a directory", path);
    if (!S_ISREG(where->st.st_mode)) return failure(-EACCES, "is not a regular file", path);
    if (files.access(*where, X_OK) != 0)
        return failure(-EACCES, "may not be executed", path, "chmod +x makes a file a program");
    auto opened = files.open(*where, O_RDONLY, 0);
    if (!opened) return refused(opened.error());
    return std::move(*opened);
}

struct Image {
    ElfHeaders headers;
    std::shared_ptr<Inode> inode;
    std::string path;
};

tl::expected<Image, ExecFailure> read_image(System& system, const OpenedFile& file, const std::string& name) {
    auto headers = read_elf(file.fd.get(), name);
    if (!headers) return failure(-ENOEXEC, std::move(headers.error()));
    auto inode = system.inode_of(file.fd.get(), file.path);
    if (inode == nullptr) return failure(-EIO, "cannot be read", name);
    return Image{std::move(*headers), std::move(inode), file.path};
}

/// Maps what lies behind a segment's bytes in the file: zeroes, from `from` to `to`, which need not be page-aligned.
long map_zeroes(Mm& mm, Addr from, Addr to, const LoadSegment& s, std::uint8_t rights) {
    Addr start = page_ceil(from);
    if (from != start) {
        if (mm.find(from) == nullptr) {
            start = page_floor(from);
        } else if (s.write) { // the whole rest of the page: ld.so counts on zeroes behind its own .bss
            const std::vector<std::uint8_t> zeroes(start - from);
            if (!mm.write(from, zeroes.data(), zeroes.size())) return -ENOMEM;
        }
    }
    if (page_ceil(to) <= start) return 0;
    Vma v;
    v.start = start;
    v.end = page_ceil(to);
    v.prot = rights;
    return mm.map(std::move(v));
}

long map_image(Mm& mm, const Image& image, Addr bias) {
    for (const LoadSegment& s : image.headers.segments) {
        const Addr at = s.vaddr + bias;
        if (at < kLowestAddress || at > kTaskSize || s.memsz > kTaskSize - at) return -ENOMEM;
        std::uint8_t rights = prot::none;
        if (s.read) rights |= prot::read;
        if (s.write) rights |= prot::write;
        if (s.execute) rights |= prot::exec;
        if (s.filesz > 0) {
            Vma v;
            v.start = page_floor(at);
            v.end = page_ceil(at + s.filesz);
            v.prot = rights;
            v.inode = image.inode;
            v.offset = page_floor(s.offset);
            if (const long r = mm.map(std::move(v)); r != 0) return r;
        }
        if (s.memsz > s.filesz)
            if (const long r = map_zeroes(mm, at + s.filesz, at + s.memsz, s, rights); r != 0) return r;
    }
    return 0;
}

Addr align_up(Addr a, std::uint64_t alignment) { return (a + alignment - 1) & ~(alignment - 1); }

/// What is added to every address of the program itself.
Addr program_bias(const Mm& mm, const ElfHeaders& h) {
    if (h.kind == ElfKind::fixed) return 0;
    return align_up(mm.layout().pie_base, h.alignment()) - page_floor(h.lowest());
}

/// The same for its interpreter: below everything that is mapped. Nothing if there is no room.
std::optional<Addr> interpreter_bias(Mm& mm, const ElfHeaders& h) {
    if (h.kind == ElfKind::fixed) return 0;
    const std::uint64_t span = h.highest() - h.lowest(), alignment = h.alignment();
    if (span > kTaskSize || alignment > kTaskSize) return std::nullopt;
    const Addr base = mm.find_free(span + (alignment > kPageSize ? alignment : 0));
    if (base == 0) return std::nullopt;
    return align_up(base, alignment) - page_floor(h.lowest());
}

Failure no_room(const std::string& path) {
    return failure(-ENOMEM, "does not fit into memory", path,
                   "its segments overlap the stack, lie outside of user space, or exceed a limit");
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

} // namespace

tl::expected<Program, ExecFailure> load_program(System& system, const ExecRequest& request) {
    std::string path = request.path;
    std::vector<std::string> args = request.args;
    auto file = open_program(system, request, path);
    for (int scripts = 0;; ++scripts) {
        if (!file) return tl::make_unexpected(std::move(file.error()));
        auto line = read_script_line(file->fd.get(), path);
        if (!line) return failure(-ENOEXEC, std::move(line.error()));
        if (!*line) break;
        if (scripts == kMostScripts) return failure(-ELOOP, "goes through too many interpreters", request.path);
        // interpreter [argument] script arguments…: argv[0] is lost, as in Linux.
        if (!args.empty()) args.erase(args.begin());
        args.insert(args.begin(), path);
        if ((*line)->argument) args.insert(args.begin(), *(*line)->argument);
        args.insert(args.begin(), (*line)->interpreter);
        const std::string script = std::exchange(path, (*line)->interpreter);
        file = open_program(system, request, path);
        if (!file) {
            file.error().text.what = fmt::format("is run by {}, which: {}", path, file.error().text.what);
            file.error().text.file = script;
        }
    }
    auto image = read_image(system, *file, path);
    if (!image) return tl::make_unexpected(std::move(image.error()));
    const ElfHeaders& headers = image->headers;

    std::optional<Image> interpreter;
    if (!headers.interpreter.empty()) {
        auto opened = open_program(system, request, headers.interpreter);
        if (!opened)
            return failure(
                opened.error().error,
                fmt::format("needs the interpreter {}, which: {}", headers.interpreter, opened.error().text.what),
                path);
        auto read = read_image(system, *opened, headers.interpreter);
        if (!read) return failure(-ELIBBAD, std::move(read.error().text)); // as load_elf_binary answers
        interpreter = std::move(*read);
    }

    Program program;
    program.mm = system.kernel().create_mm();
    Mm& mm = *program.mm;
    mm.limit_stack = request.stack_limit;
    mm.limit_bytes = request.memory_limit;
    const Addr bias = program_bias(mm, headers);
    if (map_image(mm, *image, bias) != 0) return no_room(path);
    mm.start_break(page_ceil(headers.highest() + bias));

    StackContents contents;
    contents.entry = program.start = headers.entry + bias;
    if (headers.phdr_address != 0) contents.phdr = headers.phdr_address + bias;
    contents.phnum = headers.phnum;
    if (interpreter) {
        auto base = interpreter_bias(mm, interpreter->headers);
        if (!base || map_image(mm, *interpreter, *base) != 0) return no_room(headers.interpreter);
        contents.interpreter_base = *base + page_floor(interpreter->headers.lowest());
        program.start = interpreter->headers.entry + *base;
    }
    contents.args = std::move(args);
    contents.environment = request.environment;
    contents.path = request.path;
    for (std::size_t i = 0; i < contents.random.size(); i += sizeof(std::uint64_t)) {
        const std::uint64_t r = system.kernel().rng().next();
        std::memcpy(contents.random.data() + i, &r, sizeof r);
    }
    const long r = make_stack(mm, contents, headers.executable_stack, program.stack);
    if (r == -E2BIG) return failure(r, "is given more arguments than fit", request.path);
    if (r != 0) return no_room(path);
    program.executable = image->path;
    program.name = last_part(request.path);
    return program;
}

tl::expected<Program, ExecFailure> find_program(System& system, const std::string& name, ExecRequest request) {
    if (name.empty()) return failure(-ENOENT, "the program's name is empty", {});
    if (name.find('/') != name.npos) {
        request.path = name;
        return load_program(system, request);
    }
    constexpr std::string_view kPath = "PATH=";
    std::string path = "/usr/local/bin:/usr/bin:/bin";
    for (const std::string& e : request.environment)
        if (e.starts_with(kPath)) path = e.substr(kPath.size());
    std::optional<ExecFailure> denied;
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t to = std::min(path.find(':', from), path.size());
        const std::string directory = path.substr(from, to - from);
        from = to + 1;
        request.path = directory.empty() ? name : directory + "/" + name; // an empty entry is the working directory
        auto found = load_program(system, request);
        if (found) return found;
        const long error = found.error().error;
        if (error != -ENOENT && error != -ENOTDIR && error != -EACCES) return found;
        // A file that is there is the answer, whatever is wrong with it.
        if (error == -EACCES || found.error().text.file != request.path) denied = std::move(found.error());
    }
    if (denied) return tl::make_unexpected(std::move(*denied));
    return failure(-ENOENT, "is not found along PATH", name, "a path with a slash names a file directly");
}

void enter_program(Kernel& kernel, Task& t, const Program& program) {
    kernel.set(t, Reg::rip, program.start);
    kernel.set(t, Reg::rsp, program.stack.pointer);
    t.process->executable = program.executable;
    ProcessState& s = state_of(*t.process);
    s.thread_names.clear();
    set_thread_name(t, program.name);
    s.arguments = program.stack.arguments;
    s.arguments_end = program.stack.arguments_end;
    s.environment = program.stack.environment;
    s.environment_end = program.stack.environment_end;
    s.stack_pointer = program.stack.pointer;
}

} // namespace trapline
