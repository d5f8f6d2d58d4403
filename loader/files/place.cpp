#include "loader/files/place.hpp"

#include "loader/files/file_table.hpp"
#include "loader/system.hpp"

#include <algorithm>
#include <fcntl.h>
#include <limits.h>

namespace trapline {
namespace {

constexpr int kMaxLinks = 40;

/// Where the walk goes on after it left the models, or a link in them was followed.
struct Detour {
    std::string base, path;
};

std::string join(const std::vector<std::string>& names, std::size_t from, bool slash) {
    std::string out;
    for (std::size_t i = from; i < names.size(); ++i) out += (out.empty() ? "" : "/") + names[i];
    return slash && !out.empty() ? out + "/" : out;
}

std::vector<std::string> split(std::string_view path) {
    std::vector<std::string> out;
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        if (slash > 0) out.emplace_back(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return out;
}

std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// Walks a modelled path; fills in `node`, or `detour` when the walk leads elsewhere. A negative errno.
int walk_models(Io& io, const Resolved& start, LastLink last, Node& node, std::optional<Detour>& detour) {
    const std::vector<std::string> names = split(start.path);
    const bool slash = start.must_be_directory;
    std::string at;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == "..") {
            at = parent(at);
            if (at.empty()) {
                detour = Detour{"/", "/" + join(names, i + 1, slash)};
                return 0;
            }
            continue;
        }
        at += "/" + names[i];
        const bool is_last = i + 1 == names.size();
        node = find_node(io, at);
        if (node.kind == Node::Kind::missing) return is_last ? 0 : -ENOENT;
        if (node.is_link() && (!is_last || last == LastLink::follow || (last == LastLink::keep && slash))) {
            const std::string rest = join(names, i + 1, slash);
            if (node.kind == Node::Kind::link) {
                detour = Detour{parent(at), node.target + (rest.empty() ? "" : "/" + rest)};
                return 0;
            }
            // A descriptor's link is the very file: only a directory can be gone through.
            const std::string* directory = node.file->directory();
            if (directory != nullptr && (!is_last || slash)) {
                detour = Detour{*directory, rest.empty() ? "." : rest};
                return 0;
            }
            if (!is_last || slash) return -ENOTDIR;
            return 0;
        }
        if (node.kind != Node::Kind::directory && (!is_last || slash)) return -ENOTDIR;
    }
    if (node.path != at) node = find_node(io, at); // the path ended in `..`
    return 0;
}

} // namespace

bool Place::is_directory() const {
    return node ? node->kind == Node::Kind::directory ||
                      (node->kind == Node::Kind::descriptor && node->file->directory())
                : host.exists() && S_ISDIR(host.st.st_mode);
}

OrErrno<Place> find_place(Io& io, int fd, std::string_view path, LastLink last) {
    const FileTable& files = files_of(*io.task.process);
    Detour at{files.directory, std::string(path)};
    if (fd != AT_FDCWD && !path.starts_with('/')) {
        const auto file = files.get(fd);
        if (file == nullptr) return refuse(EBADF);
        const std::string* directory = file->directory();
        if (directory == nullptr) return refuse(ENOTDIR);
        at.base = *directory;
    }
    for (int links = 0; links <= kMaxLinks; ++links) {
        auto where = io.system.sandbox().resolve(at.base, at.path, last);
        if (!where) return tl::make_unexpected(where.error());
        Place place;
        if (!where->modelled) {
            place.host = std::move(*where);
            return place;
        }
        std::optional<Detour> detour;
        Node node;
        if (const int error = walk_models(io, *where, last, node, detour); error != 0)
            return tl::make_unexpected(error);
        if (!detour) {
            place.followed = last == LastLink::follow || (last == LastLink::keep && where->must_be_directory);
            if (place.followed && node.kind == Node::Kind::descriptor && node.file->opened() != nullptr) {
                // Most files still have their name: then this is a path like any other.
                auto named = io.system.sandbox().resolve("/", node.file->opened()->path, LastLink::keep);
                if (named && named->exists() && key_of(named->st) == node.file->opened()->key) {
                    place.host = std::move(*named);
                    return place;
                }
            }
            place.node = std::move(node);
            return place;
        }
        at = std::move(*detour);
        if (at.path.size() >= PATH_MAX) return refuse(ENAMETOOLONG);
    }
    return refuse(ELOOP);
}

OrErrno<FileStat> place_stat(Io& io, const Place& place) {
    if (place.missing()) return refuse(ENOENT);
    if (place.node && place.followed && place.node->kind == Node::Kind::descriptor) return place.node->file->stat(io);
    if (place.node) return node_stat(io, *place.node);
    auto view = io.system.sandbox().stat(place.host);
    if (!view) return tl::make_unexpected(view.error());
    return FileStat{*view};
}

} // namespace trapline
